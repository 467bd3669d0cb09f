//! A pretended server that loses requests and answers, is full, is away, refuses and is rebuilt; a journal that
//! grows meanwhile; and a shipper that crashes. What holds: nothing is noted as arrived that has not, and in the
//! end everything is there once.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use super::super::*;

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
    crate::elasticsearch::indices::index_of(document, plain, false)
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
