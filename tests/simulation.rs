//! Seeded random worlds with crashes and replays. What must hold is checked all the time; a failing seed is
//! printed, and `SIMULATION_SEED=<seed>` plays that one alone. `SIMULATION_STEPS` sets how many steps in all.

use std::time::Duration;

use health_monitor::domain::fleet::PauseKind;
use health_monitor::domain::health::HealthState;
use health_monitor::domain::ladder::Step;
use health_monitor::domain::notification::alarm::AlarmSeverity;
use health_monitor::domain::notification::channel::{ChannelKind, ChannelName, NotificationPolicy};
use health_monitor::domain::policy::{Policy, ProbeKind};
use health_monitor::domain::supervisor::{Event, Resettable};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use shared::order::Action;
use tests::host::{Behaviour, Host, OnCall, OnRecreate, OnRestart, Reach, Replacement};
use tests::told::{OnMessage, channel};
use tests::world::{Crash, World, follow_dependencies, policy, service_name};

/// Steps over all worlds, unless the environment says otherwise.
const STEPS: u64 = 1_000_000;
const STEPS_A_WORLD: u64 = 10_000;

#[test]
fn a_million_steps_with_crashes_keep_every_invariant() {
    let number = |name| std::env::var(name).ok().and_then(|value: String| value.parse::<u64>().ok());
    if let Some(seed) = number("SIMULATION_SEED") {
        return live(seed);
    }
    let worlds = number("SIMULATION_STEPS").unwrap_or(STEPS).div_ceil(STEPS_A_WORLD);
    for seed in 0..worlds {
        if std::panic::catch_unwind(|| live(seed)).is_err() {
            panic!("an invariant broke in the world of seed {seed}: SIMULATION_SEED={seed} plays it again");
        }
    }
}

fn live(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut world = World::new(some_policy(&mut random));
    world.start_monitor();
    for step in 0..STEPS_A_WORLD {
        if random.random_ratio(1, 60) {
            mischief(&mut world, &mut random);
        }
        let end = world.now + Duration::from_secs(120);
        world.step(end);
        world.check_now();
        if step % 500 == 0 {
            world.check_replay();
        }
        // Only the newest transcript matters when something breaks.
        if world.transcript.len() > 2_000 {
            world.transcript.drain(..1_000);
        }
    }
    world.check_orders();
    calm(&mut world);
    down(&mut world);
}

fn some_policy(random: &mut StdRng) -> Policy {
    let names = ["web", "db", "queue", "cache", "auth"];
    let mut policy = policy(&names[..random.random_range(1..=names.len())]);
    for service in &mut policy.services {
        service.interval = Duration::from_secs(random.random_range(5..60));
        service.fast_interval = Duration::from_secs(random.random_range(1..5));
        service.fall = random.random_range(1..5);
        service.fall_soft = service.fall * 2;
        service.rise = random.random_range(1..4);
        service.respects_operator_stop = random.random();
        service.verification_timeout = Duration::from_secs(random.random_range(20..200));
        let steps = (0..random.random_range(1..4)).map(|_| {
            let attempts = random.random_range(1..3);
            Step { attempts, ..Step::new(*Action::ALL.choose(random).unwrap()) }
        });
        service.steps = steps.collect();
    }
    if random.random_ratio(1, 3) {
        let place = random.random_range(0..policy.services.len());
        let service = &mut policy.services[place];
        let grace = Duration::from_secs(random.random_range(0..60));
        service.probe = ProbeKind::Push { grace };
        service.verification_timeout =
            service.verification_timeout.max((service.interval + grace) * service.rise);
    }
    policy.max_in_flight = random.random_range(1..10);
    policy.fleet.max_concurrent = random.random_range(1..4);
    policy.fleet.max_actions = random.random_range(2..12);
    policy.fleet.max_percent = random.random_range(20..=100);
    for place in 1..policy.services.len() {
        if random.random_ratio(1, 3) {
            let needed = policy.services[random.random_range(0..place)].name.to_string();
            policy.services[place].depends_on.push(needed);
        }
    }
    follow_dependencies(&mut policy);
    policy.notifications = somebody_to_tell(random);
    policy
}

/// Up to three channels that hear of different things.
fn somebody_to_tell(random: &mut StdRng) -> NotificationPolicy {
    let mut channels = Vec::new();
    for name in ["ops", "pager", "team"].iter().take(random.random_range(0..4)) {
        let mut channel = channel(name, *ChannelKind::ALL.choose(random).unwrap());
        channel.sends_resolved = random.random_ratio(4, 5);
        channel.is_local = random.random_ratio(1, 4);
        channel.reminder =
            random.random::<bool>().then(|| Duration::from_secs(random.random_range(60..1_800)));
        if random.random_ratio(1, 3) {
            channel.severities = vec![AlarmSeverity::Critical];
        }
        if random.random_ratio(1, 3) {
            channel.services = vec!["*e*".to_owned()];
        }
        channels.push(channel);
    }
    NotificationPolicy { after: Duration::from_secs(random.random_range(0..120)), channels }
}

