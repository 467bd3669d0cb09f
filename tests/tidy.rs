//! The rules of `docs/architecture.md` and of the documentation, held against the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use health_monitor::domain::recovery::Guard;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn rust_files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

fn document(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// Words between backticks in the first column of the tables of a document.
fn first_column(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| line.split('`').nth(1))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_core_does_no_input_output_reads_no_clock_and_is_not_async() {
    let banned = [
        "async ",
        ".await",
        "tokio::",
        "axum::",
        "reqwest::",
        "tracing::",
        "std::fs",
        "std::env",
        "std::thread",
        "TcpStream",
        "UdpSocket",
        "SystemTime",
        "Instant::",
        "rand::",
        "println!",
    ];
    for daemon in ["health-monitor", "self-evolution"] {
        for (path, text) in rust_files(&root().join("crates").join(daemon).join("src/domain")) {
            // A test may ask whether it is failing already.
            let text = text.replace("std::thread::panicking", "");
            for word in banned {
                assert!(
                    !text.contains(word),
                    "{} has {word}: the core decides, the edges act",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn no_file_outgrows_one_idea() {
    let crates = root();
    for folder in ["crates", "tests"] {
        for (path, text) in rust_files(&crates.join(folder)) {
            let lines = text.lines().count();
            assert!(lines <= 400, "{} has {lines} lines: which second idea is in it?", path.display());
        }
    }
}

#[test]
fn nothing_is_named_after_nothing() {
    let banned = ["util", "utils", "common", "helper", "helpers", "manager", "misc"];
    for (path, _) in rust_files(&root().join("crates")) {
        for part in path.iter().filter_map(|part| part.to_str()) {
            let name = part.trim_end_matches(".rs");
            assert!(!banned.contains(&name), "{}: say what it is", path.display());
        }
    }
}

#[test]
fn the_documentation_lists_every_setting_and_no_other() {
    let code: BTreeSet<String> = health_monitor::config::SETTINGS.documented_keys().into_iter().collect();
    let text = document("configuration.md");
    let (of_all, of_one) = text.split_once("\n## Services\n").expect("a chapter on services");
    let of_one = first_column(of_one).into_iter().map(|key| format!("services.<name>.{key}"));
    let documented: BTreeSet<String> = first_column(of_all).into_iter().chain(of_one).collect();
    assert_eq!(documented, code);
    let code: BTreeSet<String> = self_evolution::config::SETTINGS.documented_keys().into_iter().collect();
    let text = document("self-evolution.md");
    assert_eq!(first_column(chapter(&text, "## Settings of the daemon")), code);
}

/// The lines from a heading to the next of the same level.
fn chapter<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    rest.split("\n## ").next().unwrap()
}

/// Every route of an OpenAPI document, such as `GET /health`.
fn routes(specification: impl serde::Serialize) -> BTreeSet<String> {
    let specification = serde_json::to_value(specification).unwrap();
    let paths = specification["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect()
}

#[test]
fn the_documentation_lists_every_route_and_no_other() {
    let is_route = |entry: &String| entry.starts_with("GET ") || entry.starts_with("POST ");
    for (page, specification) in [
        ("api.md", health_monitor::api::specification()),
        ("self-evolution.md", self_evolution::api::specification()),
    ] {
        let documented: BTreeSet<String> =
            first_column(&document(page)).into_iter().filter(is_route).collect();
        assert_eq!(documented, routes(specification), "{page}");
    }
}

#[test]
fn the_documentation_lists_every_metric_and_no_other() {
    for (page, names) in [
        ("api.md", health_monitor::metrics::NAMES.to_vec()),
        ("self-evolution.md", self_evolution::metrics::NAMES.to_vec()),
    ] {
        let code: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
        let text = document(page);
        let is_metric = |entry: &String| !entry.contains(' ');
        let documented: BTreeSet<String> =
            first_column(chapter(&text, "## Metrics")).into_iter().filter(is_metric).collect();
        assert_eq!(documented, code, "{page}");
    }
}

#[test]
fn alert_rules_and_dashboards_name_only_metrics_that_there_are() {
    let known: BTreeSet<&str> =
        health_monitor::metrics::NAMES.into_iter().chain(self_evolution::metrics::NAMES).collect();
    let is_metric = |word: &&str| {
        ["health_monitor_", "self_evolution_", "http_server_"].iter().any(|prefix| word.starts_with(prefix))
    };
    let files = [
        "prometheus/rules.yml",
        "prometheus/rules_test.yml",
        "grafana/health-monitor.json",
        "grafana/self-evolution.json",
    ];
    for file in files {
        let text = document(file);
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let named: BTreeSet<&str> = words.filter(is_metric).collect();
        assert!(named.len() > 5, "{file}: {named:?}");
        for name in named {
            let parts = ["_bucket", "_count", "_sum"].iter().find_map(|part| name.strip_suffix(part));
            assert!(known.contains(name) || parts.is_some_and(|name| known.contains(name)), "{file}: {name}");
        }
    }
}

#[test]
fn every_decision_record_says_what_why_and_at_what_cost() {
    for entry in fs::read_dir(root().join("docs/decisions")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name != "README.md") {
            let text = fs::read_to_string(&path).unwrap();
            for part in ["**Decision.**", "**Why.**", "**Cost.**"] {
                assert!(text.contains(part), "{} does not tell {part}", path.display());
            }
        }
    }
}

#[test]
fn every_index_field_is_documented_and_no_other() {
    let common = ["@timestamp", "timestamp", "type", "service", "ecs", "event"];
    for (page, streams) in [
        ("elasticsearch.md", health_monitor::documents::STREAMS.to_vec()),
        ("self-evolution.md", self_evolution::documents::STREAMS.to_vec()),
    ] {
        let text = document(page);
        for stream in streams {
            let heading = format!("### Fields of `{}`", stream.name);
            let (_, rest) = text.split_once(&heading).unwrap_or_else(|| panic!("no {heading}"));
            let section = rest.split("\n##").next().unwrap();
            let fields: BTreeSet<String> =
                (stream.properties)().as_object().unwrap().keys().cloned().collect();
            let own = fields.into_iter().filter(|field| !common.contains(&field.as_str())).collect();
            assert_eq!(first_column(section), own, "{}", stream.name);
        }
    }
}

#[test]
fn every_guard_is_explained_and_has_a_scenario_and_a_story() {
    let (page, api) = (document("guards.md"), document("api.md"));
    let stories = rust_files(&root().join("tests/stories"));
    let mut shown = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| ") && line.ends_with("` |")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(|cell| cell.trim()).collect();
        let [rule, _, scenario, story] = cells[..] else { panic!("{row}") };
        let (scenario, story) = (scenario.trim_matches('`'), story.trim_matches('`'));
        let golden = root().join("tests/scenarios").join(format!("{scenario}.golden"));
        let golden = fs::read_to_string(&golden).unwrap_or_else(|_| panic!("{rule}: no scenario {scenario}"));
        let is_told = stories.iter().any(|(_, text)| text.contains(&format!("fn {story}(")));
        assert!(is_told, "{rule}: no story {story}");
        if let Some(guard) = rule.strip_prefix('`').and_then(|rule| rule.split('`').next()) {
            let shows_it = golden.contains(&format!(" by {guard}"));
            assert!(shows_it || rule.contains(':'), "{rule}: {scenario} does not show it");
            shown.insert(guard.to_owned());
        }
    }
    for guard in Guard::ALL.map(Guard::as_str) {
        assert!(shown.contains(guard), "docs/guards.md has no scenario and story of {guard}");
        assert!(api.contains(&format!("`{guard}`")), "docs/api.md does not explain {guard}");
    }
}

#[test]
fn every_rail_of_self_evolution_is_in_the_table_and_has_a_scenario() {
    let (page, core) = (document("rails.md"), root().join("crates/self-evolution/src/domain"));
    let scenarios = root().join("tests/scenarios-evolution");
    let mut held = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| ") && line.ends_with("` |")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(|cell| cell.trim()).collect();
        let [rail, place, scenario] = cells[..] else { panic!("{row}") };
        let (place, scenario) = (place.trim_matches('`'), scenario.trim_matches('`'));
        let golden = fs::read_to_string(scenarios.join(format!("{scenario}.golden")));
        let golden = golden.unwrap_or_else(|_| panic!("{rail}: no scenario {scenario}"));
        match place.split_once(": ") {
            Some((file, name)) => {
                let text =
                    fs::read_to_string(core.join(file)).unwrap_or_else(|_| panic!("{rail}: no {file}"));
                let is_there = ["fn", "const"].iter().any(|word| {
                    let named = format!("{word} {name}");
                    text.match_indices(&named)
                        .any(|(at, _)| !text[at + named.len()..].starts_with(is_of_a_name))
                });
                assert!(is_there, "{rail}: {file} has no {name}");
                held.insert(place.to_owned());
            }
            None => {
                let shows = match place {
                    "verifying" => " trial from ",
                    "rolled_back" => " taken back by ",
                    other => &format!("-> {other}"),
                };
                assert!(golden.contains(shows), "{rail} -> {place}: {scenario} does not show it");
            }
        }
    }
    for rail in rails(&core) {
        assert!(held.contains(&rail), "docs/rails.md does not have {rail}");
    }
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Every function that can say why a change is held back, doubted or taken back, and every limit of the rails.
fn rails(core: &Path) -> BTreeSet<String> {
    let mut rails = BTreeSet::new();
    for (path, text) in rust_files(core) {
        let file = path.strip_prefix(core).unwrap().to_str().unwrap().to_owned();
        let can_hold_back = ["rails.rs", "trial", "judge", "evolution", "calibration", "recommend.rs"];
        if !can_hold_back.iter().any(|one| file.starts_with(one)) || file.contains("tests") {
            continue;
        }
        for part in text.split("fn ").skip(1) {
            let name = part.split(['(', '<']).next().unwrap();
            let signature = part.split('{').next().unwrap();
            if ["-> Option<String>", "-> Option<Verdict>"].iter().any(|gives| signature.contains(gives)) {
                rails.insert(format!("{file}: {name}"));
            }
        }
        if file == "rails.rs" {
            let limits = text.lines().filter_map(|line| line.strip_prefix("const "));
            rails.extend(limits.map(|line| format!("{file}: {}", line.split(':').next().unwrap())));
        }
    }
    assert!(rails.len() > 20, "{rails:?}");
    rails
}
