//! Clients that ask for too much: of time, of memory, or of the attention of others.

mod budgets;
mod expensive;
mod isolation;
mod site;
