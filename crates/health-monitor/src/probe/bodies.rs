//! The last failing answers of each service, as evidence of what was wrong.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use shared::clock::Timestamp;
use shared::order::ServiceName;

/// Answers that are kept for each service.
const EACH: usize = 3;
/// Bytes of bodies that are kept in all: a whole fleet that answers with error pages must not fill the memory.
/// The oldest go first.
const IN_ALL: usize = 16 * 1024 * 1024;

/// An answer that failed. The body is what the service said, secrets included: redact it before it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailingAnswer {
    /// When it had come.
    pub at: Timestamp,
    /// The HTTP status.
    pub status: u16,
    /// The first 4 KiB of the body; what is no UTF-8 is replaced.
    pub body: Arc<str>,
}

/// The last failing answers of all services.
#[derive(Default)]
pub(super) struct Bodies(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    by_service: HashMap<ServiceName, VecDeque<(u64, FailingAnswer)>>,
    /// Whose answer each is, oldest first.
    order: BTreeMap<u64, ServiceName>,
    next: u64,
    bytes: usize,
}

impl Bodies {
    pub(super) fn keep(&self, service: &ServiceName, at: Timestamp, status: u16, body: &[u8]) {
        let body = String::from_utf8_lossy(body).into();
        self.lock().keep(service, FailingAnswer { at, status, body });
    }

    /// The last failing answers of a service, oldest first.
    pub(super) fn of(&self, service: &ServiceName) -> Vec<FailingAnswer> {
        let kept = self.lock();
        let of_service = kept.by_service.get(service).into_iter().flatten();
        of_service.map(|(_, answer)| answer.clone()).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Nothing panics while it is held, and evidence that is odd is better than none.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, service: &ServiceName, mut answer: FailingAnswer) {
        let of_service = self.by_service.entry(service.clone()).or_default();
        // Most failing answers repeat the one before.
        if let Some((_, last)) = of_service.back().filter(|(_, last)| last.body == answer.body) {
            answer.body = Arc::clone(&last.body);
        }
        self.bytes += answer.body.len();
        of_service.push_back((self.next, answer));
        let is_over = of_service.len() > EACH;
        self.order.insert(self.next, service.clone());
        self.next += 1;
        if is_over {
            self.forget_oldest_of(service);
        }
        while self.bytes > IN_ALL
            && let Some(service) = self.order.first_key_value().map(|(_, service)| service.clone())
        {
            self.forget_oldest_of(&service);
        }
    }

    fn forget_oldest_of(&mut self, service: &ServiceName) {
        if let Some((number, answer)) = self.by_service.get_mut(service).and_then(VecDeque::pop_front) {
            self.bytes -= answer.body.len();
            self.order.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> ServiceName {
        ServiceName::new(&format!("service-{number}")).unwrap()
    }

    #[test]
    fn the_last_three_of_each_are_kept() {
        let bodies = Bodies::default();
        for second in 0..5 {
            bodies.keep(&name(1), Timestamp::from_micros(second), 503, format!("{second}").as_bytes());
        }
        bodies.keep(&name(2), Timestamp::from_micros(9), 500, b"\xffboom");
        let of_first: Vec<_> = bodies.of(&name(1)).iter().map(|one| one.body.to_string()).collect();
        assert_eq!(of_first, ["2", "3", "4"]);
        assert_eq!(&*bodies.of(&name(2))[0].body, "\u{fffd}boom");
        assert!(bodies.of(&name(3)).is_empty());
    }

    #[test]
    fn a_fleet_of_error_pages_pushes_the_oldest_out() {
        let bodies = Bodies::default();
        for number in 0..5_000 {
            let page = format!("{number:04}").repeat(1_024);
            bodies.keep(&name(number), Timestamp::default(), 500, page.as_bytes());
        }
        let kept = bodies.lock();
        assert!(kept.bytes <= IN_ALL && kept.order.len() == IN_ALL / 4_096, "{}", kept.order.len());
        drop(kept);
        assert!(bodies.of(&name(0)).is_empty());
        assert_eq!(bodies.of(&name(4_999)).len(), 1);
    }
}
