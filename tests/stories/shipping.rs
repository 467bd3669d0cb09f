//! What was recorded is in a real Elasticsearch or OpenSearch once, whatever dies in between.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use health_monitor::documents::{STREAMS, documents};
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::config::HttpUrl;
use shared::elasticsearch::{Client, Credentials, ElasticsearchSettings, Shipping, Source, ship};
use shared::journal::{Durability, Settings, Unshipped, Writer};

use super::daemon::{Daemon, PATIENCE, QUICK, run};
use super::search_server::{ADMIN, Kind, SearchServer, WRITER};
use super::tls::Authority;

/// Ten services that are never there: each failing probe is a fact, about fifty a second in all.
fn failing() -> String {
    let services: String = (0..10)
        .map(|n| format!("  s{n}: {{ url: 'http://127.0.0.1:9', interval: 0.2, fast_interval: 0.2, recovery_backend: none }}\n"))
        .collect();
    format!("{}services:\n{services}", QUICK.replace("elasticsearch_enabled: false", ""))
}

async fn start(server: &SearchServer, more: &[(&str, &str)]) -> Daemon {
    let url = server.url();
    let variables: Vec<_> = [("ELASTICSEARCH_URL", url.as_str())].iter().chain(more).copied().collect();
    Daemon::start_with(&failing(), &variables).await
}

