use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::*;
use crate::journal::{Durability, Settings, Unshipped};

/// Counts what it is told, and has each number carried out.
#[derive(Default)]
struct Counter {
    total: u64,
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Fact {
    Started { session: u64 },
    Added { n: u64, padding: String },
}

enum Event {
    Add(u64),
    AddNoise(u64),
    Done,
}

impl Counter {
    fn add(&mut self, n: u64, padding: String, now: Timestamp) -> Decision<Self> {
        let fact = Fact::Added { n, padding };
        self.apply(now, &fact);
        Decision { facts: vec![fact], work: vec![n], answer: Some(self.total) }
    }
}

impl Decider for Counter {
    type Event = Event;
    type Answer = u64;
    type Fact = Fact;
    type Work = u64;
    type View = u64;
    type State = u64;

    fn apply(&mut self, _: Timestamp, fact: &Fact) {
        match fact {
            Fact::Added { n, .. } => self.total += n,
            Fact::Started { .. } => {}
        }
    }

    fn handle(&mut self, event: Event, now: Timestamp) -> Decision<Self> {
        match event {
            Event::Add(n) => self.add(n, String::new(), now),
            Event::AddNoise(n) => {
                // Does not compress, so that a small budget is soon used up.
                let padding = (0..60_000).map(|_| char::from(rand::random_range(b' '..b'~'))).collect();
                self.add(n, padding, now)
            }
            Event::Done => Decision::default(),
        }
    }

    fn wake(&mut self, _: Timestamp) -> Decision<Self> {
        Decision::default()
    }

    fn restarted(&mut self, now: Timestamp) -> Decision<Self> {
        let fact = Fact::Started { session: 0 };
        self.apply(now, &fact);
        Decision { facts: vec![fact], ..Decision::default() }
    }

    fn next_wakeup(&self) -> Option<Timestamp> {
        None
    }

    fn view(&self, _: Timestamp) -> u64 {
        self.total
    }

    fn state(&self) -> &u64 {
        &self.total
    }

    fn restore(&mut self, state: Option<u64>) {
        self.total = state.unwrap_or_default();
    }

    fn must_finish(_: &u64) -> bool {
        true
    }
}

struct Running {
    handle: Handle<Counter>,
    /// What was carried out, each with what was durable at that moment.
    performed: Arc<Mutex<Vec<(u64, u64)>>>,
    stop: oneshot::Sender<()>,
    engine: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn start(directory: &Path, max_bytes: u64) -> Self {
        let settings = Settings {
            directory: directory.to_path_buf(),
            durability: Durability::Os,
            max_bytes,
            retention: Duration::from_secs(3_600),
            unshipped: Unshipped::Nobodys,
        };
        let journal = loop {
            match Writer::open(&settings) {
                Err(JournalError::Locked { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                other => break other.unwrap(),
            }
        };
        let performed = Arc::new(Mutex::new(Vec::new()));
        let (seen, status) = (Arc::clone(&performed), journal.status());
        let perform: Perform<Counter> = Arc::new(move |n| {
            seen.lock().unwrap().push((n, status.borrow().appended));
            Box::pin(async { Event::Done })
        });
        let clock = Arc::new(Clock::starting_after(Timestamp::default()));
        let (engine, handle) =
            Engine::new(Counter::default(), journal, clock, perform, |_| ()).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { drop(stopped.await) };
        let engine = tokio::spawn(engine.run(shutdown, Duration::from_secs(5)));
        Self { handle, performed, stop, engine }
    }

    async fn stop(self) {
        drop(self.stop);
        self.engine.await.unwrap();
    }
}

const ROOMY: u64 = 64 * 1024 * 1024;

#[tokio::test]
async fn an_answer_comes_after_its_facts_are_durable_and_so_does_the_work() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), ROOMY).await;
    for n in 1..=10 {
        let total = running.handle.ask(Event::Add(n)).await.unwrap().unwrap();
        assert_eq!(total, n * (n + 1) / 2);
        assert_eq!(*running.handle.view(), total);
        // The first fact is the start; the n-th addition is the one after.
        assert!(running.handle.journal().appended > n);
    }
    let performed = running.performed.lock().unwrap().clone();
    assert_eq!(performed.len(), 10);
    assert!(performed.iter().all(|(n, durable)| durable > n), "work began before its record: {performed:?}");
    running.stop().await;
}

