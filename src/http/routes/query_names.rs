//! Refusal of query parameters that no handler reads: a misspelt name must not be ignored.

use std::future::ready;

use actix_web::guard::{GuardContext, fn_guard};
use actix_web::http::Method;
use actix_web::web::Query;
use actix_web::{HttpRequest, Route, web};

use crate::http::problem::Problem;

/// Characters of an unknown name that are repeated.
const NAME_CHARS_MAX: usize = 60;

/// The query parameters that a method of a path takes.
#[derive(Clone, Copy, Debug)]
pub enum QueryNames {
    Any,
    Only(&'static [&'static str]),
}

/// A route that answers requests with one of `methods` and a query parameter that is not in `names`. It looks at nothing where
/// there is no query.
pub fn refusal(names: &'static [&'static str], methods: Vec<Method>) -> Route {
    let is_refused = move |request: &GuardContext<'_>| {
        let query = request.head().uri.query().unwrap_or_default();
        !query.is_empty() && methods.contains(&request.head().method) && unknown(query, names).is_some()
    };
    web::route().guard(fn_guard(is_refused)).to(move |request: HttpRequest| {
        let name = unknown(request.query_string(), names).unwrap_or_default();
        ready(Problem::bad_request(message(&name, names)).respond_to(request.head()))
    })
}

/// The first name that is not one of `names`.
fn unknown(query: &str, names: &[&str]) -> Option<String> {
    let Query(parameters) = Query::<Vec<(String, String)>>::from_query(query).ok()?;
    parameters.into_iter().map(|(name, _)| name).find(|name| !names.contains(&name.as_str()))
}

fn message(name: &str, names: &[&str]) -> String {
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    match names {
        [] => format!("unknown query parameter \"{name}\": this address takes none"),
        [one] => format!("unknown query parameter \"{name}\", expected {one}"),
        [rest @ .., last] => format!("unknown query parameter \"{name}\", expected {} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_parameter_is_named_and_its_value_is_not() {
        for (query, names, expected) in [
            ("limit=3", &["limit", "after"][..], None),
            ("", &[], None),
            ("limit=hunter2&limt=hunter2", &["limit"], Some("unknown query parameter \"limt\", expected limit")),
            ("l%69mit=3&x", &["limit", "after"], Some("unknown query parameter \"x\", expected limit or after")),
            ("=hunter2", &["a", "b", "c"], Some("unknown query parameter \"\", expected a, b or c")),
            ("x=hunter2", &[], Some("unknown query parameter \"x\": this address takes none")),
        ] {
            let found = unknown(query, names).map(|name| message(&name, names));
            assert_eq!(found.as_deref(), expected, "{query}");
        }
        assert!(message(&"x".repeat(500), &[]).len() < 120);
    }
}
