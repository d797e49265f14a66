//! The embedded Fauna endpoint as a program of its own: `embedded-fauna --listen 127.0.0.1:8443 --data DIR`.
//!
//! The data directory contains `fauna.sqlite` with all documents, `embedded-fauna-root-key` unless the root key is given, and a lock
//! file. Only this file and `cli/` belong to the program; everything else is the library.

mod cli;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_target(false).with_ansi(ansi).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(cli::run(arguments))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
