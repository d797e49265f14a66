//! JSON laid out for people, as FaunaDB lays it out for curl: on one line, with blanks.

/// The same JSON with a blank inside brackets and after commas and colons, and a line end.
pub fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut in_string = false;
    let mut escaped = false;
    let mut previous = ' ';
    for character in json.chars() {
        if in_string {
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            out.push(character);
        } else {
            let opens = matches!(previous, '{' | '[');
            let closes = matches!(character, '}' | ']');
            if matches!(previous, ',' | ':') || opens != closes {
                out.push(' ');
            }
            in_string = character == '"';
            out.push(character);
        }
        previous = if in_string { '"' } else { character };
    }
    let mut out = out.trim_start().to_owned();
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::pretty;

    #[test]
    fn brackets_breathe_and_strings_stay() {
        assert_eq!(
            pretty(r#"{"a":[1,{"b":"[,\"]"}],"c":{}}"#),
            "{ \"a\": [ 1, { \"b\": \"[,\\\"]\" } ], \"c\": {} }\n"
        );
    }
}
