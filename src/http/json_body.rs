//! Bodies that handlers read.

use std::fmt;
use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::web::Json;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A JSON object from the body of a request. With [`Json`] alone serde takes an array for a struct, by position: `["pw"]`
/// would delete an account whose owner was to send `{"currentPassword": "pw"}` (S-I-02).
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let read = Json::<Object<T>>::from_request(request, payload);
        Box::pin(async move { read.await.map(|Json(Object(inner))| Self(inner)) })
    }
}

/// What is made of an object only.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OnlyMaps(PhantomData))
    }
}

/// Takes maps and hands them on.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Said {
        text: String,
    }

    /// S-I-02, S-I-03 in `docs/threats.md`.
    #[test]
    fn only_an_object_with_each_member_once_will_do() {
        let read = |body: &str| serde_json::from_str::<Object<Said>>(body).ok().map(|object| object.0.text);
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
