//! Facts a second that arrive in Elasticsearch from a journal that is full of them.
//! `ELASTICSEARCH_URL=http://localhost:9200 cargo bench --package shared --bench shipping`

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use shared::clock::{Clock, Timestamp};
use shared::config::HttpUrl;
use shared::elasticsearch::{Client, Document, ElasticsearchSettings, Shipping, Source, Stream, setup, ship};
use shared::journal::{Durability, Settings, Unshipped, Writer};

const FACTS: u64 = 200_000;
/// About as many as a busy turn of the engine records.
const A_COMMIT: u64 = 500;
const STREAMS: [Stream; 1] = [Stream {
    name: "bench-shipping",
    properties: || serde_json::json!({"n": {"type": "long"}}),
    version: 1,
}];

/// About the size of a failing probe's document.
#[derive(Serialize)]
struct Fact {
    r#type: &'static str,
    n: u64,
    service: String,
    error: &'static str,
    padding: &'static str,
}

fn documents(line: &[u8]) -> Vec<Document> {
    document(line).into_iter().collect()
}

fn document(line: &[u8]) -> Option<Document> {
    let mut fact: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line).ok()?;
    let id = fact.remove("_id")?.as_str()?.to_owned();
    let at = fact.get("@timestamp")?.as_str()?.parse().ok()?;
    Some(Document { stream: "bench-shipping", id, at, body: serde_json::to_vec(&fact).ok()? })
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are the output")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Ok(url) = std::env::var("ELASTICSEARCH_URL") else {
        println!("set ELASTICSEARCH_URL to a server that may be written to");
        return Ok(());
    };
    let directory = tempfile::tempdir()?;
    let journal = Writer::open(&Settings {
        directory: directory.path().to_path_buf(),
        durability: Durability::Os,
        max_bytes: 2 * 1024 * 1024 * 1024,
        retention: Duration::from_secs(86_400),
        unshipped: Unshipped::MakesRoom,
    })?;
    let clock = Arc::new(Clock::starting_after(Timestamp::default()));
    for commit in 0..FACTS / A_COMMIT {
        let facts: Vec<Fact> = (commit * A_COMMIT..(commit + 1) * A_COMMIT).map(fact).collect();
        journal.append(clock.now(), &facts).await?;
    }
    let url = HttpUrl::parse(&url)?;
    let client =
        Client::new(&ElasticsearchSettings { url, credentials: None, ca: None, retention_days: None })?;
    setup(&client, &STREAMS, clock.now()).await?;
    let mut status = journal.status();
    let started = clock.now();
    let (publish, shipping) = tokio::sync::watch::channel(Shipping::default());
    let source = Source { journal: journal.clone(), documents, streams: &STREAMS };
    let task = tokio::spawn(ship(source, client, None, Arc::clone(&clock), publish));
    status.wait_for(|status| status.cursor.seq == status.last_seq).await?;
    let seconds = clock.now().since(started).as_secs_f64();
    task.abort();
    let totals = shipping.borrow().totals;
    println!("{FACTS} facts in {seconds:.1} s: {:.0} a second; {totals:?}", f64_of(FACTS) / seconds);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
fn f64_of(number: u64) -> f64 {
    number as f64
}

fn fact(n: u64) -> Fact {
    let padding =
        "what stands in a document beside the reason: times, identities, words of state and severity";
    Fact {
        r#type: "service_error",
        n,
        service: format!("service-{}", n % 1_000),
        error: "connection refused",
        padding,
    }
}
