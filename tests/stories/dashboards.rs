//! The searches that the Kibana dashboards stand for, against a real server with documents of both daemons: every panel
//! has something to show, and shows what the daemons themselves say.

mod life;

use std::collections::BTreeMap;

use serde_json::Value;
use tests::kibana::{built, read, search};

use super::daemon::run_program;
use super::search_server::{Kind, SearchServer};
use life::{Changed, Healed};

/// The answers to the searches of all panels: rows by dashboard and panel, of each layer.
struct Shown(BTreeMap<(String, String), Vec<Vec<search::Row>>>);

impl Shown {
    async fn by(server: &SearchServer) -> Self {
        let objects = read::objects(&built()).unwrap();
        let mut shown = BTreeMap::new();
        for dashboard in read::dashboards(&objects).unwrap() {
            for panel in &dashboard.panels {
                let Some(lens) = &panel.lens else { continue };
                let mut layers = Vec::new();
                for layer in &lens.layers {
                    let body = search::search(lens, layer, &dashboard.from).unwrap();
                    let view = layer.view.as_ref().unwrap();
                    let answer = server.post(&format!("/{view}/_search"), &body).await;
                    assert_eq!(answer["_shards"]["failed"], 0, "{}: {answer}", panel.id);
                    let rows = search::rows(layer, &answer);
                    shows_something(&panel.id, layer, &rows);
                    layers.push(rows);
                }
                shown.insert((dashboard.id.clone(), panel.id.clone()), layers);
            }
        }
        Self(shown)
    }

    fn rows(&self, dashboard: &str, panel: &str) -> &[search::Row] {
        &self.0.get(&(dashboard.to_owned(), panel.to_owned())).unwrap_or_else(|| panic!("no {panel}"))[0]
    }

    /// The one number of a panel.
    fn number(&self, dashboard: &str, panel: &str) -> f64 {
        let [row] = self.rows(dashboard, panel) else { panic!("{panel} has several rows") };
        row.values().next().and_then(Value::as_f64).unwrap_or_else(|| panic!("{panel} shows {row:?}"))
    }

    /// The sum of a column over all rows, or over those of one value of another.
    fn sum(&self, dashboard: &str, panel: &str, column: &str, of: Option<(&str, &str)>) -> f64 {
        let rows = self.rows(dashboard, panel).iter();
        let wanted = rows.filter(|row| of.is_none_or(|(by, value)| row[by] == value));
        wanted.filter_map(|row| row[column].as_f64()).sum()
    }
}

/// No number of a panel is missing throughout, and one of them at least is not zero.
fn shows_something(panel: &str, layer: &read::Layer, rows: &[search::Row]) {
    assert!(!rows.is_empty(), "{panel} shows nothing");
    let mut largest = 0.0_f64;
    for (id, column) in layer.ordered().filter(|(_, column)| column["isBucketed"] != true) {
        let numbers: Vec<f64> = rows.iter().filter_map(|row| row[id].as_f64()).collect();
        assert!(!numbers.is_empty(), "{panel}: {} has no number in {rows:?}", column["label"]);
        largest = numbers.into_iter().fold(largest, |largest, number| largest.max(number.abs()));
    }
    // That nobody failed may be what a panel says; our stories have seen to it that it is not.
    assert!(largest > 0.0, "{panel} shows zeros only: {rows:?}");
}

#[track_caller]
fn same(shown: f64, expected: f64, what: &str) {
    assert!((shown - expected).abs() <= expected.abs() * 1e-9 + 1e-9, "{what}: {shown} and not {expected}");
}

