//! Expressions as they are parsed, stored and shown, and the signatures of the forms they may consist of.

pub mod expression;
pub mod lambda;
pub mod position;
mod render;
pub mod signature;
