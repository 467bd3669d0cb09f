use shared::platform::kubernetes::KubernetesSettings;

use super::*;

const POD: (&str, &str) = ("KUBERNETES_SERVICE_HOST", "10.96.0.1");
const WEB: &str = "services: {web: {url: 'http://web-service.shop:80'}}";

fn settings(config: &Config) -> KubernetesSettings {
    let platform = &config.platforms[&ServiceName::new("web").unwrap()];
    let PlatformSettings::Kubernetes(settings) = platform else { panic!("not Kubernetes") };
    settings.clone()
}

fn steps(config: &Config) -> Vec<&'static str> {
    config.policy.services[0].steps.iter().map(|step| step.action.as_str()).collect()
}

#[test]
fn in_a_cluster_automatic_takes_kubernetes_unless_something_else_is_configured() {
    let inside = config(WEB, &[POD]);
    assert_eq!(inside.policy.services[0].target.to_string(), "kubernetes:web");
    assert_eq!(settings(&inside).host.as_deref(), Some("web-service.shop"));
    assert_eq!(steps(&inside), ["restart", "recreate"]);
    assert_eq!(inside.policy.services[0].verification_timeout, Duration::from_secs(600));
    let outside = config(WEB, &[("KUBECONFIG", "/etc/kube")]);
    assert_eq!(outside.policy.services[0].target.to_string(), "docker:web");
    assert_eq!(steps(&outside), ["restart"]);
    assert_eq!(outside.policy.services[0].verification_timeout, Duration::from_secs(120));
    let hook = config(WEB, &[POD, ("RECOVERY_WEBHOOK_URL", "https://hooks.example.com/x")]);
    assert_eq!(hook.policy.services[0].target.to_string(), "webhook:hooks.example.com");
    assert_eq!(hook.policy.services[0].verification_timeout, Duration::from_secs(120));
}

#[test]
fn what_somebody_has_written_is_stronger_than_what_is_usual_in_a_cluster() {
    let yaml = "
recovery_backend: kubernetes
recovery_steps: restart x2
verification_timeout: 90
services: {web: {url: 'http://127.0.0.1:80', workload: shop/statefulset/web}}
";
    let config = config(yaml, &[]);
    assert_eq!(config.policy.services[0].target.to_string(), "kubernetes:shop/statefulset/web");
    assert_eq!(steps(&config), ["restart"]);
    assert_eq!(config.policy.services[0].verification_timeout, Duration::from_secs(90));
}

#[test]
fn a_config_map_is_changed_by_kubernetes_alone_and_a_file_is_not() {
    let yaml = |backend: &str, update: &str| {
        format!(
            "services: {{web: {{url: 'http://web', recovery_backend: {backend}, steps: [update_configuration], \
             configuration_update: {{{update}}}}}}}"
        )
    };
    let update =
        settings(&config(&yaml("kubernetes", "config_map: web, set: [MODE=safe]"), &[])).update.unwrap();
    assert_eq!(update.config_map.as_deref(), Some("web"));
    let refused = faults(&yaml("docker", "config_map: web, set: [MODE=safe]"), &[]);
    assert!(refused.contains("names a ConfigMap, which only kubernetes can change"), "{refused}");
    let refused = faults(&yaml("kubernetes", "file: /etc/web, content: x"), &[]);
    assert!(refused.contains("changes a file, which kubernetes cannot"), "{refused}");
    let refused = faults(&yaml("kubernetes", "config_map: Web, set: [MODE=safe]"), &[]);
    assert!(refused.contains("cannot be the name of a ConfigMap"), "{refused}");
}

#[test]
fn a_workload_or_namespace_that_cannot_be_is_a_fault() {
    let yaml = "services: {web: {url: 'http://web', recovery_backend: kubernetes, workload: pod/web}}";
    assert!(faults(yaml, &[]).contains("write deployment/web"), "{}", faults(yaml, &[]));
    let wrong = faults(WEB, &[POD, ("KUBERNETES_NAMESPACE", "My Shop")]);
    assert!(wrong.contains("cannot be the name of a namespace"), "{wrong}");
}
