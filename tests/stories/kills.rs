//! `kill -9` between the record of an order and its outcome, again and again: no order is carried out twice, and none
//! is given before the one before it is settled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Json, State};
use axum::routing::post;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::daemon::Daemon;
use super::receivers::{self, Service};

const SERVICES: usize = 3;
/// How long the services are well after each start of the daemon, so that it can settle what it was interrupted in.
const WELL_FOR: Duration = Duration::from_millis(250);
/// The receiver takes at most so long to answer: while it does, the order has no outcome.
const ANSWER_MS: u64 = 60;
/// An order that has not come after this long was one that the daemon could not give before it was killed.
const ORDER_WITHIN: Duration = Duration::from_secs(5);
/// No guard but those against repeating an order.
const SETTINGS: &str = "
health_check_interval: 0.1
health_check_timeout: 0.1
max_failures_before_recovery: 1
passes_before_healthy: 1
start_period: 0
recovery_timeout: 0
recovery_timeout_max: 0
max_recoveries_per_hour: 1000
max_recoveries_per_ten_minutes: 1000
max_concurrent_recoveries: 10
max_fleet_percent: 100
storm_guard: false
verification_timeout: 0.5
elasticsearch_enabled: false
";

#[tokio::test]
async fn twenty_kills_while_an_order_has_no_outcome_repeat_none() {
    println!("{:?}", Lane::start(1).await.run(20).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: tests/bench-crashes"]
async fn a_thousand_kills_while_an_order_has_no_outcome_repeat_none() {
    const LANES: usize = 4;
    let mut lanes = tokio::task::JoinSet::new();
    for seed in 0..LANES as u64 {
        lanes.spawn(async move { Lane::start(seed).await.run(1_000 / LANES).await });
    }
    let began = Instant::now();
    let told = lanes.join_all().await;
    let sum = |count: fn(&Tally) -> usize| told.iter().map(count).sum::<usize>();
    println!(
        "{} kills, {} orders were under way at them; {} orders given, {} recorded and not given; none twice; {} s",
        sum(|one| one.kills),
        sum(|one| one.interrupted),
        sum(|one| one.given),
        sum(|one| one.not_given),
        began.elapsed().as_secs()
    );
}

/// What came of many kills.
#[derive(Debug)]
struct Tally {
    kills: usize,
    interrupted: usize,
    given: usize,
    not_given: usize,
}

/// One daemon that is killed again and again.
struct Lane {
    daemon: Daemon,
    world: Arc<World>,
    random: StdRng,
    /// Every attempt that the daemon has recorded, by its identity, as it was last told.
    recorded: BTreeMap<String, Value>,
}

/// The services, and who carries orders out.
struct World {
    services: Vec<Service>,
    random: Mutex<StdRng>,
    /// Service and identity of each order, as they came.
    orders: Mutex<Vec<(String, String)>>,
    came: Notify,
}

impl World {
    fn set(&self, status: u16) {
        self.services.iter().for_each(|service| service.answers(status));
    }
}

impl Lane {
    async fn start(seed: u64) -> Self {
        println!("seed {seed}");
        let mut services = Vec::new();
        for _ in 0..SERVICES {
            services.push(Service::start().await);
        }
        let world = Arc::new(World {
            services,
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            orders: Mutex::default(),
            came: Notify::new(),
        });
        let router = Router::new().route("/orders", post(carry_out)).with_state(Arc::clone(&world));
        let receiver = receivers::serve(router).await;
        let mut configuration =
            format!("{SETTINGS}recovery_webhook_url: 'http://{receiver}/orders'\nservices:\n");
        for (number, service) in world.services.iter().enumerate() {
            configuration += &format!("  {}: {{url: 'http://{}'}}\n", name(number), service.address);
        }
        let daemon = Daemon::start_with(&configuration, &[]).await;
        Self { daemon, world, random: StdRng::seed_from_u64(!seed), recorded: BTreeMap::new() }
    }

    /// Kills until so many kills have interrupted an order.
    async fn run(mut self, wanted: usize) -> Tally {
        let (mut kills, mut hits) = (0, 0);
        while hits < wanted {
            sleep(WELL_FOR).await;
            self.world.set(503);
            let waited = Duration::from_millis(self.random.random_range(0..ANSWER_MS));
            // Some kills come when an order does, others at any moment.
            if self.random.random_ratio(3, 4) {
                let _ = timeout(ORDER_WITHIN, self.world.came.notified()).await;
                sleep(waited / 4).await;
            } else {
                sleep(waited * 4).await;
            }
            self.daemon.kill();
            kills += 1;
            assert!(kills < wanted * 20, "{kills} kills hit {hits} times:\n{}", self.daemon.log());
            self.world.set(200);
            self.daemon.restart().await;
            let before = self.interrupted();
            self.take_records().await;
            hits += usize::from(self.interrupted() > before);
        }
        sleep(WELL_FOR).await;
        self.take_records().await;
        self.check();
        let given = self.world.orders.lock().unwrap().len();
        Tally { kills, interrupted: self.interrupted(), given, not_given: self.recorded.len() - given }
    }

    fn interrupted(&self) -> usize {
        let is_interrupted = |one: &&Value| {
            one["reason"].as_str().is_some_and(|reason| reason.contains("interrupted while acting"))
        };
        self.recorded.values().filter(is_interrupted).count()
    }

    async fn take_records(&mut self) {
        let (_, history) = self.daemon.get("/recovery-history").await;
        for recovery in history["recoveries"].as_array().unwrap() {
            if recovery["has_acted"] == true {
                self.recorded.insert(recovery["recovery_id"].as_str().unwrap().into(), recovery.clone());
            }
        }
    }

    /// What must hold of all orders.
    fn check(&self) {
        let mut last_of = BTreeMap::<&str, &Value>::new();
        let orders = self.world.orders.lock().unwrap();
        for (service, id) in orders.iter() {
            let times = orders.iter().filter(|(_, other)| other == id).count();
            assert_eq!(times, 1, "order {id} for {service} was given {times} times");
            assert!(self.recorded.contains_key(id), "order {id} for {service} is not on record");
        }
        // Identities grow with time.
        for recovery in self.recorded.values() {
            let service = recovery["service"].as_str().unwrap();
            if let Some(before) = last_of.insert(service, recovery) {
                assert!(!before["outcome"].is_null(), "never settled: {before:#}");
                let is_settled = before["finished_at"].as_str() <= recovery["started_at"].as_str();
                assert!(is_settled, "given before the one before was settled: {before:#}\n{recovery:#}");
            }
        }
    }
}

fn name(number: usize) -> String {
    format!("service-{number}")
}

/// Carries an order out, and takes its time to say so.
async fn carry_out(State(world): State<Arc<World>>, Json(order): Json<Value>) {
    let text = |member: &str| order[member].as_str().unwrap().to_owned();
    let service = text("service");
    let number = (0..SERVICES).find(|number| name(*number) == service).unwrap();
    world.services[number].answers(200);
    world.orders.lock().unwrap().push((service, text("recovery_id")));
    world.came.notify_one();
    let takes = world.random.lock().unwrap().random_range(0..ANSWER_MS);
    sleep(Duration::from_millis(takes)).await;
}
