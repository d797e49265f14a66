//! Whether a caller may do something.

use super::roles;
use super::roles::PredicateContext;
use crate::evaluator::{Context, Permissions};
use crate::ir::{Action, Failure, Lambda, Object, Outcome, Position, Ref, Time, Value, native};

/// Something that needs permission.
#[derive(Clone, Debug)]
pub enum Access<'d> {
    Read(Ref),
    /// Reading the history of a document.
    ReadHistory(Ref),
    /// Reading an index under these terms; with `unrestricted`, without looking at the documents.
    ReadIndex {
        index: Ref,
        terms: &'d [Value],
        /// Whether entries are shown whatever the documents allow.
        unrestricted: bool,
    },
    /// Reading which documents a collection has, whatever they allow.
    ReadCollection(Ref),
    /// Creating a document with an id of the caller's choice, or not.
    Create {
        document: Ref,
        /// Whether the caller chose the id.
        with_id: bool,
        /// Its fields, as given.
        new: &'d Object,
    },
    Write {
        document: Ref,
        old: &'d Object,
        new: &'d Object,
    },
    Delete(Ref),
    /// Changing the history of a document.
    WriteHistory {
        document: Ref,
        /// The time that is written to.
        ts: Time,
        action: Action,
        data: &'d Object,
    },
    Call {
        function: Ref,
        argument: &'d Value,
    },
}

impl Access<'_> {
    const fn database(&self) -> i64 {
        self.object().database
    }

    /// The document or schema that is read, changed or called.
    const fn object(&self) -> Ref {
        match self {
            Self::Read(document)
            | Self::ReadHistory(document)
            | Self::ReadCollection(document)
            | Self::Delete(document) => *document,
            Self::ReadIndex { index, .. } => *index,
            Self::Create { document, .. } | Self::Write { document, .. } | Self::WriteHistory { document, .. } => {
                *document
            }
            Self::Call { function, .. } => *function,
        }
    }

    /// The `resource` of a privilege that grants this.
    const fn resource(&self) -> Ref {
        match self {
            Self::ReadIndex { index, .. } => *index,
            Self::ReadCollection(collection) => *collection,
            Self::Call { function, .. } => *function,
            _ => self.object().parent(),
        }
    }

    /// The name of the action in a privilege.
    const fn action(&self) -> &'static str {
        match self {
            Self::Read(_) | Self::ReadIndex { unrestricted: false, .. } => "read",
            Self::ReadHistory(_) => "history_read",
            Self::ReadIndex { .. } | Self::ReadCollection(_) => "unrestricted_read",
            Self::Create { with_id: false, .. } => "create",
            Self::Create { .. } => "create_with_id",
            Self::Write { .. } => "write",
            Self::Delete(_) => "delete",
            Self::WriteHistory { .. } => "history_write",
            Self::Call { .. } => "call",
        }
    }

    /// The argument of a predicate with so many parameters.
    fn argument(&self, arity: usize) -> Value {
        let object = |fields: &Object| Value::from(fields.clone());
        match self {
            Self::Read(document) | Self::ReadHistory(document) | Self::Delete(document) => Value::Ref(*document),
            Self::ReadIndex { terms, .. } => Value::array(terms.to_vec()),
            Self::ReadCollection(_) => Value::Null,
            Self::Create { new, with_id: false, .. } => object(new),
            Self::Create { new, .. } if arity == 1 => object(new),
            Self::Create { document, new, .. } => Value::array(vec![object(new), Value::Ref(*document)]),
            Self::Write { document, old, new } if arity == 3 => {
                Value::array(vec![object(old), object(new), Value::Ref(*document)])
            }
            Self::Write { old, new, .. } => Value::array(vec![object(old), object(new)]),
            Self::WriteHistory { document, ts, action, data } => {
                Value::array(vec![Value::Ref(*document), Value::Time(*ts), Value::from(action.name()), object(data)])
            }
            Self::Call { argument, .. } => (*argument).clone(),
        }
    }

    /// Whether it only reads.
    const fn is_reading(&self) -> bool {
        matches!(self, Self::Read(_) | Self::ReadHistory(_) | Self::ReadIndex { unrestricted: false, .. })
    }
}

/// The number of parameters of a predicate, without ignored ones.
fn arity(predicate: &Lambda) -> usize {
    match predicate {
        Lambda::Parsed { expression, .. } => expression.pattern.arity(),
        Lambda::Stored { literal: Value::Object(literal), .. } => match literal.get("lambda") {
            Some(Value::Array(names)) => names.iter().filter(|name| name.as_str() != Some("_")).count(),
            Some(Value::String(name)) if &**name != "_" => 1,
            _ => 0,
        },
        Lambda::Stored { .. } => 0,
    }
}

