//! A pretended server that loses requests and answers, is full, is away, refuses and is rebuilt; a journal that
//! grows meanwhile; and a shipper that crashes. What holds: nothing is noted as arrived that has not, and in the
//! end everything is there once.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use super::*;

/// Whose documents the server does not take.
const POISON: &[u8] = b"\"poison\"";
/// What the server does not take in one request.
const TOO_LARGE: usize = 70_000;

struct World {
    random: StdRng,
    now: Timestamp,
    /// Chunk by chunk.
    journal: Vec<Vec<Document>>,
    noted: u64,
    shipper: Shipper,
    /// By index and identity.
    server: BTreeSet<(String, String)>,
    is_away: bool,
    is_held: bool,
    is_calm: bool,
    in_flight: Vec<Request>,
    asked: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let now = Timestamp::from_micros(1_764_000_000_000_000 + random.random_range(0..86_400_000_000));
        Self {
            random,
            now,
            journal: Vec::new(),
            noted: 0,
            shipper: Shipper::new(0),
            server: BTreeSet::new(),
            is_away: false,
            is_held: false,
            is_calm: false,
            in_flight: Vec::new(),
            asked: false,
        }
    }

    fn chance(&mut self, of: f64) -> bool {
        !self.is_calm && self.random.random_bool(of)
    }

    fn record(&mut self) {
        let seq = self.journal.len() + 1;
        let documents = (0..self.random.random_range(0..20)).map(|place| {
            let body = match self.random.random_range(0..100) {
                0 => "{\"a\":\"poison\"}".to_owned(),
                1 => format!("{{\"a\":\"{}\"}}", "x".repeat(TOO_LARGE + 1)),
                2..5 => format!("{{\"a\":\"{}\"}}", "x".repeat(TOO_LARGE / 3)),
                _ => "{\"a\":1}".to_owned(),
            };
            Document { stream: "events", id: format!("{seq}-{place}"), at: self.now, body: body.into_bytes() }
        });
        let documents = documents.collect();
        self.journal.push(documents);
    }

    /// Everything that the journal holds up to this chunk, each with the identities of where it must be.
    fn check_arrived(&self, seq: u64) {
        for document in self.journal[..seq as usize].iter().flatten() {
            let day = index_of(document, &BTreeSet::new());
            let (alive, dead) = ((day, document.id.clone()), ("events-dead".into(), document.id.clone()));
            let is_bad = document.body.len() > TOO_LARGE || contains(&document.body, POISON);
            let found = (self.server.contains(&alive), self.server.contains(&dead));
            assert_eq!(found, (!is_bad, is_bad), "{} was noted as arrived", document.id);
        }
    }

    fn step(&mut self) {
        if self.chance(0.05) {
            self.is_away = !self.is_away;
        }
        if self.chance(0.01) {
            self.is_held = !self.is_held;
        }
        if self.chance(0.02) {
            // A crash: what was in memory is gone, what was under way may still arrive.
            self.shipper = Shipper::new(self.noted);
            self.asked = false;
            for request in std::mem::take(&mut self.in_flight) {
                if self.chance(0.5) && request.body.len() <= TOO_LARGE {
                    self.take(&request);
                }
            }
        }
        if self.chance(0.5) {
            self.record();
        }
        let last = self.journal.len() as u64;
        match self.shipper.next(self.now, last) {
            Step::Prepare => {
                assert!(self.in_flight.is_empty() && !self.asked);
                self.asked = true;
            }
            Step::Read { after, last, bytes } => self.read(after, last, bytes),
            Step::Send(request) => {
                assert!(request.documents > 0 && self.in_flight.len() < MOST_PARALLEL);
                self.in_flight.push(request);
            }
            Step::Advance(seq) => {
                assert!(seq > self.noted);
                self.check_arrived(seq);
                if !self.chance(0.1) {
                    self.noted = seq;
                    self.shipper.noted(seq);
                }
            }
            Step::Wait(until) => self.wait(until),
        }
    }

    fn read(&mut self, after: u64, last: u64, bytes: usize) {
        let mut chunks = Vec::new();
        let mut size = 0;
        for seq in after + 1..=last {
            let documents = self.journal[seq as usize - 1].clone();
            size += documents.iter().map(|document| document.body.len()).sum::<usize>();
            if size > bytes && !chunks.is_empty() {
                break;
            }
            chunks.push((seq, documents));
        }
        self.shipper.read(chunks, last, self.now);
    }

    /// Nothing to do: one of the things under way comes back, or time passes.
    fn wait(&mut self, until: Option<Timestamp>) {
        let fraction = self.random.random();
        if self.asked {
            self.asked = false;
            let outcome = match (self.is_away, self.is_held) {
                (true, _) => Err(Trouble::Down("away".into())),
                (false, true) => Err(Trouble::Held("who are you?".into())),
                (false, false) => Ok(BTreeSet::new()),
            };
            self.shipper.prepared(outcome, self.now, fraction);
        } else if !self.in_flight.is_empty() {
            let place = self.random.random_range(0..self.in_flight.len());
            let request = self.in_flight.swap_remove(place);
            let outcome = self.answer(&request);
            self.shipper.sent(request.batch, outcome, self.now, fraction);
        } else {
            let until = until.unwrap_or(self.now + Duration::from_secs(1));
            assert!(until > self.now, "it waits for what is past: a busy loop");
            self.now = until;
            self.record();
        }
    }

    fn answer(&mut self, request: &Request) -> Sent {
        if self.is_away {
            return Sent::Failed(Trouble::Down("connection refused".into()));
        }
        if self.is_held {
            return Sent::Failed(Trouble::Held("status 403".into()));
        }
        if request.body.len() > TOO_LARGE {
            return Sent::TooMuch { is_size: true, reason: "status 413".into() };
        }
        if self.chance(0.1) {
            return Sent::Busy;
        }
        let items = self.take(request);
        if self.chance(0.1) {
            return Sent::Failed(Trouble::Down("the answer was lost".into()));
        }
        Sent::Answered(items)
    }

    /// What a server does with a request.
    fn take(&mut self, request: &Request) -> Vec<Item> {
        let mut lines = request.body.split(|byte| *byte == b'\n');
        let mut items = Vec::new();
        while let (Some(head), Some(body)) = (lines.next().filter(|head| !head.is_empty()), lines.next()) {
            let head: Value = serde_json::from_slice(head).unwrap();
            let part = |name: &str| head["create"][name].as_str().unwrap().to_owned();
            let key = (part("_index"), part("_id"));
            items.push(if self.chance(0.1) {
                Item::Busy
            } else if contains(body, POISON) && key.0 != "events-dead" {
                Item::Refused("poison".into())
            } else if self.server.insert(key) {
                Item::Created
            } else {
                Item::Existing
            });
        }
        assert_eq!(items.len(), request.documents);
        items
    }

    /// No more trouble, nothing more recorded: everything has to arrive.
    fn calm_down(&mut self) {
        (self.is_calm, self.is_away, self.is_held) = (true, false, false);
        let last = self.journal.len() as u64;
        for _ in 0..100_000 {
            if self.noted >= last {
                return;
            }
            self.step();
        }
        panic!("{} of {last} chunks arrived in the end", self.noted);
    }
}

