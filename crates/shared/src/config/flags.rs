//! The flags of the command line, made from the table.

use std::collections::BTreeMap;

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgMatches};

use super::setting::{Chapter, Exposure, Kind, Section, Setting};

/// One flag for every setting of the root, under the heading of its chapter. A secret has only the flag that
/// names a file, because every user of a host can read the command lines of its processes.
pub fn arguments(section: &Section) -> Vec<Arg> {
    section
        .chapters
        .iter()
        .flat_map(|chapter| chapter.settings.iter().flat_map(|s| flags_of(chapter, s)))
        .collect()
}

/// The flags of [`arguments`] that were given, as [`super::Sources`] takes them.
pub fn given_flags(section: &Section, matches: &ArgMatches) -> BTreeMap<String, String> {
    section
        .settings()
        .flat_map(|setting| [Some(setting.key.to_owned()), setting.file_variable()])
        .flatten()
        .filter_map(|id| {
            let value = matches.try_get_one::<String>(&id).ok().flatten()?.clone();
            Some((id, value))
        })
        .collect()
}

fn flags_of(chapter: &Chapter, setting: &Setting) -> Vec<Arg> {
    let direct = match setting.exposure {
        Exposure::Public | Exposure::HostOnly => Some(direct_flag(setting)),
        Exposure::Secret => None,
    };
    let file = setting.file_variable().map(|variable| {
        Arg::new(variable.clone())
            .long(format!("{}-file", setting.flag()))
            .value_name("PATH")
            .help(format!("File with: {} [env: {variable}]", lower_first(setting.doc)))
    });
    [direct, file]
        .into_iter()
        .flatten()
        .map(|arg| {
            arg.help_heading(chapter.heading)
                .value_parser(NonEmptyStringValueParser::new())
                .global(true)
                .hide_short_help(true)
        })
        .collect()
}

fn direct_flag(setting: &Setting) -> Arg {
    let arg = Arg::new(setting.key).long(setting.flag()).value_name(value_name(setting)).help(help(setting));
    match setting.kind {
        // A switch can be given alone, and `=false` still says no.
        Kind::Boolean => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        Kind::Text
        | Kind::Whole { .. }
        | Kind::Number { .. }
        | Kind::Seconds { .. }
        | Kind::Choice(_)
        | Kind::Address
        | Kind::Url
        | Kind::UrlOf(_)
        | Kind::Words => arg,
    }
}

fn value_name(setting: &Setting) -> String {
    match setting.kind {
        Kind::Text => "TEXT".into(),
        Kind::Boolean => "true|false".into(),
        Kind::Whole { .. } => setting.unit.unwrap_or("number").to_ascii_uppercase(),
        Kind::Number { .. } => "NUMBER".into(),
        Kind::Seconds { .. } => "SECONDS".into(),
        Kind::Choice(words) => words.join("|"),
        Kind::Address => "ADDRESS".into(),
        Kind::Url | Kind::UrlOf(_) => "URL".into(),
        Kind::Words => "WORDS".into(),
    }
}

fn help(setting: &Setting) -> String {
    let default = match setting.default.or(setting.default_doc) {
        Some(default) => format!(" [default: {default}]"),
        None => String::new(),
    };
    format!("{} [env: {}]{default}", setting.doc, setting.key)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
