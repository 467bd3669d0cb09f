//! The daemon's executable: everything is in the library, so that others can start it too.

fn main() -> std::process::ExitCode {
    self_evolution::run(std::env::args_os())
}
