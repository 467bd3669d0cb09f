//! The configuration that holds is shown: every value with its origin, and no secret.

use std::collections::BTreeSet;
use std::path::Path;

use axum::http::StatusCode;
use health_monitor::config::SETTINGS;
use serde_json::{Value, json};
use shared::config::{Exposure, Section};

use super::daemon::{Daemon, PATIENCE, QUICK, run, signal};
use super::tls::Authority;

/// In every secret.
const MARKER: &str = "MaRk3r";

#[tokio::test]
async fn what_holds_is_shown_with_where_it_came_from_before_and_after_a_change() {
    let services = "  web: {url: 'http://127.0.0.1:1', fall: 7}\n  api: {url: 'http://127.0.0.1:1'}\n";
    let before = format!("{QUICK}recovery_backend: none\nservices:\n{services}");
    let daemon = Daemon::start_with(&before, &[("MAX_FAILURES_BEFORE_RECOVERY", "4")]).await;
    let (status, shown) = daemon.get("/config").await;
    assert_eq!(status, 200, "{shown}");
    let settings = &shown["settings"];
    let file = format!("file {:?}", daemon.directory.path().join("monitor.yaml").display().to_string());
    let variable = "environment variable MAX_FAILURES_BEFORE_RECOVERY";
    assert_eq!(settings["passes_before_healthy"], json!({"value": 2, "origin": "default"}));
    assert_eq!(settings["max_failures_before_recovery"], json!({"value": 4, "origin": variable}));
    assert_eq!(settings["start_period"], json!({"value": 1, "origin": format!("{file}, line 5")}));
    assert_eq!(settings["api_token"], json!({"value": null, "origin": "not set"}));
    let (web, api) = (&settings["services"]["web"], &settings["services"]["api"]);
    assert_eq!(web["origin"], json!(format!("{file}, line 11")));
    assert_eq!(web["fall"], json!({"value": 7, "origin": format!("{file}, line 11")}));
    assert_eq!(api["fall"], json!({"value": 4, "origin": "as MAX_FAILURES_BEFORE_RECOVERY"}));
    assert_eq!(api["path"], json!({"value": "/health", "origin": "default"}));
    assert_eq!((&shown["restart_to_apply"], &shown["warnings"]), (&json!([]), &json!([])));

    let after = format!("{before}  late: {{url: 'http://127.0.0.1:1'}}\nstable_after: 5\ndurability: os\n");
    std::fs::write(daemon.directory.path().join("monitor.yaml"), after).unwrap();
    signal(daemon.process_id(), "HUP");
    let changed = daemon
        .until("/config", "the change", |shown| {
            (shown["settings"]["stable_after"]["value"] == 5).then(|| shown.clone())
        })
        .await;
    assert_eq!(changed["settings"]["services"]["late"]["stable_after"]["value"], json!(5));
    assert_eq!(changed["restart_to_apply"], json!(["DURABILITY"]));
    assert_eq!(changed["settings"]["durability"], json!({"value": "disk", "origin": "default"}));
    assert!(changed["since"].as_str() > shown["since"].as_str(), "{changed}");

    std::fs::write(daemon.directory.path().join("monitor.yaml"), "stable_after: soon\n").unwrap();
    signal(daemon.process_id(), "HUP");
    let start = tokio::time::Instant::now();
    while !daemon.log().contains("the configuration before is kept") {
        assert!(start.elapsed() < PATIENCE, "{}", daemon.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(daemon.get("/config").await.1, changed, "a file with faults has changed something");
}

#[tokio::test]
async fn services_are_shown_page_by_page_or_one_alone() {
    let services: String =
        (0..5).map(|number| format!("  s{number}: {{url: 'http://127.0.0.1:1'}}\n")).collect();
    let daemon =
        Daemon::start(&format!("recovery_backend: none\ndocker_labels: false\nservices:\n{services}")).await;
    let names = |page: &Value| -> Vec<String> {
        page["settings"]["services"].as_object().unwrap().keys().cloned().collect()
    };
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = daemon.get(&format!("/config?limit=2{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        assert!(names(&page).len() <= 2, "{page}");
        seen.extend(names(&page));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ["s0", "s1", "s2", "s3", "s4"]);
    let (_, one) = daemon.get("/config?service=s3").await;
    assert_eq!((names(&one), &one["next_cursor"]), (vec!["s3".to_owned()], &Value::Null));
    for wrong in ["service=none", "limit=0", "cursor=c1none", "page=2"] {
        let (status, problem) = daemon.get(&format!("/config?{wrong}")).await;
        assert_eq!(status, 400, "{wrong}: {problem}");
    }
}

/// The keys of all settings that must not be shown whole.
fn secrets(section: &Section, path: &str) -> BTreeSet<String> {
    let own = section.settings().filter(|setting| setting.exposure != Exposure::Public);
    let mut found: BTreeSet<String> = own.map(|setting| format!("{path}{}", setting.key)).collect();
    for below in section.sections {
        found.extend(secrets(below, &format!("{path}{}.", below.key)));
    }
    found
}

/// Every secret that there is, in a file of its own or in the configuration, each with the marker.
fn with_all_secrets(folder: &Path) -> (String, Vec<(&'static str, String)>, BTreeSet<String>) {
    let variables = vec![
        ("API_TOKEN", format!("operator:{MARKER}-operator,viewer:{MARKER}-viewer")),
        ("ELASTICSEARCH_URL", format!("https://elastic:{MARKER}@127.0.0.1:1")),
        ("ELASTICSEARCH_API_KEY_FILE", folder.join("key").display().to_string()),
        ("RECOVERY_WEBHOOK_SECRET_FILE", folder.join("signature").display().to_string()),
        ("ELASTICSEARCH_CA_FILE", Authority::new(folder).file().to_owned()),
        ("RECOVERY_WEBHOOK_URL", format!("http://u:{MARKER}@127.0.0.1:1/{MARKER}?key={MARKER}")),
        ("NOTIFY_WEBHOOK_URL", format!("http://u:{MARKER}@127.0.0.1:1/{MARKER}?key={MARKER}")),
        ("NOTIFY_WEBHOOK_SECRET", MARKER.to_owned()),
        ("NOTIFY_SLACK_URL_FILE", folder.join("chat").display().to_string()),
        ("NOTIFY_ALERTMANAGER_URL", format!("http://u:{MARKER}@127.0.0.1:1/{MARKER}")),
    ];
    std::fs::write(folder.join("key"), format!("id:{MARKER}")).unwrap();
    std::fs::write(folder.join("signature"), MARKER).unwrap();
    std::fs::write(folder.join("chat"), format!("http://127.0.0.1:1/{MARKER}")).unwrap();
    let channel = format!("{{kind: webhook, url: 'http://127.0.0.1:1/{MARKER}', secret: {MARKER}}}");
    let update = |what: &str| format!("recovery_backend: docker, configuration_update: {{{what}}}");
    let services = [
        format!("recovery_backend: webhook, recovery_webhook_url: 'http://127.0.0.1:1/{MARKER}'"),
        update(&format!("set: [PASSWORD={MARKER}]")),
        update(&format!("file: /etc/app.conf, content: 'password {MARKER}'")),
        update(&format!("file: /etc/app.conf, replace: ['{MARKER} => x']")),
        format!("recovery_command: {{restart: [mend, --password, {MARKER}, '--token={MARKER}']}}"),
        format!("path: '/health?token={MARKER}', body_contains: 'api_key={MARKER}'"),
    ];
    let services = services.iter().enumerate();
    let services = services.map(|(number, settings)| {
        let steps =
            if settings.contains("_update") { "steps: [restart, update_configuration], " } else { "" };
        format!("  s{number}: {{url: 'http://127.0.0.1:1', {steps}{settings}}}\n")
    });
    let services: String = services.collect();
    let covered = [
        "API_TOKEN",
        "ELASTICSEARCH_API_KEY",
        "ELASTICSEARCH_CA",
        "ELASTICSEARCH_PASSWORD",
        "NOTIFY_ALERTMANAGER_URL",
        "NOTIFY_SLACK_URL",
        "NOTIFY_WEBHOOK_SECRET",
        "NOTIFY_WEBHOOK_URL",
        "RECOVERY_WEBHOOK_SECRET",
        "RECOVERY_WEBHOOK_URL",
        "notifications.secret",
        "notifications.url",
        "services.configuration_update.content",
        "services.configuration_update.replace",
        "services.configuration_update.set",
        "services.recovery_webhook_url",
    ];
    let covered = covered.into_iter().map(str::to_owned).collect();
    let configuration =
        format!("recovery_backend: none\nnotifications:\n  pager: {channel}\nservices:\n{services}");
    (configuration, variables, covered)
}

#[tokio::test]
async fn no_secret_of_any_kind_is_shown_and_only_holders_of_a_token_see_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (configuration, mut variables, covered) = with_all_secrets(folder.path());
    assert_eq!(
        covered,
        secrets(&SETTINGS, ""),
        "give each secret the marker here, and see that none is shown"
    );
    let certificate = std::fs::read_to_string(folder.path().join("authority.pem")).unwrap();
    let certificate = certificate.lines().nth(1).unwrap();
    // A password takes the place of the key the second time.
    for credentials in ["ELASTICSEARCH_API_KEY_FILE", "ELASTICSEARCH_PASSWORD"] {
        let given: Vec<(&str, &str)> = variables.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let daemon = Daemon::start_with(&format!("{QUICK}{configuration}"), &given).await;
        assert_eq!(daemon.get("/config").await.0, 401);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.get(daemon.url("/config")).bearer_auth(format!("{MARKER}-viewer"));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let shown = response.text().await.unwrap();
        let file = daemon.directory.path().join("monitor.yaml");
        let print = |format: &str| {
            let arguments = ["--config", file.to_str().unwrap(), "config", "print", "--format", format];
            let output = run(daemon.directory.path(), &arguments, &given);
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        for text in [&shown, &print("json"), &print("text"), &daemon.log()] {
            assert!(!text.contains(MARKER) && !text.contains(certificate), "{text}");
        }
        let settings = &serde_json::from_str::<Value>(&shown).unwrap()["settings"];
        let (key, origin) = match credentials {
            "ELASTICSEARCH_PASSWORD" => {
                ("elasticsearch_password", format!("environment variable {credentials}"))
            }
            _ => {
                let file = folder.path().join("key").display().to_string();
                (
                    "elasticsearch_api_key",
                    format!("file {file:?}, named by environment variable {credentials}"),
                )
            }
        };
        assert_eq!(
            settings[key],
            json!({"value": "***", "origin": origin}),
            "only that it is set, and from where"
        );
        assert_eq!(settings["elasticsearch_url"]["value"], json!("https://***@127.0.0.1:1"));
        assert_eq!(settings["recovery_webhook_url"]["value"], json!("http://127.0.0.1:1/***"));
        let command = &settings["services"]["s4"]["recovery_command"]["restart"]["value"];
        assert_eq!(command, &json!(["mend", "--password", "***", "--token=***"]));
        variables.retain(|(key, _)| *key != "ELASTICSEARCH_API_KEY_FILE");
        variables.push(("ELASTICSEARCH_USERNAME", "elastic".to_owned()));
        variables.push(("ELASTICSEARCH_PASSWORD", MARKER.to_owned()));
    }
}
