//! From a command line to an exit code.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use shared::cli::{self, Command as Common, Exit};
use shared::config::{Faults, Sources};
use tokio::runtime::Runtime;

use crate::api;
use crate::check;
use crate::cli::{Command, Invocation, PROGRAM, definition, look, parse};
use crate::config::{Config, Loading};
use crate::documents::STREAMS;
use crate::labels::{self, Labelling};
use crate::serve;

/// Runs the command that the arguments ask for; the program's name comes first.
pub fn run<I>(args: I) -> ExitCode
where
    I: IntoIterator<Item = OsString>,
{
    let invocation = match parse(args) {
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
    let common = match &invocation.command {
        Command::Common(common) => common,
        Command::Check { service } => {
            return usable(labels::load(&sources), |Labelling { loading, .. }| {
                let runtime = Runtime::new()?;
                runtime.block_on(check::check(&loading.config, service.as_ref(), out))
            });
        }
    };
    match common {
        Common::Serve => with_config(&sources, |loading| {
            let runtime = Runtime::new()?;
            Ok(runtime.block_on(serve::serve(loading, sources.clone())))
        }),
        Common::Config(command) => {
            cli::run_config(&PROGRAM, *command, || look(&sources), out, &mut io::stderr().lock())
        }
        Common::Setup(options) => with_config(&sources, |loading| {
            let foundation = &loading.config.foundation;
            let what = cli::WhatToSetUp { daemon: PROGRAM.name, foundation, streams: &STREAMS };
            on_one_thread()?.block_on(cli::set_up(what, *options, out))
        }),
        Common::Healthcheck => with_config(&sources, |loading| {
            on_one_thread()?.block_on(cli::healthcheck(loading.config.foundation.bind_address, out))
        }),
        Common::OpenApi => cli::print_openapi(&api::specification(), out),
        Common::Completions(shell) => cli::print_completions(definition(), *shell, out),
        Common::Manual { directory } => cli::print_manual(definition(), directory.as_deref(), out),
    }
}

fn on_one_thread() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn with_config(sources: &Sources, run: impl FnOnce(Loading) -> io::Result<Exit>) -> io::Result<Exit> {
    usable(Config::load(sources), run)
}

fn usable<T>(loaded: Result<T, Faults>, run: impl FnOnce(T) -> io::Result<Exit>) -> io::Result<Exit> {
    match loaded {
        Ok(loaded) => run(loaded),
        Err(faults) => {
            writeln!(io::stderr(), "{faults}")?;
            Ok(Exit::Configuration)
        }
    }
}
