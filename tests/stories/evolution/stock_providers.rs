//! Services with a stock OpenFeature SDK and its OFREP provider, in the lines that the documentation gives.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

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
    /// Reports twelve slow requests, then tells the flag once for every line that it reads.
    use_of_it: &'static str,
}

const PYTHON: Language = Language {
    name: "python",
    program: "python3",
    file: "service.py",
    packages: "openfeature-python-0.10.0",
    use_of_it: r#"
import sys
for _ in range(12):
    report("/x", 2.5, 200)
for _ in sys.stdin:
    print(str(response_cache()).lower(), flush=True)
"#,
};

const NODE: Language = Language {
    name: "javascript",
    program: "node",
    file: "service.mjs",
    packages: "openfeature-node-1.23.0",
    use_of_it: r#"
import { createInterface } from "node:readline";
for (let i = 0; i < 12; i++) await report("/x", 2.5, 200);
for await (const _ of createInterface({ input: process.stdin })) console.log(await responseCache());
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
    fn start(language: &Language, daemon: &Daemon) -> Option<Self> {
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
        self.questions.write_all(b"\n").await.unwrap();
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
    let Some(mut service) = Service::start(language, &daemon) else { return };
    assert!(!service.is_on().await, "the default holds before anything is published");
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
