//! `/api/docs`: the OpenAPI document as a page, without scripts.

use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;
use serde_json::Value;

use crate::http::openapi::ApiDocument;
use crate::http::problem::ProblemPage;
use crate::pages::Pages;
use crate::pages::frame::{Frame, plain_page};
use crate::pages::guards::OptionalUser;

/// Subjects at the end of the page, which users of the site do not need.
const LAST: [&str; 2] = ["Administration", "Operation"];

/// Schemas that refer to others are written out to this depth.
const DEPTH_MAX: u8 = 4;

#[derive(Template)]
#[template(path = "api_docs.html")]
struct ApiDocsPage<'a> {
    frame: Frame,
    reference: &'a Reference,
}

/// Content of the page, read from the document when somebody asks for it first.
pub struct ApiReference {
    document: Data<ApiDocument>,
    content: OnceLock<Reference>,
}

/// The document in the order in which the page shows it.
#[derive(Debug, Default)]
struct Reference {
    /// Whether cookies, and headers, may carry sessions.
    in_cookies: bool,
    in_headers: bool,
    groups: Vec<Group>,
    /// Errors that every operation can answer: status and meaning.
    errors: Vec<(String, Prose)>,
}

#[derive(Debug)]
struct Group {
    name: String,
    /// Fragment of the page's address.
    id: String,
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    method: String,
    path: String,
    summary: Prose,
    details: Prose,
    /// The required kind of caller; empty for anyone.
    access: &'static str,
    parameters: Vec<Parameter>,
    body: Option<String>,
    answers: Vec<Answer>,
}

/// Text in which backticks enclose code: each part, and whether it is code.
type Prose = Vec<(bool, String)>;

#[derive(Debug)]
struct Parameter {
    name: String,
    place: String,
    description: Prose,
}

#[derive(Debug)]
struct Answer {
    status: String,
    description: Prose,
    content: Option<String>,
}

pub async fn show(
    visitor: OptionalUser,
    pages: Data<Pages>,
    reference: Data<ApiReference>,
) -> Result<HttpResponse, ProblemPage> {
    let (frame, reference) = (pages.frame("/api/docs", &visitor), reference.content());
    plain_page(StatusCode::OK, &ApiDocsPage { frame, reference })
}

impl ApiReference {
    pub fn new(document: Data<ApiDocument>) -> Self {
        Self { document, content: OnceLock::new() }
    }

    fn content(&self) -> &Reference {
        self.content.get_or_init(|| Reference::new(&self.document))
    }
}

impl Reference {
    fn new(document: &ApiDocument) -> Self {
        let document: Value = serde_json::from_slice(document.json()).unwrap_or_default();
        let has_scheme = |name: &str| !at(&document, &format!("/components/securitySchemes/{name}")).is_null();
        let (in_cookies, in_headers) = (has_scheme("accessCookie"), has_scheme("bearer"));
        let mut reference = Self { in_cookies, in_headers, ..Self::default() };
        for (path, methods) in at(&document, "/paths").as_object().into_iter().flatten() {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                let tag = text(at(operation, "/tags/0"));
                let shown = Operation::new(&document, method, path, operation);
                if let Some(group) = reference.groups.iter_mut().find(|group| group.name == tag) {
                    group.operations.push(shown);
                } else {
                    let id = tag.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
                    reference.groups.push(Group { name: tag, id, operations: vec![shown] });
                }
            }
        }
        reference.groups.sort_by_key(|group| LAST.iter().position(|last| *last == group.name));
        let errors = at(&document, "/components/responses").as_object();
        reference.errors = errors
            .into_iter()
            .flatten()
            .filter_map(|(name, error)| {
                Some((name.strip_prefix("Error")?.to_owned(), prose(at(error, "/description"))))
            })
            .collect();
        reference
    }
}

impl Operation {
    fn new(document: &Value, method: &str, path: &str, operation: &Value) -> Self {
        let parameters = at(operation, "/parameters").as_array().into_iter().flatten();
        let answers = at(operation, "/responses").as_object().into_iter().flatten();
        Self {
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: prose(at(operation, "/summary")),
            details: prose(at(operation, "/description")),
            access: access(at(operation, "/security")),
            parameters: parameters
                .map(|parameter| Parameter {
                    name: text(at(parameter, "/name")),
                    place: text(at(parameter, "/in")),
                    description: prose(at(parameter, "/description")),
                })
                .collect(),
            body: content(document, at(operation, "/requestBody")),
            // The common errors stand once at the end of the page.
            answers: answers
                .filter(|(_, answer)| answer.get("$ref").is_none())
                .map(|(status, answer)| Answer {
                    status: status.clone(),
                    description: prose(at(answer, "/description")),
                    content: content(document, answer),
                })
                .collect(),
        }
    }
}

