//! Errors, and their classification by HTTP status and Fauna error code.

use serde::Deserialize;
use serde_json::Value;

use crate::Denied;
use crate::denied::Sent;

/// Why a query has no result. Unless a variant says otherwise, nothing was written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The secret is unknown, deleted or expired, or the document that it belongs to was deleted.
    #[error("Fauna does not know the secret")]
    Unauthorized,
    /// The secret lacks a privilege that the query needs.
    #[error("Fauna refuses: permission denied ({0})")]
    PermissionDenied(Denied),
    /// A document, an element or a field does not exist.
    #[error("Fauna found nothing there")]
    NotFound,
    /// A unique index already contains the value.
    #[error("Fauna refuses: not unique")]
    NotUnique,
    /// A document with the chosen id already exists.
    #[error("Fauna refuses: the id is taken")]
    AlreadyExists,
    /// The query, or a stored function that it called, ran `abort` with this text.
    #[error("aborted: {0}")]
    Aborted(String),
    /// The query or its writes exceed a size limit.
    #[error("Fauna refuses: too much at once")]
    TooLarge,
    /// Any other error of the query: it does not fit the schema, or it is malformed.
    #[error("Fauna refuses ({status}, {code}): {description}")]
    Refused {
        status: u16,
        /// Fauna's error code, such as `invalid ref`.
        code: String,
        description: String,
    },
    /// Other transactions wrote the same documents, also after all retries.
    #[error("Fauna is contended")]
    Contended,
    /// The endpoint cannot be reached or refuses queries for now.
    #[error("Fauna cannot be asked: {0}")]
    Unavailable(String),
    /// The query timed out or the connection broke: it may or may not have been committed.
    #[error("Fauna did not answer: {0}")]
    Unanswered(String),
    /// The answer is larger than this client accepts (4 MiB). Whether something was written depends on the query.
    #[error("the answer of Fauna is larger than 4 MiB")]
    AnswerTooLarge,
    /// The response is not one that Fauna sends; the endpoint is probably something else.
    #[error("not an answer of Fauna: {0}")]
    Protocol(String),
    /// Two modules declare a schema document of the same name.
    #[error("two modules declare {0}")]
    DeclaredTwice(String),
    /// An index of this name exists and is defined differently; Fauna cannot change the definition of an index.
    #[error("the index {0} has another definition than this program expects")]
    OtherIndex(String),
    /// The address of the endpoint is invalid.
    #[error("no address of a Fauna endpoint: {0}")]
    Endpoint(String),
    /// The certificates of [`ClientOptions::ca_certificates`](crate::ClientOptions::ca_certificates) cannot be used.
    #[error("{0}")]
    Certificates(String),
}

/// The body of a refusal.
#[derive(Deserialize)]
struct Refusal {
    errors: Vec<Fault>,
}

/// One error of a refusal.
#[derive(Deserialize)]
struct Fault {
    /// Fauna's name of it.
    code: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    position: Vec<Value>,
    #[serde(default)]
    cause: Vec<Fault>,
}

/// The event with which Fauna ends a stream early.
#[derive(Deserialize)]
pub struct StreamFault {
    code: String,
    #[serde(default)]
    description: String,
}

impl From<StreamFault> for Error {
    fn from(StreamFault { code, description }: StreamFault) -> Self {
        match code.as_str() {
            "permission denied" => Self::Unauthorized,
            "too many requests" => Self::Unavailable(format!("{code}: {description}")),
            _ => Self::Unanswered(format!("{code}: {description}")),
        }
    }
}

/// Classifies an error response. The status alone is not enough: two kinds of "not found" have status 400, and stored functions
/// wrap their errors.
pub fn classify(status: u16, body: &[u8], sent: Sent<'_>) -> Error {
    match status {
        401 => return Error::Unauthorized,
        409 => return Error::Contended,
        410 | 429 => return Error::Unavailable(format!("status {status}")),
        440 | 500.. => return Error::Unanswered(format!("status {status}")),
        _ => {}
    }
    let Some(fault) =
        serde_json::from_slice::<Refusal>(body).ok().and_then(|refusal| refusal.errors.into_iter().next())
    else {
        return Error::Protocol(format!("status {status} without a reason"));
    };
    // Positions inside of a stored function are not positions in the query.
    let position = fault.position.clone();
    by_code(status, innermost(fault), Denied::at(&position, sent))
}

