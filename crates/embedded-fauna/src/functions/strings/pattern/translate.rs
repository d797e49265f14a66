//! Java's patterns, turned into those of `fancy_regex`.

use super::class;

/// Java's line terminators, inside a class.
const LINE_ENDS: &str = r"\n\r\x85\x{2028}\x{2029}";
/// Before a line end that is the last thing of the text, or at its end.
const BEFORE_LAST_LINE_END: &str = r"(?:\z|(?=\r\n\z)|(?<!\r)(?=\n\z)|(?=[\r\x85\x{2028}\x{2029}]\z))";
/// Before any line end, or at the end of the text.
const BEFORE_LINE_END: &str = r"(?:\z|(?=\r\n)|(?<!\r)(?=\n)|(?=[\r\x85\x{2028}\x{2029}]))";
/// After any line end but the last, or at the beginning of the text.
const AFTER_LINE_END: &str = r"(?:\A|(?<=[\n\x85\x{2028}\x{2029}])(?!\z)|(?<=\r)(?![\n]|\z))";
/// The longest translation, in bytes.
const MAX_LENGTH: usize = 1 << 16;
/// The deepest nesting of groups and classes.
const MAX_DEPTH: usize = 200;

/// Translates a pattern; `None` if Java refuses it.
pub fn translate(pattern: &str) -> Option<String> {
    let mut translator =
        Translator { rest: Reader::new(pattern), out: String::new(), depth: 0, total: count_groups(pattern) };
    translator.alternatives(Flags::default())?;
    translator.rest.peek().is_none().then_some(translator.out).filter(|out| out.len() <= MAX_LENGTH)
}

/// The number of capturing groups of a pattern.
fn count_groups(pattern: &str) -> usize {
    let mut reader = Reader::new(pattern);
    let (mut groups, mut in_class) = (0, 0_usize);
    while let Some(character) = reader.next() {
        match character {
            '\\' if reader.take('Q') => drop(reader.quoted()),
            '\\' => drop(reader.next()),
            '[' => in_class += 1,
            ']' => in_class = in_class.saturating_sub(1),
            '(' if in_class == 0 => {
                let is_named = reader.starts_with("?<") && !reader.starts_with("?<=") && !reader.starts_with("?<!");
                groups += usize::from(is_named || !reader.starts_with("?"));
            }
            _ => {}
        }
    }
    groups
}

/// The unread rest of a pattern.
#[derive(Clone)]
pub struct Reader<'p>(std::str::Chars<'p>);

impl<'p> Reader<'p> {
    fn new(pattern: &'p str) -> Self {
        Self(pattern.chars())
    }

    pub fn peek(&self) -> Option<char> {
        self.0.clone().next()
    }

    pub fn next(&mut self) -> Option<char> {
        self.0.next()
    }

    pub fn starts_with(&self, text: &str) -> bool {
        self.0.as_str().starts_with(text)
    }

    pub fn take(&mut self, character: char) -> bool {
        let found = self.peek() == Some(character);
        if found {
            self.next();
        }
        found
    }

    pub fn take_all(&mut self, text: &str) -> bool {
        match self.0.as_str().strip_prefix(text) {
            Some(rest) => {
                self.0 = rest.chars();
                true
            }
            None => false,
        }
    }

    /// The text up to `\E`, which is skipped, or the end.
    pub fn quoted(&mut self) -> &'p str {
        let rest = self.0.as_str();
        let (quoted, rest) = rest.split_once("\\E").unwrap_or((rest, ""));
        self.0 = rest.chars();
        quoted
    }

    /// The text before a character, which is skipped.
    pub fn until(&mut self, end: char) -> Option<&'p str> {
        let (inside, rest) = self.0.as_str().split_once(end)?;
        self.0 = rest.chars();
        Some(inside)
    }

    /// A number of at most `most` digits.
    pub fn digits(&mut self, base: u32, most: usize) -> Option<u32> {
        let mut value = None;
        for _ in 0..most {
            let Some(digit) = self.peek().and_then(|character| character.to_digit(base)) else { break };
            self.next();
            value = Some(value.unwrap_or(0_u32).checked_mul(base)?.checked_add(digit)?);
        }
        value
    }
}

