//! Extractor for JSON request bodies.
use std::fmt;
use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::web::Json;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::http::problem::Problem;

/// Characters of an unknown name that are repeated.
const NAME_CHARS_MAX: usize = 60;

/// Message of a 415.
pub const CONTENT_TYPE: &str = "content type must be application/json";

/// A JSON object from the request body. Errors name the field, or the position of a syntax error, never a value.
///
/// With [`Json`] alone serde would also accept an array for a struct, by position: `["pw"]` for `{"currentPassword": "pw"}`
/// (S-I-02 in `docs/threats.md`).
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let read = Json::<Box<RawValue>>::from_request(request, payload);
        Box::pin(async move {
            let Json(json) = read.await?;
            let mut deserializer = serde_json::Deserializer::from_str(json.get());
            Ok(Self(read_object(&mut deserializer).map_err(Problem::bad_request)?))
        })
    }
}

/// Whether a request says that its body is JSON, as [`Json`] asks.
pub fn is_json(request: &HttpRequest) -> bool {
    let kind = request.mime_type().ok().flatten();
    kind.is_some_and(|kind| kind.subtype() == "json" || kind.suffix().is_some_and(|suffix| suffix == "json"))
}

/// Reads a struct from a JSON object; an error is a message that names the field.
pub fn read_object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(json: D) -> Result<T, String> {
    let read = serde_path_to_error::deserialize::<_, Object<T>>(json);
    let Object(inner) = read.map_err(|error| describe(&error.path().to_string(), &error.inner().to_string()))?;
    Ok(inner)
}

/// The message about a body that is not JSON. It leaves out the parser's own, which quotes the body.
pub fn describe_syntax(error: &serde_json::Error) -> String {
    match (error.line(), error.column()) {
        (1, 0) => "the body is empty, expected a JSON object".to_owned(),
        (line, column) => format!("the body is not valid JSON at line {line}, column {column}"),
    }
}

/// Deserializes from a JSON object only.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OnlyMaps(PhantomData))
    }
}

struct OnlyMaps<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMaps<T> {
    type Value = Object<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// A message about a value that serde refused, from the path to it and serde's own message, whose quotes of values are left out.
pub fn describe(path: &str, message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or_default();
    let quoted =
        |text: &str| text.split('`').nth(1).unwrap_or_default().chars().take(NAME_CHARS_MAX).collect::<String>();
    let expected = || message.rsplit_once(", expected ").map_or("something else", |(_, expected)| expected);
    if message.starts_with("missing field") {
        format!("{}: missing", quoted(message))
    } else if message.starts_with("duplicate field") {
        format!("{}: given twice", quoted(message))
    } else if message.starts_with("unknown field") {
        let names = expected().replace("one of ", "").replace('`', "");
        format!("unknown field \"{}\", expected {names}", quoted(message))
    } else if path.is_empty() || path == "." || path == "?" {
        "the body must be a JSON object".to_owned()
    } else {
        format!("{path}: must be {}", json_type(&expected().replace('`', "")))
    }
}

/// The JSON type for a type that serde expected, which it calls as Rust does.
fn json_type(expected: &str) -> &str {
    match expected {
        "a map" => "an object",
        "a sequence" => "an array",
        "f32" | "f64" => "a number",
        other if other.starts_with("struct ") => "an object",
        other if other.trim_start_matches(['i', 'u']).parse::<u8>().is_ok() => "an integer",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        text: String,
    }

    #[test]
    fn errors_name_the_field_and_never_the_value() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only its shape matters")]
        struct Outer {
            text: String,
            inner: Option<Sample>,
            count: Option<u8>,
        }
        for (body, expected) in [
            ("{}", "text: missing"),
            (r#"{"txt":"hunter2"}"#, "unknown field \"txt\", expected text, inner, count"),
            (r#"{"text":17}"#, "text: must be a string"),
            (r#"{"text":"x","inner":{"text":["hunter2, expected `x`"]}}"#, "inner.text: must be a string"),
            (r#"{"text":"x","inner":"hunter2"}"#, "inner: must be an object"),
            (r#"{"text":"x","count":"hunter2"}"#, "count: must be an integer"),
            (r#"{"text":"x","count":256}"#, "count: must be an integer"),
            (r#"{"text":"x","text":"hunter2"}"#, "text: given twice"),
            (r#"["hunter2"]"#, "the body must be a JSON object"),
        ] {
            let mut deserializer = serde_json::Deserializer::from_str(body);
            let error = serde_path_to_error::deserialize::<_, Object<Outer>>(&mut deserializer).err().unwrap();
            assert_eq!(describe(&error.path().to_string(), &error.inner().to_string()), expected, "{body}");
        }
    }

    /// S-I-02, S-I-03 in `docs/threats.md`.
    #[test]
    fn only_an_object_with_each_member_once_will_do() {
        let read = |body: &str| serde_json::from_str::<Object<Sample>>(body).ok().map(|object| object.0.text);
        assert_eq!(read(r#" {"text": "x"} "#).as_deref(), Some("x"));
        for body in [
            r#"["x"]"#,
            r#""x""#,
            "null",
            r#"{"text":"x","text":"y"}"#,
            r#"{"text":"x","more":1}"#,
            r#"{"text":"x"} {}"#,
            "\u{feff}{\"text\":\"x\"}",
            r#"{"text":"x"/**/}"#,
            r#"{"text":NaN}"#,
        ] {
            assert_eq!(read(body), None, "{body}");
        }
    }
}
