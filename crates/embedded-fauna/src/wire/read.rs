//! Reads the JSON of a request.
//!
//! As FaunaDB does: only the first value counts and what follows it is ignored, of fields with one name the first
//! stays, integers are 64 bits wide, a lone surrogate becomes `?`, a byte order mark is skipped.
//!
//! A body of 8 MiB takes long enough to be interrupted at the deadline of its query.

use std::collections::HashSet;
use std::sync::Arc;

use crate::ir::{Halt, Object, Outcome, Value};

/// The deepest nesting of arrays and objects.
const MAX_DEPTH: usize = 1000;
/// Values that are read between two checks that the query may go on.
const CHECK_EVERY: u32 = 256;

/// Why a body cannot be read.
#[derive(Debug)]
pub enum Unreadable {
    /// There is nothing in it.
    Empty,
    /// It is not JSON.
    Malformed,
    /// It is nested too deep.
    TooDeep,
    /// The query was interrupted meanwhile.
    Interrupted(Halt),
}

/// Reads the first value of a body. `in_time` is called again and again, and ends the reading with its error.
///
/// # Errors
/// If there is none, or it is no JSON, or it is nested too deep, or `in_time` fails.
pub fn read(body: &[u8], in_time: &dyn Fn() -> Outcome<()>) -> Result<Value, Unreadable> {
    if body.is_empty() {
        return Err(Unreadable::Empty);
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    Reader { rest: body, in_time, unchecked: 0 }.value(0)
}

struct Reader<'b> {
    rest: &'b [u8],
    in_time: &'b dyn Fn() -> Outcome<()>,
    /// Values read since the last check.
    unchecked: u32,
}

