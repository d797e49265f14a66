//! The embedded Fauna endpoint: FQL v4 over HTTP, in a SQLite file of its own.

mod access;
mod documents;
mod evaluator;
mod functions;
mod language;
mod parser;
mod schema;
mod sets;
mod storage;
mod wire;
