use shared::platform::Labelled;

use super::*;

fn container(name: &str, labels: &[(&str, &str)]) -> Labelled {
    let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
    Labelled { name: name.into(), project: None, service: None, labels, has_run: true }
}

fn labelled(yaml: &str, containers: &[Labelled]) -> Loading {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, yaml).unwrap();
    let sources = Sources { file: Some(path), ..Sources::default() };
    Config::load_labelled(&sources, containers).unwrap_or_else(|faults| panic!("{faults}"))
}

const ONE: &str = "services: {db: {url: 'tcp://db:1', interval: 7}}";
const ON: (&str, &str) = ("health-monitor.enable", "true");

#[test]
fn a_container_becomes_a_service_by_its_labels_and_the_file_is_stronger() {
    let web =
        container("web", &[ON, ("health-monitor.url", "http://web:8080"), ("health-monitor.fall", "5")]);
    let respect = ("health-monitor.respect-operator-stop", "true");
    let db = container(
        "db",
        &[ON, ("health-monitor.interval", "9"), ("health-monitor.start-period", "90"), respect],
    );
    let worker = container("shop_worker_1", &[ON, ("health-monitor.depends_on", "db, web")]);
    let worker = Labelled { service: Some("worker".into()), project: Some("shop".into()), ..worker };
    let loading = labelled(ONE, &[db, worker, web]);
    assert!(loading.warnings.is_empty(), "{:?}", loading.warnings);
    let web = service(&loading.config, "web");
    assert_eq!((&web.probe, web.probe_url.as_str()), (&ProbeKind::Http, "http://web:8080/health"));
    assert_eq!((web.fall, web.fall_soft), (5, 10));
    let db = service(&loading.config, "db");
    assert_eq!((&db.probe, db.interval.as_secs(), db.start_period.as_secs()), (&ProbeKind::Tcp, 7, 90));
    assert!(db.respects_operator_stop && !web.respects_operator_stop);
    let worker = service(&loading.config, "worker");
    let ProbeKind::Docker(containers) = &worker.probe else { panic!("{:?}", worker.probe) };
    assert_eq!((containers.container.as_str(), worker.depends_on.len()), ("worker", 2));
    assert!(!worker.expected.unhealthy_only);
}

#[test]
fn autoheal_is_understood() {
    let labels = [("autoheal", "true"), ("autoheal.stop.timeout", "20")];
    let off = container("off", &[("autoheal", "true"), ("health-monitor.enable", "false")]);
    let loading = labelled(ONE, &[container("old", &labels), off]);
    let old = service(&loading.config, "old");
    assert!(matches!(old.probe, ProbeKind::Docker(_)) && old.expected.unhealthy_only);
    assert_eq!(old.order_limit.as_secs(), 40, "the stop timeout and twenty seconds");
    assert_eq!(loading.config.policy.services.len(), 2);
}

#[test]
fn a_bad_label_is_a_warning_and_ignored_alone() {
    let bad = [
        ON,
        ("health-monitor.interval", "soon"),
        ("health-monitor.intervall", "5"),
        ("health-monitor.ca_file", "/etc/shadow"),
        ("health-monitor.path", "/x"),
        ("health-monitor.rise", "4"),
    ];
    let nameless = container("nameless", &[ON, ("health-monitor.name", "no name at all")]);
    let alone = container("alone", &[ON, ("health-monitor.depends_on", "nobody")]);
    let loading = labelled(ONE, &[container("web", &bad), nameless, alone]);
    assert_eq!(service(&loading.config, "web").rise, 4);
    assert_eq!(loading.config.policy.services.len(), 2, "{:?}", loading.warnings);
    let warnings: Vec<String> = loading.warnings.iter().map(ToString::to_string).collect();
    for (label, reason) in [
        ("health-monitor.interval of container web", "must be a number of seconds"),
        ("health-monitor.intervall of container web", "is not a setting of a service"),
        ("health-monitor.ca_file of container web", "cannot be set by a label"),
        ("health-monitor.path of container web", "means nothing to a docker probe"),
        ("container nameless", "a service name is"),
        ("container alone", "nobody"),
    ] {
        let is_told = warnings.iter().any(|one| one.contains(label) && one.contains(reason));
        assert!(is_told, "{label}: {warnings:#?}");
    }
    assert_eq!(warnings.len(), 6, "{warnings:#?}");
}

#[test]
fn what_is_kept_to_be_shown_is_the_whole_effective_configuration() {
    let update = "{set: [A=1]}";
    let yaml = format!(
        "max_failures_before_recovery: 4\nrecovery_command: {{restart: [a], timeout: 5}}\nservices:\n  \
         db: {{url: 'tcp://db:1', interval: 30, path: /health, fall: 3, recovery_timeout: 1200}}\n  \
         api-gateway: {{recovery_command: {{restart: [b]}}}}\n  \
         app: {{probe: docker, recovery_backend: docker, configuration_update: {update}}}\n"
    );
    let web = container("web", &[ON, ("health-monitor.fall", "5"), ("health-monitor.mode", "dry-run")]);
    let old = container("old", &[("autoheal", "true"), ("autoheal.stop.timeout", "3")]);
    let Loading { effective, warnings, .. } = labelled(&yaml, &[web, old]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let whole = shared::config::print_json(&SETTINGS, &effective);
    let holding =
        shared::config::Holding::new(&SETTINGS, effective, &warnings, shared::clock::Timestamp::default());
    assert_eq!(holding.shown(|_, _, _| true).settings, whole);
    assert_eq!(holding.names("services").collect::<Vec<_>>(), ["db", "api-gateway", "app", "web", "old"]);
    let first = |json: &serde_json::Value| json["services"].as_object().unwrap().keys().next().cloned();
    assert_eq!(first(&holding.shown(|_, place, _| place == 4).settings).as_deref(), Some("old"));
    assert_eq!(whole["services"]["old"]["origin"], "label autoheal of container old");
    assert_eq!(whole["services"]["web"]["fall"]["origin"], "label health-monitor.fall of container web");
}
