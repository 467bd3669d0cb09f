//! The dashboards that come with the daemons, and how a Kibana gets them.

use serde_json::Value;

use crate::config::HttpUrl;
use crate::elasticsearch::{Answer, Client, ElasticsearchSettings, InvalidSettings, SetupError, shortened};

/// Dashboards and data views of both daemons, one saved object a line; see `docs/kibana`.
const SHIPPED: &str = include_str!("../../../docs/kibana/dashboards.ndjson");
/// Between the parts of the form. No line of the file begins with it.
const BOUNDARY: &str = "saved-objects-7f1c4ad0";

/// A Kibana, and the saved objects of one daemon. It takes the credentials and certificates of Elasticsearch.
#[derive(Debug)]
pub struct Kibana {
    client: Client,
    objects: Vec<SavedObject>,
}

/// One saved object.
#[derive(Clone, PartialEq, Eq, Debug)]
struct SavedObject {
    /// `dashboard health-monitor`.
    name: String,
    line: &'static str,
}

impl Kibana {
    /// Prepares a connection; nothing is connected yet. A daemon's saved objects have its name, or begin with it: those
    /// of the other are on indices that nobody may have made.
    pub fn new(
        url: &HttpUrl,
        elasticsearch: &ElasticsearchSettings,
        daemon: &str,
    ) -> Result<Self, InvalidSettings> {
        let settings = ElasticsearchSettings { url: url.clone(), ..elasticsearch.clone() };
        let client = Client::new(&settings)?;
        Ok(Self { client, objects: objects_of(daemon) })
    }

    /// How it is named in messages.
    pub fn name(&self) -> &str {
        self.client.name()
    }

    /// What is imported: `dashboard health-monitor`.
    pub fn objects(&self) -> impl Iterator<Item = &str> {
        self.objects.iter().map(|object| object.name.as_str())
    }

    /// Whether it answers and knows us; changes nothing.
    pub async fn look(&self) -> Result<(), SetupError> {
        let answer = self.client.get("api/data_views").await.map_err(SetupError::Down)?;
        let read = self.accepted(&answer)?;
        if read["data_view"].is_array() { Ok(()) } else { Err(self.is_none(&answer)) }
    }

    /// Imports the saved objects, in place of those of the same identity. Doing it again does no harm.
    pub async fn import(&self) -> Result<(), SetupError> {
        let form = form(&self.objects);
        let content = format!("multipart/form-data; boundary={BOUNDARY}");
        let path = "api/saved_objects/_import?overwrite=true";
        let answer = self.client.upload(path, &content, form).await.map_err(SetupError::Down)?;
        let read = self.accepted(&answer)?;
        // It answers 200 also where it has imported nothing.
        match (read["success"].as_bool(), read["successCount"].as_u64()) {
            (None, _) => Err(self.is_none(&answer)),
            (Some(true), Some(count)) if count == self.objects.len() as u64 => Ok(()),
            (_, count) => Err(SetupError::Refused(format!(
                "Kibana at {} has imported {} of {} objects. {}",
                self.name(),
                count.unwrap_or_default(),
                self.objects.len(),
                failures(&read["errors"])
            ))),
        }
    }

    /// The answer as JSON, where Kibana did what it was asked.
    fn accepted(&self, answer: &Answer) -> Result<Value, SetupError> {
        let reason = answer.reason();
        let name = self.name();
        let refused = |what: &str| SetupError::Refused(format!("Kibana at {name} {what}"));
        match answer.status {
            200..=299 => serde_json::from_slice(&answer.body).map_err(|_| self.is_none(answer)),
            429 | 500..=599 => Err(SetupError::Down(format!("Kibana at {name} is not ready ({reason})"))),
            401 => Err(refused(&format!(
                "does not know us ({reason}): it is given what Elasticsearch is given, ELASTICSEARCH_API_KEY, or \
                 ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD"
            ))),
            403 => Err(refused(&format!(
                "does not allow it ({reason}): the account needs the privilege `all` on Saved Objects Management"
            ))),
            300..=399 | 404 | 405 => Err(self.is_none(answer)),
            _ => Err(refused(&format!("refuses ({reason})"))),
        }
    }

