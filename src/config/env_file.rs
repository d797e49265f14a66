//! Reads the file `.env` of the working directory or of the nearest folder above it.
//!
//! `dotenvy` parses it, one entry at a time. The entries are prepared for it here: it would replace `$NAME`, so that a password
//! with a dollar sign silently becomes a shorter one, it takes a quote in a comment for the beginning of a value, and its errors
//! contain the line, which may be a secret, but not its number.
//!
//! A line is `NAME=value`, optionally after `export`. A value ends at the end of the line or at a blank followed by `#`. One that
//! contains blanks or quotes must itself be in quotes, and may then span lines: in single quotes everything is literal, in double
//! quotes `\n`, `\"` and `\\` are escapes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{env, fs};

pub const NAME: &str = ".env";

/// Names and values of the file.
pub type Variables = BTreeMap<String, String>;

/// Reads the file; empty if there is none.
///
/// # Errors
/// The path of the file, and which line cannot be read or why the file cannot.
pub fn load() -> Result<Variables, String> {
    let Some(path) = path() else { return Ok(Variables::new()) };
    let refused = |why: String| format!("{}: {why}", path.display());
    let text = fs::read_to_string(&path).map_err(|error| refused(error.to_string()))?;
    parse(&text).map_err(|line| {
        refused(format!("line {line} is not NAME=value; a value with spaces or quotes in it needs quotes around it"))
    })
}

fn path() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    here.ancestors().map(|folder| folder.join(NAME)).find(|path| path.is_file())
}

/// Names and values, or the number of the first line that cannot be read.
fn parse(text: &str) -> Result<Variables, usize> {
    let mut variables = Variables::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 1_usize;
    while !rest.is_empty() {
        let (entry, after) = entry(rest).ok_or(line)?;
        for variable in dotenvy::from_read_iter(entry.as_bytes()) {
            variables.extend([variable.or(Err(line))?]);
        }
        let read = rest.len().saturating_sub(after.len());
        line = line.saturating_add(rest.bytes().take(read).filter(|byte| *byte == b'\n').count());
        rest = after;
    }
    Ok(variables)
}

/// The first entry without its comment and with its value in double quotes, empty for a blank line, and the text behind the
/// entry's last line.
fn entry(text: &str) -> Option<(String, &str)> {
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Some((String::new(), after));
    }
    line.contains('=').then_some(())?;
    let (name, value) = text.split_once('=')?;
    let (value, after) = quoted_value(value)?;
    let (rest_of_line, after) = after.split_once('\n').unwrap_or((after, ""));
    let is_comment = |rest: &str| rest.starts_with([' ', '\t']) && rest.trim_start().starts_with('#');
    (rest_of_line.trim().is_empty() || is_comment(rest_of_line)).then(|| (format!("{name}={value}"), after))
}

/// The value at the beginning of a text in double quotes, and the text behind it.
fn quoted_value(text: &str) -> Option<(String, &str)> {
    let trimmed = text.trim_start_matches([' ', '\t']);
    if trimmed.len() < text.len() && trimmed.starts_with('#') {
        return Some((String::new(), text));
    }
    if let Some(quoted) = trimmed.strip_prefix('\'') {
        return quoted.split_once('\'').map(|(value, after)| (literal(value), after));
    }
    if let Some(quoted) = trimmed.strip_prefix('"') {
        return double_quoted(quoted);
    }
    let end = trimmed.find(char::is_whitespace).unwrap_or(trimmed.len());
    let (value, after) = trimmed.split_at_checked(end)?;
    (!value.contains(['\'', '"'])).then(|| (literal(value), after))
}

/// The value in double quotes, with everything escaped that has a meaning there.
fn literal(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', r"\\").replace('"', "\\\"").replace('$', r"\$"))
}

/// Copies up to the closing quote and escapes each dollar sign that is not.
fn double_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::from('"');
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value + "\"", chars.as_str())),
            '\\' => value.extend(['\\', chars.next()?]),
            '$' => value.push_str(r"\$"),
            c => value.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named_by_its_number() {
        for (text, expected) in [
            ("A=1\n# B C\n\nexport D='x y'\n", Ok(vec![("A", "1"), ("D", "x y")])),
            ("\u{feff}A=1\r\nB=\"two\nlines\"\r\n", Ok(vec![("A", "1"), ("B", "two\nlines")])),
            ("A=1\n\n  B=x y\n", Err(3)),
            ("A=\"two\nlines\"\nB\nC=1", Err(3)),
            ("A=1\nB=\"never closed\nC=1\n", Err(2)),
            ("A=1\r\nB=Ann <ann@example.com>\r\n", Err(2)),
            ("A=it's\n", Err(1)),
            ("A B=1\n", Err(1)),
            ("=1\n", Err(1)),
            ("A='x'y\n", Err(1)),
            ("A=\"\\q\"\n", Err(1)),
        ] {
            assert_eq!(parse(text), expected.map(|pairs| variables(&pairs)), "{text:?}");
        }
    }

    #[test]
    fn values_are_taken_as_they_stand() {
        for (text, value) in [
            ("A=aaaa$bbbb", "aaaa$bbbb"),
            ("A=\"aaaa$bbbb ${C}\"", "aaaa$bbbb ${C}"),
            ("A='$b \\n # c'", "$b \\n # c"),
            ("A=127.0.0.1:3000  # don't", "127.0.0.1:3000"),
            ("A='x' # \"y", "x"),
            ("A=x#y", "x#y"),
            ("A=#x", "#x"),
            ("A=C:\\data\\", "C:\\data\\"),
            ("A='C:\\data\\'", "C:\\data\\"),
            ("A=\"\\\\$b \\$c\"", "\\$b $c"),
            ("A=$PATH$A", "$PATH$A"),
            ("A= x", "x"),
            ("A=", ""),
            ("A= # nothing", ""),
            ("A=\"a\\nb\\\"c\\\\d\"", "a\nb\"c\\d"),
            ("A=b=c", "b=c"),
        ] {
            assert_eq!(parse(text), Ok(variables(&[("A", value)])), "{text:?}");
        }
    }
}
