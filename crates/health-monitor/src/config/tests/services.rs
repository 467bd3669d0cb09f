use super::*;

#[test]
fn services_of_the_file_replace_the_seven_and_inherit_what_they_do_not_say() {
    let yaml = "
health_check_interval: 20
healing_mode: observe
services:
  web:
    url: http://web:8080/
    path: /ready?full=1
    interval: 2
    fall: 4
    mode: enforce
    latency_limit: 0.5
    container: web-1
  db:
    url: http://db:5432
    fast_interval: 60
    rise: 3
";
    let config = config(yaml, &[("PASSES_BEFORE_HEALTHY", "5")]);
    assert_eq!(config.policy.services.len(), 2);
    let web = service(&config, "web");
    assert_eq!(
        (web.url.as_str(), web.probe_url.as_str()),
        ("http://web:8080", "http://web:8080/ready?full=1")
    );
    assert_eq!((web.fall, web.fall_soft, web.rise), (4, 8, 5));
    assert_eq!((web.mode, web.target.name.as_str()), (Mode::Enforce, "web-1"));
    assert_eq!(web.expected.latency_limit, Some(Duration::from_millis(500)));
    let db = service(&config, "db");
    assert_eq!((db.interval.as_secs(), db.rise, db.fall_soft, db.mode), (20, 3, 6, Mode::Observe));
    assert_eq!(config.platforms.len(), 2);
}

#[test]
fn no_probe_outlasts_its_interval() {
    let config = config("services: {web: {url: 'http://web', interval: 2}}", &[]);
    let web = service(&config, "web");
    assert_eq!([web.interval, web.timeout, web.fast_interval].map(|time| time.as_secs()), [2, 2, 2]);
}

#[test]
fn a_variable_overrides_the_address_of_the_service_with_that_name() {
    let yaml = "
services:
  api-gateway: {url: 'http://file:1', interval: 7}
  orchestrator:
";
    let loading =
        load_with(yaml, &[("API_GATEWAY_URL", "http://variable:2"), ("AUTO_SCALER_URL", "http://a:3")]);
    let loading = loading.unwrap_or_else(|faults| panic!("{faults}"));
    let gateway = service(&loading.config, "api-gateway");
    assert_eq!((gateway.url.as_str(), gateway.interval.as_secs()), ("http://variable:2", 7));
    assert_eq!(service(&loading.config, "orchestrator").url, "http://orchestrator:5003");
    let warnings: Vec<String> = loading.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("AUTO_SCALER_URL: is not used"), "{warnings:?}");
}

#[test]
fn an_address_in_the_same_file_does_not_override_the_service() {
    let yaml = "
api_gateway_url: http://top:1
services: {api-gateway: {url: 'http://service:2'}}
";
    assert_eq!(service(&config(yaml, &[]), "api-gateway").url, "http://service:2");
}

#[test]
fn everything_wrong_with_services_is_said_at_once() {
    let yaml = "
services:
  'bad name': {url: 'http://x'}
  query: {url: 'http://x?y=1'}
  credentials: {url: 'http://user:hunter2@x'}
  path: {url: 'http://x', path: health}
  fragment: {url: 'http://x', path: '/a#b'}
  nothing:
  pair: {url: 'http://x', fall: 3, fall_soft: 2}
  value: {url: 'http://x', rise: often}
";
    let faults = faults(yaml, &[]);
    for part in ["bad name", "query.url", "credentials.url", "path.path", "fragment.path", "nothing.url"] {
        assert!(faults.contains(&format!("services.{part}")), "{part}: {faults}");
    }
    assert!(faults.contains("must not be less than services.pair.fall"), "{faults}");
    assert!(faults.contains("services.value.rise = \"often\""), "{faults}");
    assert!(faults.ends_with("8 faults; nothing was started"), "{faults}");
    assert!(!faults.contains("hunter2"), "{faults}");
}

#[test]
fn a_credential_in_a_variable_is_refused_under_the_name_of_the_variable() {
    let faults = faults("", &[("API_GATEWAY_URL", "http://user:hunter2@gateway")]);
    assert!(faults.contains("API_GATEWAY_URL = \"http://***@gateway\" (environment variable"), "{faults}");
    assert!(faults.ends_with("1 fault; nothing was started"), "{faults}");
}