impl Reader<'_> {
    /// The next byte that is no blank, left in place.
    fn peek(&mut self) -> Result<u8, Unreadable> {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied().ok_or(Unreadable::Malformed)
    }

    fn take(&mut self) -> Result<u8, Unreadable> {
        let (first, rest) = self.rest.split_first().ok_or(Unreadable::Malformed)?;
        self.rest = rest;
        Ok(*first)
    }

    /// Takes exactly this text.
    fn literal(&mut self, text: &[u8], value: Value) -> Result<Value, Unreadable> {
        self.rest = self.rest.strip_prefix(text).ok_or(Unreadable::Malformed)?;
        Ok(value)
    }

    /// The next value, inside `depth` others.
    fn value(&mut self, depth: usize) -> Result<Value, Unreadable> {
        self.unchecked += 1;
        if self.unchecked >= CHECK_EVERY {
            self.unchecked = 0;
            (self.in_time)().map_err(Unreadable::Interrupted)?;
        }
        match self.peek()? {
            b'{' | b'[' if depth >= MAX_DEPTH => Err(Unreadable::TooDeep),
            b'{' => self.object(depth + 1),
            b'[' => self.array(depth + 1),
            b'"' => Ok(Value::string(self.string()?)),
            b't' => self.literal(b"true", Value::Bool(true)),
            b'f' => self.literal(b"false", Value::Bool(false)),
            b'n' => self.literal(b"null", Value::Null),
            _ => self.number(),
        }
    }

    /// An object, its brace still unread.
    fn object(&mut self, depth: usize) -> Result<Value, Unreadable> {
        self.take()?;
        let mut fields: Vec<(Arc<str>, Value)> = Vec::new();
        let mut seen = HashSet::new();
        if self.peek()? == b'}' {
            self.take()?;
            return Ok(Object::new().into());
        }
        loop {
            if self.peek()? != b'"' {
                return Err(Unreadable::Malformed);
            }
            let name: Arc<str> = self.string()?.into();
            if self.peek()? != b':' {
                return Err(Unreadable::Malformed);
            }
            self.take()?;
            let value = self.value(depth)?;
            if seen.insert(Arc::clone(&name)) {
                fields.push((name, value));
            }
            self.peek()?;
            match self.take()? {
                b',' => {}
                b'}' => return Ok(Object::from_distinct(fields).into()),
                _ => return Err(Unreadable::Malformed),
            }
        }
    }

    /// An array, its bracket still unread.
    fn array(&mut self, depth: usize) -> Result<Value, Unreadable> {
        self.take()?;
        let mut elements = Vec::new();
        if self.peek()? == b']' {
            self.take()?;
            return Ok(Value::array(elements));
        }
        loop {
            elements.push(self.value(depth)?);
            self.peek()?;
            match self.take()? {
                b',' => {}
                b']' => return Ok(Value::array(elements)),
                _ => return Err(Unreadable::Malformed),
            }
        }
    }

    /// A number: an integer unless it has a fraction or an exponent.
    fn number(&mut self) -> Result<Value, Unreadable> {
        let end = self.rest.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let (text, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let text = std::str::from_utf8(text).ok().filter(|text| is_number(text)).ok_or(Unreadable::Malformed)?;
        self.rest = rest;
        if text.contains(['.', 'e', 'E']) {
            text.parse().map(Value::Double).map_err(|_not_a_double| Unreadable::Malformed)
        } else {
            text.parse().map(Value::Integer).map_err(|_too_large| Unreadable::Malformed)
        }
    }

    /// A string, its quote still unread.
    fn string(&mut self) -> Result<String, Unreadable> {
        self.take()?;
        let mut bytes = Vec::new();
        loop {
            let is_special = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < b' ';
            let plain = self.rest.iter().position(is_special).unwrap_or(self.rest.len());
            let (run, rest) = self.rest.split_at(plain);
            bytes.extend_from_slice(run);
            self.rest = rest;
            match self.take()? {
                b'"' => break,
                b'\\' => self.escape(&mut bytes)?,
                _control => return Err(Unreadable::Malformed),
            }
        }
        Ok(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(broken) => String::from_utf8_lossy(broken.as_bytes()).into_owned(),
        })
    }

    /// Reads an escape after its backslash.
    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), Unreadable> {
        let byte = match self.take()? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            plain @ (b'"' | b'\\' | b'/') => plain,
            b'u' => {
                let character = self.unicode()?;
                bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(Unreadable::Malformed),
        };
        bytes.push(byte);
        Ok(())
    }

    /// Four hexadecimal digits, and four more where the first are a high surrogate.
    fn unicode(&mut self) -> Result<char, Unreadable> {
        let first = self.hex()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        if first < 0xdc00
            && let Some(rest) = self.rest.strip_prefix(b"\\u")
        {
            let before = self.rest;
            self.rest = rest;
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                return Ok(char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).unwrap_or('?'));
            }
            self.rest = before;
        }
        Ok('?')
    }

    fn hex(&mut self) -> Result<u32, Unreadable> {
        let (digits, rest) = self.rest.split_at_checked(4).ok_or(Unreadable::Malformed)?;
        let digits = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        self.rest = rest;
        digits.and_then(|text| u32::from_str_radix(text, 16).ok()).ok_or(Unreadable::Malformed)
    }
}

/// Whether JSON allows a number to be written like this.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::ir::Fault;

    fn read_all(body: &[u8]) -> Result<Value, Unreadable> {
        read(body, &|| Ok(()))
    }

    #[test]
    fn the_first_value_counts() {
        let value = |body: &[u8]| read_all(body).ok();
        assert_eq!(value(b"\xef\xbb\xbf 1 2"), Some(Value::Integer(1)));
        assert!(matches!(read_all(b""), Err(Unreadable::Empty)));
        assert_eq!(value(br#"{"a":1,"a":2}"#), Some(Value::object([("a", Value::Integer(1))])));
        assert_eq!(value(br#""\ud83d\ude00\ud83d""#), Some(Value::from("\u{1f600}?")));
        for malformed in ["  ", "01", "9223372036854775808"] {
            assert!(matches!(read_all(malformed.as_bytes()), Err(Unreadable::Malformed)), "{malformed}");
        }
        assert!(matches!(read_all("[".repeat(1001).as_bytes()), Err(Unreadable::TooDeep)));
    }

    #[test]
    fn reading_ends_at_the_deadline() {
        let body = format!("[{}1]", "1,".repeat(1 << 20));
        let checks = Cell::new(0);
        let in_time = || {
            checks.set(checks.get() + 1);
            if checks.get() < 3 { Ok(()) } else { Err(Fault::TimedOut.into()) }
        };
        let outcome = read(body.as_bytes(), &in_time);
        assert!(matches!(outcome, Err(Unreadable::Interrupted(Halt::Fault(Fault::TimedOut)))));
        assert_eq!(checks.get(), 3);
    }
}
