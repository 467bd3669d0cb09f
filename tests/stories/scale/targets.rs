//! Ten thousand services in one process: each has an address of its own in 127.0.0.0/8, so that to the daemon it is
//! a host of its own.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How a target answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Behaviour {
    /// 200 at once.
    Healthy,
    /// Accepts the connection, then nothing.
    Hanging,
    /// 503 at once.
    Failing,
    /// Two answers with 503, then two with 200, and so on.
    Flapping,
}

/// Targets that listen until they are dropped.
pub(super) struct Targets {
    targets: Vec<Arc<Target>>,
    port: u16,
    listening: tokio::task::JoinSet<()>,
}

struct Target {
    behaviour: AtomicU8,
    asked: AtomicU32,
}

const PASS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
const FAIL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

impl Targets {
    /// Starts `count` targets; `behaviour` says how each answers.
    pub(super) async fn start(count: usize, behaviour: impl Fn(usize) -> Behaviour) -> Self {
        let port = super::super::daemon::free_port();
        let mut listening = tokio::task::JoinSet::new();
        let mut targets = Vec::with_capacity(count);
        for place in 0..count {
            let listener = TcpListener::bind((address(place), port)).await.unwrap_or_else(|error| {
                panic!("target {place} cannot listen ({error}); `ulimit -n` must be above {}", count * 2)
            });
            let behaviour = AtomicU8::new(behaviour(place) as u8);
            let target = Arc::new(Target { behaviour, asked: AtomicU32::new(0) });
            targets.push(Arc::clone(&target));
            listening.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(Arc::clone(&target).answer(stream));
                }
            });
        }
        Self { targets, port, listening }
    }

    /// The services as the daemon's configuration names them, each with these further settings.
    pub(super) fn services(&self, settings: &str) -> String {
        let mut services = String::from("services:\n");
        for place in 0..self.targets.len() {
            let (name, address, port) = (name(place), address(place), self.port);
            services += &format!("  {name}: {{url: 'http://{address}:{port}'{settings}}}\n");
        }
        services
    }

    /// How many targets were asked at least so many times.
    pub(super) fn asked(&self, times: u32) -> usize {
        self.targets.iter().filter(|target| target.asked.load(Ordering::Relaxed) >= times).count()
    }

    pub(super) fn behave(&self, place: usize, behaviour: Behaviour) {
        self.targets[place].behaviour.store(behaviour as u8, Ordering::Relaxed);
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        self.listening.abort_all();
    }
}

impl Target {
    async fn answer(self: Arc<Self>, mut stream: TcpStream) {
        let mut request = [0; 1024];
        // A peer that has gone away needs no answer.
        if !matches!(stream.read(&mut request).await, Ok(read) if read > 0) {
            return;
        }
        let before = self.asked.fetch_add(1, Ordering::Relaxed);
        let behaviour = self.behaviour.load(Ordering::Relaxed);
        let passes = behaviour == Behaviour::Healthy as u8
            || (behaviour == Behaviour::Flapping as u8 && before % 4 >= 2);
        if behaviour == Behaviour::Hanging as u8 {
            let _ = stream.read(&mut request).await;
        } else {
            let _ = stream.write_all(if passes { PASS } else { FAIL }).await;
        }
    }
}

/// The name of a target.
fn name(place: usize) -> String {
    format!("s{place:05}")
}

/// The place of the target with this name.
pub(super) fn place(name: &str) -> usize {
    name[1..].parse().unwrap()
}

fn address(place: usize) -> Ipv4Addr {
    let octet = |number: usize| u8::try_from(number % 250 + 1).unwrap();
    Ipv4Addr::new(127, 64, octet(place / 250), octet(place))
}
