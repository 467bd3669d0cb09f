//! What services answer, minute by minute: as told, swinging a little, the same in every run.

use std::collections::BTreeMap;

use self_evolution::domain::usage::report::Reporting;
use serde_json::json;

use super::fleet::{Fleet, Instance};

/// How one endpoint answers.
#[derive(Clone, Debug)]
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
    /// What is different at instances that have a change, where the instances are told apart.
    pub with_change: Option<WithChange>,
}

/// How an endpoint answers at instances that have a change.
#[derive(Clone, Debug)]
pub struct WithChange {
    /// Mean response time of a minute, in seconds.
    pub seconds: f64,
    /// Which part of the requests is answered with an error.
    pub errors: f64,
    /// Whether usage says which variant the instance had.
    pub tells: bool,
    /// The instances that answer; all of the service where there is none.
    pub only: Vec<String>,
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

    /// Whether a service says which variants its instances had.
    pub fn tells_variants(&self, service: &str) -> bool {
        let tells = |answers: &Answers| answers.with_change.as_ref().is_some_and(|with| with.tells);
        self.0.iter().any(|((of, _), answers)| of == service && tells(answers))
    }

    /// Reports what is answered in a minute.
    pub fn report(&self, minute: u64, fleet: &Fleet, reporting: &mut Reporting) {
        for ((service, endpoint), answers) in &self.0 {
            match &answers.with_change {
                None => {
                    let swing = swing(service, endpoint, minute);
                    Spell { service, endpoint, minute, swing, answers, variant: None }.report(reporting);
                }
                Some(with_change) => {
                    let answering: Vec<_> =
                        fleet.of(service).iter().filter(|one| with_change.has(one)).collect();
                    for instance in &answering {
                        let swing = swing(&instance.name, endpoint, minute);
                        let answers = &answers.of(instance, answering.len());
                        let variant = with_change.tells.then_some(&*instance.variant);
                        Spell { service, endpoint, minute, swing, answers, variant }.report(reporting);
                    }
                }
            }
        }
    }
}

impl Answers {
    /// How one of so many instances answers.
    fn of(&self, instance: &Instance, instances: usize) -> Self {
        let with_change = self.with_change.as_ref().filter(|_| instance.has_it);
        let (seconds, errors) =
            with_change.map_or((self.seconds, self.errors), |with| (with.seconds, with.errors));
        let requests = self.requests / instances as u32;
        Self { requests, seconds: seconds * instance.slowness, errors, ..self.clone() }
    }
}

impl WithChange {
    fn has(&self, instance: &Instance) -> bool {
        self.only.is_empty() || self.only.contains(&instance.name)
    }
}

/// A minute of one endpoint, or of one instance of it.
struct Spell<'a> {
    service: &'a str,
    endpoint: &'a str,
    minute: u64,
    swing: f64,
    answers: &'a Answers,
    variant: Option<&'a str>,
}

impl Spell<'_> {
    fn report(&self, reporting: &mut Reporting) {
        let Self { service, endpoint, minute, swing, answers, variant } = *self;
        let seconds = answers.seconds * (1.0 + answers.swing * swing);
        let errors = |minute: u64| (minute as f64 * answers.errors * f64::from(answers.requests)) as u32;
        let failing = errors(minute + 1) - errors(minute);
        for request in 0..answers.requests {
            let status = if request < failing { 500 } else { answers.status };
            let mut event = json!({
                "service": service, "endpoint": endpoint, "response_time": seconds, "status_code": status
            });
            if let Some(variant) = variant {
                event["variant"] = json!(variant);
            }
            let text = event.to_string();
            reporting.push(&serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")));
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
