//! What the server needs before it takes documents: templates, and the aliases that documents are found under.

mod standing;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};

use super::connection::{Answer, Client};
use super::indices::{Stream, day};
use super::shipper::Trouble;
use crate::clock::Timestamp;

/// One thing that setting up does, or would do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    /// What it is: `template health-monitor-errors`.
    pub what: String,
    /// What is done about it.
    pub change: Change,
}

/// What is done about a thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It is not there.
    Create,
    /// It is there in an older version.
    Update,
    /// It is there.
    Keep,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = match self.change {
            Change::Create => "create",
            Change::Update => "update",
            Change::Keep => "keep",
        };
        write!(f, "{change:<7} {}", self.what)
    }
}

/// Why the server could not be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// It cannot be reached, or fails: later it may be well.
    #[error("{0}")]
    Down(String),
    /// It refuses: somebody has to change something.
    #[error("{0}")]
    Refused(String),
}

/// What has to be done, with the request that does it.
struct Task {
    planned: Planned,
    path: String,
    body: Value,
    /// Whether it is the first index, which is what the templates say when it is made.
    is_index: bool,
}

/// What setting up would do, without doing it.
pub async fn plan(client: &Client, streams: &[Stream], now: Timestamp) -> Result<Vec<Planned>, SetupError> {
    Ok(tasks(client, streams, now).await?.into_iter().map(|task| task.planned).collect())
}

/// Makes what is missing and renews what is older. Doing it again does no harm. Gives what was done.
pub async fn setup(client: &Client, streams: &[Stream], now: Timestamp) -> Result<Vec<Planned>, SetupError> {
    let tasks = tasks(client, streams, now).await?;
    let missing = || tasks.iter().filter(|task| task.planned.change != Change::Keep);
    for task in missing().filter(|task| !task.is_index) {
        make(client, task).await?;
    }
    for stream in streams {
        standing::decides(client, stream, now).await?;
    }
    for task in missing().filter(|task| task.is_index) {
        make(client, task).await?;
    }
    for stream in streams {
        standing::has_alias(client, stream, now).await?;
    }
    standing::is_served(client, streams).await?;
    Ok(tasks.into_iter().map(|task| task.planned).collect())
}

async fn tasks(client: &Client, streams: &[Stream], now: Timestamp) -> Result<Vec<Task>, SetupError> {
    let mut tasks = Vec::new();
    for stream in streams {
        tasks.push(template(client, stream.template_name(), stream.template()).await?);
        tasks.push(template(client, &stream.dead(), stream.dead_template()).await?);
        tasks.push(alias(client, stream, now).await?);
    }
    Ok(tasks)
}

async fn template(client: &Client, name: &str, body: Value) -> Result<Task, SetupError> {
    let what = format!("template {name}");
    let change = match version(client, name).await? {
        None => Change::Create,
        Some(known) if known < body["version"].as_u64() => Change::Update,
        Some(_) => Change::Keep,
    };
    let path = format!("_index_template/{name}");
    Ok(Task { planned: Planned { what, change }, path, body, is_index: false })
}

/// The version of a template, which may have none; nothing where there is no such template.
async fn version(client: &Client, name: &str) -> Result<Option<Option<u64>>, SetupError> {
    let path = format!("_index_template/{name}?filter_path=index_templates.index_template.version");
    let answer = client.get(&path).await.map_err(SetupError::Down)?;
    if answer.status == 404 {
        return Ok(None);
    }
    accepted(&answer, &format!("template {name}"))?;
    let found = object(&answer)?;
    Ok(Some(found["index_templates"][0]["index_template"]["version"].as_u64()))
}

/// The first day's index brings the alias, so that it can be asked for before the first document.
async fn alias(client: &Client, stream: &Stream, now: Timestamp) -> Result<Task, SetupError> {
    let name = stream.name;
    let (what, change) = match standing(client, name).await? {
        Standing::Absent => (format!("alias {name}, with the index of today"), Change::Create),
        Standing::Alias => (format!("alias {name}"), Change::Keep),
        Standing::Plain => (format!("index {name}, which was there before and is written on"), Change::Keep),
    };
    // Whether its shard can be placed is looked at behind it, and said in words.
    let path = format!("{name}-{}?wait_for_active_shards=0", day(now));
    Ok(Task { planned: Planned { what, change }, path, body: json!({}), is_index: true })
}

