//! `format`: Java's format strings, with FaunaDB's own `%@` and `%^`.
//!
//! The whole string is read first, so that an unknown conversion is reported even where no value is missing. What Java refuses about
//! flags, widths and precisions is one failure that names the specifier.

mod number;
mod specifier;
mod temporal;

use crate::evaluator::{Context, Form, cast};
use crate::functions::conversions;
use crate::ir::{ApiVersion, Failure, FormCall, Key, Kind, Outcome, Position, Value, parts_of_bytes};
use crate::wire;
use specifier::{Part, Specifier};

pub const FORMS: &[Form] = &[Form::pure(&[Key::required("format"), Key::required("values")], format)];

fn format(context: &Context<'_>, call: &FormCall) -> Outcome<Value> {
    let text = call.required(context, 0, cast::string)?;
    let values = call.required(context, 1, cast::zero_or_more(cast::any))?;
    let parts = specifier::parse(&text).map_err(|unknown| refused(&unknown, call))?;
    let mut out = String::new();
    let mut next = 0;
    for part in parts {
        let specifier = match part {
            Part::Text(text) => {
                out.push_str(&text);
                continue;
            }
            Part::Specifier(specifier) => specifier,
        };
        let (place, what, rule) = match specifier.index.checked_sub(1) {
            Some(place) => (place, "index", ">= 1 and <= arguments size"),
            None => (next, "format specifiers count", "<= arguments size"),
        };
        next += usize::from(specifier.index == 0);
        let value = values.get(place).ok_or_else(|| Failure::bounds(what, rule, call.at(0)))?;
        let printed = print(context, call, &specifier, value, &call.at(1).at(place))?;
        context.spend(parts_of_bytes(printed.len()))?;
        out.push_str(&printed);
    }
    Ok(Value::from(out))
}

/// A specifier that Java refuses.
fn refused(specifier: &str, call: &FormCall) -> Failure {
    Failure::argument(call.at(0), format!("Invalid conversion format '{specifier}'."))
}

/// One value as its specifier says.
fn print(
    context: &Context<'_>,
    call: &FormCall,
    specifier: &Specifier,
    value: &Value,
    at: &Position,
) -> Outcome<String> {
    let printed = if specifier.is_temporal {
        temporal::print(specifier, value, at)?
    } else {
        match specifier.conversion {
            Some('d' | 'x' | 'X' | 'o') => match value {
                Value::Integer(value) => number::integer(specifier, *value),
                other => return cast::unexpected(&[Kind::Integer], other, at),
            },
            Some('f' | 'e' | 'E' | 'g' | 'G') => match value {
                Value::Double(value) => number::double(specifier, *value),
                other => return cast::unexpected(&[Kind::Number], other, at),
            },
            Some('b' | 'B') => specifier.text(match value {
                Value::Bool(false) | Value::Null => "false",
                _ => "true",
            }),
            Some('@') => Some(shown(context, ApiVersion::V21, value)?),
            Some('^') => Some(shown(context, context.version, value)?),
            _ => specifier.text(conversions::text(value, at)?.as_str().unwrap_or_default()),
        }
    };
    printed.ok_or_else(|| refused(&specifier.given, call).into())
}

/// A value as an answer shows it.
fn shown(context: &Context<'_>, version: ApiVersion, value: &Value) -> Outcome<String> {
    wire::Writer::new(context, version, 0).finish(value)
}
