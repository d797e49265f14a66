//! Authentication: identity, tokens and passwords.

use std::sync::Arc;

use crate::evaluator::cast::Identified;
use crate::evaluator::{Caller, Context, Form, Permissions, Source, cast};
use crate::ir::{ApiVersion, Failure, FormCall, Key, Object, Outcome, Ref, Value, native};
use crate::sets::require_readable;
use crate::{sets, system_documents};

pub const FORMS: &[Form] = &[
    Form::read(&[Key::required("identity")], current_identity),
    Form::read(&[Key::required("has_identity")], has_current_identity),
    Form::read(&[Key::required("current_identity")], current_identity).since(ApiVersion::V4),
    Form::read(&[Key::required("has_current_identity")], has_current_identity).since(ApiVersion::V4),
    Form::read(&[Key::required("current_token")], current_token).since(ApiVersion::V4),
    Form::read(&[Key::required("has_current_token")], has_current_token).since(ApiVersion::V4),
    Form::read(&[Key::required("identify"), Key::required("password")], identify),
    Form::write(&[Key::required("login"), Key::required("params")], login),
    Form::write(&[Key::required("logout")], logout),
];

fn current_identity(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    call.required(context, 0, cast::null)?;
    let missing =
        || Failure::new("missing identity", call.position.clone(), "Authentication does not contain an identity");
    context.caller.identity.map(Value::Ref).ok_or_else(|| missing().into())
}

fn has_current_identity(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    call.required(context, 0, cast::null)?;
    Ok(Value::Bool(context.caller.identity.is_some()))
}

/// The token or key of the caller; `None` if the key belongs to another database.
fn token_of(context: &Context<'_>) -> Option<Ref> {
    match context.caller.source {
        Source::Token(document) | Source::Key(document) if document.database == context.database() => Some(document),
        _ => None,
    }
}

fn current_token(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    call.required(context, 0, cast::null)?;
    let missing = || Failure::new("invalid token", call.position.clone(), "Token metadata is not accessible.");
    token_of(context).map(Value::Ref).ok_or_else(|| missing().into())
}

fn has_current_token(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    call.required(context, 0, cast::null)?;
    Ok(Value::Bool(token_of(context).is_some()))
}

/// The document whose password is checked; of a set its first element at the current time.
fn document(context: &Context<'_>, call: &FormCall, target: Identified) -> Outcome<Option<Ref>> {
    match target {
        Identified::Document(document) => Ok(Some(document)),
        Identified::Set(set) => {
            let now = context.at(None);
            let readable = require_readable(&now, &set, &call.at(0))?;
            let head = sets::head(&now, &readable.set)?;
            Ok(head.map(|item| item.document))
        }
    }
}

fn is_password(context: &Context<'_>, document: Ref, password: &str) -> Outcome<bool> {
    let transaction = context.transaction();
    let Some(credentials) = transaction.credentials_of(document)? else { return Ok(false) };
    Ok(transaction.get(credentials)?.is_some_and(|stored| system_documents::matches(password, &stored.fields)))
}

fn identify(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let target = call.required(context, 0, cast::identifier)?;
    let password = call.required(context, 1, cast::string)?;
    let document = document(context, call, target)?;
    let is_password = document.map_or(Ok(false), |document| is_password(context, document, &password))?;
    Ok(Value::Bool(is_password))
}

/// `login` needs no permission of the caller: the password is enough.
fn login(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let target = call.required(context, 0, cast::identifier)?;
    let params = call.required(context, 1, cast::object)?;
    let failed = || {
        let text = "The document was not found or provided password was incorrect.";
        Failure::new("authentication failed", call.position.clone(), text)
    };
    let Some(document) = document(context, call, target)? else { return Err(failed().into()) };
    let is_password = match params.get("password") {
        Some(Value::String(password)) => is_password(context, document, password)?,
        _ => false,
    };
    if !is_password {
        return Err(failed().into());
    }
    let mut params: Object = (*params).clone();
    params.remove("password");
    params.set("instance", Value::Ref(document));
    let server = Caller { permissions: Permissions::Server, ..(*context.caller).clone() };
    let context = context.acting_as(Arc::new(server));
    let tokens = Ref::to_collection(context.database(), native::TOKENS);
    system_documents::create(&context, tokens, None, &params, &call.position)
}

/// `logout` deletes the caller's token, or all tokens of its document.
fn logout(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let all = call.required(context, 0, cast::boolean)?;
    if !all {
        let Source::Token(token) = context.caller.source else { return Ok(Value::Bool(false)) };
        system_documents::delete_token(context, token)?;
        return Ok(Value::Bool(true));
    }
    let Some(identity) = context.caller.identity else { return Ok(Value::Bool(false)) };
    system_documents::delete_tokens_of(context, identity)?;
    Ok(Value::Bool(true))
}
