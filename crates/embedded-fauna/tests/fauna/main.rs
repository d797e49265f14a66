//! The embedded Fauna endpoint answers as FaunaDB does: exchanges recorded from a FaunaDB node, replayed.
//!
//! `recorded/` has a file for each topic and a line for each step (`steps.rs` describes the format). Each file runs against an endpoint of its own,
//! in a child database, as it was recorded; steps that waited for something to expire move the clock instead.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and figures are printed"
)]

mod compare;
mod connections;
mod endpoint;
mod fuzz;
mod hostile;
mod limits;
mod past;
mod program;
mod random;
mod repeated;
mod scoped_secrets;
mod secrets;
mod sets;
mod steps;
mod streams;
mod test_clock;

/// A test that replays a file.
macro_rules! replay {
    ($($file:ident),+ $(,)?) => {
        $(
            #[test]
            fn $file() {
                steps::replay(include_str!(concat!("recorded/", stringify!($file), ".jsonl")));
            }
        )+
    };
}

replay!(
    app,
    cursors,
    documents,
    functions,
    generated_data,
    generated_values,
    histories,
    indexes,
    roles,
    schema,
    schema_failures,
    set_details,
    sets,
    tokens,
    transport,
    values,
    versions,
    what_is_stored
);
