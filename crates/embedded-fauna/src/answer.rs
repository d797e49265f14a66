//! Answers: status and JSON body, without HTTP headers.

use std::fmt::Write;
use std::sync::Arc;

use super::engine::AuthenticatedReply;
use super::evaluator::Context;
use super::ir::{ApiVersion, Failure, Fault, FieldFailure, Halt, Outcome, Position, Ref, Set, Step, Value};
use super::streams::Target;
use super::wire::{Names, Unreadable, Writer, escape};

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
    /// `x-txn-time`, in microseconds; `None` if no transaction was begun.
    pub txn_time: Option<i64>,
    /// Header `allow` of a 405.
    pub allow: Option<&'static str>,
    /// The target of the stream that is sent instead of the body.
    pub stream: Option<Target>,
}

impl Answer {
    pub const fn new(status: u16, body: String, txn_time: Option<i64>) -> Self {
        Self { status, body, txn_time, allow: None, stream: None }
    }

    /// A failure outside of a query: only a code and a description.
    pub fn protocol(status: u16, code: &str, description: &str, txn_time: Option<i64>) -> Self {
        let mut body = "{\"errors\":[{\"code\":".to_owned();
        escape(&mut body, code);
        body.push_str(",\"description\":");
        escape(&mut body, description);
        body.push_str("}]}");
        Self::new(status, body, txn_time)
    }

    /// The secret is not valid.
    pub fn unauthorized(now: Option<i64>) -> Self {
        Self::protocol(401, "unauthorized", "Unauthorized", now)
    }

    /// The query did not end in time: it may or may not have been committed. 440 is FaunaDB's answer for version `UNSTABLE`.
    pub fn timed_out(version: ApiVersion, now: Option<i64>) -> Self {
        if version == ApiVersion::Unstable {
            return Self::protocol(440, "processing time limit exceeded", "Query timed out", now);
        }
        Self::protocol(503, "time out", "Query timed out", now)
    }

    /// The request body is too large.
    pub fn too_large() -> Self {
        Self::protocol(413, "request too large", "Request entity is too large", None)
    }

    /// The client asks for too much at a time.
    pub fn too_many_requests(description: &str) -> Self {
        Self::protocol(429, "too many requests", description, None)
    }

    /// The endpoint is stopping.
    pub fn stopping() -> Self {
        Self::protocol(503, "time out", "The endpoint is stopping", None)
    }

    pub fn internal(description: &str) -> Self {
        Self::protocol(500, "internal server error", description, None)
    }

    pub fn method_not_allowed(allow: &'static str, now: Option<i64>) -> Self {
        let text = format!("Allowed methods are {allow}.");
        Self { allow: Some(allow), ..Self::protocol(405, "method not allowed", &text, now) }
    }

    pub const fn is_failure(&self) -> bool {
        self.status >= 400
    }

    /// The failure of a query.
    pub fn of_halt(halt: &Halt, version: ApiVersion, now: Option<i64>) -> Self {
        match halt {
            Halt::Failures(failures) => {
                let mut body = "{\"errors\":".to_owned();
                write_failures(&mut body, failures, version);
                body.push('}');
                Self::new(Failure::status_of(failures), body, now)
            }
            Halt::Fault(Fault::BadRequest(text)) => Self::protocol(400, "bad request", text, now),
            Halt::Fault(Fault::TimedOut) => Self::timed_out(version, now),
            Halt::Fault(Fault::Storage(text)) => {
                tracing::error!(error = %text, "the storage of the embedded Fauna endpoint failed");
                Self::protocol(500, "internal server error", "The storage failed", now)
            }
            Halt::Fault(Fault::Internal(text)) => {
                tracing::warn!(reason = %text, "a query that FaunaDB too answers with 500");
                Self::protocol(500, "internal server error", "Internal server error", now)
            }
        }
    }
}

/// The failure of a body that cannot be parsed.
pub fn unreadable(unreadable: Unreadable) -> Halt {
    let text = match unreadable {
        Unreadable::Empty => "No query provided.",
        Unreadable::Malformed => "Request body is not valid JSON.",
        Unreadable::TooDeep => "Request body JSON exceeds nesting limit.",
        Unreadable::Interrupted(halt) => return halt,
    };
    Failure::expression(Position::root(), text).into()
}

/// Names are relative to the caller's database.
impl Names for Context<'_> {
    fn name(&self, schema: Ref) -> Outcome<Option<Arc<str>>> {
        self.transaction().name(schema)
    }

    fn path(&self, database: i64) -> Outcome<Option<Vec<Arc<str>>>> {
        let mut path = Vec::new();
        let mut here = database;
        while here != self.database() {
            let Some(document) = self.transaction().database_document(here)? else { return Ok(None) };
            let Some(name) = self.transaction().name(document)? else { return Ok(None) };
            path.push(name);
            here = document.database;
        }
        Ok(Some(path))
    }

    fn may_write(&self, bytes: usize) -> Outcome<()> {
        self.in_time()?;
        let most = self.run.budget.answer_bytes;
        if bytes <= most {
            return Ok(());
        }
        Err(Fault::BadRequest(format!("The answer would be larger than {most} bytes.")).into())
    }
}

