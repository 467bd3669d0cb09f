//! What services answer, minute by minute: as told, swinging a little, the same in every run.

use std::collections::BTreeMap;

use self_evolution::domain::usage::report::Reporting;
use serde_json::json;

/// How one endpoint answers.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    /// Requests in a minute.
    pub requests: u32,
    /// Mean response time of a minute, in seconds.
    pub seconds: f64,
    /// Which part of the requests is answered with an error.
    pub errors: f64,
    /// By which part a minute is slower or quicker than told, at most.
    pub swing: f64,
    /// The status of what is no error.
    pub status: u16,
}

/// What is answered now, by service and endpoint.
#[derive(Default)]
pub struct Traffic(BTreeMap<(String, String), Answers>);

impl Traffic {
    /// From now on an endpoint answers like this.
    pub fn set(&mut self, service: &str, endpoint: &str, answers: Answers) {
        self.0.insert((service.to_owned(), endpoint.to_owned()), answers);
    }

    /// From now on nothing is asked of a service.
    pub fn stop(&mut self, service: &str) {
        self.0.retain(|(of, _), _| of != service);
    }

    /// Reports what is answered in a minute.
    pub fn report(&self, minute: u64, reporting: &mut Reporting) {
        for ((service, endpoint), answers) in &self.0 {
            let seconds = answers.seconds * (1.0 + answers.swing * swing(service, endpoint, minute));
            let errors = |minute: u64| (minute as f64 * answers.errors * f64::from(answers.requests)) as u32;
            let failing = errors(minute + 1) - errors(minute);
            for request in 0..answers.requests {
                let status = if request < failing { 500 } else { answers.status };
                let event = json!({
                    "service": service, "endpoint": endpoint, "response_time": seconds, "status_code": status
                });
                let text = event.to_string();
                reporting
                    .push(&serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")));
            }
        }
    }
}

/// From -1 to 1, by service, endpoint and minute: the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
fn swing(service: &str, endpoint: &str, minute: u64) -> f64 {
    let bytes = service.bytes().chain(endpoint.bytes());
    let seed = bytes.fold(minute, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}
