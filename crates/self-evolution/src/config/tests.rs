use super::*;

fn load(environment: &[(&str, &str)]) -> Result<Config, Faults> {
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Config::load(&Sources { environment, ..Sources::default() }).map(|loading| loading.config)
}

#[test]
fn without_any_setting_everything_is_as_it_always_was() {
    let Config { foundation, policy, .. } = load(&[]).unwrap();
    assert_eq!(foundation.bind_address.to_string(), "0.0.0.0:5007");
    assert_eq!(policy.shape, Shape { bucket_seconds: 60, window_hours: 24 });
    assert_eq!(
        (policy.analysis_interval.as_secs(), policy.threshold, policy.auto_apply),
        (3_600, 0.15, false)
    );
    assert!(foundation.elasticsearch_enabled);
}

#[test]
fn every_fault_is_told_at_once() {
    let faults = load(&[
        ("OPTIMIZATION_THRESHOLD", "1.5"),
        ("ANALYSIS_WINDOW_HOURS", "0"),
        ("AUTO_APPLY_OPTIMIZATIONS", "perhaps"),
        ("API_TOKEN", ""),
    ])
    .unwrap_err()
    .to_string();
    for part in ["OPTIMIZATION_THRESHOLD", "ANALYSIS_WINDOW_HOURS", "AUTO_APPLY_OPTIMIZATIONS"] {
        assert!(faults.contains(part), "{faults}");
    }
}

/// The faults of this action of `web`.
fn faults_of(action: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evolution.yaml");
    std::fs::write(&file, format!("services: {{web: {{actions: {{scaling: {action}}}}}}}\n")).unwrap();
    let loaded = Config::load(&Sources { file: Some(file), ..Sources::default() });
    loaded.err().map(|faults| faults.to_string())
}

#[test]
fn an_action_in_kubernetes_changes_one_object_and_no_secret() {
    let of = |set: &str| faults_of(&format!("{{backend: kubernetes, set: [{set}]}}"));
    assert_eq!(of("replicas=+1 up to 4"), None);
    assert_eq!(of("env.CACHE=on, resources.limits.memory=x2 up to 1Gi, image=web:2"), None);
    assert_eq!(of("configmap.web.cache=on, configmap.web.size=2"), None);
    for (set, wrong) in [
        ("size=2", "sets something else than replicas, hpa.min_replicas"),
        ("replicas=2, env.CACHE=on", "sets one of these"),
        ("configmap.web.cache=on, configmap.api.cache=on", "sets one of these"),
        ("env.web.DB_PASSWORD=x", "looks like a secret"),
        ("configmap.web.api-token=x", "looks like a secret"),
        ("env.web.URL=postgres://app:hunter2@db/app", "looks like a secret"),
        ("env.A=1, env.A=2", "sets env.A twice"),
        ("resources.limits.memory=much", "write KEY=VALUE"),
    ] {
        let faults = of(set).unwrap_or_default();
        assert!(faults.contains(wrong), "{set}: {faults}");
    }
    let faults = faults_of("{backend: kubernetes, workload: pod/web, set: [replicas=2]}").unwrap();
    assert!(faults.contains("names no workload"), "{faults}");
}
