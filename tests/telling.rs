//! Many services at once: how many messages come of it, and how many may wait.

use std::time::Duration;

use health_monitor::domain::notification::channel::{ChannelKind, ChannelName};
use health_monitor::domain::notification::outbox::MOST_WAITING;
use health_monitor::domain::notification::{NotificationKind, NotificationStatus};
use health_monitor::domain::policy::Mode;
use shared::clock::Timestamp;
use tests::host::Behaviour;
use tests::told::{OnMessage, channel};
use tests::world::{World, policy, service_name};

/// A world of so many services that nobody heals, and one channel.
fn world(services: usize) -> World {
    let names: Vec<String> = (0..services).map(|number| format!("service-{number:04}")).collect();
    let mut policy = policy(&names.iter().map(String::as_str).collect::<Vec<_>>());
    policy.max_in_flight = services;
    policy.services.iter_mut().for_each(|service| service.mode = Mode::Observe);
    policy.notifications.channels.push(channel("ops", ChannelKind::Webhook));
    let mut world = World::new(policy);
    world.start_monitor();
    world.run_until(minutes(2));
    world
}

fn minutes(number: u64) -> Timestamp {
    Timestamp::from_micros(0) + Duration::from_secs(number * 60)
}

fn break_services(world: &mut World, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let host = world.hosts.get_mut(&service_name(&format!("service-{number:04}")));
        host.unwrap_or_else(|| panic!("service {number}")).behaviour = Behaviour::Refuses;
    }
}

#[test]
fn a_hundred_services_of_a_thousand_that_go_down_are_one_message() {
    let mut world = world(1_000);
    break_services(&mut world, 100..200);
    world.run_until(minutes(10));
    assert_eq!(world.taken("ops"), ["firing critical: 100 services are down"]);
}

#[test]
fn a_storm_over_a_thousand_services_is_one_message() {
    let mut world = world(1_000);
    break_services(&mut world, 0..1_000);
    world.run_until(minutes(10));
    let taken = world.taken("ops");
    assert!(taken.len() == 1 && taken[0].starts_with("firing critical: Storm: "), "{taken:?}");
}

#[test]
fn of_too_many_messages_that_wait_the_least_needed_are_dropped_and_counted() {
    let mut world = world(220);
    let mut at_once = world.policy.clone();
    at_once.notifications.after = Duration::ZERO;
    world.reconfigure(at_once);
    let ops = ChannelName::new("ops").unwrap();
    world.telling.receivers.entry(ops.clone()).or_default().answers = OnMessage::IsGone;
    // As many as are told of one by one.
    for minute in 0..55 {
        break_services(&mut world, minute * 4..minute * 4 + 4);
        world.run_until(minutes(minute as u64 + 4));
    }
    let told = &world.state().unwrap().notifications;
    assert_eq!(told.queues[&ops].waiting.len(), MOST_WAITING);
    let dropped = |kind| told.count(ChannelKind::Webhook, kind, NotificationStatus::Dropped);
    assert!(dropped(NotificationKind::Firing) > 0, "nothing was dropped");
    let waiting = told.queues[&ops].waiting.iter();
    assert_eq!(waiting.filter(|one| one.kind == NotificationKind::Reminder).count(), 0);
}
