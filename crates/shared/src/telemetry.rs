//! Logs: text for a terminal, JSON or ECS for machines.

mod ecs;
mod timer;

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::fmt::{Layer, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

use self::ecs::Ecs;
use self::timer::Utc;

/// How log lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
    /// One JSON object a line, with the field names of the Elastic Common Schema.
    Ecs,
}

impl LogFormat {
    /// The format that configuration calls by this word; automatic for any other.
    pub fn from_word(word: &str) -> Self {
        match word {
            "text" => Self::Text,
            "json" => Self::Json,
            "ecs" => Self::Ecs,
            _ => Self::Auto,
        }
    }

    fn settled(self, is_terminal: bool) -> Self {
        match self {
            Self::Auto if is_terminal => Self::Text,
            Self::Auto => Self::Json,
            Self::Text | Self::Json | Self::Ecs => self,
        }
    }
}

/// The levels that are logged where `RUST_LOG` says nothing. The client for Kubernetes would log every failed call as an error
/// of ours, beside the sentence that we make of it.
const DEFAULT_LEVELS: &str = "info,kube_client=off,kube_runtime=off";

/// Version of the Elastic Common Schema that the `ecs` format follows.
const ECS_VERSION: &str = "8.11.0";

/// The logs are being written already.
#[derive(Debug, thiserror::Error)]
#[error("start logging a second time")]
pub struct AlreadyStarted(#[from] tracing::subscriber::SetGlobalDefaultError);

/// Starts logging to standard error for the rest of the process. `name` and `version` are the daemon's own.
/// `RUST_LOG` chooses levels, `NO_COLOR` takes colours away from text. A `RUST_LOG` that cannot be read is
/// itself logged as a warning, and information and worse is logged.
pub fn init(format: LogFormat, name: &'static str, version: &'static str) -> Result<(), AlreadyStarted> {
    let is_terminal = std::io::stderr().is_terminal();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let levels = std::env::var_os("RUST_LOG").unwrap_or_default().to_string_lossy().into_owned();
    let (filter, fault) = filter(&levels);
    let style =
        Style { format: format.settled(is_terminal), colors: is_terminal && !no_color, name, version };
    tracing::subscriber::set_global_default(subscriber(style, filter, std::io::stderr))?;
    if let Some(fault) = fault {
        tracing::warn!(value = levels, error = fault, "RUST_LOG cannot be read, logging info and worse");
    }
    Ok(())
}

struct Style {
    format: LogFormat,
    colors: bool,
    name: &'static str,
    version: &'static str,
}

fn filter(levels: &str) -> (EnvFilter, Option<String>) {
    let levels = if levels.trim().is_empty() { DEFAULT_LEVELS } else { levels };
    match EnvFilter::builder().parse(levels) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(DEFAULT_LEVELS), Some(error.to_string())),
    }
}

fn subscriber<W>(style: Style, filter: EnvFilter, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let registry = Registry::default().with(filter);
    let layer = Layer::new().with_writer(writer).with_ansi(style.colors);
    match style.format {
        LogFormat::Auto | LogFormat::Text => Box::new(registry.with(layer.with_timer(Utc::start()))),
        LogFormat::Json => {
            let json = layer.json().flatten_event(true).with_span_list(false).with_timer(Utc::start());
            Box::new(registry.with(json))
        }
        LogFormat::Ecs => {
            let ecs = Ecs { timer: Utc::start(), name: style.name, version: style.version };
            Box::new(registry.with(layer.fmt_fields(JsonFields::new()).event_format(ecs)))
        }
    }
}

#[cfg(test)]
mod tests;
