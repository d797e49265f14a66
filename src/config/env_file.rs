//! The file `.env`, here or in a folder above.
//!
//! It holds secrets, so that nothing of a value is ever repeated: what is wrong is told by its line, what is unknown by its
//! name.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{env, fs};

/// How the file is called.
const NAME: &str = ".env";
/// How many letters may be wrong in a name for which another is proposed.
const WRONG_MAX: usize = 2;

/// Puts what the file sets into the environment, where it is not set there already. The names that it sets, or what is wrong
/// with it.
pub fn load() -> Result<Vec<String>, String> {
    let Some(path) = path() else { return Ok(Vec::new()) };
    let refused = |why: String| format!("{}: {why}", path.display());
    let text = fs::read_to_string(&path).map_err(|error| refused(error.to_string()))?;
    let names = names(&text).map_err(|line| {
        refused(format!("line {line} is not NAME=value; a value with spaces or quotes in it needs quotes around it"))
    })?;
    dotenvy::from_path(&path).map_err(|_with_value| refused("cannot be read".to_owned()))?;
    Ok(names)
}

/// What is said of every name that is no setting, with the setting that may be meant.
pub fn unknown(names: &[String], settings: &BTreeSet<String>) -> Vec<String> {
    let strangers = names.iter().filter(|name| !settings.contains(*name));
    let told = strangers.map(|name| match settings.iter().find(|setting| is_alike(name, setting)) {
        Some(setting) => format!("{NAME}: {name} is no setting; is {setting} meant?"),
        None => format!("{NAME}: {name} is no setting"),
    });
    told.collect()
}

/// Where the file is, if there is one.
fn path() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    here.ancestors().map(|folder| folder.join(NAME)).find(|path| path.is_file())
}

/// The names that a text sets, or the number of the first line that cannot be read.
fn names(text: &str) -> Result<Vec<String>, usize> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    read(text).ok_or_else(|| {
        // The reader tells a piece of the line, which may be a piece of a secret, and not its number: so it is asked how many
        // lines it takes.
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let taken = (0..lines.len())
            .rev()
            .find(|count| read(&lines.iter().copied().take(*count).collect::<String>()).is_some());
        taken.map_or(1, |count| count.saturating_add(1))
    })
}

/// The names that a text sets; nothing where something in it cannot be read.
fn read(text: &str) -> Option<Vec<String>> {
    dotenvy::from_read_iter(text.as_bytes()).map(|line| line.map(|(name, _)| name).ok()).collect()
}

/// Whether two names are the same but for a few letters in one place. That underscores are left out or put in elsewhere, or
/// letters are small, is no difference.
fn is_alike(one: &str, other: &str) -> bool {
    let letters = |name: &str| name.to_ascii_uppercase().replace('_', "").into_bytes();
    let (one, other) = (letters(one), letters(other));
    let equal = |pairs: &mut dyn Iterator<Item = (&u8, &u8)>| pairs.take_while(|(one, other)| one == other).count();
    let before = equal(&mut one.iter().zip(&other));
    let behind = equal(&mut one.iter().rev().zip(other.iter().rev()));
    let longest = one.len().max(other.len());
    longest.saturating_sub(before.saturating_add(behind)) <= WRONG_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_setting_is_told_by_its_number() {
        for (text, expected) in [
            ("A=1\n# B C\n\nexport D='x y'\n", Ok(vec!["A".to_owned(), "D".to_owned()])),
            ("\u{feff}A=1\r\nB=\"two\nlines\"\r\n", Ok(vec!["A".to_owned(), "B".to_owned()])),
            ("A=1\n\n  B=x y\n", Err(3)),
            ("A=\"two\nlines\"\nB\nC=1", Err(3)),
            ("A=1\nB=\"never closed\nC=1\n", Err(2)),
            ("A=1\r\nB=Ann <ann@example.com>\r\n", Err(2)),
        ] {
            assert_eq!(names(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_name_that_was_mistyped_is_told_with_the_one_that_may_be_meant() {
        let settings = ["ADMIN_API_KEY", "DATABASE_URL", "DATA_DIR", "LOG"].map(str::to_owned).into();
        for (name, meant) in [
            ("ADMIN_APIKEY", Some("ADMIN_API_KEY")),
            ("ADMIN_API_KEYS", Some("ADMIN_API_KEY")),
            ("DATBASE_URL", Some("DATABASE_URL")),
            ("DATABSAE_URL", Some("DATABASE_URL")),
            ("data_dir", Some("DATA_DIR")),
            ("SOMETHING_ELSE", None),
        ] {
            let told = unknown(&["LOG".to_owned(), name.to_owned()], &settings);
            let [told] = told.as_slice() else { panic!("{told:?}") };
            assert!(told.contains(name) && meant.is_none_or(|meant| told.contains(meant)), "{told}");
            assert_eq!(told.contains("meant?"), meant.is_some(), "{told}");
        }
    }
}
