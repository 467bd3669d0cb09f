use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn logged(format: LogFormat, levels: &str, log: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let style = Style { format, colors: false, name: "health-monitor", version: "0.1.0" };
    let subscriber = subscriber(style, filter(levels).0, move || writer.clone());
    tracing::subscriber::with_default(subscriber, log);
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn an_ecs_line_has_the_required_fields_and_ours_as_labels() {
    let log = || {
        let span = tracing::info_span!("recovery", incident_id = 7);
        let _entered = span.enter();
        tracing::warn!(service = "web", error = "refused", http.response.status_code = 503, "it\nfailed");
    };
    let line = logged(LogFormat::Ecs, "info", log);
    assert_eq!(line.lines().count(), 1);
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["log.level"], "warn");
    assert_eq!(line["message"], "it\nfailed");
    assert_eq!(line["service.name"], "health-monitor");
    assert_eq!(line["service.version"], "0.1.0");
    assert_eq!(line["ecs.version"], ECS_VERSION);
    assert_eq!(line["log.logger"], "shared::telemetry::tests");
    assert_eq!(line["http.response.status_code"], 503);
    assert_eq!(line["error.message"], "refused");
    assert_eq!(line["labels"]["service"], "web");
    assert_eq!(line["labels"]["incident_id"], 7);
    let timestamp = line["@timestamp"].as_str().unwrap();
    assert!(timestamp.ends_with('Z') && timestamp.len() == "2026-11-23T16:06:40.000120Z".len());
}

#[test]
fn a_json_line_has_its_fields_at_the_top() {
    let line = logged(LogFormat::Json, "info", || tracing::info!(service = "web", "checked"));
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["message"], &line["service"]), (&"checked".into(), &"web".into()));
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_text_line_cannot_be_used_to_send_control_characters_to_a_terminal() {
    let line = logged(LogFormat::Text, "info", || tracing::info!(name = "\u{1b}[31mred", "checked"));
    assert!(line.contains("checked") && !line.contains('\u{1b}'), "{line:?}");
}

#[test]
fn levels_that_cannot_be_read_fall_back_to_info_and_say_so() {
    let (_, fault) = filter("info,=,,[");
    assert!(fault.is_some());
    let lines = logged(LogFormat::Json, "nonsense=[", || {
        tracing::debug!("hidden");
        tracing::info!("shown");
    });
    assert!(lines.contains("shown") && !lines.contains("hidden"));
}

#[test]
fn automatic_is_text_on_a_terminal_and_json_elsewhere() {
    assert_eq!(LogFormat::Auto.settled(true), LogFormat::Text);
    assert_eq!(LogFormat::Auto.settled(false), LogFormat::Json);
    assert_eq!(LogFormat::Ecs.settled(true), LogFormat::Ecs);
}