    fn is_none(&self, answer: &Answer) -> SetupError {
        SetupError::Refused(format!(
            "what answers at {} is not a Kibana ({}): set KIBANA_URL to where it answers, with its base path, and with /s/NAME \
             for another space than the default one",
            self.name(),
            answer.reason()
        ))
    }
}

fn objects_of(daemon: &str) -> Vec<SavedObject> {
    let read = |line: &'static str| {
        let object: Value = serde_json::from_str(line).ok()?;
        let (kind, id) = (object["type"].as_str()?, object["id"].as_str()?);
        let is_own = id.strip_prefix(daemon).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        is_own.then(|| SavedObject { name: named(kind, id), line })
    };
    SHIPPED.lines().filter_map(read).collect()
}

/// As people know it: a data view is called an index pattern by old tradition.
fn named(kind: &str, id: &str) -> String {
    let kind = if kind == "index-pattern" { "data view" } else { kind };
    format!("{kind} {id}")
}

/// The body of a form with one file.
fn form(objects: &[SavedObject]) -> Vec<u8> {
    let lines: String = objects.iter().flat_map(|object| [object.line, "\n"]).collect();
    format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"dashboards.ndjson\"\r\n\
         Content-Type: application/ndjson\r\n\r\n{lines}\r\n--{BOUNDARY}--\r\n"
    )
    .into_bytes()
}

/// Which objects were not imported, and why.
fn failures(errors: &Value) -> String {
    let failed = errors.as_array().into_iter().flatten().map(|failed| {
        let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        let error = &failed["error"];
        let name = named(&text(&failed["type"]), &text(&failed["id"]));
        let missing = error["references"].as_array().into_iter().flatten();
        let missing: Vec<_> = missing.map(|one| named(&text(&one["type"]), &text(&one["id"]))).collect();
        let more = match error["message"].as_str() {
            Some(message) => format!(": {}", shortened(message)),
            None if missing.is_empty() => String::new(),
            None => format!(": {}", missing.join(", ")),
        };
        format!("{name} ({}{more})", text(&error["type"]))
    });
    let failed: Vec<String> = failed.collect();
    if failed.is_empty() {
        "It does not say why".to_owned()
    } else {
        format!("Not imported: {}", failed.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_daemon_has_its_dashboard_and_the_data_views_that_it_is_on() {
        for (daemon, views) in [("health-monitor", 4), ("self-evolution", 3)] {
            let objects = objects_of(daemon);
            let names: Vec<_> = objects.iter().map(|object| object.name.as_str()).collect();
            assert_eq!(names.len(), views + 1, "{names:?}");
            assert_eq!(*names.last().unwrap(), format!("dashboard {daemon}"));
            // What it refers to comes with it.
            let dashboard: Value = serde_json::from_str(objects.last().unwrap().line).unwrap();
            for reference in dashboard["references"].as_array().unwrap() {
                let view = format!("data view {}", reference["id"].as_str().unwrap());
                assert!(names.contains(&view.as_str()), "{view}");
            }
        }
        assert!(!SHIPPED.contains(BOUNDARY));
    }

    #[test]
    fn what_was_not_imported_is_told_with_the_reason() {
        let errors = json!([
            {"type": "dashboard", "id": "x", "error": {"type": "missing_references",
                "references": [{"type": "index-pattern", "id": "y"}]}},
            {"type": "index-pattern", "id": "z", "error": {"type": "unknown", "message": "too new", "statusCode": 400}}
        ]);
        let told =
            "Not imported: dashboard x (missing_references: data view y); data view z (unknown: too new)";
        assert_eq!(failures(&errors), told);
        assert_eq!(failures(&Value::Null), "It does not say why");
    }
}
