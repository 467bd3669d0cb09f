//! One stand-in under supervision, and how the tests talk to it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::time::Duration;

use demo::instance::Instance;
use demo::stand_in::Broken;
use demo::unit::{Unit, UnitFile};
use serde_json::Value;
use shared::clock::{Clock, Timestamp};
use shared::order::ServiceName;
use tempfile::TempDir;

use crate::{DEMO, NAME};

/// How long anything may take that is awaited.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Looks until there is something to see.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let clock = Clock::starting_after(Timestamp::default());
    let deadline = clock.now() + LIMIT;
    while clock.now() < deadline {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("not within {LIMIT:?}: {what}");
}

/// A port that is free; not one of those that outgoing connections get, so that it stays free.
pub(crate) fn free_port() -> u16 {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let start = 20_000 + u16::try_from(std::process::id() % 8_000).unwrap();
    loop {
        let port = start + NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A service in a directory of its own. It ends with the test.
pub(crate) struct Service {
    pub(crate) directory: TempDir,
    pub(crate) port: u16,
    pub(crate) unit: Unit,
}

impl Service {
    pub(crate) fn installed(broken: Option<Broken>) -> Self {
        Self::installed_with(None, broken)
    }

    fn installed_with(evolution_url: Option<String>, broken: Option<Broken>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let unit = Unit::new(ServiceName::new(NAME).unwrap(), directory.path());
        let parent = Instance::of(std::process::id());
        let host = Ipv4Addr::LOCALHOST.into();
        let program = DEMO.into();
        unit.install(&UnitFile { program, host, port, parent, evolution_url, broken }).unwrap();
        Self { directory, port, unit }
    }

    pub(crate) fn started() -> Self {
        Self::started_with(None)
    }

    pub(crate) fn started_with(evolution_url: Option<String>) -> Self {
        let service = Self::installed_with(evolution_url, None);
        assert!(service.restart().status.success());
        service
    }

    pub(crate) fn command(&self, command: &str) -> Output {
        let state = self.directory.path();
        Command::new(DEMO).args([command, "--name", NAME, "--state"]).arg(state).output().unwrap()
    }

    pub(crate) fn restart(&self) -> Output {
        self.command("restart")
    }

    pub(crate) fn running(&self) -> Instance {
        self.unit.running().unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Option<(u16, Value)> {
        request(self.port, "GET", path)
    }

    pub(crate) fn post(&self, path: &str) -> Option<(u16, Value)> {
        request(self.port, "POST", path)
    }

    pub(crate) fn health(&self) -> u16 {
        self.get("/health").unwrap().0
    }

    pub(crate) fn is_refused(&self) -> bool {
        connect(self.port).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(instance) = self.unit.running() {
            let _ = instance.signal(rustix::process::Signal::KILL);
        }
    }
}

pub(crate) fn connect(port: u16) -> std::io::Result<TcpStream> {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), LIMIT)
}

/// Status and body, null where that is no JSON; none when the connection broke before there was an answer.
pub(crate) fn request(port: u16, method: &str, path: &str) -> Option<(u16, Value)> {
    let (status, body) = answer(port, method, path)?;
    Some((status, serde_json::from_str(&body).unwrap_or(Value::Null)))
}

/// Status and body; none when the connection broke before there was an answer.
pub(crate) fn answer(port: u16, method: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = connect(port).ok()?;
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let headers = "host: 127.0.0.1\r\ncontent-length: 0\r\nconnection: close";
    write!(stream, "{method} {path} HTTP/1.1\r\n{headers}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}
