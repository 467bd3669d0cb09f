//! The `demo` executable; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    demo::cli::main(std::env::args_os())
}
