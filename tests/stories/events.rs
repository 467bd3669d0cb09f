//! The stream of recorded facts: nothing is missing and nothing comes twice, whatever breaks in between.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::daemon::{Daemon, PATIENCE};
use super::receivers::Service;

/// One event of a stream.
#[derive(Clone, PartialEq, Debug, Default)]
struct Event {
    id: String,
    name: String,
    data: String,
}

impl Event {
    fn document(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A reader of a stream.
struct Listening {
    response: reqwest::Response,
    text: String,
}

impl Listening {
    async fn to(daemon: &Daemon, path: &str, last_event_id: Option<&str>) -> Self {
        let response = ask(daemon, path, last_event_id).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event that has data; none when the stream ends.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = parse(block);
                self.text = rest.to_owned();
                if !event.data.is_empty() {
                    return Some(event);
                }
            }
            let chunk =
                tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("an event in time");
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }

    async fn take(&mut self, number: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < number {
            events.push(self.next().await.expect("the stream goes on"));
        }
        events
    }
}

async fn ask(daemon: &Daemon, path: &str, last_event_id: Option<&str>) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let request = client.get(daemon.url(path));
    let request = match last_event_id {
        Some(id) => request.header("Last-Event-ID", id),
        None => request,
    };
    request.send().await.unwrap()
}

fn parse(block: &str) -> Event {
    let mut event = Event::default();
    for line in block.lines() {
        match line.split_once(": ").or_else(|| line.split_once(':')) {
            Some(("id", id)) => event.id = id.to_owned(),
            Some(("event", name)) => event.name = name.to_owned(),
            Some(("data", data)) => event.data = data.to_owned(),
            Some(("", _) | ("retry", _)) | None => {}
            Some(other) => panic!("{other:?}"),
        }
    }
    event
}

/// Where an event stands in the journal: its identity without the generation, which is drawn anew at each start.
fn place(event: &Event) -> &str {
    event.id.split_once('-').expect("generation, chunk and place").1
}

fn ids(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.id.as_str()).collect()
}

/// A daemon that records a failure every fifth of a second.
async fn failing() -> Daemon {
    Daemon::start("recovery_backend: none\nservices:\n  web: {url: 'http://127.0.0.1:1'}\n").await
}

#[tokio::test]
async fn a_reader_that_resumes_after_a_kill_misses_nothing_and_gets_nothing_twice() {
    let mut daemon = failing().await;
    let mut listening = Listening::to(&daemon, "/events", None).await;
    let mut seen = listening.take(4).await;
    daemon.kill();
    // What was on its way still arrives.
    while let Some(event) = listening.next().await {
        seen.push(event);
    }
    daemon.restart().await;
    let last = seen.last().unwrap().id.clone();
    let mut listening = Listening::to(&daemon, "/events", Some(&last)).await;
    let resumed = listening.take(6).await;
    assert!(
        resumed.iter().any(|event| event.name == "monitor_started"),
        "the start after the kill: {:#?}",
        ids(&resumed)
    );
    seen.extend(resumed);
    assert!(seen.is_sorted_by(|a, b| place(a) < place(b)), "{:#?}", ids(&seen));

    // The journal itself, read from the first of them on, has these and no others.
    let path = format!("/events?last_event_id={}", seen[0].id);
    let recorded = Listening::to(&daemon, &path, None).await.take(seen.len() - 1).await;
    assert_eq!(recorded, seen[1..]);
    for event in &seen {
        let document = event.document();
        assert_eq!((&document["_id"], &document["type"]), (&json!(event.id), &json!(event.name)));
        assert!(document["@timestamp"].is_string(), "{document}");
    }
}

#[tokio::test]
async fn filters_choose_and_wrong_ones_are_told_what_there_is() {
    let service = Service::start().await;
    service.answers(500);
    let configuration = format!(
        "recovery_backend: none\nservices:\n  web: {{url: 'http://127.0.0.1:1'}}\n  api: {{url: 'http://{}'}}\n",
        service.address
    );
    let daemon = Daemon::start(&configuration).await;
    let mut listening = Listening::to(&daemon, "/events?service=api&type=service_error,incident", None).await;
    for event in listening.take(4).await {
        let document = event.document();
        assert_eq!(document["service"], json!("api"), "{document}");
        assert!(["service_error", "incident"].contains(&event.name.as_str()), "{document}");
    }
    for (path, told) in [
        ("/events?type=nonsense", "`recovery`"),
        ("/events?service=nobody", "web, api"),
        ("/events?last_event_id=yesterday", "1a2b3c4d-00000000002a-0000"),
        ("/events?kind=recovery", "type"),
    ] {
        let (status, problem) = daemon.get(path).await;
        assert_eq!(status, 400, "{path}");
        assert!(problem["error"].as_str().unwrap().contains(told), "{path}: {problem}");
    }
}

#[tokio::test]
async fn what_the_journal_does_not_hold_is_told_as_a_gap() {
    let daemon = failing().await;
    let mut listening = Listening::to(&daemon, "/events", Some("0000abcd-000000000001-0000")).await;
    let first = listening.next().await.unwrap();
    assert_eq!((first.name.as_str(), first.id.as_str()), ("gap", ""));
    assert_eq!(first.document()["after"], json!("0000abcd-000000000001-0000"));
    let next = listening.next().await.unwrap();
    assert!(!next.id.is_empty() && next.name != "gap", "the stream goes on: {next:?}");
}

#[tokio::test]
async fn streams_are_bounded_and_end_at_once_when_the_daemon_stops() {
    let mut daemon = failing().await;
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(Listening::to(&daemon, "/events?type=budget_tripped", None).await);
    }
    let refused = ask(&daemon, "/events", None).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    drop(streams.pop());
    let start = Instant::now();
    while ask(&daemon, "/events", None).await.status() != 200 {
        assert!(start.elapsed() < PATIENCE, "the place of a reader that left is free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let start = Instant::now();
    assert_eq!(daemon.terminate(), Some(0));
    // Requests that run are given ten seconds; these are not waited for.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    for mut stream in streams {
        assert_eq!(stream.next().await, None);
    }
    assert!(!daemon.log().contains("was closed with a request running"), "{}", daemon.log());
}
