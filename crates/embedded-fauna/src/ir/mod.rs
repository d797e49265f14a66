//! What FQL v4 talks about: values, expressions, positions and failures.
//!
//! Pure data. Nothing here reads storage, evaluates or knows HTTP; every other part of the endpoint imports this one.

mod document;
mod failure;
mod reference;
mod set;
mod syntax;
mod value;
mod version;

pub use document::{Action, Cursor, Document, DocumentEvent, Element, Page, SetEvent, Stamp};
pub use failure::{Failure, Fault, FieldFailure, Halt, Outcome, both};
pub use reference::{Ref, Unresolved, native};
pub use set::key::{DocumentBound, SetKey, Term, compare_terms};
pub use set::{Bound, Set};
pub use syntax::expression::{At, Conditional, Expression, FormCall, Let, Select};
pub use syntax::lambda::{Lambda, LambdaExpression, Pattern};
pub use syntax::position::{Position, Step};
pub use syntax::signature::{ArgumentKind, Effect, Key, Signature, Signatures};
pub use value::Value;
pub use value::fingerprint::fingerprint;
pub use value::kind::Kind;
pub use value::object::Object;
pub use value::order::{compare, index_key, reversed};
pub use value::time::{Date, Time};
pub use value::trie::trie_order;
pub use value::weight::{parts, parts_of_bytes};
pub use version::ApiVersion;
