use shared::platform::CommandSettings;

use super::*;

const COMMAND: &str = "recovery_command: {restart: [systemctl, restart, '{service}']}\n";
const WEBHOOK: (&str, &str) = ("RECOVERY_WEBHOOK_URL", "https://hooks.example.com/x");

/// Backend and name of the target of every service.
fn targets(yaml: &str, variables: &[(&str, &str)]) -> Vec<String> {
    config(yaml, variables).policy.services.iter().map(|service| service.target.to_string()).collect()
}

fn command(config: &Config, name: &str) -> CommandSettings {
    let platform = &config.platforms[&ServiceName::new(name).unwrap()];
    let PlatformSettings::Command(settings) = platform else { panic!("not a command") };
    settings.clone()
}

#[test]
fn automatic_takes_the_command_then_the_webhook_then_docker() {
    assert_eq!(targets("", &[])[0], "docker:api-gateway");
    assert_eq!(targets("", &[WEBHOOK])[0], "webhook:hooks.example.com");
    assert_eq!(targets(COMMAND, &[])[0], "command:systemctl");
}

#[test]
fn automatic_with_both_asks_once_to_choose() {
    let faults = faults(COMMAND, &[WEBHOOK]);
    assert!(faults.contains("set RECOVERY_BACKEND to command or webhook"), "{faults}");
    assert!(faults.ends_with("1 fault; nothing was started"), "{faults}");
    assert_eq!(targets(COMMAND, &[WEBHOOK, ("RECOVERY_BACKEND", "webhook")])[0], "webhook:hooks.example.com");
    assert_eq!(targets(COMMAND, &[WEBHOOK, ("RECOVERY_BACKEND", "Command")])[0], "command:systemctl");
}

#[test]
fn what_a_service_has_is_nearer_than_what_all_have() {
    let services = "
services:
  web: {url: 'http://web', recovery_command: {restart: [own]}}
  api: {url: 'http://api', recovery_webhook_url: 'http://own/x'}
  db: {url: 'http://db', recovery_backend: none}
";
    assert_eq!(targets(services, &[WEBHOOK]), ["command:own", "webhook:own", "none"]);
    assert_eq!(targets(&format!("{COMMAND}{services}"), &[]), ["command:own", "webhook:own", "none"]);
    let both = "services: {web: {url: 'http://web', recovery_command: {restart: [own]}, recovery_webhook_url: 'http://own'}}";
    assert!(faults(both, &[]).contains("set recovery_backend to command or webhook"));
}

#[test]
fn a_chosen_backend_without_its_setting_is_one_fault() {
    for (backend, setting) in [("webhook", "RECOVERY_WEBHOOK_URL"), ("command", "recovery_command.restart")] {
        let faults = faults("", &[("RECOVERY_BACKEND", backend)]);
        assert!(faults.contains(&format!("{backend} is chosen, and {setting} is not set")), "{faults}");
        assert!(faults.ends_with("1 fault; nothing was started"), "{faults}");
    }
    let faults = faults("services: {web: {url: 'http://web', recovery_backend: webhook}}", &[]);
    assert!(faults.contains("services.web.recovery_backend = \"webhook\""), "{faults}");
}

#[test]
fn a_service_gives_only_what_differs_from_the_command_of_all() {
    let yaml = "
recovery_command: {restart: [all], inspect: [look], timeout: 7}
services:
  web: {url: 'http://web', recovery_command: {restart: [own]}}
  api: {url: 'http://api', recovery_command: {timeout: 8}}
";
    let config = config(yaml, &[("RECOVERY_COMMAND_TIMEOUT", "9")]);
    let web = command(&config, "web");
    assert_eq!((web.restart, web.inspect), (vec!["own".to_owned()], Some(vec!["look".to_owned()])));
    assert_eq!(web.timeout.as_secs(), 7);
    let api = command(&config, "api");
    assert_eq!((api.restart, api.timeout.as_secs()), (vec!["all".to_owned()], 8));
}

#[test]
fn the_timeout_of_commands_has_a_setting_of_its_own() {
    let config = config(COMMAND, &[("RECOVERY_COMMAND_TIMEOUT", "9")]);
    assert_eq!(command(&config, "orchestrator").timeout.as_secs(), 9);
}

#[test]
fn docker_gets_host_project_container_and_time_to_stop() {
    let yaml =
        "services: {web: {url: 'http://web', container: web-1, stop_timeout: 3}, api: {url: 'http://api'}}";
    let variables = [("DOCKER_HOST", "tcp://socket-proxy:2375"), ("COMPOSE_PROJECT_NAME", "shop")];
    let config = config(yaml, &variables);
    let docker = |name: &str| {
        let platform = &config.platforms[&ServiceName::new(name).unwrap()];
        let PlatformSettings::Docker(settings) = platform else { panic!("not Docker") };
        settings.clone()
    };
    let web = docker("web");
    assert_eq!(web.host.as_deref(), Some("tcp://socket-proxy:2375"));
    assert_eq!(web.project.as_deref(), Some("shop"));
    assert_eq!((web.container.as_str(), web.stop_timeout.as_secs()), ("web-1", 3));
    assert_eq!((docker("api").container.as_str(), docker("api").stop_timeout.as_secs()), ("api", 10));
}

#[test]
fn who_stops_a_container_is_respected_where_the_engine_tells_it_and_elsewhere_that_is_said() {
    let yaml = "
respect_operator_stop: true
services:
  web: {url: 'http://web', recovery_backend: docker}
  db: {url: 'http://db', recovery_backend: docker, respect_operator_stop: false}
  worker: {probe: docker, recovery_backend: none, respect_operator_stop: true}
  partner: {url: 'http://partner', recovery_backend: none, respect_operator_stop: true}
";
    let Loading { config, warnings, .. } = load_with(yaml, &[]).unwrap_or_else(|faults| panic!("{faults}"));
    let respects = ["web", "db", "worker"].map(|name| service(&config, name).respects_operator_stop);
    assert_eq!(respects, [true, false, true]);
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!(warning.subject, "services.partner.respect_operator_stop");
    let nowhere = "services: {partner: {url: 'http://partner', recovery_backend: none}}";
    let on = [("RESPECT_OPERATOR_STOP", "true")];
    let warnings = load_with(nowhere, &on).unwrap_or_else(|faults| panic!("{faults}")).warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].to_string().contains("only the Docker Engine tells"), "{warnings:?}");
    assert!(load_with(nowhere, &[]).unwrap_or_else(|faults| panic!("{faults}")).warnings.is_empty());
}
