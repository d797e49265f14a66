//! Names that are not settings but were probably meant to be.
//!
//! Every name in the file `.env` is meant for this program. The environment is shared with other programs, so there only those
//! names count that begin with a word which only our settings have, or that are a setting with a letter or two wrong.

use std::collections::BTreeSet;

use super::env_file::{NAME, Variables};

/// First words of settings that other programs use in the environment, too: a name is not warned about because it begins with one.
const GENERIC_FIRST_WORDS: &[&str] = &[
    "ACCESS", "API", "APP", "DATA", "DATABASE", "LISTEN", "LOG", "OTEL", "SESSION", "STATIC", "TOKEN", "USERS",
    "WEBSITE",
];

/// Shortest settings of which a name with one wrong letter, and with two, counts as misspelled. Shorter names are too easily
/// those of another program: `TERM` is not `THEME`.
const ONE_MISTAKE_CHARS_MIN: usize = 6;
const TWO_MISTAKES_CHARS_MIN: usize = 12;

/// A warning for each name that is not a setting: of all names in the file, and of those names in the environment that look like
/// one.
pub fn unknown<'a>(
    file: &Variables,
    environment: impl Iterator<Item = &'a str>,
    settings: &BTreeSet<String>,
) -> Vec<String> {
    let is_setting = |name: &str| settings.contains(name);
    let in_file = file.keys().filter(|name| !is_setting(name)).map(|name| format!("{NAME}: {name} is not a setting"));
    let ours: BTreeSet<&str> = settings.iter().map(|name| first_word(name)).collect();
    let looks_like_ours = |name: &str| {
        let word = first_word(name);
        let begins_like_ours = word.len() < name.len() && ours.contains(word) && !GENERIC_FIRST_WORDS.contains(&word);
        begins_like_ours || settings.iter().any(|setting| is_misspelled(name, setting))
    };
    let in_environment = environment
        .filter(|name| !is_setting(name) && !file.contains_key(*name) && looks_like_ours(name))
        .map(|name| format!("environment: {name} is not a setting"));
    in_file.chain(in_environment).collect()
}

fn first_word(name: &str) -> &str {
    name.split('_').next().unwrap_or_default()
}

fn is_misspelled(name: &str, setting: &str) -> bool {
    let allowed = match setting.len() {
        TWO_MISTAKES_CHARS_MIN.. => 2,
        ONE_MISTAKE_CHARS_MIN.. => 1,
        _ => return false,
    };
    // The bytes of a name are compared, because those of settings are ASCII; names of any length are in the environment.
    name.len().abs_diff(setting.len()) <= allowed && distance(name.as_bytes(), setting.as_bytes()) <= allowed
}

/// How many letters were added, left out, replaced or swapped with their neighbour (optimal string alignment).
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut before = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    let mut left_of_one = None;
    for (row, a) in one.iter().enumerate() {
        let mut current = vec![row.saturating_add(1)];
        let mut left_of_other = None;
        for (column, (b, costs)) in other.iter().zip(above.windows(2)).enumerate() {
            let &[diagonal, up] = costs else { continue };
            let left = current.last().copied().unwrap_or_default();
            let mut cost = diagonal.saturating_add(usize::from(a != b)).min(up.min(left).saturating_add(1));
            if left_of_one == Some(b) && left_of_other == Some(a) {
                let swapped = column.checked_sub(1).and_then(|column| before.get(column)).copied();
                cost = swapped.map_or(cost, |swapped: usize| cost.min(swapped.saturating_add(1)));
            }
            current.push(cost);
            left_of_other = Some(b);
        }
        before = std::mem::replace(&mut above, current);
        left_of_one = Some(a);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> BTreeSet<String> {
        let settings = [
            "ADMIN_API_KEY",
            "API_BASE_PATH",
            "APP_ENV",
            "APP_NAME",
            "DATABASE_URL",
            "DEMO",
            "FAUNA_SECRET",
            "LISTEN",
            "LOG",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "SESSION_GRACE_S",
            "SESSION_LIFETIME_S",
            "THEME",
        ];
        settings.map(str::to_owned).into()
    }

    #[test]
    fn names_that_are_not_settings_are_warned_about() {
        let file = [("LOG", "info"), ("ADMIN_APIKEY", "hunter2"), ("SOMETHING", "x")];
        let file: Variables = file.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let environment = ["FAUNA_SECRT", "FAUNA_SECRET", "PATH", "LOGNAME", "APP_HOME", "ADMIN_APIKEY", "FAUNA"];
        let warnings = unknown(&file, environment.into_iter(), &settings());
        let expected = [
            ".env: ADMIN_APIKEY is not a setting",
            ".env: SOMETHING is not a setting",
            "environment: FAUNA_SECRT is not a setting",
        ];
        assert_eq!(warnings, expected);
    }

    #[test]
    fn a_setting_with_a_letter_wrong_is_warned_about_and_a_name_of_another_program_is_not() {
        let warned = |name: &str| !unknown(&Variables::new(), std::iter::once(name), &settings()).is_empty();
        for name in [
            "SESION_GRACE_S",
            "SESSION_GRACE",
            "SESSION_GARCE_S",
            "SESSION_GRACE_MS",
            "DATABSE_ULR",
            "API_BASEPATH",
            "APPNAME",
            "LISTNE",
            "LISTENS",
            "FAUNA_SECRETT",
            "OTEL_EXPORTER_OLTP_ENDPOINT",
        ] {
            assert!(warned(name), "{name}");
        }
        for name in [
            "",
            "HOME",
            "LANG",
            "LOGS",
            "MEMO",
            "TERM",
            "THEMES",
            "LISTEN_FDS",
            "LISTEN_PID",
            "SESSION_MANAGER",
            "XDG_SESSION_ID",
            "SESSION_SECRET",
            "API_BASE_URL",
            "APP_HOME",
            "DATABASE_HOST",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "OTEL_TRACES_SAMPLER",
        ] {
            assert!(!warned(name), "{name}");
        }
    }

    #[test]
    fn a_letter_that_is_added_left_out_replaced_or_swapped_counts_once() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abcd", "abcd", 0),
            ("abcd", "abd", 1),
            ("abd", "abcd", 1),
            ("abcd", "abxd", 1),
            ("abcd", "acbd", 1),
            ("abcd", "badc", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(one.as_bytes(), other.as_bytes()), expected, "{one} {other}");
        }
    }
}