/// Inline flags, a bit each.
#[derive(Clone, Copy, Default)]
struct Flags(u8);

/// `i`: case does not count.
const IGNORES_CASE: u8 = 1;
/// `m`: `^` and `$` match at every line.
const MULTILINE: u8 = 2;
/// `s`: `.` matches line ends.
const DOT_ALL: u8 = 4;
/// `d`: only the line feed ends a line.
const UNIX_LINES: u8 = 8;
/// `x`: blanks and comments do not count.
const COMMENTS: u8 = 16;

impl Flags {
    const fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }

    /// Sets or clears a flag; `None` if it does not exist.
    const fn change(&mut self, flag: char, value: bool) -> Option<()> {
        let bit = match flag {
            'i' => IGNORES_CASE,
            'm' => MULTILINE,
            's' => DOT_ALL,
            'd' => UNIX_LINES,
            'x' => COMMENTS,
            'u' | 'U' => 0,
            _ => return None,
        };
        self.0 = if value { self.0 | bit } else { self.0 & !bit };
        Some(())
    }
}

struct Translator<'p> {
    rest: Reader<'p>,
    out: String,
    depth: usize,
    /// The number of groups of the whole pattern.
    total: usize,
}

impl Translator<'_> {
    fn alternatives(&mut self, mut flags: Flags) -> Option<()> {
        loop {
            if flags.has(COMMENTS) {
                self.skip_comment();
            }
            match self.rest.peek() {
                None | Some(')') => return Some(()),
                Some('|') => {
                    self.rest.next();
                    self.out.push('|');
                }
                Some('*' | '+' | '?') => return None,
                Some(_) => {
                    let before = self.out.len();
                    if self.atom(&mut flags)? {
                        self.quantifier(before)?;
                    }
                    if self.out.len() > MAX_LENGTH {
                        return None;
                    }
                }
            }
        }
    }

    fn skip_comment(&mut self) {
        while let Some(character) = self.rest.peek() {
            if character == '#' {
                while self.rest.next().is_some_and(|character| character != '\n') {}
            } else if matches!(character, ' ' | '\t'..='\r') {
                self.rest.next();
            } else {
                return;
            }
        }
    }

    /// Translates one atom; whether a quantifier may follow.
    fn atom(&mut self, flags: &mut Flags) -> Option<bool> {
        match self.rest.next()? {
            '(' => return self.group(flags),
            '[' => {
                let class = class::class(&mut self.rest, 0, MAX_DEPTH)?;
                self.out.push_str(&class);
            }
            '\\' => return self.escape(*flags),
            '^' => self.out.push_str(if flags.has(MULTILINE) { AFTER_LINE_END } else { r"\A" }),
            '$' => self.out.push_str(if flags.has(MULTILINE) { BEFORE_LINE_END } else { BEFORE_LAST_LINE_END }),
            '.' if flags.has(DOT_ALL) => self.out.push_str("(?s:.)"),
            '.' if flags.has(UNIX_LINES) => self.out.push_str(r"[^\n]"),
            '.' => self.put(&["[^", LINE_ENDS, "]"]),
            '{' => {
                // Java repeats the nothing before it.
                self.out.push_str("(?:)");
                self.count()?;
                return Some(false);
            }
            literal => self.literal(literal),
        }
        Some(true)
    }

    fn put(&mut self, pieces: &[&str]) {
        self.out.extend(pieces.iter().copied());
    }

    fn literal(&mut self, character: char) {
        self.out.push_str(&class::escaped(character));
    }

    /// Translates a group whose parenthesis has been read; whether a quantifier may follow.
    fn group(&mut self, flags: &mut Flags) -> Option<bool> {
        let mut inner = *flags;
        if !self.rest.take('?') {
            self.out.push('(');
        } else if let Some(opening) =
            [":", "=", "!", ">", "<=", "<!"].into_iter().find(|opening| self.rest.take_all(opening))
        {
            self.out.push_str("(?");
            self.out.push_str(opening);
        } else if self.rest.take('<') {
            let name = self.rest.until('>')?;
            let mut characters = name.chars();
            let is_name = characters.next()?.is_ascii_alphabetic() && characters.all(|c| c.is_ascii_alphanumeric());
            if !is_name {
                return None;
            }
            self.put(&["(?<", name, ">"]);
        } else {
            let is_open = self.flags(&mut inner)?;
            if !is_open {
                *flags = inner;
                self.out.push_str(if inner.has(IGNORES_CASE) { "(?i)" } else { "(?-i)" });
                return Some(false);
            }
            self.out.push_str(if inner.has(IGNORES_CASE) { "(?i:" } else { "(?-i:" });
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        self.alternatives(inner)?;
        self.depth -= 1;
        self.out.push(')');
        self.rest.take(')').then_some(true)
    }

    /// Reads inline flags; whether they are those of a group that follows.
    fn flags(&mut self, flags: &mut Flags) -> Option<bool> {
        let mut value = true;
        loop {
            match self.rest.next()? {
                '-' => value = false,
                ':' => return Some(true),
                ')' => return Some(false),
                flag => flags.change(flag, value)?,
            }
        }
    }

    /// Translates an escape; whether a quantifier may follow.
    fn escape(&mut self, flags: Flags) -> Option<bool> {
        match self.rest.peek()? {
            'Q' => {
                self.rest.next();
                for character in self.rest.quoted().chars() {
                    self.literal(character);
                }
            }
            anchor @ ('b' | 'B' | 'A' | 'z' | 'G') => {
                self.rest.next();
                self.out.push('\\');
                self.out.push(anchor);
            }
            'Z' => {
                self.rest.next();
                self.out.push_str(if flags.has(UNIX_LINES) { r"(?=\n?\z)" } else { BEFORE_LAST_LINE_END });
            }
            'R' => {
                self.rest.next();
                self.out.push_str(r"(?:\r\n|[\n\x0B\f\r\x85\x{2028}\x{2029}])");
            }
            'k' => {
                self.rest.next();
                let name = self.rest.take('<').then(|| self.rest.until('>'))??;
                self.put(&["\\k<", name, ">"]);
            }
            '1'..='9' => self.back_reference()?,
            _ => {
                let piece = class::escape(&mut self.rest)?;
                self.out.push_str(&piece.text());
            }
        }
        Some(true)
    }

    /// Translates a back-reference: as many digits as name a group.
    fn back_reference(&mut self) -> Option<()> {
        let mut number = self.rest.next()?.to_digit(10)?;
        while let Some(digit) = self.rest.peek().and_then(|character| character.to_digit(10)) {
            let longer = number * 10 + digit;
            if usize::try_from(longer).ok()? > self.total {
                break;
            }
            number = longer;
            self.rest.next();
        }
        if usize::try_from(number).ok()? > self.total {
            self.out.push_str("(?!)");
        } else {
            self.put(&["(?:\\", &number.to_string(), ")"]);
        }
        Some(())
    }

    /// Translates the quantifier of an atom that begins at `before`, if there is one.
    fn quantifier(&mut self, before: usize) -> Option<()> {
        let begin = self.out.len();
        match self.rest.peek() {
            Some(quantifier @ ('*' | '+' | '?')) => {
                self.rest.next();
                self.out.push(quantifier);
            }
            Some('{') => {
                self.rest.next();
                self.count()?;
            }
            _ => return Some(()),
        }
        self.out.insert_str(before, "(?:");
        self.out.insert(begin + 3, ')');
        if let Some(kind @ ('?' | '+')) = self.rest.peek() {
            self.rest.next();
            self.out.push(kind);
        }
        Some(())
    }

    /// Translates `{n}`, `{n,}` or `{n,m}` whose brace has been read.
    fn count(&mut self) -> Option<()> {
        let least = self.rest.digits(10, 9)?;
        let most = if self.rest.take(',') { self.rest.digits(10, 9) } else { Some(least) };
        if !self.rest.take('}') || most.is_some_and(|most| most < least) {
            return None;
        }
        let most = most.map(|most| most.to_string()).unwrap_or_default();
        self.put(&["{", &least.to_string(), ",", &most, "}"]);
        Some(())
    }
}
