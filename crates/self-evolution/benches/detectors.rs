//! How often `latency_regression` cries wolf, and how often it finds what is there, over made-up services.
//! `cargo bench --package self-evolution --bench detectors`

use self_evolution::domain::detect::{Look, detect};
use self_evolution::domain::fact::{EventRecorded, UsageRecorded};
use self_evolution::domain::window::Window;
use self_evolution::domain::window::bucket::Counters;
use self_evolution::domain::window::shape::{Shape, Slot};
use shared::clock::{Clock, Timestamp};

#[path = "../src/domain/judge/tests/noise.rs"]
#[expect(dead_code, reason = "error rates have no part in it")]
mod noise;

use noise::{Noise, minutes};

const BEGIN: Timestamp = Timestamp::from_micros(1_800_000_000 * 1_000_000);
/// Made-up services of each kind, each with an endpoint: as many analyses of one, and of twenty, endpoints.
const SERVICES: u32 = 2_000;
const TOGETHER: u32 = 20;
const MINUTES: u32 = 75;
const CHANGED: u32 = 60;

#[expect(clippy::print_stdout, reason = "the figures are the output")]
fn main() {
    println!(
        "{:>15} {:>9} {:>6} {:>12} {:>14} {:>12} {:>16}",
        "autocorrelation",
        "deviation",
        "spikes",
        "alarm, alone",
        "alarm, of 20",
        "found, 30 %",
        "found, 30 % of 20"
    );
    let clock = Clock::starting_after(Timestamp::default());
    let began = clock.now();
    for autocorrelation in [0.0, 0.3, 0.6, 0.8] {
        for (deviation, spikes) in [(0.1, 0.0), (0.1, 0.03), (0.2, 0.03), (0.5, 0.1)] {
            let noise = Noise { autocorrelation, deviation, spikes };
            let alone = alarms(noise, |_| 1.0, 1);
            let among = alarms(noise, |_| 1.0, TOGETHER);
            let found = alarms(noise, |_| 1.3, 1);
            // One of twenty is slower.
            let found_among =
                alarms(noise, |service| if service % TOGETHER == 0 { 1.3 } else { 1.0 }, TOGETHER);
            println!(
                "{autocorrelation:>15} {deviation:>9} {spikes:>6} {alone:>10.2} % {among:>12.2} % {found:>10.1} % {found_among:>14.1} %"
            );
        }
    }
    println!("all of it took {:?}", clock.now().since(began));
}

/// The percentage of analyses of so many services each that find a regression, where response times are multiplied after
/// an hour.
fn alarms(noise: Noise, factor: impl Fn(u32) -> f64, together: u32) -> f64 {
    let analyses = SERVICES / together;
    let finds = |analysis: &u32| {
        let mut window = Window::default();
        for service in analysis * together..(analysis + 1) * together {
            let changed = CHANGED as usize;
            let minutes = minutes(noise, u64::from(service), MINUTES as usize, changed, factor(service));
            fill(&mut window, service, &minutes);
        }
        let now = Shape::default().slot(BEGIN) + MINUTES;
        let within = now - 1_440..now + 1;
        let look = Look { window, within, now, ..Look::default() };
        detect(&look).findings.iter().any(|finding| finding.issue.name == "latency_regression")
    };
    (0..analyses).filter(finds).count() as f64 / f64::from(analyses) * 100.0
}

/// Fills the window of a service with requests that have these minutes' means.
fn fill(window: &mut Window, service: u32, minutes: &[Counters]) {
    let key = (format!("service-{service}").into(), "/x".into());
    for (minute, counters) in (0..).zip(minutes) {
        let at = at(minute);
        let response_time = counters.sum / counters.requests as f64;
        let event = EventRecorded { key: 0, response_time, status_code: 200, age: 0 };
        // A quarter of the requests has the same mean.
        let events = vec![event; (counters.requests / 4) as usize];
        window.record(at, &UsageRecorded { keys: vec![key.clone()], events, details: Vec::new() });
    }
}

fn at(minute: Slot) -> Timestamp {
    let shape = Shape::default();
    shape.begin(shape.slot(BEGIN) + minute)
}