/// Unwraps the `call error`s of nested stored functions.
fn innermost(mut fault: Fault) -> Fault {
    while fault.code == "call error" {
        let Some(cause) = fault.cause.pop() else { break };
        fault = cause;
    }
    fault
}

/// Prefix of the description for a transaction that writes more than 16 MiB; FaunaDB has no error code for it.
const TRANSACTION_TOO_LARGE: &str = "Transaction exceeded limit";

fn by_code(status: u16, fault: Fault, denied: Denied) -> Error {
    match fault.code.as_str() {
        "permission denied" => Error::PermissionDenied(denied),
        "instance not found" | "value not found" => Error::NotFound,
        "instance not unique" => Error::NotUnique,
        "instance already exists" => Error::AlreadyExists,
        "transaction aborted" => Error::Aborted(fault.description),
        "request too large" => Error::TooLarge,
        "bad request" if fault.description.starts_with(TRANSACTION_TOO_LARGE) => Error::TooLarge,
        _ => Error::Refused { status, code: fault.code, description: fault.description },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fql::Expr;

    fn refused(status: u16, body: &[u8]) -> Error {
        let query = Expr::new(serde_json::json!({"get": {"match": {"index": "x"}}}));
        classify(status, body, Sent { role: "backend", query: &query })
    }

    fn body(code: &str) -> String {
        format!(r#"{{"errors":[{{"position":[],"code":"{code}","description":"d"}}]}}"#)
    }

    #[test]
    fn every_status_has_a_meaning() {
        for (status, code, expected) in [
            (400, "instance not unique", "Fauna refuses: not unique"),
            (400, "instance already exists", "Fauna refuses: the id is taken"),
            (400, "instance not found", "Fauna found nothing there"),
            (400, "transaction aborted", "aborted: d"),
            (400, "invalid ref", "Fauna refuses (400, invalid ref): d"),
            (400, "validation failed", "Fauna refuses (400, validation failed): d"),
            (401, "unauthorized", "Fauna does not know the secret"),
            (
                403,
                "permission denied",
                "Fauna refuses: permission denied (role: backend, action: get, resource: index x)",
            ),
            (404, "instance not found", "Fauna found nothing there"),
            (404, "value not found", "Fauna found nothing there"),
            (404, "not found", "Fauna refuses (404, not found): d"),
            (405, "method not allowed", "Fauna refuses (405, method not allowed): d"),
            (409, "contended transaction", "Fauna is contended"),
            (410, "permission denied", "Fauna cannot be asked: status 410"),
            (413, "request too large", "Fauna refuses: too much at once"),
            (429, "too many requests", "Fauna cannot be asked: status 429"),
            (440, "processing time limit exceeded", "Fauna did not answer: status 440"),
            (500, "internal server error", "Fauna did not answer: status 500"),
            (503, "time out", "Fauna did not answer: status 503"),
            (540, "operator error", "Fauna did not answer: status 540"),
        ] {
            assert_eq!(refused(status, body(code).as_bytes()).to_string(), expected, "{status} {code}");
        }
        for junk in ["", "<html>", "{}", r#"{"errors":[]}"#] {
            assert!(matches!(refused(400, junk.as_bytes()), Error::Protocol(_)), "{junk}");
            assert!(matches!(refused(302, junk.as_bytes()), Error::Protocol(_)), "{junk}");
        }
    }

    #[test]
    fn a_stored_function_hides_nothing() {
        let wrapped = r#"{"errors":[{"position":[],"code":"call error","description":"Calling the function resulted in an error.",
            "cause":[{"position":["expr","in","then"],"code":"transaction aborted","description":"comment not found"}]}]}"#;
        assert!(matches!(refused(400, wrapped.as_bytes()), Error::Aborted(why) if why == "comment not found"));
    }
}
