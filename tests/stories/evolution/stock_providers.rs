//! Services with a stock OpenFeature SDK and its OFREP provider, in the lines that the documentation gives.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::MissedTickBehavior;

use super::{analysed, started};
use crate::stories::daemon::{Daemon, PATIENCE};
use crate::stories::search_server::components;

/// A language that the documentation has an example for.
struct Language {
    /// As the block of the documentation is marked.
    name: &'static str,
    program: &'static str,
    file: &'static str,
    /// What `tests/run` puts into the folder of components.
    packages: &'static str,
    /// Reports requests as each line tells it: how many, and how long they take without a cache and with one. Answers whether it
    /// has the cache.
    use_of_it: &'static str,
}

const PYTHON: Language = Language {
    name: "python",
    program: "python3",
    file: "service.py",
    packages: "openfeature-python-0.10.0",
    use_of_it: r#"
import sys
for line in sys.stdin:
    flag = response_cache()
    requests, slow, quick = line.split()
    for _ in range(int(requests)):
        report("/x", float(quick if flag.value else slow), 200, flag)
    print(str(flag.value).lower(), flush=True)
"#,
};

const NODE: Language = Language {
    name: "javascript",
    program: "node",
    file: "service.mjs",
    packages: "openfeature-node-1.23.0",
    use_of_it: r#"
import { createInterface } from "node:readline";
for await (const line of createInterface({ input: process.stdin })) {
  const flag = await responseCache();
  const [requests, slow, quick] = line.split(" ").map(Number);
  for (let i = 0; i < requests; i++) await report("/x", flag.value ? quick : slow, 200, flag);
  console.log(flag.value);
}
"#,
};

/// A service that runs until it is dropped.
struct Service {
    _child: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _directory: TempDir,
}

