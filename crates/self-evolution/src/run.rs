//! From a command line to an exit code.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use shared::cli::{self, Command, Exit};
use shared::config::Sources;
use tokio::runtime::Runtime;

use crate::api;
use crate::cli::{PROGRAM, definition, look};
use crate::config::{Config, Loading};
use crate::documents::STREAMS;
use crate::{backtest, ingest, serve};

/// Runs the command that the arguments ask for; the program's name comes first.
pub fn run<I>(args: I) -> ExitCode
where
    I: IntoIterator<Item = OsString>,
{
    let matches = match definition().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => {
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    if let Some((ingest::NAME, matches)) = matches.subcommand() {
        let exit = ingest::ingest(matches, &mut io::stdout().lock()).unwrap_or(Exit::Failed);
        return ExitCode::from(exit.code());
    }
    let sources = PROGRAM.sources(&matches, std::env::vars_os());
    if let Some((backtest::NAME, matches)) = matches.subcommand() {
        let tried = with_config(&sources, |loading| {
            backtest::backtest(matches, &loading.config.policy, &mut io::stdout().lock())
        });
        return ExitCode::from(tried.unwrap_or(Exit::Failed).code());
    }
    // The definition lets no other word through.
    let asked = Command::of(&matches).unwrap_or(Command::Serve);
    let exit = command(&asked, &sources, &mut io::stdout().lock()).unwrap_or(Exit::Failed);
    ExitCode::from(exit.code())
}

fn command(asked: &Command, sources: &Sources, out: &mut dyn Write) -> io::Result<Exit> {
    match asked {
        Command::Serve => with_config(sources, |loading| {
            Ok(Runtime::new()?.block_on(serve::serve(loading, sources.clone())))
        }),
        Command::Config(command) => {
            cli::run_config(&PROGRAM, *command, || look(sources), out, &mut io::stderr().lock())
        }
        Command::Setup(options) => with_config(sources, |loading| {
            let foundation = &loading.config.foundation;
            let what = cli::WhatToSetUp { daemon: PROGRAM.name, foundation, streams: &STREAMS };
            on_one_thread()?.block_on(cli::set_up(what, *options, out))
        }),
        Command::Healthcheck => with_config(sources, |loading| {
            on_one_thread()?.block_on(cli::healthcheck(loading.config.foundation.bind_address, out))
        }),
        Command::OpenApi => cli::print_openapi(&api::specification(), out),
        Command::Completions(shell) => cli::print_completions(definition(), *shell, out),
        Command::Manual { directory } => cli::print_manual(definition(), directory.as_deref(), out),
    }
}

fn on_one_thread() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
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
