use std::ffi::OsString;
use std::path::Path;

use shared::cli::{ConfigCommand, Exit, run_config};

use super::*;
use crate::config::Config;

fn run(args: &[&str], environment: &[(&str, &str)]) -> (Exit, String, String) {
    let invocation = parse(std::iter::once(&"health-monitor").chain(args)).unwrap();
    let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let Command::Common(Common::Config(command)) = invocation.command else { panic!("not a config command") };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let sources = invocation.sources(environment);
    let exit = run_config(&PROGRAM, command, || look(&sources), &mut out, &mut err).unwrap();
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn command_of(args: &[&str]) -> Command {
    parse(std::iter::once(&"health-monitor").chain(args)).unwrap().command
}

#[test]
fn the_definition_is_consistent() {
    definition().debug_assert();
}

#[test]
fn without_a_command_the_daemon_serves() {
    assert_eq!(command_of(&[]), Command::Common(Common::Serve));
    assert_eq!(command_of(&["serve"]), Command::Common(Common::Serve));
    assert_eq!(command_of(&["check"]), Command::Check { service: None });
    let web = ServiceName::new("web").unwrap();
    assert_eq!(command_of(&["check", "web"]), Command::Check { service: Some(web) });
    assert_eq!(command_of(&["healthcheck"]), Command::Common(Common::Healthcheck));
    assert_eq!(command_of(&["config", "schema"]), Command::Common(Common::Config(ConfigCommand::Schema)));
}

#[test]
fn usage_mistakes_exit_with_2_and_help_with_0() {
    for args in [&["--no-such-flag"][..], &["no-such-command"], &["check", "not a name"], &["config"]] {
        let error = parse(std::iter::once(&"health-monitor").chain(args)).unwrap_err();
        assert_eq!(error.exit_code(), i32::from(Exit::Usage.code()), "{args:?}");
    }
    for args in [["m", "--help"], ["m", "-h"], ["m", "--version"]] {
        assert_eq!(parse(args).unwrap_err().exit_code(), 0);
    }
}

#[test]
fn every_setting_is_a_flag_before_and_behind_the_command() {
    let args = ["m", "--health-check-interval", "7", "check", "--allow-unauthenticated", "web"];
    let sources = parse(args).unwrap().sources([]);
    let config = Config::load(&sources).unwrap().config;
    assert_eq!(config.policy.observe_first.as_secs(), 7);
    assert!(config.foundation.access.allow_unauthenticated);
    let sources = parse(["m", "--elasticsearch-enabled=false"]).unwrap().sources([]);
    assert!(!Config::load(&sources).unwrap().config.foundation.elasticsearch_enabled);
}

#[test]
fn a_secret_has_only_a_flag_that_names_a_file() {
    assert!(parse(["m", "--api-token", "hunter2hunter2"]).is_err());
    let sources = parse(["m", "--api-token-file", "/nowhere"]).unwrap().sources([]);
    assert_eq!(sources.flags["API_TOKEN_FILE"], "/nowhere");
}

#[test]
fn the_flag_for_the_file_is_stronger_than_the_variable() {
    let environment = [("CONFIG_FILE".into(), "variable.yaml".into())];
    let by_variable = parse(["m"]).unwrap().sources(environment.clone());
    assert_eq!(by_variable.file.as_deref(), Some(Path::new("variable.yaml")));
    let by_flag = parse(["m", "serve", "--config", "flag.yaml"]).unwrap().sources(environment);
    assert_eq!(by_flag.file.as_deref(), Some(Path::new("flag.yaml")));
}

#[test]
fn help_teaches_examples_exit_codes_and_every_setting() {
    let help = parse(["m", "--help"]).unwrap_err().to_string();
    for part in ["Examples:", "Exit codes:", "docs/configuration.md", "Probing:", "Means of recovery:"] {
        assert!(help.contains(part), "{part}");
    }
    for setting in SETTINGS.settings() {
        assert!(help.contains(&format!("--{}", setting.flag())), "{}", setting.key);
    }
    let short = parse(["m", "-h"]).unwrap_err().to_string();
    assert!(!short.contains("--recovery-timeout-max") && short.lines().count() < 25, "{short}");
}

#[test]
fn faults_exit_with_64_and_say_how_many() {
    let (exit, out, err) = run(
        &["config", "check", "--health-check-interval", "soon"],
        &[("MAX_FAILURES_BEFORE_RECOVERY", "0")],
    );
    assert_eq!((exit.code(), out.as_str()), (64, ""));
    assert!(err.contains("(flag --health-check-interval)"), "{err}");
    assert!(err.ends_with("2 faults; nothing was started\n"), "{err}");
}

#[test]
fn print_names_where_every_value_came_from_and_hides_secrets() {
    let environment = [
        ("API_TOKEN", "operator:hunter2hunter2"),
        ("RECOVERY_WEBHOOK_URL", "https://hooks.example.com/hunter2"),
        ("ELASTICSEARCH_URL", "https://elastic:hunter2@es:9200"),
        ("DAEMON_CHECK_INTERVAL", "12.5"),
    ];
    for format in ["text", "json"] {
        let (exit, out, _) = run(&["config", "print", "--format", format], &environment);
        assert_eq!(exit, Exit::Ok);
        assert!(!out.contains("hunter2"), "{out}");
        assert!(out.contains("environment variable DAEMON_CHECK_INTERVAL"), "{out}");
        assert!(out.contains("https://hooks.example.com/***"), "{out}");
        assert!(out.contains("https://***@es:9200"), "{out}");
    }
}

#[test]
fn what_print_shows_is_a_file_that_gives_the_same_configuration() {
    let (_, printed, _) = run(&["config", "print"], &[("HEALTH_CHECK_INTERVAL", "12.5")]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("printed.yaml");
    std::fs::write(&path, &printed).unwrap();
    let (exit, again, err) = run(&["config", "print", "--config", path.to_str().unwrap()], &[]);
    assert_eq!((exit, err.as_str()), (Exit::Ok, ""));
    let values = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split("  # ").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(values(&printed), values(&again));
}

#[test]
fn a_good_configuration_is_called_good_and_a_slip_in_a_variable_is_warned_about() {
    let environment = [("HEALTH_CHEK_INTERVAL", "5"), ("DOCKER_LABELS", "false")];
    let (exit, out, err) = run(&["config", "check"], &environment);
    assert_eq!(exit, Exit::Ok);
    assert_eq!(out, "the configuration can be used; services: 7, warnings: 1\n");
    assert!(err.contains("did you mean HEALTH_CHECK_INTERVAL?"), "{err}");
}

#[test]
fn the_schema_has_every_key_and_refuses_others() {
    let (_, schema, _) = run(&["config", "schema"], &[]);
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    for setting in SETTINGS.settings() {
        assert!(schema["properties"].get(setting.file_key()).is_some(), "{}", setting.key);
    }
    let service = &schema["properties"]["services"]["additionalProperties"];
    assert_eq!(service["properties"]["interval"]["minimum"], 0.1);
    assert_eq!(service["properties"]["recovery_command"]["additionalProperties"], false);
}
