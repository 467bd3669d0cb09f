//! `setup` prepares Elasticsearch and Kibana: all of it, again and again, or it says clearly what is wrong.

mod real;
mod stand_in;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tests::kibana::{built, read};

use super::daemon::{free_port, run_program};
use super::search_server::{Kind, SearchServer};
use stand_in::StandIn;

const DAEMONS: [&str; 2] = ["health-monitor", "self-evolution"];

/// A server, a Kibana, and who sets them up.
struct Setup<'a> {
    server: String,
    kibana: String,
    scratch: &'a Path,
}

impl Setup<'_> {
    fn run(&self, program: &str, arguments: &[&str], more: &[(&str, &str)]) -> Output {
        let fixed = [("ELASTICSEARCH_URL", self.server.as_str()), ("KIBANA_URL", self.kibana.as_str())];
        let variables: Vec<_> = fixed.into_iter().chain(more.iter().copied()).collect();
        run_program(program, self.scratch, &[&["setup"], arguments].concat(), &variables)
    }

    /// What it says where it succeeds.
    fn done(&self, program: &str, arguments: &[&str]) -> Vec<String> {
        let output = self.run(program, arguments, &[]);
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        let told = String::from_utf8(output.stdout).unwrap();
        told.lines().map(str::to_owned).collect()
    }

    /// What it says where it fails.
    fn failed(&self, program: &str, more: &[(&str, &str)]) -> String {
        let output = self.run(program, &[], more);
        assert_eq!(output.status.code(), Some(1), "{program}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }
}

fn has(told: &str, parts: &[&str]) {
    for part in parts {
        assert!(told.contains(part), "no {part:?} in {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn setup_gives_kibana_the_dashboards_of_each_daemon_or_says_why_not() {
    let Some(server) = SearchServer::start(Kind::Elasticsearch8).await else { return };
    let kibana = StandIn::start().await;
    let scratch = tempfile::tempdir().unwrap();
    let here = Setup { server: server.url(), kibana: kibana.url(), scratch: scratch.path() };

    // Whatever is wrong with Kibana is said before anything is made.
    kibana.with(|inside| inside.authorization = Some("Basic bWU6cmlnaHQ=".to_owned()));
    let user = [("ELASTICSEARCH_USERNAME", "me"), ("ELASTICSEARCH_PASSWORD", "wrong-one")];
    let told = here.failed("health-monitor", &user);
    has(&told, &["does not know us", "status 401", "ELASTICSEARCH_PASSWORD"]);
    assert!(!told.contains("wrong-one"), "{told}");
    let elsewhere = Setup { kibana: server.url(), ..Setup { server: server.url(), ..here } };
    has(&elsewhere.failed("health-monitor", &[]), &["is not a Kibana", "set KIBANA_URL", "/s/NAME"]);
    let nobody = Setup { kibana: format!("http://127.0.0.1:{}", free_port()), ..elsewhere };
    has(&nobody.failed("self-evolution", &[]), &["cannot be reached", "refused"]);
    assert_eq!(server.templates().await, BTreeSet::new(), "something was made before");

    let here = Setup { kibana: kibana.url(), ..nobody };
    kibana.with(|inside| inside.authorization = None);
    for program in DAEMONS {
        let planned = here.done(program, &["--dry-run"]);
        assert!(planned.contains(&format!("would import  dashboard {program}")), "{planned:?}");
        assert_eq!(kibana.with(|inside| inside.imports), 0, "a dry run has imported something");
    }
    assert_eq!(server.templates().await, BTreeSet::new());
    for program in DAEMONS {
        let planned = here.done(program, &["--dry-run"]);
        kibana.with(|inside| inside.starting = 3);
        has(&here.failed(program, &[]), &["is not ready", "503"]);
        let done = here.done(program, &["--wait", "60"]);
        let planned: Vec<_> = planned.iter().map(|line| line.replace("would ", "")).collect();
        assert_eq!(done, planned, "the dry run told what is done");
        kibana.with(|inside| inside.imports = 0);
    }
    let imported: BTreeSet<String> =
        kibana.with(|inside| inside.objects.values().map(Value::to_string).collect());
    let shipped = read::objects(&built()).unwrap();
    assert_eq!(imported, shipped.iter().map(Value::to_string).collect(), "all of both daemons, unchanged");

    for program in DAEMONS {
        let again = here.done(program, &[]);
        assert!(
            again.iter().all(|line| line.starts_with("keep ") || line.starts_with("import ")),
            "{again:?}"
        );
    }
    assert_eq!(kibana.with(|inside| inside.objects.len()), shipped.len(), "importing again adds nothing");

    // 200 with `success: false`.
    kibana.with(|inside| inside.unwanted = vec!["self-evolution"]);
    let told = here.failed("self-evolution", &[]);
    has(
        &told,
        &[
            "has imported 3 of 4 objects",
            "dashboard self-evolution (unknown: Document belongs to a more recent",
        ],
    );
}

#[tokio::test]
async fn setup_tells_a_template_in_the_way_and_a_cluster_that_is_red() {
    let Some(server) = SearchServer::start(Kind::Elasticsearch8).await else { return };
    let scratch = tempfile::tempdir().unwrap();
    let url = server.url();
    let variables = [("ELASTICSEARCH_URL", url.as_str())];
    let failed = |program: &str| {
        let output = run_program(program, scratch.path(), &["setup"], &variables);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    };
    // One of the same priority, and one of a higher that decides in place of ours.
    let mut other = json!({"index_patterns": ["health-monitor-*"], "priority": 200});
    server.put("/_index_template/somebodys", &other).await;
    has(&failed("health-monitor"), &["template health-monitor-errors", "somebodys", "priority"]);
    other["priority"] = 500.into();
    server.put("/_index_template/somebodys", &other).await;
    has(&failed("health-monitor"), &["health-monitor-errors", "somebodys", "takes the place of ours"]);
    server.delete("/_index_template/somebodys").await;

    // No shard may be placed, as on a cluster whose disks are full.
    let placing = |value: &str| json!({"persistent": {"cluster.routing.allocation.enable": value}});
    server.put("/_cluster/settings", &placing("none")).await;
    has(&failed("self-evolution"), &["red", "self-evolution-usage"]);
    server.put("/_cluster/settings", &placing("all")).await;
    for program in DAEMONS {
        let output = run_program(program, scratch.path(), &["setup", "--wait", "60"], &variables);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    // Today's index without its alias, as when it was made before the template.
    let remove = json!({"remove": {"index": "health-monitor-errors-*", "alias": "health-monitor-errors"}});
    server.post("/_aliases", &json!({"actions": [remove]})).await;
    has(&failed("health-monitor"), &["health-monitor-errors-2", "lacks the alias health-monitor-errors"]);
}
