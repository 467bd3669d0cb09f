//! Log lines with the field names of the Elastic Common Schema.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::ECS_VERSION;
use super::timer::Utc;

/// Names that only this format itself may write.
const OWN: [&str; 7] =
    ["@timestamp", "log.level", "message", "ecs.version", "service.name", "service.version", "log.logger"];

/// Writes events as ECS. Our own plain field names go under `labels`: `service`, for one, is an object in ECS
/// and could not be a name there. A field whose name has a dot is taken for one of ECS and keeps its place.
pub(super) struct Ecs {
    pub(super) timer: Utc,
    pub(super) name: &'static str,
    pub(super) version: &'static str,
}

impl<S, N> FormatEvent<S, N> for Ecs
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::default();
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let Some(fields) = extensions.get::<FormattedFields<N>>() else {
                continue;
            };
            // The layer writes the fields of spans as one JSON object.
            let fields: Map<String, Value> = serde_json::from_str(&fields.fields).unwrap_or_default();
            fields.into_iter().for_each(|(name, value)| line.put(&name, value));
        }
        event.record(&mut line);
        let metadata = event.metadata();
        let mut whole = Map::new();
        let logger = line.logger.unwrap_or_else(|| metadata.target().to_owned());
        let level = metadata.level().as_str().to_ascii_lowercase();
        let own = [
            self.timer.now().to_string(),
            level,
            line.message.unwrap_or_default(),
            ECS_VERSION.to_owned(),
            self.name.to_owned(),
            self.version.to_owned(),
            logger,
        ];
        whole.extend(OWN.iter().map(|name| (*name).to_owned()).zip(own.into_iter().map(Value::from)));
        whole.append(&mut line.named);
        if !line.labels.is_empty() {
            whole.insert("labels".to_owned(), line.labels.into());
        }
        writeln!(writer, "{}", Value::Object(whole))
    }
}

/// The fields of one line, sorted into where they go.
#[derive(Default)]
struct Line {
    message: Option<String>,
    logger: Option<String>,
    named: Map<String, Value>,
    labels: Map<String, Value>,
}

impl Line {
    fn put(&mut self, name: &str, value: Value) {
        match name {
            "message" => self.message = Some(text(value)),
            // Lines of the `log` crate carry their origin in fields.
            "log.target" => self.logger = Some(text(value)),
            "log.module_path" | "log.file" | "log.line" => {}
            "error" => {
                self.named.insert("error.message".to_owned(), text(value).into());
            }
            _ if name.contains('.') && !OWN.contains(&name) => {
                self.named.insert(name.to_owned(), value);
            }
            _ => {
                self.labels.insert(name.replace('.', "_"), value);
            }
        }
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}").into());
    }
}
