//! What the command line of `ingest` says, checked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgMatches;
use secrecy::{ExposeSecret, SecretString};
use shared::config::HttpUrl;
use shared::http::access::{Role, Token};

use super::entry::Unit;
use super::event::{Reporter, Stamp};
use super::format::{Named, Wanted};
use super::json::Fields;
use super::layout::Member;
use super::position::StateFile;

/// How a log is reported.
#[derive(Debug)]
pub(super) struct Options {
    /// The log; none for the standard input.
    pub(super) log: Option<PathBuf>,
    /// What is known of its format.
    pub(super) wanted: Wanted,
    /// What events are made of.
    pub(super) reporter: Reporter,
    /// Whether it goes on with what is appended.
    pub(super) follow: bool,
    /// Where it is kept how far the log was reported.
    pub(super) state: Option<StateFile>,
    /// Whether events are only shown.
    pub(super) dry_run: bool,
    /// Whether all of them are, and not only the first.
    pub(super) all: bool,
    /// Where the daemon answers.
    pub(super) url: HttpUrl,
    /// How long the daemon may take nothing; none = for ever.
    pub(super) wait: Option<Duration>,
}

impl Options {
    /// Reads the command line; the error says what is wrong with it.
    pub(super) fn of(matches: &ArgMatches) -> Result<Self, String> {
        let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
        let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
        let log = path("log").filter(|log| log != Path::new("-"));
        let follow = matches.get_flag("follow") && log.is_some();
        let state = match (path("state"), &log) {
            (Some(_), None) => return Err("--state: the standard input cannot be gone on with later".into()),
            (Some(path), Some(_)) => Some(StateFile::new(path)),
            (None, Some(log)) if follow => Some(StateFile::beside(log)),
            (None, Some(_) | None) => None,
        };
        let seconds = |name: &str| matches.get_one::<u64>(name).copied().map(Duration::from_secs);
        let all = matches.get_flag("all");
        let stamp = match (matches.get_flag("now"), all) {
            (true, _) => Stamp::OfArrival,
            (false, true) => Stamp::OfLine(Duration::MAX),
            (false, false) => Stamp::OfLine(seconds("max-age").unwrap_or_default()),
        };
        let url = text("url").unwrap_or_default();
        Ok(Self {
            log,
            wanted: Wanted {
                named: text("format").and_then(Named::of),
                unit: text("unit").and_then(Unit::of),
                fields: fields(matches.get_many::<String>("field").into_iter().flatten())?,
            },
            reporter: Reporter { service: text("service").map(service).transpose()?, stamp },
            follow,
            state,
            dry_run: matches.get_flag("dry-run"),
            all,
            url: HttpUrl::parse(url).map_err(|reason| format!("--url {reason}"))?,
            wait: seconds("wait").filter(|_| !follow),
        })
    }
}

fn service(name: &str) -> Result<String, String> {
    match name.trim() {
        "" => Err("--service must not be empty".into()),
        name => Ok(name.to_owned()),
    }
}

fn fields<'a>(given: impl Iterator<Item = &'a String>) -> Result<Fields, String> {
    let mut fields = Fields::new();
    for text in given {
        let member = |name| Member::ALL.into_iter().find(|member| member.as_str() == name);
        let found = text.split_once('=').and_then(|(name, path)| Some((member(name)?, path)));
        let Some((member, path)) = found.filter(|(_, path)| !path.is_empty()) else {
            let known = Member::ALL.map(Member::as_str).join(", ");
            return Err(format!("--field {text}: must be MEMBER=WHERE, with one of {known}"));
        };
        if fields.iter().any(|(known, _)| *known == member) {
            return Err(format!("--field {}=…: is given twice", member.as_str()));
        }
        fields.push((member, path.to_owned()));
    }
    Ok(fields)
}

/// The token of a file, or that of the role ingest among those that the daemon's own variable names.
pub(super) fn token(
    file: Option<&PathBuf>,
    variable: Option<String>,
) -> Result<Option<SecretString>, String> {
    let text = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path);
            SecretString::from(text.map_err(|error| format!("--token-file {}: {error}", path.display()))?)
        }
        None => SecretString::from(variable.unwrap_or_default()),
    };
    if text.expose_secret().trim().is_empty() {
        return match file {
            Some(path) => Err(format!("--token-file {}: holds no token", path.display())),
            None => Ok(None),
        };
    }
    let tokens = Token::parse_list(text.expose_secret().trim());
    let tokens = tokens.map_err(|error| format!("the token cannot be used: {error}"))?;
    let usable = tokens.into_iter().filter(|token| token.role >= Role::Ingest).min_by_key(|token| token.role);
    usable
        .map(|token| Some(token.secret))
        .ok_or_else(|| "no token of the role ingest or operator is given".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Result<Options, String> {
        let arguments = [&["ingest"], arguments].concat();
        Options::of(&super::super::command().try_get_matches_from(arguments).map_err(|e| e.to_string())?)
    }

    #[test]
    fn a_followed_log_keeps_its_state_beside_it_and_waits_for_ever() {
        let followed = options(&["--follow", "logs/access.log"]).unwrap();
        assert_eq!(followed.state, Some(StateFile::new("logs/access.log.ingested".into())));
        assert_eq!(followed.wait, None);
        let once = options(&["access.log"]).unwrap();
        assert_eq!((once.state, once.wait), (None, Some(Duration::from_secs(30))));
        let piped = options(&["--follow", "-"]).unwrap();
        assert!(!piped.follow && piped.log.is_none(), "a pipe is followed to its end anyway");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_to_do() {
        for (arguments, part) in [
            (&["x", "--field", "endpoint"][..], "must be MEMBER=WHERE"),
            (&["x", "--field", "path=uri"], "response_time, status_code"),
            (&["x", "--field", "endpoint=a", "--field", "endpoint=b"], "given twice"),
            (&["x", "--url", "localhost:5007"], "--url must begin with http"),
            (&["x", "--service", " "], "--service"),
            (&["x", "--now", "--max-age", "5"], "cannot be used with"),
            (&["x", "--all"], "--dry-run"),
            (&["x", "--dry-run", "--all", "--now"], "cannot be used with"),
            (&["-", "--state", "s"], "--state"),
            (&["x", "--unit", "hours"], "milliseconds"),
        ] {
            let reason = options(arguments).unwrap_err();
            assert!(reason.contains(part), "{arguments:?}: {reason}");
        }
    }

    #[test]
    fn the_token_with_the_least_right_that_will_do_is_taken() {
        let secret =
            |text: &str| token(None, Some(text.into())).map(|t| t.map(|t| t.expose_secret().to_owned()));
        let (a, b, c) = ("a".repeat(32), "b".repeat(32), "c".repeat(32));
        assert_eq!(secret(&format!("operator:{a},viewer:{b},ingest:{c}")), Ok(Some(c)));
        assert_eq!(secret(&a), Ok(Some(a.clone())));
        assert!(secret(&format!("viewer:{b}")).is_err());
        assert_eq!(secret(""), Ok(None));
        assert!(token(Some(&"/nonexistent".into()), None).unwrap_err().contains("/nonexistent"));
    }
}
