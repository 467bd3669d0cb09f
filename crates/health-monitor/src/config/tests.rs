use secrecy::ExposeSecret;
use shared::elasticsearch::Credentials;
use shared::http::access::Role;
use shared::order::Backend;

use super::*;
use crate::domain::policy::{Mode, ProbeKind, ServicePolicy};

mod backends;
mod kubernetes;
mod labels;
mod notifications;
mod services;
mod steps;

/// Loads a file with this content and these variables.
fn load_with(yaml: &str, variables: &[(&str, &str)]) -> Result<Loading, Faults> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.yaml");
    std::fs::write(&path, yaml).unwrap();
    let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Config::load(&Sources { file: Some(path), environment, ..Sources::default() })
}

fn config(yaml: &str, variables: &[(&str, &str)]) -> Config {
    match load_with(yaml, variables) {
        Ok(loading) => loading.config,
        Err(faults) => panic!("{faults}"),
    }
}

fn faults(yaml: &str, variables: &[(&str, &str)]) -> String {
    load_with(yaml, variables).expect_err("a fault").to_string()
}

fn service<'a>(config: &'a Config, name: &str) -> &'a ServicePolicy {
    config.policy.services.iter().find(|service| service.name.as_str() == name).expect("the service")
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let config = Config::load(&Sources::default()).unwrap_or_else(|faults| panic!("{faults}")).config;
    assert_eq!(config.foundation.bind_address.to_string(), "0.0.0.0:5006");
    assert_eq!(config.foundation.data_dir, std::path::PathBuf::from("data/health-monitor"));
    assert_eq!(
        (config.foundation.durability, config.foundation.journal_max_bytes),
        (shared::journal::Durability::Disk, 2_147_483_648)
    );
    assert_eq!(
        (config.foundation.elasticsearch_enabled, config.foundation.log_format),
        (true, shared::telemetry::LogFormat::Auto)
    );
    assert_eq!(config.foundation.elasticsearch.url.expose(), "http://elasticsearch:9200");
    assert_eq!(config.foundation.access.mutations_per_minute, 60);
    assert_eq!((config.policy.max_in_flight, config.policy.max_in_flight_per_host), (64, 16));
    let urls: Vec<&str> = config.policy.services.iter().map(|service| service.url.as_str()).collect();
    let expected = [
        "http://api-gateway:8000",
        "http://image-generation:5000",
        "http://video-generation:5001",
        "http://crypto-prediction:5002",
        "http://orchestrator:5003",
        "http://fraud-detection:5004",
        "http://auto-scaler:5005",
    ];
    assert_eq!(urls, expected);
    let first = &config.policy.services[0];
    let times = [first.interval, first.timeout, first.fast_interval, first.cool_down, first.cool_down_max];
    assert_eq!(times.map(|time| time.as_secs()), [30, 10, 5, 60, 900]);
    assert_eq!((first.fall, first.fall_soft, first.rise, first.attempts_per_hour), (3, 6, 2, 5));
    assert_eq!(first.probe_url, "http://api-gateway:8000/health");
    assert_eq!(first.target.to_string(), "docker:api-gateway");
}

#[test]
fn every_variable_of_the_original_still_works() {
    let variables = [
        ("HEALTH_CHECK_INTERVAL", "60"),
        ("MAX_FAILURES_BEFORE_RECOVERY", "10"),
        ("RECOVERY_TIMEOUT", "3600"),
        ("ELASTICSEARCH_ENABLED", "False"),
        ("ELASTICSEARCH_URL", "http://elasticsearch-service:9200/"),
        ("IMAGE_SERVICE_URL", "http://image-generation-service:5000"),
    ];
    let config = config("", &variables);
    let image = service(&config, "image-generation");
    assert_eq!(image.url, "http://image-generation-service:5000");
    assert_eq!((image.interval.as_secs(), image.fall, image.fall_soft), (60, 10, 20));
    assert_eq!((image.cool_down.as_secs(), image.cool_down_max.as_secs()), (3_600, 3_600));
    assert!(!config.foundation.elasticsearch_enabled);
    assert_eq!(config.foundation.elasticsearch.url.expose(), "http://elasticsearch-service:9200");
}

#[test]
fn the_interval_of_the_old_daemon_process_is_a_fallback() {
    let interval = |variables: &[(&str, &str)]| config("", variables).policy.observe_first.as_secs();
    assert_eq!(interval(&[("DAEMON_CHECK_INTERVAL", "45")]), 45);
    assert_eq!(interval(&[("DAEMON_CHECK_INTERVAL", "45"), ("HEALTH_CHECK_INTERVAL", "50")]), 50);
}

#[test]
fn limits_of_every_setting_are_kept() {
    for (variable, value) in [
        ("HEALTH_CHECK_INTERVAL", "0"),
        ("HEALTH_CHECK_TIMEOUT", "601"),
        ("MAX_FAILURES_BEFORE_RECOVERY", "0"),
        ("JOURNAL_MAX_BYTES", "1048575"),
        ("MUTATIONS_PER_MINUTE", "0"),
        ("RECOVERY_TIMEOUT", "-1"),
        ("DURABILITY", "disc"),
        ("LOG_FORMAT", "xml"),
        ("ALLOW_UNAUTHENTICATED", "maybe"),
        ("ELASTICSEARCH_URL", "elasticsearch:9200"),
        ("DOCKER_HOST", "ssh://host"),
        ("DOCKER_HOST", "/var/run/docker.sock"),
    ] {
        let faults = faults("", &[(variable, value)]);
        assert!(faults.contains(variable) && faults.ends_with("1 fault; nothing was started"), "{faults}");
    }
}