fn index_of(document: &Document, plain: &BTreeSet<&'static str>) -> String {
    super::super::indices::index_of(document, plain, false)
}

fn contains(body: &[u8], word: &[u8]) -> bool {
    // The long ones are long of something else.
    body.len() < 100 && body.windows(word.len()).any(|window| window == word)
}

#[test]
fn everything_arrives_once_whatever_is_lost_full_away_or_crashes() {
    for seed in 0..60 {
        let mut world = World::new(seed);
        for _ in 0..300 {
            world.step();
        }
        world.calm_down();
        let recorded: usize = world.journal.iter().map(Vec::len).sum();
        let noted: usize = world.journal[..world.noted as usize].iter().map(Vec::len).sum();
        assert!(world.server.len() >= noted && world.server.len() <= recorded, "seed {seed}");
    }
}

fn document(n: u64) -> Document {
    let at = Timestamp::from_micros(1_764_000_000_000_000);
    Document { stream: "events", id: n.to_string(), at, body: b"{}".to_vec() }
}

/// A shipper that is connected and has read two chunks of one document each.
fn with_two(now: Timestamp) -> Shipper {
    let mut shipper = Shipper::new(0);
    assert_eq!(shipper.next(now, 2), Step::Prepare);
    shipper.prepared(Ok(BTreeSet::new()), now, 0.5);
    assert!(matches!(shipper.next(now, 2), Step::Read { after: 0, last: 2, .. }));
    shipper.read(vec![(1, vec![document(1)]), (2, vec![document(2)])], 2, now);
    shipper
}

