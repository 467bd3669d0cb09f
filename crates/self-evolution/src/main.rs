//! The daemon's executable: everything is in the library, so that others can start it too.

use mimalloc::MiMalloc;

/// What is allocated for a request on one thread is freed on another, which the allocator of the C library takes a lock
/// for.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> std::process::ExitCode {
    self_evolution::run(std::env::args_os())
}