fn mischief(world: &mut World, random: &mut StdRng) {
    match random.random_range(0..12) {
        0 if world.is_monitored() => world.kill_monitor(),
        1 => {
            let crashes = [Crash::BeforeRecord, Crash::BeforeWork, Crash::AfterWork];
            world.crash = crashes.choose(random).copied();
        }
        2 => {
            let key = random.random::<bool>().then(|| format!("key-{}", random.random_range(0..20)));
            drop(world.request_under(key.as_deref(), some_service(world, random).as_str(), None));
        }
        5 if random.random() => {
            let service = service_name(&some_service(world, random));
            for _ in 0..random.random_range(1..20) {
                world.say(Event::Hinted { service: service.clone() });
            }
        }
        3 if random.random_ratio(1, 3) => world.is_cut_off = !world.is_cut_off,
        6 => somebody_answers_otherwise(world, random),
        7 => somebody_handles_a_container(world, random),
        4 => somebody_speaks(world, random),
        5 => somebody_edits(world, random),
        _ => {
            let name = some_service(world, random);
            change(world.hosts.get_mut(&service_name(&name)).unwrap(), random);
        }
    }
    if !world.is_monitored() && random.random_ratio(2, 3) {
        world.start_monitor();
    }
}

fn somebody_handles_a_container(world: &mut World, random: &mut StdRng) {
    let name = some_service(world, random);
    match random.random_range(0..6) {
        0..4 => world.stop_by_hand(&name),
        4 => world.start_by_hand(&name),
        _ => world.forget_what_was_told(),
    }
}

fn somebody_answers_otherwise(world: &mut World, random: &mut StdRng) {
    use OnMessage::{Fails, IsBusy, IsGone, LosesIt, Refuses, Takes, TakesSilently};
    let name = ["ops", "pager", "team"].choose(random).unwrap();
    let all = [Takes, Takes, Takes, Refuses, Fails, IsBusy, IsGone, LosesIt, TakesSilently];
    let receiver = world.telling.receivers.entry(ChannelName::new(name).unwrap()).or_default();
    receiver.answers = *all.choose(random).unwrap();
}

fn somebody_speaks(world: &mut World, random: &mut StdRng) {
    let service = random.random::<bool>().then(|| service_name(&some_service(world, random)));
    let until = world.now + Duration::from_secs(random.random_range(10..900));
    let guard = *Resettable::ALL.choose(random).unwrap();
    let kind = *[PauseKind::Pause, PauseKind::Maintenance].choose(random).unwrap();
    world.say(match random.random_range(0..3) {
        0 => Event::Paused { service, kind, reason: None, until },
        1 => Event::Resumed { service },
        _ => {
            let service = guard.is_of_a_service().then(|| service_name(&some_service(world, random)));
            Event::Reset { guard, service, reason: None }
        }
    });
}

/// Another configuration: a service less, one more or one again, others in another order, other thresholds.
fn somebody_edits(world: &mut World, random: &mut StdRng) {
    let mut edited = world.policy.clone();
    let others = policy(&["web", "db", "queue", "cache", "auth", "mail"]).services;
    let unwatched =
        others.into_iter().filter(|other| edited.services.iter().all(|one| one.name != other.name));
    let unwatched: Vec<_> = unwatched.collect();
    match random.random_range(0..6) {
        5 => edited.notifications = somebody_to_tell(random),
        0 if edited.services.len() > 1 => {
            let gone = edited.services.remove(random.random_range(0..edited.services.len()));
            let gone = gone.name.to_string();
            edited.services.iter_mut().for_each(|one| one.depends_on.retain(|needed| *needed != gone));
        }
        1 => edited.services.extend(unwatched.choose(random).cloned()),
        2 => edited.services.rotate_left(1),
        3 => {
            let place = random.random_range(0..edited.services.len());
            let service = &mut edited.services[place];
            service.probe_url = format!("http://{}:{}/health", service.name, random.random_range(80..90));
        }
        _ => {
            let place = random.random_range(0..edited.services.len());
            let service = &mut edited.services[place];
            service.interval = Duration::from_secs(random.random_range(5..60));
            service.fall = random.random_range(1..5);
            service.fall_soft = service.fall * 2;
            service.rise = random.random_range(1..4);
            edited.max_in_flight = random.random_range(1..10);
        }
    }
    follow_dependencies(&mut edited);
    world.reconfigure(edited);
}

