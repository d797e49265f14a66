//! Formats a query as readable FQL with its values masked: names of functions, collections, indexes, variables and fields stay,
//! text and numbers do not.

use std::fmt::Write as _;

use fauna_client::fql::Expr;
use serde_json::Value;

/// Longer texts are cut after about this many bytes.
const BYTES_MAX: usize = 1000;
/// Nesting below which expressions are shown as `…`.
const DEPTH_MAX: usize = 64;
/// The replacement of a value.
const MASK: &str = "•";

/// The query in the syntax of the JavaScript driver.
pub fn masked(query: &Expr) -> String {
    let mut text = Text(String::new());
    text.expression(query.wire(), 0);
    let mut text = text.0;
    if text.len() > BYTES_MAX {
        let end = (0..=BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

struct Text(String);

impl Text {
    fn expression(&mut self, value: &Value, depth: usize) {
        if depth > DEPTH_MAX || self.0.len() > BYTES_MAX {
            self.0.push('…');
            return;
        }
        match value {
            Value::Null | Value::Bool(_) => _ = write!(self.0, "{value}"),
            Value::Number(_) | Value::String(_) => self.0.push_str(MASK),
            Value::Array(items) => self.list("[", items, "]", depth),
            Value::Object(form) => {
                let Some((name, first)) = form.iter().next() else { return };
                match name.as_str() {
                    "object" => self.fields(first, depth),
                    "var" | "lambda" => self.named(name, first, form.values().skip(1), depth),
                    "collection" | "index" | "function" | "role" | "select" | "contains_field" => {
                        self.named(name, first, form.values().skip(1), depth);
                    }
                    "let" => self.bindings(first, form.get("in"), depth),
                    _ => self.call(name, form.values(), depth),
                }
            }
        }
    }

    fn list<'a>(&mut self, open: &str, items: impl IntoIterator<Item = &'a Value>, close: &str, depth: usize) {
        self.0.push_str(open);
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.0.push_str(", ");
            }
            self.expression(item, depth + 1);
        }
        self.0.push_str(close);
    }

    /// `create_with_id` becomes `CreateWithId`; null arguments are left out.
    fn call<'a>(&mut self, name: &str, arguments: impl Iterator<Item = &'a Value>, depth: usize) {
        self.function(name);
        self.list("(", arguments.filter(|argument| !argument.is_null()), ")", depth);
    }

    /// A function whose first argument is a name or a path of names.
    fn named<'a>(&mut self, name: &str, shown: &Value, rest: impl Iterator<Item = &'a Value>, depth: usize) {
        self.function(name);
        _ = write!(self.0, "({shown}");
        for argument in rest {
            self.0.push_str(", ");
            self.expression(argument, depth + 1);
        }
        self.0.push(')');
    }

    fn fields(&mut self, fields: &Value, depth: usize) {
        self.0.push('{');
        for (index, (name, value)) in fields.as_object().into_iter().flatten().enumerate() {
            _ = write!(self.0, "{}{name}: ", if index > 0 { ", " } else { " " });
            self.expression(value, depth + 1);
        }
        self.0.push_str(" }");
    }

    fn bindings(&mut self, bindings: &Value, body: Option<&Value>, depth: usize) {
        self.0.push_str("Let({");
        let each = bindings.as_array().into_iter().flatten().filter_map(Value::as_object).flatten();
        for (index, (name, value)) in each.enumerate() {
            _ = write!(self.0, "{}{name}: ", if index > 0 { ", " } else { " " });
            self.expression(value, depth + 1);
        }
        self.0.push_str(" }, ");
        self.expression(body.unwrap_or(&Value::Null), depth + 1);
        self.0.push(')');
    }

    fn function(&mut self, name: &str) {
        for word in name.split('_') {
            let mut letters = word.chars();
            self.0.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
            self.0.push_str(letters.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use fauna_client::fql;
    use serde_json::json;

    use super::*;

    #[test]
    fn names_stay_and_values_are_masked() {
        let comment = fql::document("comments", "secret id");
        let likes = fql::select(&["data", "likes"], fql::get(fql::var("comment")));
        let params = fql::object([("data", fql::object([("likes", fql::add(likes, 1.into()))]))]);
        let query = fql::let_in([("comment", comment)], fql::update(fql::var("comment"), params));
        assert_eq!(
            masked(&query),
            "Let({ comment: Ref(Collection(\"comments\"), •) }, Update(Var(\"comment\"), { data: { likes: \
             Add([Select([\"data\",\"likes\"], Get(Var(\"comment\"))), •]) } }))"
        );
        let query = fql::if_else(fql::exists(fql::current_identity()), fql::now(), true.into());
        assert_eq!(masked(&query), "If(Exists(CurrentIdentity()), Now(), true)");
        let query =
            fql::map(fql::paginate(fql::matching("by_user", ["ann".into()]), 20), fql::lambda("x", fql::var("x")));
        assert_eq!(masked(&query), "Map(Lambda(\"x\", Var(\"x\")), Paginate(Match(Index(\"by_user\"), •), •))");
    }

    #[test]
    fn data_from_outside_is_masked_whatever_its_keys_are() {
        let data = fql::data(&json!({"collection": "c", "var": ["v", {"index": "i"}], "n": 7}));
        assert_eq!(masked(&data), "{ collection: •, var: [•, { index: • }], n: • }");
    }

    #[test]
    fn long_and_deep_queries_are_cut() {
        let long: Expr = (0..10_000).map(|_| Expr::from("x")).collect();
        let text = masked(&long);
        assert!(text.len() < BYTES_MAX + 10 && text.ends_with('…'), "{}", text.len());
        let deep = (0..200).fold(Expr::from("x"), |inner, _| [inner].into());
        assert!(masked(&deep).contains("[…]"));
    }
}
