//! The embedded Fauna endpoint: FQL v4 over HTTP, in a SQLite file of its own.

mod evaluator;
mod functions;
mod language;
mod parser;
mod storage;
mod wire;
#[cfg(test)]
mod replay_scratch;