impl Service {
    /// Starts one; none where its packages are missing, which is a failure where `CI` is set.
    fn start(language: &Language, name: &str, daemon: &Daemon) -> Option<Self> {
        let packages = components().join(language.packages);
        if !packages.is_dir() {
            let missing = format!("{} is needed", packages.display());
            assert!(std::env::var_os("CI").is_none(), "{missing} where CI is set");
            eprintln!("SKIPPED: {missing}");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(language.file);
        std::fs::write(&file, documented(language.name) + language.use_of_it).unwrap();
        // Node looks for packages beside the file, Python where it is told.
        let modules = directory.path().join("node_modules");
        std::os::unix::fs::symlink(packages.join("node_modules"), modules).unwrap();
        let kept = std::env::vars_os().filter(|(key, _)| key == "PATH" || key == "HOME");
        let mut child = Command::new(language.program)
            .arg(&file)
            .env_clear()
            .envs(kept)
            .env("PYTHONPATH", &packages)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("EVOLUTION_SERVICE_URL", daemon.url(""))
            .env("HOSTNAME", name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (questions, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let answers = BufReader::new(answers).lines();
        Some(Self { _child: child, questions, answers, _directory: directory })
    }

    /// Whether its flag is on.
    async fn is_on(&mut self) -> bool {
        self.answers_requests(0, 0.0, 0.0).await
    }

    /// Answers so many requests, so slowly without a cache and so quickly with one. Gives whether it has the cache.
    async fn answers_requests(&mut self, requests: u32, slow: f64, quick: f64) -> bool {
        self.questions.write_all(format!("{requests} {slow} {quick}\n").as_bytes()).await.unwrap();
        let answer = tokio::time::timeout(PATIENCE, self.answers.next_line()).await;
        answer.expect("an answer in time").unwrap().expect("an answer").parse().unwrap()
    }
}

/// The lines of the documentation in this language.
fn documented(language: &str) -> String {
    let page: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/self-evolution.md");
    let text = std::fs::read_to_string(page).unwrap();
    let (_, block) = text.split_once(&format!("```{language}\n")).expect("an example");
    block.split("```").next().unwrap().to_owned()
}

async fn reports_and_follows(language: &Language) {
    let daemon = started("").await;
    let Some(mut service) = Service::start(language, "web-1", &daemon) else { return };
    let has_it = service.answers_requests(12, 2.5, 0.5).await;
    assert!(!has_it, "the default holds before anything is published");
    let id = analysed(&daemon).await.remove(0);
    let (_, recommended) = daemon.get(&format!("/recommendations/{id}")).await;
    let evidence = &recommended["evidence"][0];
    assert_eq!((&evidence["endpoint"], &evidence["requests"]), (&json!("/x"), &json!(12)), "{recommended}");

    daemon.post(&format!("/apply-optimization/{id}")).await;
    assert!(service.is_on().await, "what was applied is not seen");
    let (_, change) = daemon.get(&format!("/changes/{id}")).await;
    assert_eq!(change["delivered_to"], 1, "{change}");
    daemon.post(&format!("/rollback/{id}")).await;
    assert!(!service.is_on().await, "what was taken back is still seen");
}

#[tokio::test]
async fn a_python_service_as_it_is_documented_reports_and_follows_what_is_applied_and_taken_back() {
    reports_and_follows(&PYTHON).await;
}

#[tokio::test]
async fn a_node_service_as_it_is_documented_reports_and_follows_what_is_applied_and_taken_back() {
    reports_and_follows(&NODE).await;
}

/// How long the instances answer without a cache and with one while a change is tested: all become slower meanwhile.
const QUICKLY: (f64, f64) = (2.5, 1.0);
const SLOWLY: (f64, f64) = (7.5, 3.0);

/// Half a second in which every instance answers two requests. Gives how many have the cache.
async fn live(instances: &mut [Service], (slow, quick): (f64, f64)) -> usize {
    let mut have_it = 0;
    for instance in instances {
        have_it += usize::from(instance.answers_requests(2, slow, quick).await);
    }
    have_it
}

#[tokio::test]
async fn a_change_is_tested_on_half_of_the_instances_of_stock_providers_and_kept_for_all_although_all_became_slower()
 {
    let daemon = started("analysis_bucket_seconds: 1\nanalysis_interval: 3600\n").await;
    let languages = [("web-1", &PYTHON), ("web-2", &PYTHON), ("web-3", &NODE), ("web-4", &NODE)];
    let started = languages.map(|(name, language)| Service::start(language, name, &daemon));
    let mut instances: Vec<Service> = started.into_iter().flatten().collect();
    if instances.len() < languages.len() {
        return;
    }
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..10 {
        ticks.tick().await;
        live(&mut instances, QUICKLY).await;
    }
    let id = analysed(&daemon).await.remove(0);
    daemon.post(&format!("/apply-optimization/{id}")).await;
    let (mut have_had, mut pace) = (std::collections::BTreeSet::new(), QUICKLY);
    let mut left = 240;
    let judged = loop {
        ticks.tick().await;
        left -= 1;
        let have_it = live(&mut instances, pace).await;
        let (_, change) = daemon.get(&format!("/changes/{id}")).await;
        if change["phase"] == "verifying" {
            pace = SLOWLY;
        }
        if change["verdict"] != Value::Null {
            break change;
        }
        assert!(left > 0, "no verdict after two minutes: {change}");
        have_had.insert(have_it);
    };
    let verdict = &judged["verdict"];
    assert_eq!((&verdict["outcome"], &verdict["design"]), (&json!("better"), &json!("ab_test")), "{judged}");
    let improvement = verdict["comparison"]["improvement"].as_f64().unwrap();
    assert!((improvement - 0.6).abs() < 0.05, "{verdict}");
    assert!(judged["ab_test"]["swapped"]["at"].is_string(), "{judged}");
    // While the instances ask one after the other, the groups may change places between two of them.
    assert!(have_had.contains(&2) && !have_had.contains(&4), "{have_had:?}");
    assert_eq!(live(&mut instances, SLOWLY).await, 4, "what was kept is for all");
}
