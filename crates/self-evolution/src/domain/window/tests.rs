use super::*;
use crate::domain::fact::EventRecorded;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000 * 1_000_000);

/// Counts so many requests, admitting what is new, as the decider does.
fn see(window: &mut Window, service: &str, path: &str, requests: usize) -> (Arc<str>, Arc<str>) {
    let (service, endpoint): (Arc<str>, Arc<str>) = (service.into(), path.into());
    let key = loop {
        match window.place(&service, &endpoint) {
            Place::Known(service, endpoint) => break (service, endpoint),
            Place::New(service, endpoint) => window.admit(&service, &endpoint),
            Place::Merge { service, prefix } => window.merge(&service, &prefix),
        }
    };
    let event = EventRecorded { key: 0, response_time: 0.1, status_code: 200, age: 0 };
    let recorded =
        UsageRecorded { keys: vec![key.clone()], events: vec![event; requests], details: Vec::new() };
    window.record(NOW, &recorded);
    key
}

fn requests(window: &Window) -> u64 {
    let all = window.shape().window(NOW);
    window.keys().map(|key| key.series.counters(&all).requests).sum()
}

#[test]
fn hostile_paths_stay_within_the_bounds_and_every_request_counts() {
    let mut window = Window::default();
    for number in 0..20_000_u32 {
        let scattered = number.wrapping_mul(2_654_435_761);
        let service = format!("service-{}", scattered % 300);
        see(&mut window, &service, &format!("/w{scattered}q/x{number}z"), 1);
    }
    assert!(window.len() <= MOST_KEYS + MOST_SERVICES, "{}", window.len());
    assert!(window.services.len() <= MOST_SERVICES);
    assert_eq!(requests(&window), 20_000);
}

#[test]
fn values_in_a_path_are_learnt_and_what_was_counted_under_them_is_kept() {
    let mut window = Window::default();
    for user in 0..30 {
        see(&mut window, "web", &format!("/users/user-{user}x/posts"), 2);
    }
    let endpoints: Vec<_> = window.keys().map(|key| key.endpoint.to_string()).collect();
    assert_eq!(endpoints, ["/users/{*}/posts"]);
    assert_eq!(requests(&window), 60);
}

#[test]
fn names_beside_a_busy_one_stay_names_until_there_are_too_many_endpoints() {
    let mut window = Window::default();
    see(&mut window, "web", "/api/main", 10_000);
    for name in 0..150 {
        see(&mut window, "web", &format!("/api/name-{name}x"), 1);
    }
    assert!(window.series("web", "/api/main").is_some());
    assert_eq!(window.len(), MOST_ENDPOINTS + 1);
    assert_eq!(
        window.series("web", OTHER).unwrap().requests(),
        51,
        "what is beyond the bound is counted too"
    );
}

#[test]
fn the_two_hundredth_service_shares_a_place_with_all_that_follow() {
    let mut window = Window::default();
    for number in 0..250 {
        see(&mut window, &format!("service-{number}"), "/x", 1);
    }
    assert_eq!(window.services.len(), MOST_SERVICES);
    assert_eq!(window.series(OTHER, OTHER).unwrap().requests(), 51);
}

#[test]
fn paths_under_which_nothing_was_found_are_not_told_apart() {
    let mut window = Window::default();
    see(&mut window, "web", "/known", 1);
    let known = |path: &str, is_found| window.known(&"web".into(), &path.into(), is_found).1.to_string();
    assert_eq!(known("/admin.php", false), UNMATCHED);
    assert_eq!(known("/known", false), "/known", "it was seen to answer");
    assert_eq!(known("/known", true), "/known");
}

#[test]
fn an_endpoint_of_which_nothing_is_left_makes_room() {
    let mut window = Window::default();
    see(&mut window, "web", "/x", 5);
    window.age(NOW + std::time::Duration::from_secs(23 * 3_600));
    assert_eq!(window.len(), 1);
    window.age(NOW + std::time::Duration::from_secs(25 * 3_600));
    assert!(window.is_empty());
}

#[test]
fn a_clone_does_not_change_with_the_window() {
    let mut window = Window::default();
    see(&mut window, "web", "/x", 5);
    let before = window.clone();
    see(&mut window, "web", "/x", 5);
    assert_eq!((requests(&before), requests(&window)), (5, 10));
}

#[test]
fn a_window_is_read_back_as_it_was_written() {
    let mut window = Window::default();
    for number in 0..25 {
        see(&mut window, "web", &format!("/a/b{number}c/d"), 3);
    }
    let json = serde_json::to_string(&window).unwrap();
    assert_eq!(serde_json::from_str::<Window>(&json).unwrap(), window);
}

#[test]
fn usage_keeps_its_time_when_buckets_get_another_length() {
    let mut window = Window::default();
    see(&mut window, "web", "/x", 5);
    window.reshape(Shape { bucket_seconds: 1, window_hours: 24 });
    assert_eq!(requests(&window), 5);
    assert_eq!(window.counters_of("web", &window.shape().last_hour(NOW), |_| true).requests, 5);
}
