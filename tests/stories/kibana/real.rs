//! A real Kibana, where `TEST_KIBANA_URL` names one: `setup` imports, Kibana has every object, and a browser, where one is
//! installed, sees every panel.
//!
//! `TEST_ELASTICSEARCH_URL` is the server behind it (`http://localhost:9200` where it is not said); a user and a password
//! may stand in both addresses.

use std::process::Command;

use serde_json::{Value, json};
use tests::kibana::{built, read};

use super::DAEMONS;
use crate::stories::daemon::run_program;

/// What Kibana writes into a panel that it cannot show.
const BROKEN: [&str; 3] = ["embeddable-lens-failure", "embeddableError", "embeddableStackError"];

#[tokio::test]
async fn a_real_kibana_takes_the_dashboards_and_shows_every_panel() {
    let Ok(url) = std::env::var("TEST_KIBANA_URL") else {
        eprintln!("SKIPPED: TEST_KIBANA_URL names no Kibana");
        return;
    };
    let url = url.trim_end_matches('/');
    let server =
        std::env::var("TEST_ELASTICSEARCH_URL").unwrap_or_else(|_| "http://localhost:9200".to_owned());
    let scratch = tempfile::tempdir().unwrap();
    for program in DAEMONS {
        let variables = [("ELASTICSEARCH_URL", server.as_str()), ("KIBANA_URL", url)];
        let output = run_program(program, scratch.path(), &["setup", "--wait"], &variables);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let objects = read::objects(&built()).unwrap();
    let wanted: Vec<Value> =
        objects.iter().map(|one| json!({"type": one["type"], "id": one["id"]})).collect();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let export = client
        .post(format!("{url}/api/saved_objects/_export"))
        .header("kbn-xsrf", "true")
        .json(&json!({"objects": wanted, "excludeExportDetails": true}))
        .send()
        .await
        .unwrap();
    assert!(export.status().is_success(), "{}", export.status());
    let exported = read::objects(&export.text().await.unwrap()).unwrap();
    for object in &wanted {
        assert!(
            exported.iter().any(|one| one["type"] == object["type"] && one["id"] == object["id"]),
            "{object}"
        );
    }
    for dashboard in read::dashboards(&objects).unwrap() {
        shown_in_a_browser(url, &dashboard);
    }
}

fn shown_in_a_browser(url: &str, dashboard: &read::Dashboard) {
    let profile = tempfile::tempdir().unwrap();
    let page = format!("{url}/app/dashboards#/view/{}", dashboard.id);
    let browser = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1600,6000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--virtual-time-budget=60000", "--dump-dom", &page])
        .output();
    let Ok(browser) = browser else {
        eprintln!("SKIPPED: no chromium to look at the dashboard {} with", dashboard.id);
        return;
    };
    let seen = String::from_utf8_lossy(&browser.stdout);
    for panel in &dashboard.panels {
        assert!(panel.title.is_empty() || seen.contains(&panel.title), "{} is not shown", panel.title);
    }
    for sign in BROKEN {
        assert!(!seen.contains(sign), "{}: a panel cannot be shown ({sign})", dashboard.id);
    }
}
