//! A full window: 2,000 endpoints over 24 hours of simulated time through the core, and what it then takes to keep it, to
//! analyse it and to write it down. `cargo bench --package self-evolution --bench window -- even` for even traffic.

use std::sync::Arc;
use std::time::Duration;

use mimalloc::MiMalloc;
use self_evolution::domain::detect::{Look, detect};
use self_evolution::domain::evolution::{Event, Evolution, Work};
use self_evolution::domain::fact::UsageKey;
use self_evolution::domain::play::Playbook;
use self_evolution::domain::policy::{JudgedChanges, Policy};
use self_evolution::domain::usage::Report;
use self_evolution::domain::usage::report::Reported;
use self_evolution::domain::window::shape::Shape;
use shared::clock::{Clock, Timestamp};
use shared::engine::Decider;
use shared::journal::{Durability, Settings, Unshipped, Writer};

/// The daemon's own allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const SERVICES: u32 = 100;
const ENDPOINTS: u32 = 20;
const MINUTES: u32 = 24 * 60;

/// Requests a minute of an endpoint.
type Traffic = fn(u32) -> u32;

/// What is usual: a few endpoints have most of the requests, half of them hardly any.
fn usual(endpoint: u32) -> u32 {
    match endpoint % 100 {
        0..=1 => 600,
        2..=14 => 60,
        15..=49 => 10,
        _ => 1,
    }
}

/// What is most to keep at that number of requests: every endpoint has as many.
fn even(_: u32) -> u32 {
    60
}

/// Numbers that look like chance, the same in each run.
struct Chance(u64);

impl Chance {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A response time to the millisecond, spread as response times are: around a median of the endpoint's own, from
    /// 5 ms to 3 s, log-normal with a deviation of 0.6 (the 99th of a hundred takes four times the median).
    fn response_time(&mut self, endpoint: u32) -> f64 {
        let median = 0.005 * 600_f64.powf(f64::from(endpoint % 97) / 96.0);
        // Twelve uniform numbers less six are normal enough.
        let normal = (0..12).map(|_| self.next()).sum::<f64>() - 6.0;
        (median * (normal * 0.6).exp() * 1e3).round().max(1.0) / 1e3
    }
}

fn report(service: u32, traffic: Traffic, chance: &mut Chance) -> Report {
    let keys: Vec<UsageKey> = (0..ENDPOINTS)
        .map(|endpoint| (format!("service-{service}").into(), format!("/endpoint-{endpoint}-of/it").into()))
        .collect();
    let mut events = Vec::new();
    for endpoint in 0..ENDPOINTS {
        let number = service * ENDPOINTS + endpoint;
        for _ in 0..traffic(number) {
            let status_code = if chance.next() < 0.02 { 500 } else { 200 };
            let response_time = chance.response_time(number);
            events.push(Reported { key: endpoint, response_time, status_code, at: None, details: None });
        }
    }
    Report { keys, events, ..Report::default() }
}

/// Kibibytes of this process; most of them ever where it is asked for the most.
fn kibibytes(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|found| found.strip_prefix(line));
    line.and_then(|line| line.trim_start_matches(':').trim().split(' ').next()?.parse().ok())
        .unwrap_or_default()
}

/// The core after a day, and the longest time that a minute's report of a service took.
fn filled(traffic: Traffic, clock: &Clock) -> (Evolution, Timestamp, Duration) {
    let begin = Timestamp::from_micros(1_800_000_000 * 1_000_000);
    let policy = Policy {
        shape: Shape::default(),
        analysis_interval: Duration::from_secs(3_600),
        threshold: 0.15,
        auto_apply: false,
        judged: JudgedChanges::Automatic,
        ab_tests: true,
        keep_inconclusive: false,
        playbook: Playbook::default(),
    };
    let mut core = Evolution::new(policy, begin);
    core.restarted(begin);
    let (mut chance, mut now, mut longest) = (Chance(1), begin, Duration::ZERO);
    for minute in 0..MINUTES {
        now = begin + Duration::from_secs(60) * minute;
        for service in 0..SERVICES {
            let report = report(service, traffic, &mut chance);
            let began = clock.now();
            core.handle(Event::Usage(report), now);
            longest = longest.max(clock.now().since(began));
        }
    }
    (core, now, longest)
}

fn look_of(core: &mut Evolution, now: Timestamp) -> (u64, Box<Look>) {
    let decision = core.handle(Event::AnalysisRequested, now);
    let found = decision.work.into_iter().find_map(|work| match work {
        Work::Analyse { run, look } => Some((run, look)),
        Work::Inspect { .. } | Work::Carry(_) => None,
    });
    found.unwrap_or_default()
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are the output")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = Clock::starting_after(Timestamp::default());
    // One a process, because what the first has freed is not given back at once.
    let traffics = [("usual", usual as Traffic), ("even", even)];
    let asked = traffics.into_iter().find(|(name, _)| std::env::args().any(|argument| argument == *name));
    let (name, traffic) = asked.unwrap_or(traffics[0]);
    let before = kibibytes("VmRSS");
    let (mut core, now, longest) = filled(traffic, &clock);
    let requests = core.view(now).totals.events;
    println!("{name}: {} endpoints, {requests} requests in 24 hours", core.view(now).endpoints);
    println!(
        "  resident: {} MiB; longest report of a minute: {longest:?}",
        kibibytes("VmRSS").saturating_sub(before) / 1_024
    );
    let (run, look) = look_of(&mut core, now);
    let began = clock.now();
    let detected = detect(&look);
    let took = clock.now().since(began);
    println!("  analysis: {took:?}, {} findings of {}", detected.findings.len(), detected.patterns);
    let began = clock.now();
    core.handle(Event::Usage(report(0, traffic, &mut Chance(2))), now + Duration::from_secs(60));
    println!("  a report while a snapshot is out: {:?}", clock.now().since(began));
    drop(look);
    let began = clock.now();
    core.handle(Event::Analysed { run, detected }, now + Duration::from_secs(60));
    println!("  taking the analysis in: {:?}", clock.now().since(began));
    checkpoint(&core, &clock).await?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are the output")]
async fn checkpoint(core: &Evolution, clock: &Clock) -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR"))?;
    let writer = Writer::open(&Settings {
        directory: directory.path().to_path_buf(),
        durability: Durability::Disk,
        max_bytes: 2 * 1_024 * 1_024 * 1_024,
        retention: Duration::from_secs(86_400),
        unshipped: Unshipped::Nobodys,
    })?;
    let state: Arc<_> = Arc::new(core.state().clone());
    let began = clock.now();
    let bytes = writer.checkpoint(0, core.state().clone()).await?;
    println!(
        "  checkpoint: {} MiB, {:?}; most ever resident: {} MiB",
        bytes / 1_048_576,
        clock.now().since(began),
        kibibytes("VmHWM") / 1_024
    );
    let json =
        tokio::task::spawn_blocking(move || serde_json::to_vec(&*state).map(|json| json.len())).await??;
    println!("  as JSON: {} MiB", json / 1_048_576);
    let began = clock.now();
    let read =
        writer.replay::<self_evolution::domain::state::State, self_evolution::domain::fact::Fact>().await?;
    println!(
        "  reading it: {:?}; the same: {}",
        clock.now().since(began),
        read.state.as_ref() == Some(core.state())
    );
    Ok(())
}
