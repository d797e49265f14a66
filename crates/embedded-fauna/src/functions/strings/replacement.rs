//! Replacements of matches in Java's flavour: `$1` and `${name}` stand for groups, a backslash takes the meaning from what follows.

use crate::functions::strings::pattern::{Match, Pattern};

/// Expands a replacement for one match; `None` if Java refuses it.
pub fn expand(replacement: &str, pattern: &Pattern, found: &Match<'_>) -> Option<String> {
    let mut expanded = String::new();
    let mut rest = replacement.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => expanded.push(rest.next()?),
            '$' => {
                let group = match rest.as_str().strip_prefix('{') {
                    Some(named) => {
                        let (name, after) = named.split_once('}')?;
                        rest = after.chars();
                        found.get(pattern.group_named(name)?)
                    }
                    None => found.get(number(&mut rest, pattern.groups())?),
                };
                expanded.push_str(group.map_or("", |group| group.text));
            }
            plain => expanded.push(plain),
        }
    }
    Some(expanded)
}

/// The number of a group: as many digits as name one.
fn number(rest: &mut std::str::Chars<'_>, groups: usize) -> Option<usize> {
    let digit = |rest: &std::str::Chars<'_>| usize::try_from(rest.clone().next()?.to_digit(10)?).ok();
    let mut number = digit(rest)?;
    rest.next();
    if number > groups {
        return None;
    }
    while let Some(longer) = digit(rest).map(|digit| number * 10 + digit).filter(|longer| *longer <= groups) {
        number = longer;
        rest.next();
    }
    Some(number)
}
