//! From a command line to an exit code.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use shared::config::Sources;
use tokio::runtime::Runtime;

use crate::check;
use crate::cli::{self, Command, Exit, Invocation};
use crate::config::{Config, Loading};
use crate::healthcheck;
use crate::serve;
use crate::setup;

/// Runs the command that the arguments ask for; the program's name comes first.
pub fn run<I>(args: I) -> ExitCode
where
    I: IntoIterator<Item = OsString>,
{
    let invocation = match cli::parse(args) {
        Ok(invocation) => invocation,
        Err(error) => {
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    let exit = command(&invocation, &mut io::stdout().lock()).unwrap_or(Exit::Failed);
    ExitCode::from(exit.code())
}

fn command(invocation: &Invocation, out: &mut dyn Write) -> io::Result<Exit> {
    let sources = invocation.sources(std::env::vars_os());
    match &invocation.command {
        Command::Config(command) => cli::run_config(*command, &sources, out, &mut io::stderr().lock()),
        Command::Serve => with_config(&sources, |loading| {
            let runtime = Runtime::new()?;
            Ok(runtime.block_on(serve::serve(loading, sources.clone())))
        }),
        Command::Check { service } => with_config(&sources, |loading| {
            let runtime = Runtime::new()?;
            runtime.block_on(check::check(&loading.config, service.as_ref(), out))
        }),
        Command::Setup(options) => with_config(&sources, |loading| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(setup::set_up(&loading.config, *options, out))
        }),
        Command::Healthcheck => with_config(&sources, |loading| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(healthcheck::healthcheck(&loading.config, out))
        }),
        Command::OpenApi => cli::print_openapi(out),
        Command::Completions(shell) => cli::print_completions(*shell, out),
        Command::Manual { directory } => cli::print_manual(directory.as_deref(), out),
    }
}

fn with_config(sources: &Sources, run: impl FnOnce(Loading) -> io::Result<Exit>) -> io::Result<Exit> {
    match Config::load(sources) {
        Ok(loading) => run(loading),
        Err(faults) => {
            writeln!(io::stderr(), "{faults}")?;
            Ok(Exit::Configuration)
        }
    }
}