/// The answer to a successful query.
pub fn success(context: &Context<'_>, value: &Value) -> Outcome<Answer> {
    let transaction = context.transaction();
    let now = if transaction.is_dirty() { transaction.commit_time() } else { transaction.snapshot() };
    let resource = Writer::new(context, context.version, transaction.commit_time()).finish(value)?;
    let status = if matches!(value, Value::Document(document) if document.is_new) { 201 } else { 200 };
    Ok(Answer::new(status, format!("{{\"resource\":{resource}}}"), Some(now)))
}

/// The answer to the query of a stream: what it shows, or why it cannot be streamed.
pub fn stream(context: &Context<'_>, value: &Value) -> Answer {
    let now = Some(context.transaction().snapshot());
    let target = match value {
        Value::Ref(reference) if reference.is_user_document() => Target::Document(*reference),
        Value::Document(document) if document.reference.is_user_document() => Target::Document(document.reference),
        Value::Set(set) => match &**set {
            Set::Match { index, terms } => Target::Match { index: *index, terms: terms.clone() },
            Set::Documents(collection) => Target::Documents(*collection),
            _ => return not_streamable(context, value),
        },
        _ => return not_streamable(context, value),
    };
    Answer { stream: Some(target), ..Answer::new(200, String::new(), now) }
}

fn not_streamable(context: &Context<'_>, value: &Value) -> Answer {
    let failure = if let Value::Unresolved(reference) = value {
        Failure::unresolved(reference, Position::root())
    } else {
        let text = format!("Expected a Document Ref or Version, or a Set Ref, got {}.", value.kind().name());
        Failure::argument(Position::root(), text)
    };
    Answer::of_halt(&failure.into(), context.version, Some(context.transaction().snapshot()))
}

/// The answer to a stream with unknown names in the parameter `fields`.
pub fn unknown_fields(names: &[String], version: ApiVersion) -> Answer {
    let text = |name| format!("Invalid url parameter fields. Invalid field name '{name}'.");
    let failure = |name| Failure::new("invalid url parameter", Position::root(), text(name));
    Answer::of_halt(&Halt::Failures(names.iter().map(failure).collect()), version, None)
}

/// The answer to a request with a valid secret but without a query.
pub fn authenticated(context: &Context<'_>, reply: AuthenticatedReply) -> Outcome<Answer> {
    let now = Some(context.transaction().snapshot());
    Ok(match reply {
        AuthenticatedReply::Identity => {
            let global_id = super::documents::global_id(context.transaction().global_id(context.database())?);
            Answer::new(200, format!("{{\"account\":\"embedded\",\"global_id\":\"{global_id}\"}}"), now)
        }
        AuthenticatedReply::MethodNotAllowed(allow) => Answer::method_not_allowed(allow, now),
    })
}

fn write_failures(out: &mut String, failures: &[Failure], version: ApiVersion) {
    out.push('[');
    for (number, failure) in failures.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        write_failure(out, failure, version);
    }
    out.push(']');
}

fn write_failure(out: &mut String, failure: &Failure, version: ApiVersion) {
    out.push_str("{\"position\":[");
    for (number, step) in failure.position.steps().into_iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        match step {
            Step::Name(name) => escape(out, name),
            Step::Key(key) => escape(out, &key),
            Step::Index(index) => {
                let _infallible = write!(out, "{index}");
            }
        }
    }
    out.push_str("],\"code\":");
    escape(out, failure.code);
    out.push_str(",\"description\":");
    escape(out, &description(failure, version));
    if !failure.failures.is_empty() {
        out.push_str(",\"failures\":[");
        for (number, field) in failure.failures.iter().enumerate() {
            if number > 0 {
                out.push(',');
            }
            write_field(out, field);
        }
        out.push(']');
    }
    if !failure.cause.is_empty() {
        out.push_str(",\"cause\":");
        write_failures(out, &failure.cause, version);
    }
    out.push('}');
}

fn write_field(out: &mut String, field: &FieldFailure) {
    out.push_str("{\"field\":[");
    for (number, part) in field.field.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        escape(out, part);
    }
    out.push_str("],\"code\":");
    escape(out, field.code);
    out.push_str(",\"description\":");
    escape(out, &field.description);
    out.push('}');
}

/// The description of a failure. Before version 2.7 collections are called classes and documents instances.
fn description(failure: &Failure, version: ApiVersion) -> String {
    let renamed =
        ["instance not found", "instance already exists", "instance not unique", "validation failed", "invalid ref"];
    // A set literal with a reference to nothing is an invalid expression, in the words of an invalid reference.
    let says_collection = ["Ref refers to undefined ", "Valid native collection name expected"];
    let is_renamed = renamed.contains(&failure.code)
        || says_collection.iter().any(|beginning| failure.description.starts_with(beginning));
    if version >= ApiVersion::V27 || !is_renamed {
        return failure.description.clone();
    }
    let words = [("Document", "Instance"), ("document", "instance"), ("Collection", "Class"), ("collection", "class")];
    words.iter().fold(failure.description.clone(), |text, (new, old)| text.replacen(new, old, 1))
}
