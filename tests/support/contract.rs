//! Answers compared with the OpenAPI document of the site: every answer that a [`TestClient`] sees.
//!
//! [`TestClient`]: super::client::TestClient

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::ResourceDef;
use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Response;

/// Compiled schemas of all documents in this process, by what they are compiled from.
static VALIDATORS: Mutex<BTreeMap<String, Arc<Validator>>> = Mutex::new(BTreeMap::new());

/// The contracts of this process by the text of their document: most sites have the same one.
static CONTRACTS: Mutex<BTreeMap<Vec<u8>, Arc<Contract>>> = Mutex::new(BTreeMap::new());

pub struct Contract {
    document: Value,
    /// With all schemas closed: an answer with a member that is not described fails.
    components: Value,
    /// Hash of the text of the components.
    hash: u64,
    /// Those without parameters come first.
    paths: Vec<(ResourceDef, String)>,
}

impl Contract {
    /// `document` is JSON.
    pub fn of(document: &[u8]) -> Arc<Self> {
        let mut contracts = CONTRACTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(contract) = contracts.get(document) {
            return Arc::clone(contract);
        }
        let contract = Arc::new(Self::new(serde_json::from_slice(document).unwrap()));
        contracts.insert(document.to_vec(), Arc::clone(&contract));
        contract
    }

    fn new(document: Value) -> Self {
        let mut paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
        paths.sort_by_key(|path| path.contains('{'));
        let paths = paths.into_iter().map(|path| (ResourceDef::new(path.as_str()), path.clone())).collect();
        let mut components = json!({"schemas": document["components"]["schemas"]});
        let mut parts = BTreeSet::new();
        collect_parts(&document["components"]["schemas"], &mut parts);
        for (name, schema) in components["schemas"].as_object_mut().unwrap() {
            if !parts.contains(name) {
                close(schema);
            }
        }
        let mut hasher = DefaultHasher::new();
        components.to_string().hash(&mut hasher);
        Self { document, components, hash: hasher.finish(), paths }
    }

    /// The operation for a request, with its path in the document.
    fn operation(&self, method: &Method, path: &str) -> Option<(&str, &Value)> {
        let path = path.split('?').next().unwrap_or_default();
        let (_, known) = self.paths.iter().find(|(resource, _)| resource.is_match(path))?;
        let operation = self.document["paths"][known].get(method.as_str().to_lowercase())?;
        Some((known, operation))
    }

    /// Panics where the answer is not one that the document describes. Requests that match no operation are not compared.
    pub fn check(&self, method: &Method, path: &str, response: &Response) {
        let Some((known, operation)) = self.operation(method, path) else { return };
        let status = response.status.to_string();
        let request = format!("{method} {known}");
        let Some(answer) = operation["responses"].get(&status) else {
            panic!("{request}: the OpenAPI document has no answer {status}: {}", response.text);
        };
        let answer = self.resolve(answer);
        check_headers(&request, answer, response);
        let kind = response.header("content-type").split(';').next().unwrap_or_default();
        let Some(content) = answer["content"].as_object().filter(|content| !content.is_empty()) else {
            assert_eq!(response.text, "", "{request}: the OpenAPI document has no content for {status}");
            return;
        };
        let Some(content) = content.get(kind) else {
            panic!("{request}: the OpenAPI document has no {kind:?} for {status}: {}", response.text);
        };
        if !kind.ends_with("json") {
            return;
        }
        let body: Value = serde_json::from_str(&response.text).unwrap();
        let validator = self.validator(&content["schema"]);
        let errors: Vec<String> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{request}: the answer {status} is not as described: {errors:?}\n{body}");
    }

    fn resolve<'a>(&'a self, answer: &'a Value) -> &'a Value {
        match answer["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')).unwrap(),
            None => answer,
        }
    }

    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let key = format!("{schema} {}", self.hash);
        let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = validators.entry(key).or_insert_with(|| {
            let mut whole = json!({"allOf": [schema], "components": self.components});
            close(&mut whole["allOf"][0]);
            Arc::new(jsonschema::validator_for(&whole).unwrap())
        });
        Arc::clone(validator)
    }
}

/// An error response has every header that the document names for it, in its form.
fn check_headers(request: &str, answer: &Value, response: &Response) {
    if response.status < 400 {
        return;
    }
    for (name, header) in answer["headers"].as_object().into_iter().flatten() {
        let value = response.header(name);
        let is_as_described = match header["schema"]["type"].as_str() {
            Some("integer") => value.parse::<u64>().is_ok(),
            _ => !value.is_empty(),
        };
        assert!(is_as_described, "{request}: {} has {name}: {value:?}", response.status);
    }
}

/// The names of the schemas that others are composed of, and that therefore cannot be closed by themselves.
fn collect_parts(schema: &Value, parts: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            for part in schema["allOf"].as_array().into_iter().flatten() {
                if let Some(name) = part["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
                    parts.insert(name.to_owned());
                }
            }
            members.values().for_each(|member| collect_parts(member, parts));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_parts(item, parts)),
        _ => {}
    }
}

/// Forbids members that a schema does not name, in it and in what it contains. An object without named members stays open.
fn close(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    if members.contains_key("properties") || members.contains_key("allOf") {
        members.entry("unevaluatedProperties").or_insert(Value::Bool(false));
    }
    for (key, value) in members.iter_mut() {
        match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(close),
            ("oneOf" | "anyOf", Value::Array(alternatives)) => alternatives.iter_mut().for_each(close),
            ("items", items) => close(items),
            _ => {}
        }
    }
}
