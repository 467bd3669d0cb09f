//! What the executable tells of itself to tools: OpenAPI, completions, manual pages.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use utoipa::openapi::OpenApi;

use super::Exit;

/// Prints the OpenAPI document of the API.
pub fn print_openapi(specification: &OpenApi, out: &mut dyn Write) -> io::Result<Exit> {
    let document = specification.to_pretty_json().map_err(io::Error::other)?;
    writeln!(out, "{document}")?;
    Ok(Exit::Ok)
}

/// Prints the completions of a shell.
pub fn print_completions(mut definition: Command, shell: Shell, out: &mut dyn Write) -> io::Result<Exit> {
    // Written to memory first: the generator panics where the reader of a pipe has gone away.
    let mut script = Vec::new();
    let name = definition.get_name().to_owned();
    clap_complete::generate(shell, &mut definition, name, &mut script);
    out.write_all(&script)?;
    Ok(Exit::Ok)
}

/// Prints the manual page of the executable, or writes the pages of all commands into a directory.
pub fn print_manual(definition: Command, directory: Option<&Path>, out: &mut dyn Write) -> io::Result<Exit> {
    let Some(directory) = directory else {
        Man::new(definition).render(out)?;
        return Ok(Exit::Ok);
    };
    match write_pages(definition, directory) {
        Ok(()) => Ok(Exit::Ok),
        Err((path, error)) => {
            writeln!(io::stderr(), "write {path}: {error}")?;
            Ok(Exit::Failed)
        }
    }
}

/// One page a command, named as `man` expects. The page of a command leaves out the settings, which the first
/// page has.
fn write_pages(command: Command, directory: &Path) -> Result<(), (String, io::Error)> {
    let name = command.get_name().to_owned();
    let typed = command.get_bin_name().unwrap_or(&name).to_owned();
    for child in command.get_subcommands() {
        let (child_name, child_typed) =
            (format!("{name}-{}", child.get_name()), format!("{typed} {}", child.get_name()));
        write_pages(child.clone().name(child_name).bin_name(child_typed), directory)?;
    }
    let path = directory.join(format!("{name}.1"));
    File::create(&path)
        .and_then(|mut file| Man::new(command).render(&mut file))
        .map_err(|error| (path.display().to_string(), error))
}
