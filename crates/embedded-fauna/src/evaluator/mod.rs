//! Evaluates expressions.
//!
//! Synchronous and on a thread with a large stack; every nested evaluation is counted, so that no request can exhaust it. The
//! forms of the function table come in from outside; access control and schema are theirs to ask.

mod bindings;
mod caller;
pub mod cast;
mod context;
mod expression;
mod form;
mod lambda;
mod resolve;
mod select;

pub use bindings::Bindings;
pub use caller::{Caller, Permissions, Source};
pub use context::{Budget, Context, Limit, Run};
pub use form::{Form, Forms};
pub use resolve::NotingResolver;
pub use select::{PathStep, contains, path, select};
