//! Load on a deployment, with latencies: `cargo run --release --example load -- http://localhost:3000`.
//!
//! Signs up users `load-1@example.com` and so on (or signs them in, if they are there already) and lets each repeat one request
//! after the other, or with `--rate` so many requests a second, whether earlier ones are answered or not. Ends with exit code 1
//! if a request failed. A site that throttles answers 429, which is reported as failed: run it with `INSECURE_NO_THROTTLE=true`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod histogram;
mod run;

use std::process::ExitCode;

use clap::Parser as _;

use run::Plan;

fn main() -> ExitCode {
    let plan = Plan::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run::run(&plan)) {
        Ok(report) => {
            print!("{report}");
            if report.has_failures() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