/// What a name stands for at the server.
enum Standing {
    Absent,
    Alias,
    Plain,
}

async fn standing(client: &Client, name: &str) -> Result<Standing, SetupError> {
    let answer = client.get(&format!("{name}/_alias")).await.map_err(SetupError::Down)?;
    if answer.status == 404 {
        return Ok(Standing::Absent);
    }
    accepted(&answer, &format!("index {name}"))?;
    let is_plain = object(&answer)?.get(name).is_some();
    Ok(if is_plain { Standing::Plain } else { Standing::Alias })
}

/// The answer as an object. Whatever else answers 200 to everything is no Elasticsearch.
fn object(answer: &Answer) -> Result<Value, SetupError> {
    let read = serde_json::from_slice::<Value>(&answer.body).ok().filter(Value::is_object);
    read.ok_or_else(|| SetupError::Refused(format!("{NOT_IT}: set ELASTICSEARCH_URL to where it answers")))
}

const NOT_IT: &str = "what answers is not an Elasticsearch";

/// Has the server make something, which it must confirm.
async fn make(client: &Client, task: &Task) -> Result<(), SetupError> {
    let answer = client.put(&task.path, &task.body).await.map_err(SetupError::Down)?;
    let was_made_by_another = answer.status == 400 && answer.reason().contains("already exists");
    if was_made_by_another {
        return Ok(());
    }
    accepted(&answer, &task.planned.what)?;
    let is_acknowledged = object(&answer)?["acknowledged"] == true;
    let unconfirmed = || SetupError::Down(format!("{} was not confirmed", task.planned.what));
    if is_acknowledged { Ok(()) } else { Err(unconfirmed()) }
}

/// Whether the server did what it was asked.
fn accepted(answer: &Answer, what: &str) -> Result<(), SetupError> {
    match answer.status {
        200..=299 => Ok(()),
        429 | 500..=599 => Err(SetupError::Down(format!("Elasticsearch fails: {}", answer.reason()))),
        _ => Err(SetupError::Refused(format!("{what}: {}", refusal(answer)))),
    }
}

/// Why the server does not do what it is asked, and what to do about it.
pub(super) fn refusal(answer: &Answer) -> String {
    let reason = answer.reason();
    match answer.status {
        401 => format!(
            "Elasticsearch does not know us ({reason}): set ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD, to what it knows"
        ),
        403 => format!(
            "Elasticsearch does not allow it ({reason}): docs/elasticsearch.md lists the privileges that are needed"
        ),
        300..=399 | 404 | 405 => format!("{NOT_IT} ({reason}): set ELASTICSEARCH_URL to where it answers"),
        _ => format!("Elasticsearch refuses ({reason})"),
    }
}

/// Looks whether documents can be sent, and makes templates that are missing. Gives the streams that have an index
/// of exactly their name.
pub(super) async fn prepare(client: &Client, streams: &[Stream]) -> Result<BTreeSet<&'static str>, Trouble> {
    let mut plain = BTreeSet::new();
    for stream in streams {
        let standing = standing(client, stream.name).await.map_err(trouble)?;
        if matches!(standing, Standing::Plain) {
            plain.insert(stream.name);
        }
        let has_alias = matches!(standing, Standing::Alias | Standing::Plain);
        for (name, body) in
            [(stream.template_name(), stream.template()), (&*stream.dead(), stream.dead_template())]
        {
            ensure(client, name, body, has_alias).await?;
        }
    }
    Ok(plain)
}

/// An account that may only write cannot look at templates; where the alias is, somebody has set them up.
async fn ensure(client: &Client, name: &str, body: Value, is_set_up: bool) -> Result<(), Trouble> {
    let made = async {
        let task = template(client, name, body).await?;
        if task.planned.change == Change::Keep { Ok(()) } else { make(client, &task).await }
    };
    match made.await {
        Ok(()) => Ok(()),
        Err(SetupError::Refused(_)) if is_set_up => Ok(()),
        Err(SetupError::Refused(reason)) => Err(Trouble::Held(format!(
            "{reason}. Without its template nothing is sent: run `setup` once with an account that may manage index templates"
        ))),
        Err(error @ SetupError::Down(_)) => Err(trouble(error)),
    }
}

fn trouble(error: SetupError) -> Trouble {
    match error {
        SetupError::Down(reason) => Trouble::Down(reason),
        SetupError::Refused(reason) => Trouble::Held(reason),
    }
}
