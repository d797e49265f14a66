//! `lowercase`, `uppercase`, `titlecase` and `casefold`, by ICU's rules for no language in particular.

use icu_casemap::options::TitlecaseOptions;
use icu_casemap::{CaseMapper, TitlecaseMapper};
use icu_locale_core::LanguageIdentifier;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use unicode_segmentation::UnicodeSegmentation;

use crate::evaluator::{Context, Form, cast};
use crate::ir::{ApiVersion, Failure, FormCall, Key, Outcome, Position, Value};

/// The forms of this group.
pub const FORMS: &[Form] = &[
    Form::pure(&[Key::required("lowercase")], lowercase).until(ApiVersion::Unstable),
    Form::pure(&[Key::required("lower_case")], lowercase).since(ApiVersion::Unstable),
    Form::pure(&[Key::required("uppercase")], uppercase).until(ApiVersion::Unstable),
    Form::pure(&[Key::required("upper_case")], uppercase).since(ApiVersion::Unstable),
    Form::pure(&[Key::required("titlecase")], titlecase).until(ApiVersion::Unstable),
    Form::pure(&[Key::required("title_case")], titlecase).since(ApiVersion::Unstable),
    Form::pure(&[Key::required("casefold"), Key::optional("normalizer")], casefold),
];

/// `lowercase`.
fn lowercase(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    Ok(Value::from(call.required(context, 0, cast::string)?.to_lowercase()))
}

/// `uppercase`.
fn uppercase(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    Ok(Value::from(call.required(context, 0, cast::string)?.to_uppercase()))
}

/// `titlecase`: of each word the first letter, digit or symbol; the rest becomes small.
fn titlecase(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let text = call.required(context, 0, cast::string)?;
    let mapper = TitlecaseMapper::new();
    let titled =
        |word| mapper.titlecase_segment_to_string(word, &LanguageIdentifier::UNKNOWN, TitlecaseOptions::default());
    Ok(Value::from(text.split_word_bounds().map(titled).collect::<String>()))
}

/// How `casefold` makes strings alike that mean the same.
#[derive(Clone, Copy)]
enum Normalizer {
    /// NFKC with case folded.
    NfkcCaseFold,
    /// Composed.
    Nfc,
    /// Decomposed.
    Nfd,
    /// Composed, compatible characters taken as one.
    Nfkc,
    /// Decomposed, compatible characters taken as one.
    Nfkd,
}

impl Normalizer {
    /// Reads its name.
    fn cast(value: &Value, at: &Position) -> Outcome<Self> {
        Ok(match value.as_str() {
            Some("NFKCCaseFold") => Self::NfkcCaseFold,
            Some("NFC") => Self::Nfc,
            Some("NFD") => Self::Nfd,
            Some("NFKC") => Self::Nfkc,
            Some("NFKD") => Self::Nfkd,
            _ => {
                let names = "String 'NFKCCaseFold', 'NFC', 'NFD', 'NFKC', or 'NFKD' expected";
                let text = format!("{names}, {} provided.", value.kind().name());
                return Err(Failure::argument(at.clone(), text).into());
            }
        })
    }

    /// Applies it.
    fn apply(self, text: &str) -> String {
        match self {
            Self::NfkcCaseFold => nfkc_casefold(text),
            Self::Nfc => ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned(),
            Self::Nfd => DecomposingNormalizerBorrowed::new_nfd().normalize(text).into_owned(),
            Self::Nfkc => ComposingNormalizerBorrowed::new_nfkc().normalize(text).into_owned(),
            Self::Nfkd => DecomposingNormalizerBorrowed::new_nfkd().normalize(text).into_owned(),
        }
    }
}

/// `casefold`: a single string stays single; what is no string stays as it is.
fn casefold(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let terms = call.required(context, 0, cast::zero_or_more(cast::scalar))?;
    let normalizer = call.optional(context, 1, Normalizer::cast)?.unwrap_or(Normalizer::NfkcCaseFold);
    let folded = terms.into_iter().map(|term| match term {
        Value::String(text) => Value::from(normalizer.apply(&text)),
        other => other,
    });
    let mut folded: Vec<Value> = folded.collect();
    Ok(match (folded.len(), folded.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            folded.extend(last);
            Value::array(folded)
        }
    })
}

/// `toNFKC_Casefold` (Unicode 3.13, D147): each character mapped until nothing changes, then composed.
fn nfkc_casefold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mapped: String = text.chars().map(mapped_to_the_end).collect();
    ComposingNormalizerBorrowed::new_nfc().normalize(&mapped).into_owned()
}

/// A character without compatibility, case and what is usually not shown.
fn mapped_to_the_end(character: char) -> String {
    let case = CaseMapper::new();
    let nfkc = ComposingNormalizerBorrowed::new_nfkc();
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let mut mapped = character.to_string();
    loop {
        let visible: String = mapped.chars().filter(|character| !ignorable.contains(*character)).collect();
        let next = nfkc.normalize(&case.fold_string(&nfkc.normalize(&visible))).into_owned();
        if next == mapped {
            return next;
        }
        mapped = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_folded_as_icu_folds_it() {
        for (text, folded) in [
            ("HeLLo ÀÉ", "hello àé"),
            ("ﬁ \u{212b}", "fi å"),
            ("Straße", "strasse"),
            ("ẞ", "ss"),
            ("İi", "i\u{307}i"),
            ("ı", "ı"),
            ("ǅ", "dž"),
            ("ς", "σ"),
            ("a\u{ad}b", "ab"),
        ] {
            assert_eq!(nfkc_casefold(text), folded, "{text}");
        }
    }
}
