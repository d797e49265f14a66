//! `lowercase`, `uppercase`, `titlecase` and `casefold`, by ICU's rules for no language in particular.

use std::collections::HashMap;

use icu_casemap::options::TitlecaseOptions;
use icu_casemap::{CaseMapper, TitlecaseMapper};
use icu_locale_core::LanguageIdentifier;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use unicode_segmentation::UnicodeSegmentation;

use crate::evaluator::{Context, Form, cast};
use crate::ir::{ApiVersion, Failure, FormCall, Key, Outcome, Position, Value};

pub const FORMS: &[Form] = &[
    Form::pure(&[Key::required("lowercase")], lowercase).until(ApiVersion::Unstable),
    Form::pure(&[Key::required("lower_case")], lowercase).since(ApiVersion::Unstable),
    Form::pure(&[Key::required("uppercase")], uppercase).until(ApiVersion::Unstable),
    Form::pure(&[Key::required("upper_case")], uppercase).since(ApiVersion::Unstable),
    Form::pure(&[Key::required("titlecase")], titlecase).until(ApiVersion::Unstable),
    Form::pure(&[Key::required("title_case")], titlecase).since(ApiVersion::Unstable),
    Form::pure(&[Key::required("casefold"), Key::optional("normalizer")], casefold),
];

/// Characters, or words, between two checks of the deadline.
const CHECKED: usize = 256;
/// Bytes between two checks of the deadline where a byte takes little time.
const PIECE: usize = 256 << 10;

fn lowercase(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    in_pieces(context, &call.required(context, 0, cast::string)?, str::to_lowercase)
}

fn uppercase(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    in_pieces(context, &call.required(context, 0, cast::string)?, str::to_uppercase)
}

/// Changes a text piece by piece. Pieces end after white space if they can: what a letter becomes may depend on those beside it.
fn in_pieces(context: &Context<'_>, mut text: &str, change: fn(&str) -> String) -> Outcome<Value> {
    let mut changed = String::new();
    while !text.is_empty() {
        context.in_time()?;
        let most = text.get(..text.floor_char_boundary(PIECE)).unwrap_or(text);
        let end = if most.len() == text.len() { most.len() } else { most.rfind(' ').map_or(most.len(), |at| at + 1) };
        let (piece, rest) = text.split_at(end);
        changed.push_str(&change(piece));
        text = rest;
    }
    Ok(Value::from(changed))
}

/// `titlecase`: of each word the first letter, digit or symbol; the rest becomes small.
fn titlecase(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let text = call.required(context, 0, cast::string)?;
    let mapper = TitlecaseMapper::new();
    let mut titled = String::new();
    for (number, word) in text.split_word_bounds().enumerate() {
        if number % CHECKED == 0 {
            context.in_time()?;
        }
        let options = TitlecaseOptions::default();
        titled.push_str(&mapper.titlecase_segment_to_string(word, &LanguageIdentifier::UNKNOWN, options));
    }
    Ok(Value::from(titled))
}

/// The argument `normalizer` of `casefold`: a Unicode normalization form.
#[derive(Clone, Copy)]
enum Normalizer {
    NfkcCaseFold,
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
}

impl Normalizer {
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

    fn apply(self, context: &Context<'_>, text: &str) -> Outcome<String> {
        let characters = text.chars();
        match self {
            Self::NfkcCaseFold => nfkc_casefold(text, || context.in_time()),
            Self::Nfc => checked(ComposingNormalizerBorrowed::new_nfc().normalize_iter(characters), context),
            Self::Nfd => checked(DecomposingNormalizerBorrowed::new_nfd().normalize_iter(characters), context),
            Self::Nfkc => checked(ComposingNormalizerBorrowed::new_nfkc().normalize_iter(characters), context),
            Self::Nfkd => checked(DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(characters), context),
        }
    }
}

/// The characters as a string; the deadline is checked on the way.
fn checked(characters: impl Iterator<Item = char>, context: &Context<'_>) -> Outcome<String> {
    collect(characters, || context.in_time())
}

fn collect(characters: impl Iterator<Item = char>, check_time: impl Fn() -> Outcome<()>) -> Outcome<String> {
    let mut text = String::new();
    for (number, character) in characters.enumerate() {
        if number % CHECKED == 0 {
            check_time()?;
        }
        text.push(character);
    }
    Ok(text)
}

/// `casefold`: a single string stays single; what is no string stays as it is.
fn casefold(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let terms = call.required(context, 0, cast::zero_or_more(cast::scalar))?;
    let normalizer = call.optional(context, 1, Normalizer::cast)?.unwrap_or(Normalizer::NfkcCaseFold);
    let folded = terms.into_iter().map(|term| match term {
        Value::String(text) => normalizer.apply(context, &text).map(Value::from),
        other => Ok(other),
    });
    let mut folded: Vec<Value> = folded.collect::<Outcome<_>>()?;
    Ok(match (folded.len(), folded.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            folded.extend(last);
            Value::array(folded)
        }
    })
}

/// `toNFKC_Casefold` (Unicode 3.13, D147): each character mapped until nothing changes, then composed.
fn nfkc_casefold(text: &str, check_time: impl Fn() -> Outcome<()>) -> Outcome<String> {
    let mut mapped = String::new();
    let mut known: HashMap<char, String> = HashMap::new();
    for (number, character) in text.chars().enumerate() {
        if number % CHECKED == 0 {
            check_time()?;
        }
        if character.is_ascii() {
            mapped.push(character.to_ascii_lowercase());
        } else {
            mapped.push_str(known.entry(character).or_insert_with(|| mapped_to_the_end(character)));
        }
    }
    if mapped.is_ascii() {
        return Ok(mapped);
    }
    collect(ComposingNormalizerBorrowed::new_nfc().normalize_iter(mapped.chars()), check_time)
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
            assert_eq!(nfkc_casefold(text, || Ok(())).unwrap(), folded, "{text}");
        }
    }
}
