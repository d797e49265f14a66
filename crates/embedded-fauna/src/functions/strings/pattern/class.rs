//! Character classes and escapes of Java's patterns.

use super::translate::Reader;

/// The meaning of an escape or a class.
pub enum Piece {
    Character(char),
    /// A class in the syntax of `fancy_regex`.
    Class(String),
}

impl Piece {
    /// In the syntax of `fancy_regex`.
    pub fn text(&self) -> String {
        match self {
            Self::Character(character) => escaped(*character),
            Self::Class(class) => class.clone(),
        }
    }
}

pub fn escaped(character: char) -> String {
    if character.is_ascii_alphanumeric() { character.to_string() } else { format!("\\x{{{:x}}}", u32::from(character)) }
}

/// Translates a class whose bracket has been read; `None` if Java refuses it.
pub fn class(rest: &mut Reader<'_>, depth: usize, max_depth: usize) -> Option<String> {
    if depth > max_depth {
        return None;
    }
    let mut out = String::from(if rest.take('^') { "[^" } else { "[" });
    let mut is_empty = true;
    loop {
        if rest.take_all("&&") {
            while rest.take('&') {}
            if !is_empty && rest.peek()? != ']' {
                out.push_str("&&");
            }
            continue;
        }
        let first = match rest.next()? {
            ']' if !is_empty => {
                out.push(']');
                return Some(out);
            }
            '[' => {
                out.push_str(&class(rest, depth + 1, max_depth)?);
                is_empty = false;
                continue;
            }
            '\\' if rest.take('Q') => {
                let quoted = rest.quoted();
                out.extend(quoted.chars().map(escaped));
                is_empty &= quoted.is_empty();
                continue;
            }
            '\\' => escape(rest)?,
            character => Piece::Character(character),
        };
        out.push_str(&member(&first, rest)?);
        is_empty = false;
    }
}

/// A member of a class: one character, or a range that it begins.
fn member(first: &Piece, rest: &mut Reader<'_>) -> Option<String> {
    let Piece::Character(from) = *first else { return Some(first.text()) };
    let mut ahead = rest.clone();
    if !ahead.take('-') || matches!(ahead.peek(), None | Some(']' | '[')) || ahead.starts_with("&&") {
        return Some(escaped(from));
    }
    let to = match ahead.next()? {
        '\\' => match escape(&mut ahead)? {
            Piece::Character(to) => to,
            Piece::Class(_) => return None,
        },
        to => to,
    };
    *rest = ahead;
    (from <= to).then(|| format!("{}-{}", escaped(from), escaped(to)))
}

/// Translates an escape whose backslash has been read; `None` if Java does not know it.
pub fn escape(rest: &mut Reader<'_>) -> Option<Piece> {
    let class = |text: &str| Some(Piece::Class(text.to_owned()));
    match rest.next()? {
        'd' => class("[0-9]"),
        'D' => class("[^0-9]"),
        'w' => class("[a-zA-Z0-9_]"),
        'W' => class("[^a-zA-Z0-9_]"),
        's' => class(r"[ \t\n\x0B\f\r]"),
        'S' => class(r"[^ \t\n\x0B\f\r]"),
        'h' => class(r"[ \t\xA0\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]"),
        'H' => class(r"[^ \t\xA0\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]"),
        'v' => class(r"[\n\x0B\f\r\x85\x{2028}\x{2029}]"),
        'V' => class(r"[^\n\x0B\f\r\x85\x{2028}\x{2029}]"),
        'p' => property(rest, ""),
        'P' => property(rest, "^"),
        't' => Some(Piece::Character('\t')),
        'n' => Some(Piece::Character('\n')),
        'r' => Some(Piece::Character('\r')),
        'f' => Some(Piece::Character('\u{c}')),
        'a' => Some(Piece::Character('\u{7}')),
        'e' => Some(Piece::Character('\u{1b}')),
        'c' => char::from_u32(u32::from(rest.next()?) ^ 64).map(Piece::Character),
        '0' => {
            let limit = if matches!(rest.peek()?, '0'..='3') { 3 } else { 2 };
            char::from_u32(rest.digits(8, limit)?).map(Piece::Character)
        }
        'x' if rest.take('{') => {
            let digits = rest.until('}')?;
            u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).map(Piece::Character)
        }
        'x' => code(rest, 2).and_then(char::from_u32).map(Piece::Character),
        'u' => unicode(rest),
        letter if letter.is_ascii_alphanumeric() => None,
        other => Some(Piece::Character(other)),
    }
}

/// Exactly so many hexadecimal digits.
fn code(rest: &mut Reader<'_>, width: usize) -> Option<u32> {
    (0..width).try_fold(0, |code, _| Some(code * 16 + rest.next()?.to_digit(16)?))
}

/// The four digits of `\u`, and four more where they are one half of a pair.
fn unicode(rest: &mut Reader<'_>) -> Option<Piece> {
    let first = code(rest, 4)?;
    if let Some(character) = char::from_u32(first) {
        return Some(Piece::Character(character));
    }
    let second = rest.take_all("\\u").then(|| code(rest, 4))??;
    let pair = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
    char::decode_utf16(pair).next()?.ok().map(Piece::Character)
}

/// The class that `\p` names, or what is outside of it.
fn property(rest: &mut Reader<'_>, negation: &str) -> Option<Piece> {
    let name = if rest.take('{') { rest.until('}')?.to_owned() } else { rest.next()?.to_string() };
    let members = match name.as_str() {
        "Lower" => "a-z",
        "Upper" => "A-Z",
        "ASCII" => r"\x00-\x7F",
        "Alpha" => "a-zA-Z",
        "Digit" => "0-9",
        "Alnum" => "a-zA-Z0-9",
        "Punct" => r"!-/:-@\[-`\{-\~",
        "Graph" => r"!-\~",
        "Print" => r" -\~",
        "Blank" => r" \t",
        "Cntrl" => r"\x00-\x1F\x7F",
        "XDigit" => "0-9a-fA-F",
        "Space" => r" \t\n\x0B\f\r",
        "L1" => r"\x00-\xFF",
        "all" => r"\x{0}-\x{10FFFF}",
        "LC" => r"\p{Lu}\p{Ll}\p{Lt}",
        "javaLowerCase" => r"\p{Lowercase}",
        "javaUpperCase" => r"\p{Uppercase}",
        "javaLetter" | "javaAlphabetic" => r"\p{L}",
        "javaDigit" => r"\p{Nd}",
        "LD" | "javaLetterOrDigit" => r"\p{L}\p{Nd}",
        _ => return named_property(&name).map(|members| Piece::Class(format!("[{negation}{members}]"))),
    };
    Some(Piece::Class(format!("[{negation}{members}]")))
}

/// A category, a script or a property by its Unicode name.
fn named_property(name: &str) -> Option<String> {
    let unicode = match name.split_once('=') {
        Some(("script" | "sc" | "general_category" | "gc", value)) => value,
        Some(_) => return None,
        None => match name.strip_prefix("Is") {
            Some(property) => property,
            None if name.len() <= 2 => name,
            None => return None,
        },
    };
    let is_name = unicode.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    is_name.then(|| format!("\\p{{{unicode}}}"))
}