async fn panels_show_what_the_daemons_say(kind: Kind) {
    let Some(server) = SearchServer::start(kind).await else { return };
    let url = server.url();
    let variables = [("ELASTICSEARCH_URL", url.as_str())];
    let scratch = tempfile::tempdir().unwrap();
    for program in ["health-monitor", "self-evolution"] {
        let output = run_program(program, scratch.path(), &["setup", "--wait"], &variables);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let (healed, changed) = tokio::join!(life::heal(&server, &variables), life::change(&server, &variables));
    for stream in tests::kibana::streams() {
        server.refresh(stream.name).await;
    }
    let shown = Shown::by(&server).await;
    health_is_as_told(&shown, &server).await;
    healing_is_as_told(&shown, &healed);
    evolution_is_as_told(&shown, &changed);
    println!("{kind:?}: {} panels with figures", shown.0.len());
}

/// The panels take the mean over minutes; that the API, which weighs by seconds, agrees with the same documents, was seen
/// before.
async fn health_is_as_told(shown: &Shown, server: &SearchServer) {
    let minutes = life::minutes(server).await;
    let mean = |ups: &[f64]| ups.iter().sum::<f64>() / f64::from(u32::try_from(ups.len()).unwrap());
    let mut all = Vec::new();
    let rows = shown.rows("health-monitor", "uptime-by-service");
    for row in rows {
        let service = row["service"].as_str().unwrap();
        let ups: Vec<f64> = minutes[service].iter().map(|minute| minute.up).collect();
        same(row["uptime"].as_f64().unwrap(), mean(&ups), service);
        all.extend(ups);
    }
    assert_eq!(rows.len(), minutes.len());
    same(shown.number("health-monitor", "uptime"), mean(&all), "uptime of all");
    let of = |service: &str| {
        shown.sum("health-monitor", "uptime-by-service", "uptime", Some(("service", service)))
    };
    assert!(of("web") < 1.0 && of("vain") < 1.0 && of("held") < 1.0, "what was down shows as up");
    same(of("well"), 1.0, "what was never down");
}

fn healing_is_as_told(shown: &Shown, healed: &Healed) {
    let finished = |holds: &dyn Fn(&Value) -> bool| {
        let number = healed.recoveries.iter().filter(|one| holds(one)).count();
        f64::from(u32::try_from(number).unwrap())
    };
    let number = |panel: &str| shown.number("health-monitor", panel);
    let mttr = healed.statistics["mean_time_to_recover_seconds"].as_f64().unwrap();
    same(number("mttr"), mttr, "MTTR");
    same(number("actions"), finished(&|one| one["has_acted"] == true), "healing actions");
    let held = finished(&|one| one["outcome"] == "suppressed");
    same(number("held-back"), held, "held back");
    same(shown.sum("health-monitor", "guards", "held", None), held, "held back by all guards");
    same(
        shown.sum("health-monitor", "guards", "held", Some(("guard", "backend"))),
        finished(&|one| one["guard"] == "backend"),
        "held back for want of a backend",
    );
    let by_outcome = &healed.statistics["recoveries"];
    for (column, outcome) in
        [("recovered", "recovered"), ("self", "self_recovered"), ("vain", "not_recovered")]
    {
        let told = by_outcome[outcome].as_f64().unwrap_or_default();
        for panel in ["actions-by-outcome", "actions-over-time"] {
            same(shown.sum("health-monitor", panel, column, None), told, &format!("{outcome} in {panel}"));
        }
    }
    for row in shown.rows("health-monitor", "recoveries") {
        let is_it = |one: &Value| {
            one["service"] == row["service"]
                && one["outcome"] == row["outcome"]
                && one["action"] == row["action"]
        };
        same(row["times"].as_f64().unwrap(), finished(&is_it), &format!("{row:?}"));
    }
    let errors = shown.rows("health-monitor", "errors");
    assert!(errors.iter().any(|row| row["service"] == "web" && row["error"] == "HTTP 500"), "{errors:?}");
}

fn evolution_is_as_told(shown: &Shown, changed: &Changed) {
    let number = |panel: &str| shown.number("self-evolution", panel);
    same(number("requests"), changed.requests, "requests");
    same(number("error-rate"), changed.errors / changed.requests, "error rate");
    same(number("applied"), changed.applied, "applied");
    same(number("rolled-back"), changed.rolled_back, "taken back");
    let verdict = &changed.kept["verdict"];
    let comparison = |member: &str| verdict["comparison"][member].as_f64().unwrap();
    let measured = comparison("improvement") * 100.0;
    let estimated = changed.kept["recommendation"]["estimated_improvement"].as_f64().unwrap() * 100.0;
    same(number("improvement"), measured, "measured improvement");
    for (panel, column, expected) in [
        ("estimated-and-measured", "estimated", estimated),
        ("estimated-and-measured", "measured", measured),
        ("before-and-after", "before", comparison("mean_before")),
        ("before-and-after", "after", comparison("mean_after")),
        ("impact", "errors-before", comparison("error_rate_before")),
        ("verdicts", "better", 1.0),
        ("changes", "applied", changed.applied),
        ("changes", "kept", 1.0),
        ("changes", "back", changed.rolled_back),
    ] {
        same(shown.sum("self-evolution", panel, column, None), expected, &format!("{column} in {panel}"));
    }
    let slow = shown.number("self-evolution", "response-time");
    assert!(slow > 2.0 && slow < 3.0, "the slow answers took 2.5 s, and not {slow}");
}

#[tokio::test]
async fn every_panel_shows_what_the_daemons_say_on_elasticsearch_8() {
    panels_show_what_the_daemons_say(Kind::Elasticsearch8).await;
}

#[tokio::test]
async fn every_panel_shows_what_the_daemons_say_on_elasticsearch_9() {
    panels_show_what_the_daemons_say(Kind::Elasticsearch9).await;
}

#[tokio::test]
async fn every_panel_shows_what_the_daemons_say_on_opensearch() {
    panels_show_what_the_daemons_say(Kind::OpenSearch).await;
}