#[tokio::test]
async fn the_state_survives_a_clean_end_and_an_abrupt_one() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), ROOMY).await;
    running.handle.ask(Event::Add(5)).await.unwrap();
    running.stop().await;
    let running = Running::start(directory.path(), ROOMY).await;
    assert_eq!(*running.handle.view(), 5);
    running.handle.ask(Event::Add(7)).await.unwrap();
    running.engine.abort();
    drop(running);
    let running = Running::start(directory.path(), ROOMY).await;
    assert_eq!(*running.handle.view(), 12);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_refused_not_done_and_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), 1024 * 1024).await;
    // A connection of its own holds the file, so that nobody can write.
    let blocker = rusqlite::Connection::open(directory.path().join("journal.sqlite")).unwrap();
    running.handle.ask(Event::Add(1)).await.unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = running.handle.ask(Event::AddNoise(100)).await.unwrap_err();
    assert!(matches!(refused, Unhandled::Journal(_)), "{refused}");
    assert!(refused.to_string().contains("nothing is done without a record"), "{refused}");
    assert!(running.handle.journal().failure.is_some());
    assert_eq!(*running.handle.view(), 1, "an unrecorded fact is shown");
    assert_eq!(running.performed.lock().unwrap().len(), 1, "an unrecorded order was carried out");
    blocker.execute_batch("COMMIT").unwrap();
    let total = loop {
        match running.handle.ask(Event::Add(10)).await {
            Ok(total) => break total.unwrap(),
            Err(Unhandled::Journal(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(total, 11, "the refused fact came back");
    running.stop().await;
}

#[tokio::test]
async fn an_engine_that_cannot_record_still_ends_when_it_is_asked_to() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), ROOMY).await;
    running.handle.ask(Event::Add(1)).await.unwrap();
    let blocker = rusqlite::Connection::open(directory.path().join("journal.sqlite")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    running.handle.ask(Event::Add(2)).await.unwrap_err();
    tokio::time::timeout(Duration::from_secs(30), running.stop()).await.expect("it does not end");
}

#[tokio::test]
async fn an_event_without_an_answer_is_answered_too_and_not_before_its_turn_is_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), ROOMY).await;
    assert_eq!(running.handle.ask(Event::Done).await, Ok(None));
    running.stop().await;
}

#[tokio::test]
async fn a_small_budget_is_kept_by_checkpoints_without_anybody_noticing() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), 2 * 1024 * 1024).await;
    for _ in 0..120 {
        running.handle.ask(Event::AddNoise(1)).await.unwrap();
    }
    assert_eq!(*running.handle.view(), 120);
    assert!(running.handle.journal().bytes <= 2 * 1024 * 1024);
    running.stop().await;
    let running = Running::start(directory.path(), 2 * 1024 * 1024).await;
    assert_eq!(*running.handle.view(), 120);
    running.stop().await;
}

#[tokio::test]
async fn after_the_end_callers_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), ROOMY).await;
    let handle = running.handle.clone();
    running.stop().await;
    assert_eq!(handle.ask(Event::Add(1)).await, Err(Unhandled::ShuttingDown));
}

#[tokio::test]
async fn room_is_taken_until_the_event_is_handled_although_its_caller_has_gone() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings {
        directory: directory.path().to_path_buf(),
        durability: Durability::Os,
        max_bytes: ROOMY,
        retention: Duration::from_secs(3_600),
        unshipped: Unshipped::Nobodys,
    };
    let journal = Writer::open(&settings).unwrap();
    let clock = Arc::new(Clock::starting_after(Timestamp::default()));
    let perform: Perform<Counter> = Arc::new(|_| Box::pin(async { Event::Done }));
    let (engine, handle) = Engine::new(Counter::default(), journal, clock, perform, |_| ()).await.unwrap();
    let room = Arc::new(tokio::sync::Semaphore::new(1));
    let permit = Arc::clone(&room).try_acquire_owned().unwrap();
    let asking = tokio::time::timeout(Duration::ZERO, handle.ask_within(permit, Event::Add(7)));
    assert!(asking.await.is_err(), "nobody handles it yet, and the caller goes");
    assert_eq!(room.available_permits(), 0, "it waits in memory");
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(engine.run(async { drop::<Result<(), _>>(stopped.await) }, Duration::ZERO));
    let free = tokio::time::timeout(Duration::from_secs(10), room.acquire());
    drop(free.await.expect("it is handled").unwrap());
    assert_eq!(*handle.view(), 7);
    drop(stop);
    running.await.unwrap();
}

#[tokio::test]
async fn callers_who_are_ready_share_a_commit() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), ROOMY).await;
    running.handle.ask(Event::Add(1)).await.unwrap();
    let before = running.handle.journal().last_seq;
    let go = Arc::new(tokio::sync::Notify::new());
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..49 {
        let (handle, go) = (running.handle.clone(), Arc::clone(&go));
        asking.spawn(async move {
            go.notified().await;
            handle.ask(Event::Add(1)).await.unwrap();
        });
    }
    tokio::task::yield_now().await;
    // The first one wakes the engine before the others.
    let first = running.handle.ask(Event::Add(1));
    let others = async { go.notify_waiters() };
    let (first, ()) = tokio::join!(biased; first, others);
    first.unwrap();
    asking.join_all().await;
    assert_eq!(running.handle.journal().last_seq - before, 1);
    running.stop().await;
}
