//! The journal's directory: taken, read-only, full, damaged.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::daemon::{Daemon, QUICK, free_port, run};
use super::receivers::Service;

const ONE: &str = "recovery_backend: none\nservices:\n  web: {url: 'http://127.0.0.1:1'}\n";

#[tokio::test]
async fn a_second_daemon_on_the_same_directory_is_refused() {
    let daemon = Daemon::start(ONE).await;
    let data = daemon.directory.path().join("data");
    let address = format!("127.0.0.1:{}", free_port());
    let variables = [("DATA_DIR", data.to_str().unwrap()), ("BIND_ADDRESS", &address)];
    let output = run(daemon.directory.path(), &[], &variables);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("in use by another process") && told.contains("DATA_DIR"), "{told}");
}

#[tokio::test]
async fn a_damaged_journal_is_set_aside_and_the_daemon_says_so() {
    let mut daemon = Daemon::start(ONE).await;
    daemon.service_until("web", "a failure", |web| web["failures"].as_u64() >= Some(1)).await;
    assert_eq!(daemon.terminate(), Some(0));
    let file = daemon.directory.path().join("data/journal.sqlite");
    let length = std::fs::metadata(&file).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(length / 2).unwrap();
    daemon.restart().await;
    let ready = daemon.text("/readyz?verbose").await;
    assert!(ready.contains("damaged-1.sqlite"), "{ready}");
}

/// A file system of this size, for as long as it lives. None where this user may not mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(directory.path())
            .status()
            .is_ok_and(|status| status.success());
        mounted.then_some(Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{} stays mounted", self.path().display());
    }
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_done_reads_go_on_and_room_brings_it_back() {
    let Some(disk) = SmallDisk::mount("2m") else {
        assert!(std::env::var_os("CI").is_none(), "a small file system cannot be mounted here");
        return eprintln!("SKIPPED: mounting a small file system needs root");
    };
    let service = Service::start().await;
    let data = disk.path().join("data");
    let configuration = format!(
        "{QUICK}recovery_command: {{restart: ['true']}}\nservices:\n  web: {{url: 'http://{}', recovery_timeout: 0.1}}\n",
        service.address
    );
    let variables = [("DATA_DIR", data.to_str().unwrap()), ("MUTATIONS_PER_MINUTE", "100000")];
    let daemon = Daemon::start_with(&configuration, &variables).await;
    daemon.service_until("web", "the first check", |web| web["state"] == "healthy").await;
    let ballast = disk.path().join("ballast");
    Command::new("dd")
        .args(["if=/dev/zero", "bs=64k", &format!("of={}", ballast.display())])
        .output()
        .unwrap();

    let mut refused = None;
    for _ in 0..200 {
        let (status, body) = daemon.post("/trigger-heal/web?force=true&reason=filling").await;
        if status == 503 {
            refused = Some(body);
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let refused = refused.expect("a full disk was never noticed");
    assert!(refused["error"].as_str().unwrap().contains("without a record"), "{refused}");
    assert_eq!(daemon.get("/readyz").await.0, 503);
    assert_eq!(daemon.get("/statistics").await.0, 200);

    std::fs::remove_file(ballast).unwrap();
    let mut ready = 0;
    for _ in 0..600 {
        ready = daemon.get("/readyz").await.0;
        if ready == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(ready, 200, "{}", daemon.log());
    assert_eq!(daemon.get("/health").await.1["status"], json!("healthy"));
}
