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