/// Whether the caller may do it.
///
/// # Errors
/// If the endpoint fails.
pub fn allows(context: &Context<'_>, access: &Access<'_>) -> Outcome<bool> {
    if let Access::Create { document, with_id: true, new } = access {
        let created = allowed(context, access)?;
        let plain = Access::Create { document: *document, with_id: false, new };
        let ts = Time::from_micros(context.transaction().snapshot());
        let history = Access::WriteHistory { document: *document, ts, action: Action::Create, data: new };
        return Ok(created || (allowed(context, &plain)? && allowed(context, &history)?));
    }
    allowed(context, access)
}

/// Refuses what the caller may not do.
///
/// # Errors
/// If the caller may not do it: at `position`.
pub fn require(context: &Context<'_>, access: &Access<'_>, position: &Position) -> Outcome<()> {
    if allows(context, access)? { Ok(()) } else { Err(Failure::denied(position.clone()).into()) }
}

/// Whether the caller's permissions cover exactly this.
fn allowed(context: &Context<'_>, access: &Access<'_>) -> Outcome<bool> {
    let caller = &context.caller;
    let here = caller.database == access.database();
    let unrestricted = matches!(access, Access::ReadIndex { unrestricted: true, .. } | Access::ReadCollection(_));
    let reaches = || Ok(here || is_below(context, access.database())?);
    match &caller.permissions {
        Permissions::Admin | Permissions::Server if unrestricted => Ok(false),
        Permissions::Admin if access.is_reading() || matches!(access, Access::Call { .. }) => reaches(),
        Permissions::Admin => Ok(here),
        Permissions::Server if matches!(access, Access::Call { .. } | Access::ReadIndex { .. }) => reaches(),
        Permissions::Server if access.is_reading() => Ok(!is_reserved(access) && reaches()?),
        Permissions::Server => Ok(!is_reserved(access) && here),
        Permissions::ServerReadOnly if matches!(access, Access::ReadIndex { unrestricted: false, .. }) => reaches(),
        Permissions::ServerReadOnly => Ok(access.is_reading() && !is_reserved(access) && reaches()?),
        Permissions::Predicate => match access {
            Access::Read(_) | Access::ReadIndex { unrestricted: true, .. } | Access::ReadCollection(_) => {
                Ok(!is_reserved(access) && reaches()?)
            }
            Access::Call { .. } => Ok(here),
            _ => Ok(false),
        },
        Permissions::Client => Ok(false),
        Permissions::Roles { roles, identity } => {
            if !here {
                return Ok(false);
            }
            if let Some(identity) = identity
                && is_own(context, access, *identity)?
            {
                return Ok(true);
            }
            granted(context, access, roles, *identity)
        }
    }
}

/// Whether one of the roles grants it.
fn granted(context: &Context<'_>, access: &Access<'_>, roles: &[i64], identity: Option<Ref>) -> Outcome<bool> {
    let asking = PredicateContext { database: access.database(), source: context.caller.source, identity };
    for grant in roles::grants(context, access.database(), roles, access.resource(), access.action())? {
        let holds = match grant {
            None => true,
            Some(predicate) => roles::holds(context, &asking, &predicate, access.argument(arity(&predicate)))?,
        };
        if holds {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether only an administrator may do it.
const fn is_reserved(access: &Access<'_>) -> bool {
    let object = access.object();
    let collection = if object.is_collection() { object.id } else { object.collection };
    matches!(collection, native::DATABASES | native::KEYS | native::ROLES | native::ACCESS_PROVIDERS)
        && !matches!(access, Access::Call { .. } | Access::ReadIndex { .. })
}

/// Whether it is something that every identity may do: reading its tokens and credentials, deleting its tokens.
fn is_own(context: &Context<'_>, access: &Access<'_>, identity: Ref) -> Outcome<bool> {
    let document = match access {
        Access::Read(document) if matches!(document.collection, native::TOKENS | native::CREDENTIALS) => *document,
        Access::Delete(document) if document.collection == native::TOKENS => *document,
        _ => return Ok(false),
    };
    let Some(found) = context.transaction().get(document)? else { return Ok(false) };
    Ok(found.fields.get("instance") == Some(&Value::Ref(identity)))
}

/// Whether a database lies below the caller's.
fn is_below(context: &Context<'_>, database: i64) -> Outcome<bool> {
    let mut here = database;
    while let Some(document) = context.transaction().database_document(here)? {
        if document.database == context.caller.database {
            return Ok(true);
        }
        here = document.database;
    }
    Ok(false)
}