fn sent(shipper: &mut Shipper, now: Timestamp) -> Request {
    let step = shipper.next(now, 2);
    let Step::Send(request) = step else { panic!("{step:?}") };
    request
}

#[test]
fn a_server_that_holds_everything_back_is_asked_again_later_and_nothing_is_dropped() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let request = sent(&mut shipper, now);
    let held = Sent::Failed(Trouble::Held("status 401: wrong password".into()));
    shipper.sent(request.batch, held, now, 1.0);
    let Connection::Held { since, reason } = shipper.connection() else { panic!("not held") };
    assert_eq!((*since, reason.as_str()), (now, "status 401: wrong password"));
    let Step::Wait(Some(until)) = shipper.next(now, 2) else { panic!("it does not wait") };
    assert_eq!(until, now + HELD.first);
    assert_eq!(shipper.next(until, 2), Step::Prepare);
    shipper.prepared(Ok(BTreeSet::new()), until, 0.5);
    assert_eq!(sent(&mut shipper, until).documents, 2, "the same documents again");
}

#[test]
fn only_the_busy_ones_among_the_documents_are_sent_again() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let request = sent(&mut shipper, now);
    let items = vec![Item::Busy, Item::Created];
    shipper.sent(request.batch, Sent::Answered(items), now, 1.0);
    let Step::Wait(Some(until)) = shipper.next(now, 2) else { panic!("it does not wait") };
    let request = sent(&mut shipper, until);
    assert!(String::from_utf8(request.body).unwrap().contains("\"_id\":\"1\""));
    assert_eq!(request.documents, 1);
}

#[test]
fn a_document_that_is_to_blame_goes_to_the_dead_with_the_reason_and_lets_the_others_pass() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let request = sent(&mut shipper, now);
    let items = vec![Item::Refused("not a number".into()), Item::Created];
    let refused = shipper.sent(request.batch, Sent::Answered(items), now, 1.0);
    assert_eq!(refused, [("1".to_owned(), "not a number".to_owned())]);
    let request = sent(&mut shipper, now);
    let body = String::from_utf8(request.body).unwrap();
    assert!(body.contains("events-dead") && body.contains("not a number"), "{body}");
    shipper.sent(request.batch, Sent::Answered(vec![Item::Created]), now, 1.0);
    assert_eq!(shipper.next(now, 2), Step::Advance(2));
    assert_eq!(shipper.totals(), Totals { shipped: 1, dead: 1, ..Totals::default() });
}

#[test]
fn what_not_even_the_dead_take_waits_for_somebody_to_look() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let request = sent(&mut shipper, now);
    let items = vec![Item::Refused("not a number".into()), Item::Created];
    shipper.sent(request.batch, Sent::Answered(items), now, 1.0);
    let request = sent(&mut shipper, now);
    shipper.sent(request.batch, Sent::Answered(vec![Item::Refused("no".into())]), now, 1.0);
    assert!(matches!(shipper.connection(), Connection::Held { .. }), "it is not given up");
    assert!(matches!(shipper.next(now, 2), Step::Wait(Some(_))));
}

#[test]
fn a_server_that_answers_every_request_with_400_costs_one_move_to_the_dead_and_no_document() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    for _ in 0..10 {
        let Step::Send(request) = shipper.next(now, 2) else { break };
        let refused = Sent::TooMuch { is_size: false, reason: "status 400".into() };
        shipper.sent(request.batch, refused, now, 1.0);
    }
    assert!(matches!(shipper.connection(), Connection::Held { .. }));
    assert_eq!((shipper.totals().dead, shipper.arrived_to()), (0, 0));
}

#[test]
fn pauses_grow_although_the_server_answers_questions_between_the_failures() {
    let mut now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let since = now;
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let request = sent(&mut shipper, now);
        shipper.sent(request.batch, Sent::Failed(Trouble::Down("status 500".into())), now, 1.0);
        let Step::Wait(Some(until)) = shipper.next(now, 2) else { panic!("it does not wait") };
        pauses.push(until.since(now));
        now = until;
        assert_eq!(shipper.next(now, 2), Step::Prepare);
        shipper.prepared(Ok(BTreeSet::new()), now, 1.0);
        let Connection::Down { since: shown, .. } = shipper.connection() else { panic!("shown as well") };
        assert_eq!(*shown, since);
    }
    assert!(pauses.is_sorted() && pauses.last() == Some(&BACKOFF.longest), "{pauses:?}");
}

