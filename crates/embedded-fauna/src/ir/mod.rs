//! What FQL v4 talks about: values, expressions, positions and failures.
//!
//! Pure data. Nothing here reads storage, evaluates or knows HTTP; every other part of the endpoint imports this one.

mod document;
mod expression;
mod failure;
mod fingerprint;
mod kind;
mod lambda;
mod object;
mod order;
mod plain;
mod position;
mod reference;
mod render;
mod set;
mod set_key;
mod signature;
mod time;
mod trie;
mod value;
mod version;
mod weight;

pub use document::{Action, Cursor, Document, DocumentEvent, Element, Page, SetEvent, Stamp};
pub use expression::{At, Conditional, Expression, FormCall, Let, Select};
pub use failure::{Failure, Fault, FieldFailure, Halt, Outcome, both};
pub use fingerprint::fingerprint;
pub use kind::Kind;
pub use lambda::{Lambda, LambdaExpression, Pattern};
pub use object::Object;
pub use order::{compare, index_key, reversed};
pub use position::{Position, Step};
pub use reference::{Ref, Unresolved, native};
pub use set::{Bound, Set};
pub use set_key::{DocumentBound, SetKey, Term, compare_terms};
pub use signature::{ArgumentKind, Effect, Key, Signature, Signatures};
pub use time::{Date, Time};
pub use trie::trie_order;
pub use value::Value;
pub use version::ApiVersion;
pub use weight::{parts, parts_of_bytes};
