//! Pretty-printed JSON as FaunaDB sends it to curl: on one line if that is short, else one element per line.

/// The longest content of the outermost brackets that stays on one line, in UTF-16 units.
const WIDTH: usize = 60;

/// Lays out valid JSON; ends with a line feed.
pub fn pretty(json: &str) -> String {
    let mut reader = Reader { rest: json };
    let mut out = reader.value(WIDTH);
    out.push('\n');
    out
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn value(&mut self, width: usize) -> String {
        match self.rest.chars().next() {
            Some('{') => self.all('{', '}', width),
            Some('[') => self.all('[', ']', width),
            _ => self.scalar().to_owned(),
        }
    }

    fn all(&mut self, open: char, close: char, width: usize) -> String {
        self.skip();
        let mut elements = Vec::new();
        let mut only_scalars = true;
        while let Some(next) = self.rest.chars().next().filter(|next| *next != close) {
            if next == ',' {
                self.skip();
                continue;
            }
            let name = if open == '{' { format!("{}: ", self.name()) } else { String::new() };
            only_scalars &= !self.rest.starts_with(['{', '[']);
            elements.push(format!("{name}{}", self.value(width.saturating_sub(2))));
        }
        self.skip();
        let inside = elements.join(",\n");
        // A single scalar stays on the line however long it is.
        if inside.encode_utf16().count() < width || elements.len() == 1 && only_scalars {
            return format!("{open} {} {close}", on_one_line(&inside));
        }
        format!("{open}\n  {}\n{close}", inside.replace('\n', "\n  "))
    }

    fn name(&mut self) -> &'t str {
        let name = self.scalar();
        self.skip();
        name
    }

    fn scalar(&mut self) -> &'t str {
        let mut in_string = false;
        let mut escaped = false;
        let end = self.rest.find(|character: char| {
            if in_string {
                in_string = escaped || character != '"';
                escaped = !escaped && character == '\\';
                return false;
            }
            in_string = character == '"';
            matches!(character, ',' | ':' | '}' | ']')
        });
        let (scalar, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        scalar
    }

    fn skip(&mut self) {
        let mut characters = self.rest.chars();
        characters.next();
        self.rest = characters.as_str();
    }
}

/// The text with runs of white space collapsed to one space, inside strings too (as FaunaDB does).
fn on_one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let is_blank = matches!(character, ' ' | '\n');
        if !(is_blank && out.ends_with(' ')) {
            out.push(if is_blank { ' ' } else { character });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::pretty;

    #[test]
    fn brackets_breathe_and_strings_stay() {
        assert_eq!(
            pretty(r#"{"a":[1,{"b":"[,\"]"}],"c":{}}"#),
            "{ \"a\": [ 1, { \"b\": \"[,\\\"]\" } ], \"c\": { } }\n"
        );
    }

    #[test]
    fn what_is_long_takes_an_element_a_line() {
        let long = "a".repeat(39);
        assert_eq!(
            pretty(&format!("{{\"a\":[[1,2],\"{long}\",{{}}],\"b\":null}}")),
            format!("{{\n  \"a\": [ [ 1, 2 ], \"{long}\", {{ }} ],\n  \"b\": null\n}}\n")
        );
    }
}
