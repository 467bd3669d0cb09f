//! Every event that was acknowledged is one document in a real Elasticsearch or OpenSearch, whatever dies in between.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::super::daemon::{Daemon, PATIENCE, run_program};
use super::super::search_server::{Kind, SearchServer};
use super::super::shipping::elasticsearch_until;

/// Events of one request.
const BATCH: usize = 10;
/// Requests at most: the search for all documents gives fewer than 10,000.
const MOST_BATCHES: usize = 800;

/// Reports usage until it is stopped, whether anybody answers or not. Each event is sent once.
struct Reporter {
    stop: Arc<AtomicBool>,
    /// Nothing is sent while it is set: a server takes half a minute to come up again.
    pause: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Reporter {
    fn start(url: String) -> Self {
        let (stop, pause) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(report(url, stop.clone(), pause.clone(), acknowledged.clone()));
        Self { stop, pause, acknowledged, task }
    }

    /// Waits until so many more events were acknowledged.
    async fn acknowledged_more(&self, events: usize) {
        let wanted = self.acknowledged.lock().unwrap().len() + events;
        let start = tokio::time::Instant::now();
        while self.acknowledged.lock().unwrap().len() < wanted {
            assert!(start.elapsed() < PATIENCE, "nothing is acknowledged");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        std::mem::take(&mut self.acknowledged.lock().unwrap())
    }
}

async fn report(
    url: String,
    stop: Arc<AtomicBool>,
    pause: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<String>>>,
) {
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    for batch in 0..MOST_BATCHES {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let ids: Vec<String> = (0..BATCH).map(|number| format!("{batch}-{number}")).collect();
        let event = |id: &String| json!({"service": "web", "endpoint": "/x", "response_time": 0.1, "status_code": 200, "event_id": id});
        let usage = Value::Array(ids.iter().map(event).collect());
        let answer = client.post(&url).json(&usage).send().await;
        if answer.is_ok_and(|answer| answer.status() == 200) {
            acknowledged.lock().unwrap().extend(ids);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        while pause.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    panic!("the story takes longer than it has events");
}

async fn every_acknowledged_event_arrives_once(kind: Kind, rounds: usize) {
    let Some(mut server) = SearchServer::start(kind).await else { return };
    let url = server.url();
    let scratch = tempfile::tempdir().unwrap();
    let variables = [("ELASTICSEARCH_URL", url.as_str())];
    let set_up = run_program("self-evolution", scratch.path(), &["setup", "--wait"], &variables);
    assert!(set_up.status.success(), "{}", String::from_utf8_lossy(&set_up.stderr));
    let mut daemon = Daemon::evolution("", &variables).await;
    let reporter = Reporter::start(daemon.url("/collect-usage"));
    for _ in 0..rounds {
        reporter.acknowledged_more(100).await;
        daemon.kill();
        daemon.restart().await;
        reporter.acknowledged_more(100).await;
        elasticsearch_until(&daemon, "elasticsearch ok").await;
        server.kill();
        reporter.acknowledged_more(100).await;
        elasticsearch_until(&daemon, "away since").await;
        daemon.kill();
        daemon.restart().await;
        reporter.acknowledged_more(100).await;
        reporter.pause.store(true, Ordering::Relaxed);
        server.restart().await;
        reporter.pause.store(false, Ordering::Relaxed);
    }
    let acknowledged = reporter.stop().await;
    elasticsearch_until(&daemon, "nothing waits").await;

    let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
    let documents = server.documents("self-evolution-usage").await;
    for (index, _, body) in &documents {
        let day = body["@timestamp"].as_str().unwrap()[..10].replace('-', ".");
        assert_eq!(*index, format!("self-evolution-usage-{day}"));
        *arrived.entry(body["event_id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert!(arrived.values().all(|times| *times == 1), "an event is there twice");
    let missing: Vec<_> = acknowledged.iter().filter(|id| !arrived.contains_key(*id)).collect();
    assert!(missing.is_empty(), "acknowledged and not there: {missing:?}");
    let metrics = daemon.text("/metrics").await;
    let recorded =
        metrics.lines().find_map(|l| l.strip_prefix("self_evolution_usage_events_recorded_total "));
    assert_eq!(recorded.unwrap().parse::<usize>().unwrap(), documents.len(), "as many as were recorded");
    println!("{kind:?}: {} events acknowledged, {} documents", acknowledged.len(), documents.len());
}

#[tokio::test]
async fn every_acknowledged_event_is_in_elasticsearch_8_once_however_often_either_side_is_killed() {
    every_acknowledged_event_arrives_once(Kind::Elasticsearch8, 2).await;
}

#[tokio::test]
async fn every_acknowledged_event_is_in_elasticsearch_9_once_however_often_either_side_is_killed() {
    every_acknowledged_event_arrives_once(Kind::Elasticsearch9, 1).await;
}

#[tokio::test]
async fn every_acknowledged_event_is_in_opensearch_once_however_often_either_side_is_killed() {
    every_acknowledged_event_arrives_once(Kind::OpenSearch, 1).await;
}

#[tokio::test]
async fn a_change_and_its_rollback_are_documents_as_charts_expect_them() {
    let Some(server) = SearchServer::start(Kind::Elasticsearch8).await else { return };
    let url = server.url();
    let daemon = Daemon::evolution("", &[("ELASTICSEARCH_URL", url.as_str())]).await;
    super::report(&daemon, &super::events(40, &super::event("web", "/x", 2.5, 200))).await;
    let id = super::analysed(&daemon).await.remove(0);
    for path in [format!("/apply-optimization/{id}"), format!("/rollback/{id}")] {
        assert_eq!(daemon.post(&path).await.0, 200);
    }
    elasticsearch_until(&daemon, "nothing waits").await;
    let documents = server.documents("self-evolution-optimizations").await;
    let of = |action: &str| {
        documents.iter().map(|(_, _, body)| body).find(|body| body["action"] == action).unwrap()
    };
    for (action, result) in [("apply", "enabled_caching"), ("rollback", "")] {
        let document = of(action);
        assert_eq!((&document["type"], &document["service"]), (&json!("optimization"), &json!("web")));
        assert_eq!(document["recommendation"]["id"], json!(id));
        assert_eq!(document["baseline"]["metrics"]["throughput"], 40);
        assert_eq!(document["result"]["action"].as_str().unwrap_or_default(), result);
    }
    assert_eq!(server.documents("self-evolution-usage").await.len(), 40);
    let search = json!({"size": 0, "aggs": {"mean": {"avg": {"field": "response_time"}},
        "of": {"terms": {"field": "service.name"}}}});
    let found = server.post("/self-evolution-usage/_search", &search).await;
    assert_eq!(found["aggregations"]["mean"]["value"], 2.5);
    assert_eq!(found["aggregations"]["of"]["buckets"][0]["doc_count"], 40);
}
