//! Against real programs.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;

use super::*;
use crate::platform::tests::order;

/// Longer than any of these tests takes, unless it hangs.
const HANGING: Duration = Duration::from_secs(20);

fn command(restart: &[&str], inspect: Option<&[&str]>, limit: Duration) -> Command {
    let owned = |argv: &[&str]| argv.iter().map(|&argument| argument.to_owned()).collect();
    let settings = CommandSettings {
        restart: owned(restart),
        inspect: inspect.map(owned),
        timeout: limit,
        update: None,
    };
    Command::new(&settings).unwrap()
}

async fn restart(argv: &[&str], limit: Duration) -> Performed {
    let command = command(argv, None, limit);
    timeout(HANGING / 2, command.perform(&order())).await.expect("it hangs")
}

async fn inspect(argv: &[&str]) -> Result<Observed, Unreachable> {
    command(&["true"], Some(argv), HANGING).inspect(&ServiceName::new("web").unwrap()).await
}

fn reason(outcome: Performed) -> String {
    match outcome {
        Performed::Accepted => "accepted".into(),
        Performed::AcceptedAs { how } => format!("accepted: {how}"),
        Performed::NotRun { reason } => format!("not run: {reason}"),
        Performed::Failed { reason } => format!("failed: {reason}"),
        Performed::Unknown { reason } => format!("unknown: {reason}"),
        Performed::Superseded { reason } => format!("superseded: {reason}"),
    }
}

/// The process whose number a script wrote to a file.
fn process(file: &Path) -> Pid {
    Pid::from_raw(std::fs::read_to_string(file).unwrap().trim().parse().unwrap()).unwrap()
}

/// Whether a process runs; one that is dead but not yet reaped by its adopter does not.
fn alive(process: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat"));
    status.is_ok_and(|status| !status.rsplit(") ").next().unwrap_or_default().starts_with('Z'))
}

#[tokio::test]
async fn exit_code_0_is_accepted_and_any_other_has_failed_with_what_was_said() {
    assert_eq!(restart(&["true"], HANGING).await, Performed::Accepted);
    let said = restart(&["sh", "-c", "echo trying; echo 'no such unit' >&2; exit 3"], HANGING).await;
    assert_eq!(reason(said), "failed: restart web by running sh: it ended with exit status: 3: no such unit");
    let shot = restart(&["sh", "-c", "kill -9 $$"], HANGING).await;
    assert_eq!(reason(shot), "failed: restart web by running sh: it ended with signal: 9 (SIGKILL)");
}

#[tokio::test]
async fn a_program_that_cannot_be_started_was_not_run() {
    let missing = reason(restart(&["no-such-program"], HANGING).await);
    assert!(
        missing.starts_with("not run: restart web by running no-such-program: cannot start it: No such file")
    );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("not-executable");
    std::fs::write(&file, "#!/bin/sh\n").unwrap();
    let forbidden = reason(restart(&[file.to_str().unwrap()], HANGING).await);
    assert!(forbidden.contains("cannot start it: Permission denied"), "{forbidden}");
}

#[tokio::test]
async fn the_services_name_is_put_into_the_arguments_and_no_shell_reads_them() {
    let said =
        restart(&["sh", "-c", "printf '%s|' \"$@\"; exit 1", "sh", "{service}.service", "$HOME;x"], HANGING);
    let said = reason(said.await);
    assert!(said.ends_with(": web.service|$HOME;x|"), "{said}");
}

#[tokio::test]
async fn a_program_sees_the_order_and_nothing_else_of_ours() {
    let said = reason(restart(&["sh", "-c", "env; exit 1"], HANGING).await);
    for expected in ["SERVICE=web", "ACTION=restart", &format!("RECOVERY_ID={}", order().id), "PATH="] {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
    assert!(std::env::var("CARGO_MANIFEST_DIR").is_ok() && !said.contains("CARGO_MANIFEST_DIR"), "{said}");
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed_with_all_that_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let script = "sleep 60 & echo $! > \"$1\"; echo waiting; wait";
    let limit = Duration::from_secs(2);
    let killed = restart(&["sh", "-c", script, "sh", file.to_str().unwrap()], limit).await;
    assert_eq!(
        reason(killed),
        "unknown: restart web by running sh: killed after 2 s, it may have had an effect: waiting"
    );
    let gone = async {
        while alive(process(&file)) {
            tokio::task::yield_now().await;
        }
    };
    timeout(HANGING / 2, gone).await.expect("what it started is still alive");
}

#[tokio::test]
async fn a_dropped_order_kills_the_program() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let argv =
        ["sh", "-c", "echo $$ > \"$1.new\"; mv \"$1.new\" \"$1\"; sleep 60", "sh", file.to_str().unwrap()];
    let (command, order) = (command(&argv, None, HANGING), order());
    let started = async {
        while !file.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        outcome = command.perform(&order) => panic!("{outcome:?}"),
        () = started => {}
    }
    let gone = async {
        while alive(process(&file)) {
            tokio::task::yield_now().await;
        }
    };
    timeout(HANGING / 2, gone).await.expect("it is still alive");
}