#[test]
fn watching_nothing_is_a_fault() {
    assert!(faults("services: {}", &[]).contains("names no service"));
    assert!(faults("services:", &[]).contains("names no service"));
}

#[test]
fn probes_in_flight_keep_a_fleet_that_hangs_on_schedule() {
    let services: String =
        (0..10_000).map(|n| format!("  s{n}: {{url: 'http://h{}:80'}}\n", n % 100)).collect();
    let config = config(&format!("health_check_timeout: 5\nservices:\n{services}"), &[]);
    assert_eq!((config.policy.max_in_flight, config.policy.max_in_flight_per_host), (1_667, 17));
}

#[test]
fn twenty_thousand_services_are_taken_and_one_more_is_not() {
    let yaml = |count: usize| -> String {
        (0..count)
            .fold("services:\n".to_owned(), |yaml, n| yaml + &format!("  s{n}: {{url: 'http://h{n}'}}\n"))
    };
    assert_eq!(config(&yaml(MAX_SERVICES), &[]).policy.services.len(), MAX_SERVICES);
    assert!(faults(&yaml(MAX_SERVICES + 1), &[]).contains("at most 20000"));
}

#[test]
fn what_a_good_answer_is_can_be_wrong_in_many_ways_and_each_is_told() {
    let yaml = "
services:
  status: {url: 'http://x', expected_status: '2xx'}
  value: {url: 'http://x', body_json: 'status.db=ok'}
  file: {url: 'https://x', ca_file: /nowhere/ca.pem}
  no-pem: {url: 'https://x', ca_file: /dev/null}
";
    let faults = faults(yaml, &[]);
    for (key, reason) in [
        ("services.status.expected_status", "no status from 100 to 599"),
        ("services.value.body_json", "must begin with /"),
        ("services.file.ca_file", "/nowhere/ca.pem cannot be read"),
        ("services.no-pem.ca_file", "no certificate in PEM"),
    ] {
        let told = faults.split_once(&format!("{key} = ")).unwrap_or_else(|| panic!("{key}: {faults}")).1;
        assert!(told.lines().nth(1).unwrap().contains(reason), "{key}: {faults}");
    }
    assert!(faults.ends_with("4 faults; nothing was started"), "{faults}");
}

#[test]
fn the_scheme_of_the_address_chooses_the_probe_and_what_means_nothing_to_it_is_a_fault() {
    let yaml = "
services:
  web: {url: 'http://web'}
  db: {url: 'tcp://db:5432', path: /health, redirects: 0, unhealthy_only: false}
  orders: {url: 'grpc://orders:50051', grpc_service: shop.Orders}
  worker: {probe: docker, container: worker-1}
";
    let config = config(yaml, &[("DOCKER_HOST", "tcp://engine:2375")]);
    let probe = |name| service(&config, name).probe.clone();
    assert_eq!((probe("web"), probe("db")), (ProbeKind::Http, ProbeKind::Tcp));
    assert_eq!(probe("orders"), ProbeKind::Grpc { service: "shop.Orders".into() });
    let ProbeKind::Docker(containers) = probe("worker") else { panic!("{:?}", probe("worker")) };
    assert_eq!(
        (containers.container.as_str(), containers.host.as_deref()),
        ("worker-1", Some("tcp://engine:2375"))
    );
    let wrong = "
services:
  path: {url: 'tcp://db:1', path: /x}
  port: {url: 'tcp://db'}
  service: {url: 'http://x', grpc_service: shop.Orders}
  address: {probe: docker, url: 'http://x'}
  scheme: {url: 'ftp://x'}
";
    let faults = faults(wrong, &[]);
    for (key, reason) in [
        ("path.path", "means nothing to a tcp probe"),
        ("port.url", "must name a host and a port"),
        ("service.grpc_service", "means nothing to an http probe"),
        ("address.url", "means nothing to a docker probe"),
        ("scheme.url", "must begin with http:// or https:// or tcp:// or grpc://"),
    ] {
        assert!(faults.contains(&format!("services.{key}")) && faults.contains(reason), "{key}: {faults}");
    }
}