fn some_service(world: &World, random: &mut StdRng) -> String {
    world.policy.services.choose(random).unwrap().name.to_string()
}

fn change(host: &mut Host, random: &mut StdRng) {
    use Behaviour::{NameGone, OtherForm, OwnFault, Refuses, SaysItIsSick, Silent, Status, Untrusted, Up};
    match random.random_range(0..9) {
        7 => {
            use OnRecreate::{AnswerLost, Fails, Heals, Refused, StaysBroken};
            let reach = *[Reach::Nothing, Reach::Aside, Reach::Renamed, Reach::Whole].choose(random).unwrap();
            let after = Duration::from_secs(random.random_range(0..60));
            let effects = [Heals(after), StaysBroken, Refused, Fails(reach), AnswerLost(reach)];
            host.on_recreate = *effects.choose(random).unwrap();
        }
        8 => {
            host.log = random.random::<bool>().then(|| "killed".to_owned());
            host.failing_conclusions = random.random_range(0..4);
            host.silent_conclusions = random.random_range(0..2);
            host.unreached_conclusions = random.random_range(0..3);
            if let Some(replacement) = host.replacement.as_mut().filter(|one| one.reach == Reach::Whole) {
                replacement.has_kept = random.random_ratio(3, 4);
            }
        }
        6 => {
            let calls = [OnCall::Helps(Duration::from_secs(20)), OnCall::Nobody, OnCall::Refused];
            host.on_call = *calls.choose(random).unwrap();
        }
        0 => host.tells_instances = !host.tells_instances,
        1 => host.tells_instances = random.random(),
        2 => host.platform_answers = random.random_ratio(3, 4),
        3 => {
            let after = Duration::from_secs(random.random_range(0..60));
            use OnRestart::{AnswerLost, Fails, Heals, OrderLost, Refused, StaysBroken};
            let effects = [Heals(after), StaysBroken, Refused, Fails, AnswerLost, OrderLost];
            host.on_restart = *effects.choose(random).unwrap();
        }
        _ => {
            let answers = [Up, Up, Refuses, Silent, Status(500), Status(404), NameGone, OwnFault];
            let others = [SaysItIsSick, OtherForm, Untrusted];
            host.behaviour = *[&answers[..], &others].concat().choose(random).unwrap()
        }
    }
}

/// When nothing goes wrong any more, everything ends healthy, with nothing under way or held against anybody.
fn calm(world: &mut World) {
    world.crash = None;
    world.is_cut_off = false;
    for host in world.hosts.values_mut() {
        let kept = host.replacement.take().map(|one| Replacement { old: Behaviour::Up, ..one });
        *host = Host { instance: host.instance, replacement: kept, ..Host::up() };
    }
    if !world.is_monitored() {
        world.start_monitor();
    }
    for receiver in world.telling.receivers.values_mut() {
        receiver.answers = OnMessage::Takes;
    }
    // A spent budget is the one thing that waits for a person.
    world.say(Event::Reset { guard: Resettable::Budget, service: None, reason: None });
    world.run_until(world.now + Duration::from_secs(7_200));
    world.check_replay();
    for (name, host) in &world.hosts {
        assert!(host.replacement.is_none(), "{name}: something kept was left behind: {host:?}");
    }
    let state = world.state().unwrap();
    for policy in &world.policy.services {
        let (name, service) = (&policy.name, state.service(&policy.name).unwrap());
        assert_eq!(service.health.state, HealthState::Healthy, "{name} does not end healthy: {service:#?}");
        assert!(service.incident.is_none() && service.recovery.is_none(), "{name}: {service:#?}");
        assert!(service.attempts.is_clear(), "{name} is not stable after two hours: {service:#?}");
    }
    world.check_that_everything_was_told();
}

/// When every service goes down for good reason in an otherwise calm world, each is healed by an action.
fn down(world: &mut World) {
    let before = world.orders.len();
    for host in world.hosts.values_mut() {
        host.behaviour = Behaviour::Refuses;
    }
    // As fast as the budget of the least generous settings allows: one service in ten minutes.
    for _ in 0..12 {
        world.run_until(world.now + Duration::from_secs(600));
        if world.state().unwrap().fleet.tripped.is_some() {
            world.say(Event::Reset { guard: Resettable::Budget, service: None, reason: None });
        }
    }
    let state = world.state().unwrap();
    for policy in &world.policy.services {
        let (name, service) = (&policy.name, state.service(&policy.name).unwrap());
        assert_eq!(service.health.state, HealthState::Healthy, "{name} was not healed: {service:#?}");
        assert!(
            world.orders[before..].iter().any(|(_, order)| order.service == *name),
            "{name} healed by nobody"
        );
    }
    world.check_that_everything_was_told();
    world.check_orders();
}