#[tokio::test]
async fn a_daemon_that_a_program_leaves_behind_is_not_waited_for_and_can_go_on_writing() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = "while [ ! -e asked ]; do sleep 0.01; done; echo line; : > wrote; exec sleep 60";
    let script = format!("cd \"$1\"; ({daemon}) & echo $! > pid");
    let argv = ["sh", "-c", &script, "sh", directory.path().to_str().unwrap()];
    assert_eq!(restart(&argv, HANGING).await, Performed::Accepted);
    std::fs::write(directory.path().join("asked"), "").unwrap();
    let daemon = process(&directory.path().join("pid"));
    let wrote = async {
        while !directory.path().join("wrote").exists() {
            assert!(alive(daemon), "it died of its first line");
            tokio::task::yield_now().await;
        }
    };
    timeout(HANGING / 2, wrote).await.expect("it hangs at its first line");
    kill_process(daemon, Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_chatty_program_is_not_held_up_and_its_last_words_are_quoted() {
    let script = "head -c 5000000 /dev/zero | tr '\\0' x; echo; echo last words; exit 1";
    let said = reason(restart(&["sh", "-c", script], HANGING).await);
    assert!(said.ends_with("xxx last words") && said.len() < QUOTED + 200, "{} bytes: {said}", said.len());
}

#[tokio::test]
async fn a_program_that_never_stops_talking_is_killed_in_time() {
    let said = reason(restart(&["yes"], Duration::from_millis(300)).await);
    assert!(said.starts_with("unknown: restart web by running yes: killed after 0.3 s"), "{said}");
}

#[tokio::test]
async fn what_an_inspection_prints_is_the_identity() {
    let seen = inspect(&["printf", " {service}-17\n started 5\n"]).await.unwrap();
    assert_eq!((seen.identity.as_deref(), seen.running), (Some("web-17 started 5"), Some(true)));
    let silent = inspect(&["true"]).await.unwrap();
    assert_eq!((silent.identity, silent.running), (None, Some(false)));
}

#[tokio::test]
async fn an_inspection_that_goes_wrong_says_nothing_of_the_service() {
    let sentence = |argv: Vec<&'static str>| async move { inspect(&argv).await.unwrap_err().to_string() };
    assert_eq!(
        sentence(vec!["sh", "-c", "echo denied >&2; exit 4"]).await,
        "inspect web by running sh: it ended with exit status: 4: denied"
    );
    assert_eq!(
        sentence(vec!["printf", "%0300d", "1"]).await,
        "inspect web by running printf: it printed 300 bytes, an identity has at most 256"
    );
    let missing = sentence(vec!["no-such-program"]).await;
    assert!(missing.ends_with("check the inspect command and the PATH of this process"), "{missing}");
}

#[tokio::test]
async fn without_an_inspection_nothing_is_known() {
    let seen = command(&["true"], None, HANGING).inspect(&ServiceName::new("web").unwrap()).await;
    assert_eq!(seen, Ok(Observed::default()));
}

#[test]
fn a_command_without_a_program_is_refused() {
    let check = |restart: &[&str], inspect: Option<Vec<String>>, expected: &str| {
        let restart = restart.iter().map(|&argument| argument.to_owned()).collect();
        let settings = CommandSettings { restart, inspect, timeout: HANGING, update: None };
        assert_eq!(Command::new(&settings).unwrap_err().to_string(), expected);
    };
    check(&[], None, "the restart command names no program");
    check(&[" "], None, "the restart command names no program");
    check(&["true"], Some(vec![]), "the inspect command names no program");
}
