//! Facts a second that the journal makes durable, by the size of a commit. `cargo bench --package shared`

use std::time::Duration;

use serde::Serialize;
use shared::clock::{Clock, Timestamp};
use shared::journal::{Durability, Settings, Unshipped, Writer};

/// About the size of a failing probe's fact.
#[derive(Serialize)]
struct Fact {
    r#type: &'static str,
    service: String,
    status: &'static str,
    error: &'static str,
    failures: u64,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are the output")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{:>10} {:>16} {:>14} {:>14}", "durability", "facts a commit", "commits/s", "facts/s");
    for durability in [Durability::Disk, Durability::Os] {
        for facts in [1, 16, 64, 1_024] {
            let commits = measure(durability, facts).await?;
            let facts_a_second = commits * f64::from(facts);
            println!("{:>10} {facts:>16} {commits:>14.0} {facts_a_second:>14.0}", format!("{durability:?}"));
        }
    }
    Ok(())
}

/// Commits a second over two seconds.
async fn measure(durability: Durability, facts: u32) -> Result<f64, Box<dyn std::error::Error>> {
    // Beside the build, not in a temporary file system that has no device under it.
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR"))?;
    let writer = Writer::open(&Settings {
        directory: directory.path().to_path_buf(),
        durability,
        max_bytes: 2 * 1024 * 1024 * 1024,
        retention: Duration::from_secs(86_400),
        unshipped: Unshipped::Nobodys,
    })?;
    let clock = Clock::starting_after(Timestamp::default());
    let start = clock.now();
    let mut commits = 0_u32;
    while clock.now().since(start) < Duration::from_secs(2) {
        let batch: Vec<Fact> =
            (0..facts).map(|n| fact(u64::from(commits) * u64::from(facts) + u64::from(n))).collect();
        writer.append(clock.now(), &batch).await?;
        commits += 1;
    }
    Ok(f64::from(commits) / clock.now().since(start).as_secs_f64())
}

fn fact(n: u64) -> Fact {
    let service = format!("service-{}", n % 1_000);
    Fact {
        r#type: "service_error",
        service,
        status: "unreachable",
        error: "connection refused",
        failures: n % 10,
    }
}