#[test]
fn a_document_over_which_the_server_always_fails_holds_nobody_up_and_dies_in_the_end() {
    let mut now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let mut shipped_at = None;
    for round in 0..40 {
        match shipper.next(now, 2) {
            Step::Send(request) => {
                let body = String::from_utf8(request.body).unwrap();
                let item = |line: &str| match line.contains("\"_id\":\"1\"") && !line.contains("-dead") {
                    true => Item::Failed("oops".into()),
                    false => Item::Created,
                };
                let items = body.lines().step_by(2).map(item).collect();
                shipper.sent(request.batch, Sent::Answered(items), now, 1.0);
                if shipper.totals().shipped == 1 {
                    shipped_at.get_or_insert(round);
                }
            }
            Step::Wait(Some(until)) => now = until,
            Step::Advance(2) => break,
            step @ (Step::Prepare | Step::Read { .. } | Step::Advance(_) | Step::Wait(None)) => {
                panic!("{step:?}")
            }
        }
    }
    assert_eq!(shipped_at, Some(0));
    assert_eq!(shipper.totals().dead, 1);
}

#[test]
fn what_a_slow_way_does_not_carry_is_sent_in_smaller_pieces_and_larger_ones_again_later() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let request = sent(&mut shipper, now);
    shipper.sent(request.batch, Sent::Unanswered("no answer within 60 s".into()), now, 1.0);
    assert_eq!(shipper.bytes, LEAST_BYTES);
    let Step::Wait(Some(later)) = shipper.next(now, 2) else { panic!("it does not wait") };
    assert_eq!(shipper.next(later, 2), Step::Prepare);
    shipper.prepared(Ok(BTreeSet::new()), later, 1.0);
    let request = sent(&mut shipper, later);
    assert_eq!(request.documents, 1);
    shipper.sent(request.batch, Sent::Answered(vec![Item::Created]), later, 1.0);
    assert_eq!(shipper.bytes, LEAST_BYTES * 2);
}

#[test]
fn a_request_that_is_too_large_is_halved_and_later_ones_are_smaller() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let request = sent(&mut shipper, now);
    let too_large = Sent::TooMuch { is_size: true, reason: "status 413".into() };
    shipper.sent(request.batch, too_large, now, 1.0);
    assert_eq!(sent(&mut shipper, now).documents, 1);
    let Step::Wait(None) = shipper.next(now, 2) else { panic!("one request at a time after trouble") };
    assert_eq!((shipper.bytes, shipper.most_bytes), (LEAST_BYTES, LEAST_BYTES));
}

#[test]
fn the_templates_are_looked_for_before_the_first_document_of_a_day() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let request = sent(&mut shipper, now);
    shipper.sent(request.batch, Sent::Answered(vec![Item::Created, Item::Created]), now, 1.0);
    assert_eq!(shipper.next(now, 2), Step::Advance(2));
    shipper.noted(2);
    let tomorrow = now + Duration::from_secs(86_400);
    let Step::Read { after: 2, last: 3, .. } = shipper.next(tomorrow, 3) else { panic!("it does not read") };
    shipper.read(vec![(3, vec![Document { at: tomorrow, ..document(3) }])], 3, tomorrow);
    assert_eq!(shipper.next(tomorrow, 3), Step::Prepare);
    shipper.prepared(Ok(BTreeSet::new()), tomorrow, 0.5);
    assert!(matches!(shipper.next(tomorrow, 3), Step::Send(_)));
}

#[test]
fn a_chunk_of_nothing_to_ship_and_one_that_is_gone_hold_nobody_up() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = Shipper::new(0);
    assert_eq!(shipper.next(now, 2), Step::Prepare);
    shipper.prepared(Ok(BTreeSet::new()), now, 0.5);
    shipper.read(vec![(1, vec![])], 2, now);
    assert_eq!(shipper.next(now, 2), Step::Advance(1));
    shipper.noted(1);
    let later = now + GATHER;
    assert!(matches!(shipper.next(later, 2), Step::Read { after: 1, .. }));
    shipper.read(vec![], 2, later);
    assert_eq!(shipper.next(later, 2), Step::Advance(2));
    assert_eq!(shipper.next(later, 2), Step::Advance(2), "until it is noted");
    shipper.noted(2);
    assert_eq!(shipper.next(later, 2), Step::Wait(None));
}
