//! Stand-ins as real processes: their knobs, their restart and their end.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod evolution;
mod service;

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use demo::instance::Instance;
use demo::stand_in::Broken;
use shared::clock::{Clock, Timestamp};

use service::{Service, connect, eventually, free_port, request};

const DEMO: &str = env!("CARGO_BIN_EXE_demo");
const NAME: &str = "crypto-prediction";

/// How long a silence must last to count as one.
const SILENCE: Duration = Duration::from_millis(300);

/// A process that does nothing and is ended when the test ends.
struct Bystander(Child);

impl Bystander {
    fn new() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_healthy_stand_in_says_who_it_is_and_does_its_work() {
    let service = Service::started();
    let (status, body) = service.get("/health").unwrap();
    assert_eq!(status, 200);
    assert_eq!((&body["status"], &body["service"]), (&"healthy".into(), &NAME.into()));
    assert_eq!(body["pid"], service.running().pid);
    assert!(body["started_at"].as_str().unwrap().parse::<Timestamp>().is_ok());
    assert_eq!(service.post("/predict").unwrap().0, 200);
}

#[test]
fn the_knob_crash_ends_the_process_without_an_answer() {
    let port = free_port();
    let mut child = Command::new(DEMO)
        .args(["stand-in", "--host", "127.0.0.1"])
        .env("STAND_IN_NAME", NAME)
        .env("STAND_IN_PORT", port.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("it listens", || request(port, "GET", "/health"));
    assert_eq!(request(port, "POST", "/fault/crash"), None);
    assert_eq!(ended(&mut child).code(), Some(137));
}

fn ended(child: &mut Child) -> ExitStatus {
    eventually("the process ends", || child.try_wait().unwrap())
}

#[test]
fn the_knob_hang_silences_everything_until_a_restart() {
    let service = Service::started();
    assert_eq!(service.post("/fault/hang").unwrap().0, 200);
    for path in ["GET /health", "POST /fault/none"] {
        let mut stream = connect(service.port).unwrap();
        stream.set_read_timeout(Some(SILENCE)).unwrap();
        write!(stream, "{path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").unwrap();
        let error = stream.read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{path}");
    }
    assert!(service.restart().status.success());
    assert_eq!(service.health(), 200);
}

#[test]
fn the_knob_slow_delays_the_health_by_this_much() {
    let service = Service::started();
    let clock = Clock::starting_after(Timestamp::default());
    assert_eq!(service.post("/fault/slow?seconds=0.4").unwrap().0, 200);
    let asked = clock.now();
    assert_eq!(service.health(), 200);
    assert!(clock.now().since(asked) >= Duration::from_millis(400));
}

#[test]
fn the_knob_errors_fails_a_fraction_of_the_answers_until_it_is_turned_back() {
    let service = Service::started();
    assert_eq!(service.post("/fault/errors?rate=0.5&status=503").unwrap().0, 200);
    let answers: Vec<u16> = (0..6).map(|_| service.health()).collect();
    assert_eq!(answers, [200, 503, 200, 503, 200, 503]);
    assert_eq!(service.post("/fault/none").unwrap().0, 200);
    assert_eq!(service.health(), 200);
}

#[test]
fn the_knob_refuse_closes_the_port_for_a_time_while_the_process_lives() {
    let service = Service::started();
    let before = service.running();
    assert_eq!(service.post("/fault/refuse?seconds=1").unwrap().0, 200);
    eventually("connections are refused", || service.is_refused().then_some(()));
    eventually("connections are accepted again", || service.get("/health"));
    assert_eq!(service.running(), before);
}

#[test]
fn an_unknown_knob_and_a_bad_parameter_are_refused_with_a_reason() {
    let service = Service::started();
    for (path, expected) in
        [("/fault/explode", 404), ("/fault/slow?seconds=-1", 400), ("/fault/errors?rate=much", 400)]
    {
        let (status, body) = service.post(path).unwrap();
        assert_eq!(status, expected, "{path}");
        assert!(body["error"].is_string(), "{path}");
    }
}

#[test]
fn a_restart_replaces_the_process_on_the_same_port() {
    let service = Service::started();
    let before = service.running();
    let restarted = service.restart();
    assert!(restarted.status.success());
    let after = service.running();
    assert_ne!(before, after);
    assert!(!before.is_running());
    assert_eq!(service.get("/health").unwrap().1["pid"], after.pid);
    assert_eq!(String::from_utf8(service.command("identity").stdout).unwrap().trim(), after.to_string());
}

#[test]
fn a_recycled_pid_is_never_killed() {
    let service = Service::installed(None);
    let bystander = Bystander::new();
    let its_pid = bystander.0.id();
    let successor = Instance::of(its_pid).unwrap();
    std::fs::write(service.directory.path().join(format!("{NAME}.pid")), format!("{its_pid}@1")).unwrap();
    assert!(service.command("identity").stdout.is_empty());
    assert!(service.restart().status.success());
    assert!(successor.is_running());
    assert_ne!(service.running().pid, its_pid);
}

#[test]
fn restarts_at_the_same_time_leave_one_process() {
    let service = Service::started();
    std::thread::scope(|scope| {
        let restarts: Vec<_> = (0..3).map(|_| scope.spawn(|| service.restart())).collect();
        for restart in restarts {
            assert!(restart.join().unwrap().status.success());
        }
    });
    assert_eq!(service.get("/health").unwrap().1["pid"], service.running().pid);
}

#[test]
fn a_service_that_is_broken_from_its_start_says_so_to_who_restarts_it() {
    let ending = Service::installed(Some(Broken::Exit));
    let restarted = ending.restart();
    assert_eq!(restarted.status.code(), Some(1));
    let error = String::from_utf8(restarted.stderr).unwrap();
    assert!(error.contains("before it listened: crypto-prediction is broken and ends"), "{error}");
    assert!(ending.command("identity").stdout.is_empty());

    let failing = Service::installed(Some(Broken::Errors));
    assert!(failing.restart().status.success());
    assert_eq!(failing.health(), 500);
}

#[test]
fn a_service_that_was_removed_cannot_be_restarted() {
    let service = Service::started();
    let instance = service.running();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(service.unit.remove()).unwrap();
    assert!(!instance.is_running());
    assert!(!service.restart().status.success());
    assert!(service.is_refused());
}

#[test]
fn a_stand_in_ends_when_its_parent_is_gone() {
    let port = free_port();
    let parent = Bystander::new();
    let mut child = Command::new(DEMO)
        .args(["stand-in", "--name", NAME, "--host", "127.0.0.1", "--port", &port.to_string()])
        .args(["--parent", &parent.0.id().to_string()])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("it listens", || request(port, "GET", "/health"));
    drop(parent);
    assert!(ended(&mut child).success());
}

#[test]
fn a_stand_in_ends_at_once_when_told_even_while_it_hangs() {
    let service = Service::started();
    assert_eq!(service.post("/fault/hang").unwrap().0, 200);
    let _unanswered = connect(service.port).unwrap();
    let instance = service.running();
    assert!(instance.signal(rustix::process::Signal::TERM).unwrap());
    eventually("it ends", || (!instance.is_running()).then_some(()));
    assert!(service.is_refused());
}