/// The value at a JSON pointer (RFC 6901); null if there is none.
fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn prose(value: &Value) -> Prose {
    let parts = value.as_str().unwrap_or_default().split('`').enumerate();
    parts.map(|(index, part)| (index % 2 == 1, part.to_owned())).filter(|(_, part)| !part.is_empty()).collect()
}

fn access(security: &Value) -> &'static str {
    let scheme = |index: usize| security.get(index)?.as_object()?.keys().next();
    match scheme(0).map(String::as_str) {
        None if scheme(1).is_some() => "signed in or not",
        Some("accessCookie" | "bearer") => "signed in",
        Some("refreshCookie" | "refreshBearer") => "refresh token",
        Some("adminKey") => "admin key",
        Some("metricsToken") => "metrics token",
        _ => "",
    }
}

/// The type of a body or answer, or its example where the type says nothing.
fn content(document: &Value, holder: &Value) -> Option<String> {
    let content = at(holder, "/content").as_object()?.values().next()?;
    let shown = type_of(document, at(content, "/schema"), DEPTH_MAX);
    if shown == "object" { content.get("example").map(Value::to_string) } else { Some(shown) }
}

/// A schema in the notation of TypeScript.
fn type_of(document: &Value, schema: &Value, depth: u8) -> String {
    if let Some(name) = at(schema, "/$ref").as_str().and_then(|path| path.strip_prefix("#/components/schemas/")) {
        return match depth {
            0 => name.to_owned(),
            _ => type_of(document, at(document, &format!("/components/schemas/{name}")), depth - 1),
        };
    }
    for (key, sign) in [("oneOf", " | "), ("anyOf", " | "), ("allOf", " & ")] {
        if let Some(parts) = schema.get(key).and_then(Value::as_array) {
            return parts.iter().map(|part| type_of(document, part, depth)).collect::<Vec<_>>().join(sign);
        }
    }
    if let Some([only]) = at(schema, "/enum").as_array().map(Vec::as_slice) {
        return only.to_string();
    }
    if let Some(types) = at(schema, "/type").as_array() {
        let parts = types.iter().map(|kind| {
            let mut schema = schema.clone();
            if let Some(members) = schema.as_object_mut() {
                members.insert("type".to_owned(), kind.clone());
            }
            type_of(document, &schema, depth)
        });
        return parts.collect::<Vec<_>>().join(" | ");
    }
    match (at(schema, "/type").as_str(), at(schema, "/properties").as_object()) {
        (Some("array"), _) => match type_of(document, at(schema, "/items"), depth) {
            items if is_composed(&items) => format!("({items})[]"),
            items => format!("{items}[]"),
        },
        (Some("object"), Some(properties)) => {
            let required = at(schema, "/required").as_array();
            let members = properties.iter().map(|(name, schema)| {
                let is_required = required.is_some_and(|names| names.iter().any(|known| known == name));
                let mark = if is_required { "" } else { "?" };
                format!("{name}{mark}: {}", type_of(document, schema, depth))
            });
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        (Some(kind), _) => kind.to_owned(),
        (None, _) => "any".to_owned(),
    }
}

/// Whether a type is made of several: `&` or `|` occurs outside of braces.
fn is_composed(shown: &str) -> bool {
    let mut depth = 0_usize;
    shown.chars().any(|c| {
        match c {
            '{' | '(' => depth = depth.saturating_add(1),
            '}' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && matches!(c, '&' | '|')
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn code_in_descriptions_is_told_apart() {
        let shown = prose(&json!("the body is `{}`."));
        let expected = [(false, "the body is "), (true, "{}"), (false, ".")];
        assert_eq!(shown, expected.map(|(is_code, text)| (is_code, text.to_owned())));
        assert_eq!(prose(&Value::Null), []);
    }

    #[test]
    fn schemas_are_written_as_types() {
        let document = json!({"components": {"schemas": {"Comment": {
            "type": "object", "required": ["id"],
            "properties": {"id": {"type": "string"}, "likes": {"type": ["integer", "null"]}},
        }}}});
        let page = json!({"type": "array", "items": {"$ref": "#/components/schemas/Comment"}});
        assert_eq!(type_of(&document, &page, DEPTH_MAX), "{ id: string, likes?: integer | null }[]");
        assert_eq!(type_of(&document, &page, 0), "Comment[]");
        let status = json!({"oneOf": [{"type": "string", "enum": ["OK"]}, {"type": "null"}]});
        assert_eq!(type_of(&document, &status, DEPTH_MAX), "\"OK\" | null");
        let listed = json!({"allOf": [{"$ref": "#/components/schemas/Comment"}, {"type": "object",
            "properties": {"mine": {"type": "boolean"}}}]});
        let all = json!({"type": "array", "items": listed});
        let expected = "({ id: string, likes?: integer | null } & { mine?: boolean })[]";
        assert_eq!(type_of(&document, &all, DEPTH_MAX), expected);
        assert_eq!(type_of(&document, &json!({"type": "array", "items": status}), DEPTH_MAX), "(\"OK\" | null)[]");
    }
}
