//! Parses format strings, and pads and truncates text.

use super::number::padded;

/// A part of a format string.
pub enum Part {
    /// Text that stays as it is.
    Text(String),
    Specifier(Specifier),
}

/// A parsed format specifier: `%[index$][flags][width][.precision][t]conversion`.
pub struct Specifier {
    /// Position of the argument, from 1; 0 takes the next one.
    pub index: usize,
    /// The flags, as they were given.
    pub flags: String,
    /// Minimum width, in characters.
    pub width: Option<usize>,
    pub precision: Option<usize>,
    /// `Some` for a time or date conversion; `true` for the upper-case form `T`.
    pub is_temporal: bool,
    /// The conversion was given as an upper-case letter.
    pub is_capital: bool,
    /// The conversion character, in lower case.
    pub conversion: Option<char>,
    /// All of it but the index, as failures show it.
    pub given: String,
}

/// Maximum width and precision.
const MAX_WIDTH: usize = 100_000;

/// The parts of a format string; where a conversion is unknown, the specifier it stands in.
pub fn parse(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        let (part, length) = specifier(after);
        let Some(remaining) = after.get(length..) else { break };
        rest = remaining;
        parts.push(part.ok_or_else(|| format!("%{}", after.get(..length).unwrap_or_default()))?);
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

/// The specifier at the beginning of what follows a per cent sign, and its length; nothing where its conversion is unknown.
fn specifier(text: &str) -> (Option<Part>, usize) {
    let number = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let at = |from: usize, length: usize| text.get(from..from + length).unwrap_or_default();
    let digits = number(text);
    let indexed = digits > 0 && text.as_bytes().get(digits) == Some(&b'$');
    let begin = if indexed { digits + 1 } else { 0 };
    let flags = text.bytes().skip(begin).take_while(|byte| b"-#+ 0,(<".contains(byte)).count();
    let width = number(text.get(begin + flags..).unwrap_or_default());
    let mut end = begin + flags + width;
    let mut precision = None;
    if text.as_bytes().get(end) == Some(&b'.') {
        let digits = number(text.get(end + 1..).unwrap_or_default());
        if digits > 0 {
            precision = Some(at(end + 1, digits));
            end += 1 + digits;
        }
    }
    let letter = |at: usize| text.as_bytes().get(at).map(|byte| char::from(*byte));
    let time = letter(end).filter(|letter| matches!(letter, 't' | 'T'));
    end += usize::from(time.is_some());
    let conversion = letter(end).filter(|letter| letter.is_ascii_alphabetic() || matches!(letter, '%' | '@' | '^'));
    end += usize::from(conversion.is_some());
    let parsed = Specifier {
        index: if indexed { at(0, digits).parse().unwrap_or(usize::MAX) } else { 0 },
        flags: at(begin, flags).to_owned(),
        width: Some(at(begin + flags, width)).filter(|width| !width.is_empty()).map(clipped),
        precision: precision.map(clipped),
        is_temporal: time.is_some(),
        is_capital: time == Some('T') || time.is_none() && conversion.is_some_and(|letter| letter.is_ascii_uppercase()),
        conversion,
        given: format!("%{}", text.get(begin..end).unwrap_or_default()),
    };
    let part = match conversion {
        _ if time.is_some() => Some(Part::Specifier(parsed)),
        Some('%') => Some(Part::Text("%".to_owned())),
        Some('n') => Some(Part::Text("\n".to_owned())),
        Some('f' | 'e' | 'E' | 'g' | 'G' | 'd' | 'x' | 'X' | 'o' | 's' | 'S' | 'b' | 'B' | '@' | '^') => {
            Some(Part::Specifier(parsed))
        }
        _ => None,
    };
    (part, end)
}

/// Parses a width or a precision, capped at the maximum.
fn clipped(digits: &str) -> usize {
    digits.parse::<usize>().map_or(MAX_WIDTH, |number| number.min(MAX_WIDTH))
}

impl Specifier {
    pub fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    /// Whether the flags are among these, each given once, and make sense together. The next value cannot be the last one again.
    pub fn allows(&self, flags: &str) -> bool {
        let once = self.flags.chars().all(|flag| self.flags.matches(flag).count() == 1);
        let allowed = self.flags.chars().all(|flag| flags.contains(flag));
        let padded = self.has('-') || self.has('0');
        once && allowed
            && !(self.has('-') && self.has('0'))
            && !(self.has('+') && self.has(' '))
            && !(padded && self.width.is_none())
    }

    /// Text, cut to the precision and filled up to the width; `None` where Java refuses the flags.
    pub fn text(&self, text: &str) -> Option<String> {
        if !self.allows("-") {
            return None;
        }
        let cut: String = text.chars().take(self.precision.unwrap_or(usize::MAX)).collect();
        Some(self.filled(cut))
    }

    /// A result in its final form: in capitals if asked for, filled up with blanks.
    pub fn filled(&self, text: String) -> String {
        let text = if self.is_capital { text.to_uppercase() } else { text };
        padded(text, self.width.unwrap_or(0), self.has('-'))
    }
}
