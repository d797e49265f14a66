//! How fast the site is, as ratios against a bare actix route in the same process and run.
//!
//! `cargo bench --bench site` prints a line a figure. It measures and judges nothing; `spec` numbers are in the README.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on has failed"
)]

mod load;

fn main() {}
