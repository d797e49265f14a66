//! Roles as they are defined.

use std::sync::Arc;

use crate::evaluator::{Caller, Context, Limit, Permissions, Source};
use crate::ir::{Effect, Halt, Lambda, Object, Outcome, Position, Ref, Value, native};

/// The request that a predicate is evaluated for.
pub struct PredicateContext {
    pub database: i64,
    pub source: Source,
    /// The document that the caller is, where the predicate may know.
    pub identity: Option<Ref>,
}

/// The objects of a field that holds one or an array of them.
fn objects(value: Option<&Value>) -> Vec<&Object> {
    match value {
        Some(Value::Object(object)) => vec![object],
        Some(Value::Array(elements)) => elements
            .iter()
            .filter_map(|element| match element {
                Value::Object(object) => Some(&**object),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether a predicate returns true. One that fails counts as false.
///
/// # Errors
/// If the endpoint fails.
pub fn holds(context: &Context<'_>, asking: &PredicateContext, predicate: &Lambda, argument: Value) -> Outcome<bool> {
    let caller = Caller {
        database: asking.database,
        source: asking.source,
        identity: asking.identity,
        permissions: Permissions::Predicate,
    };
    let limit = Limit { effect: Effect::Read, place: "role predicates" };
    let inner = Context::new(context.run, Arc::new(caller), predicate.version(), limit);
    match inner.apply(predicate, argument, &Position::root()) {
        Ok(value) => Ok(value == Value::Bool(true)),
        Err(Halt::Failures(_)) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// The roles that a document is a member of.
///
/// # Errors
/// If the endpoint fails.
pub fn memberships(context: &Context<'_>, identity: Ref, source: Source) -> Outcome<Vec<i64>> {
    let transaction = context.transaction();
    let collection = Ref::to_collection(identity.database, native::ROLES);
    let asking = PredicateContext { database: identity.database, source, identity: Some(identity) };
    let mut roles = Vec::new();
    for id in transaction.schema_ids(collection)?.iter() {
        let Some(role) = transaction.get(Ref::new(identity.database, native::ROLES, *id))? else { continue };
        for membership in objects(role.fields.get("membership")) {
            if membership.get("resource") != Some(&Value::Ref(identity.parent())) {
                continue;
            }
            let is_member = match membership.get("predicate") {
                Some(Value::Lambda(predicate)) => holds(context, &asking, predicate, Value::Ref(identity))?,
                Some(_) => false,
                None => true,
            };
            if is_member {
                roles.push(*id);
                break;
            }
        }
    }
    Ok(roles)
}

/// What the roles say about an action on a resource: `None` where nothing, else what must hold (nothing more where `None` again).
///
/// # Errors
/// If the storage fails.
pub fn grants(
    context: &Context<'_>,
    database: i64,
    roles: &[i64],
    resource: Ref,
    action: &str,
) -> Outcome<Vec<Option<Arc<Lambda>>>> {
    let mut grants = Vec::new();
    for id in roles {
        let Some(role) = context.transaction().get(Ref::new(database, native::ROLES, *id))? else { continue };
        for privilege in objects(role.fields.get("privileges")) {
            if privilege.get("resource") != Some(&Value::Ref(resource)) {
                continue;
            }
            let Some(Value::Object(actions)) = privilege.get("actions") else { continue };
            match actions.get(action) {
                Some(Value::Bool(true)) => return Ok(vec![None]),
                Some(Value::Lambda(predicate)) => grants.push(Some(Arc::clone(predicate))),
                _ => {}
            }
        }
    }
    Ok(grants)
}