/// Waits until the check of readiness says something.
pub(super) async fn elasticsearch_until(daemon: &Daemon, what: &str) -> String {
    let start = tokio::time::Instant::now();
    loop {
        let text = daemon.text("/readyz?verbose").await;
        if let Some(line) = text.lines().find(|line| line.contains("elasticsearch") && line.contains(what)) {
            return line.to_owned();
        }
        assert!(start.elapsed() < PATIENCE, "no {what:?} in:\n{text}\n{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn metric(daemon: &Daemon, name: &str) -> f64 {
    let text = daemon.text("/metrics").await;
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

async fn shipped_more(daemon: &Daemon, documents: f64) {
    let name = "health_monitor_elasticsearch_documents_total{result=\"shipped\"}";
    let before = metric(daemon, name).await;
    let start = tokio::time::Instant::now();
    while metric(daemon, name).await < before + documents {
        assert!(start.elapsed() < PATIENCE, "nothing is shipped:\n{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Ships what the stopped daemon had left, and gives the streams and identities of everything that it recorded.
async fn recorded(daemon: &Daemon, settings: &ElasticsearchSettings) -> BTreeSet<(&'static str, String)> {
    let journal = Writer::open(&Settings {
        directory: daemon.directory.path().join("data"),
        durability: Durability::Os,
        max_bytes: 1 << 30,
        retention: Duration::from_secs(86_400),
        unshipped: Unshipped::MakesRoom,
    })
    .unwrap();
    let client = Client::new(settings).unwrap();
    let mut status = journal.status();
    let clock = Arc::new(Clock::starting_after(status.borrow().last_at));
    let source = Source { journal: journal.clone(), documents, streams: &STREAMS };
    let (publish, _) = tokio::sync::watch::channel(Shipping::default());
    let shipping = tokio::spawn(ship(source, client, None, clock, publish));
    let all = status.wait_for(|status| status.cursor.seq == status.last_seq);
    tokio::time::timeout(PATIENCE, all).await.expect("the rest was not shipped").unwrap();
    shipping.abort();
    let chunks = journal.reader().after(0, usize::MAX).await.unwrap();
    chunks
        .iter()
        .flat_map(|chunk| chunk.documents())
        .map(|line| documents(line).pop().expect("a fact without a document"))
        .map(|one| (one.stream, one.id))
        .collect()
}

fn settings(
    server: &SearchServer,
    credentials: Option<Credentials>,
    ca: Option<String>,
) -> ElasticsearchSettings {
    ElasticsearchSettings {
        url: HttpUrl::parse(&server.url()).unwrap(),
        credentials,
        ca,
        retention_days: None,
    }
}

/// Every document that the server has, each in the index of its day.
async fn arrived(server: &SearchServer) -> BTreeSet<(&'static str, String)> {
    let mut arrived = BTreeSet::new();
    for stream in STREAMS {
        for (index, id, body) in server.documents(stream.name).await {
            let day = body["@timestamp"].as_str().unwrap()[..10].replace('-', ".");
            assert_eq!(index, format!("{}-{day}", stream.name));
            assert!(arrived.insert((stream.name, id)), "a document is there twice");
        }
    }
    arrived
}

async fn everything_arrives_once(kind: Kind, kills_of_the_server: usize) {
    let Some(mut server) = SearchServer::start(kind).await else { return };
    let url = server.url();
    let scratch = tempfile::tempdir().unwrap();
    let set_up = |arguments: &[&str]| {
        let output = run(scratch.path(), arguments, &[("ELASTICSEARCH_URL", &url)]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let planned = set_up(&["setup", "--dry-run"]);
    assert!(planned.lines().all(|line| line.starts_with("would create ")), "{planned}");
    let done = set_up(&["setup", "--wait"]);
    assert_eq!(done, planned.replace("would ", ""), "the dry run made nothing, and told what is made");
    let again = set_up(&["setup"]);
    assert!(again.lines().all(|line| line.starts_with("keep ")), "{again}");
    let mut daemon = start(&server, &[]).await;
    for _ in 0..kills_of_the_server {
        shipped_more(&daemon, 50.0).await;
        daemon.kill();
        daemon.restart().await;
        shipped_more(&daemon, 50.0).await;
        server.kill();
        elasticsearch_until(&daemon, "away since").await;
        daemon.kill();
        daemon.restart().await;
        server.restart().await;
    }
    shipped_more(&daemon, 50.0).await;
    assert_eq!(daemon.terminate(), Some(0));

    let recorded = recorded(&daemon, &settings(&server, None, None)).await;
    let arrived = arrived(&server).await;
    assert_eq!(arrived.len(), recorded.len());
    assert_eq!(arrived, recorded);
    let errors = arrived.iter().filter(|(stream, _)| *stream == "health-monitor-errors").count();
    println!(
        "{kind:?}: {} facts recorded, {} documents, {errors} of them errors",
        recorded.len(),
        arrived.len()
    );
    assert!(errors > 100);
}

#[tokio::test]
async fn everything_recorded_is_in_elasticsearch_8_once_however_often_either_side_is_killed() {
    everything_arrives_once(Kind::Elasticsearch8, 2).await;
}

#[tokio::test]
async fn everything_recorded_is_in_elasticsearch_9_once_however_often_either_side_is_killed() {
    everything_arrives_once(Kind::Elasticsearch9, 1).await;
}

#[tokio::test]
async fn everything_recorded_is_in_opensearch_once_however_often_either_side_is_killed() {
    everything_arrives_once(Kind::OpenSearch, 1).await;
}

#[tokio::test]
async fn an_index_that_was_there_before_is_written_on_and_what_it_does_not_take_is_kept_with_the_reason() {
    let Some(server) = SearchServer::start(Kind::Elasticsearch8).await else { return };
    // As the system before this one made it: no template, every field as it first came.
    let old = json!({"type": "auto_healing", "service": "web", "action": "auto_heal", "failure_count": 3,
        "recent_errors": [], "timestamp": "2025-11-23T16:10:24.135733", "@timestamp": "2025-11-23T16:10:24.135733"});
    server.post("/health-monitor-recovery/_doc", &old).await;
    // One that takes no text for an error.
    let numbers = json!({"mappings": {"properties": {"error": {"type": "long"}}}});
    server.put("/health-monitor-errors", &numbers).await;
    let mut daemon = start(&server, &[]).await;
    let told = elasticsearch_until(&daemon, "-dead").await;
    assert!(told.contains("[+]elasticsearch ok"), "others still pass: {told}");
    let start = tokio::time::Instant::now();
    while server.documents("health-monitor-recovery").await.len() <= 10 {
        assert!(start.elapsed() < PATIENCE, "recoveries do not arrive:\n{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    daemon.terminate();

    let dead = server.documents("health-monitor-errors-dead").await;
    let (_, _, first) = &dead[0];
    assert_eq!((&first["type"], &first["index"]), (&json!("dead_letter"), &json!("health-monitor-errors")));
    assert!(first["reason"].as_str().unwrap().contains("[error] of type [long]"), "{first}");
    let payload: Value = serde_json::from_str(first["payload"].as_str().unwrap()).unwrap();
    assert_eq!(payload["error"], "connection refused");
    let recoveries = server.documents("health-monitor-recovery").await;
    assert!(recoveries.iter().all(|(index, ..)| index == "health-monitor-recovery"), "{recoveries:?}");
}

#[tokio::test]
async fn indices_of_days_that_are_over_for_long_are_deleted_and_nothing_else_is() {
    let Some(server) = SearchServer::start(Kind::Elasticsearch8).await else { return };
    let ours = json!({"aliases": {"health-monitor-errors": {}}});
    let day = |number: u32| format!("2021.03.{number:02}");
    for number in 1..=5 {
        server.put(&format!("/health-monitor-errors-{}", day(number)), &ours).await;
    }
    let others =
        ["health-monitor-errors-2020.01.01-copy", "health-monitor-errors-archive", "other-2020.01.01"];
    for other in others {
        server.put(&format!("/{other}"), &json!({})).await;
    }
    // Without our alias it is somebody else's.
    server.put("/health-monitor-recovery-2020.01.01", &json!({})).await;
    let daemon = start(&server, &[("ELASTICSEARCH_RETENTION_DAYS", "3")]).await;
    let start = tokio::time::Instant::now();
    while !daemon.log().contains("indices of days that are over are deleted") {
        assert!(start.elapsed() < PATIENCE, "nothing is deleted:\n{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let left = server.indices().await;
    let is_there = |name: &str| left.iter().any(|index| index == name);
    // Three days are kept, whatever the calendar says: today is one of them if its index was there in time.
    for (number, is_kept) in [(1, false), (2, false), (4, true), (5, true)] {
        assert_eq!(is_there(&format!("health-monitor-errors-{}", day(number))), is_kept, "{left:?}");
    }
    assert!(others.into_iter().chain(["health-monitor-recovery-2020.01.01"]).all(is_there), "{left:?}");
}

#[tokio::test]
async fn a_server_that_does_not_know_us_holds_everything_back_and_nothing_is_lost() {
    let scratch = tempfile::tempdir().unwrap();
    let authority = Authority::new(scratch.path());
    let (certificate, key) = authority.certify();
    let pem = std::fs::read_to_string(authority.file()).unwrap();
    let Some(server) = SearchServer::start_secured(&certificate, &key, &pem).await else { return };
    let ca = ("ELASTICSEARCH_CA_FILE", authority.file());

    let daemon = start(&server, &[]).await;
    elasticsearch_until(&daemon, "certificate").await;
    drop(daemon);

    let url = server.url();
    let daemon_as = |more: &[(&'static str, &'static str)]| {
        let fixed = [ca, ("ELASTICSEARCH_URL", url.as_str())];
        fixed.into_iter().chain(more.iter().copied()).collect::<Vec<_>>()
    };
    let user = |(user, password)| [("ELASTICSEARCH_USERNAME", user), ("ELASTICSEARCH_PASSWORD", password)];
    let mut daemon = start(&server, &daemon_as(&user((ADMIN.0, "wrong-password")))).await;
    let told = elasticsearch_until(&daemon, "takes nothing since").await;
    assert!(told.contains("status 401") && told.contains("ELASTICSEARCH_PASSWORD"), "{told}");
    daemon.kill();
    daemon.restart_with(&daemon_as(&[("ELASTICSEARCH_API_KEY", "nobody:wrong-key")])).await;
    let told = elasticsearch_until(&daemon, "takes nothing since").await;
    assert!(told.contains("status 401") && told.contains("ELASTICSEARCH_API_KEY"), "{told}");
    daemon.kill();
    let log = daemon.log();
    assert!(!log.contains("wrong-password") && !log.contains("wrong-key"), "a secret is in the log:\n{log}");

    // An account that may only write, before and after another has set things up.
    daemon.restart_with(&daemon_as(&user(WRITER))).await;
    let told = elasticsearch_until(&daemon, "takes nothing since").await;
    assert!(told.contains("run `setup` once"), "{told}");
    let set_up = run(scratch.path(), &["setup"], &daemon_as(&user(ADMIN)));
    assert!(set_up.status.success(), "{}", String::from_utf8_lossy(&set_up.stderr));
    daemon.kill();
    daemon.restart().await;
    elasticsearch_until(&daemon, "[+]elasticsearch ok").await;
    shipped_more(&daemon, 10.0).await;
    daemon.terminate();

    let (username, password) = (ADMIN.0.to_owned(), ADMIN.1.into());
    let settings = settings(&server, Some(Credentials::Basic { username, password }), Some(pem));
    assert_eq!(recorded(&daemon, &settings).await, arrived(&server).await, "what waited has arrived");
}
