//! Request bodies of the interface as the OpenAPI document describes them. [`Form::parse`](super::form::Form::parse) reads them.
#![expect(dead_code, reason = "they are only described")]

use serde_json::Value;
use utoipa::ToSchema;

#[derive(ToSchema)]
pub struct FormField {
    id: String,
    /// Text; a field of the site's own may have any value.
    value: Value,
}

#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"formFields": [{"id": "email", "value": "ann@example.com"},
    {"id": "password", "value": "correct horse 1"}]}))]
pub struct FormBody {
    form_fields: Vec<FormField>,
}

/// A form with the token of a mailed link.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"method": "token", "token": "…", "formFields": [{"id": "password", "value": "correct horse 1"}]}))]
pub struct TokenForm {
    /// `token`, as SuperTokens frontends send it.
    method: Option<String>,
    token: String,
    form_fields: Vec<FormField>,
}