#[test]
fn a_second_of_a_pair_that_is_less_than_the_first_is_said_once_for_all() {
    let pairs = [("RECOVERY_TIMEOUT_MAX", "30"), ("MAX_SOFT_FAILURES_BEFORE_RECOVERY", "2")];
    let faults = faults("", &pairs);
    assert!(faults.contains("must not be less than RECOVERY_TIMEOUT\n"), "{faults}");
    assert!(faults.ends_with("2 faults; nothing was started"), "{faults}");
}

#[test]
fn what_is_fixed_is_kept_and_named_and_the_rest_is_taken_over() {
    let running = config("", &[]);
    let variables = [("BIND_ADDRESS", "127.0.0.1:1"), ("DURABILITY", "os"), ("HEALTH_CHECK_INTERVAL", "7")];
    let (kept, fixed) = config("", &variables).keeping_what_is_fixed(&running);
    assert_eq!(fixed, ["BIND_ADDRESS", "DURABILITY"]);
    assert_eq!(
        (kept.foundation.bind_address, kept.foundation.durability),
        (running.foundation.bind_address, running.foundation.durability)
    );
    assert_eq!(kept.policy.services[0].interval.as_secs(), 7);
    assert!(config("", &[]).keeping_what_is_fixed(&running).1.is_empty());
}

#[test]
fn who_we_are_to_elasticsearch_is_fixed() {
    let user = [("ELASTICSEARCH_USERNAME", "writer"), ("ELASTICSEARCH_PASSWORD", "hunter2")];
    let running = config("", &user);
    let fixed = |variables: &[(&str, &str)]| {
        let (kept, fixed) = config("", variables).keeping_what_is_fixed(&running);
        let kept = kept.foundation.elasticsearch.credentials;
        let Some(Credentials::Basic { password, .. }) = kept else { panic!("{kept:?}") };
        assert_eq!(password.expose_secret(), "hunter2");
        fixed
    };
    assert_eq!(fixed(&user), [""; 0]);
    assert_eq!(fixed(&[user[0], ("ELASTICSEARCH_PASSWORD", "hunter3")]), ["ELASTICSEARCH_PASSWORD"]);
    let all = ["ELASTICSEARCH_API_KEY", "ELASTICSEARCH_USERNAME", "ELASTICSEARCH_PASSWORD"];
    assert_eq!(fixed(&[("ELASTICSEARCH_API_KEY", "id:key")]), all);
}

#[test]
fn tokens_have_roles_and_are_shown_nowhere() {
    let variables = [("API_TOKEN", "hunter2-operator,viewer:hunter2-viewer")];
    let loading = load_with("", &variables).unwrap_or_else(|faults| panic!("{faults}"));
    let roles: Vec<Role> = loading.config.foundation.access.tokens.iter().map(|token| token.role).collect();
    assert_eq!(roles, [Role::Operator, Role::Viewer]);
    assert_eq!(loading.config.foundation.access.tokens[1].secret.expose_secret(), "hunter2-viewer");
    assert!(!format!("{:?} {:?}", loading.config, loading.effective).contains("hunter2"));
    let faults = faults("", &[("API_TOKEN", "hunter2")]);
    assert!(faults.contains("fewer than 8 characters") && !faults.contains("hunter2"), "{faults}");
}

#[test]
fn addresses_with_credentials_are_shown_without_them() {
    let variables = [
        ("ELASTICSEARCH_URL", "https://elastic:hunter2@es:9200"),
        ("RECOVERY_WEBHOOK_URL", "https://hooks.example.com:8443/hunter2?key=hunter2"),
        ("RECOVERY_WEBHOOK_SECRET", "hunter2"),
    ];
    let loading = load_with("", &variables).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(!format!("{:?} {:?}", loading.config, loading.effective).contains("hunter2"));
    let target = &loading.config.policy.services[0].target;
    assert_eq!((target.backend, target.name.as_str()), (Backend::Webhook, "hooks.example.com:8443"));
}

#[test]
fn the_documentation_names_every_setting_with_its_default() {
    let documentation = include_str!("../../../../docs/configuration.md");
    for setting in SETTINGS.settings() {
        let row = documentation.lines().find(|line| line.starts_with(&format!("| `{}` |", setting.key)));
        let row = row.unwrap_or_else(|| panic!("{} has no row", setting.key));
        assert!(row.contains(setting.default.unwrap_or("|")), "{row}");
    }
    for key in SETTINGS.documented_keys().iter().filter_map(|key| key.strip_prefix("services.<name>.")) {
        assert!(documentation.lines().any(|line| line.starts_with(&format!("| `{key}` |"))), "{key}");
    }
}

#[test]
fn the_example_of_the_documentation_can_be_used() {
    let documentation = include_str!("../../../../docs/configuration.md");
    let example = documentation.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let config = config(example.expect("an example"), &[]);
    assert_eq!(service(&config, "web").target.to_string(), "docker:web");
}
