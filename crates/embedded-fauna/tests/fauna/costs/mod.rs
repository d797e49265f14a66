//! Expensive queries: their budgets, their deadlines, and what they leave to others.

mod budgets;
mod expensive;
mod isolation;
