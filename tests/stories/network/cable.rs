//! Two network namespaces of our own, joined by a cable: the daemon is in the near one, the services are in the far one.

use std::fs::File;
use std::future::Future;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// How the network goes away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cut {
    /// Our interface is down: the kernel says that there is no network.
    OurEnd,
    /// The other end is down: our interface has no carrier.
    FarEnd,
    /// What is sent does not arrive, and nothing says so.
    Silent,
}

/// Addresses of the far end: one for each service.
pub(super) const FAR: [&str; 5] = ["10.231.0.11", "10.231.0.12", "10.231.0.13", "10.231.0.14", "10.231.0.15"];
const NEAR: &str = "10.231.0.1";
/// Nobody has this hardware address.
const NOBODY: &str = "02:00:00:00:00:01";

/// A cable that is there until it is dropped.
pub(super) struct Cable {
    near: Namespace,
    far: Namespace,
}

impl Cable {
    /// Whether namespaces can be made. Where they cannot, a story is skipped, which `tests/run` names at its end; where
    /// `CI` is set that is a failure.
    pub(super) fn can_be_laid() -> bool {
        static CAN: OnceLock<Result<(), String>> = OnceLock::new();
        let can = CAN.get_or_init(|| {
            Namespace::remove_abandoned();
            Namespace::new("try").map(drop)
        });
        let Err(reason) = can else { return true };
        assert!(std::env::var_os("CI").is_none(), "network namespaces are needed where CI is set: {reason}");
        eprintln!("SKIPPED: no network namespace can be made: {reason}");
        false
    }

    pub(super) fn lay() -> Self {
        let (near, far) = (Namespace::new("near").unwrap(), Namespace::new("far").unwrap());
        near.ip(&["link", "add", "near", "type", "veth", "peer", "name", "far", "netns", &far.name]);
        near.ip(&["address", "add", &format!("{NEAR}/24"), "dev", "near"]);
        for address in FAR {
            far.ip(&["address", "add", &format!("{address}/24"), "dev", "far"]);
        }
        near.ip(&["link", "set", "near", "up"]);
        far.ip(&["link", "set", "far", "up"]);
        Self { near, far }
    }

    pub(super) fn cut(&self, how: Cut) {
        match how {
            Cut::OurEnd => self.near.ip(&["link", "set", "near", "down"]),
            Cut::FarEnd => self.far.ip(&["link", "set", "far", "down"]),
            Cut::Silent => FAR.iter().for_each(|address| self.near.neighbour("replace", address)),
        }
    }

    pub(super) fn mend(&self, how: Cut) {
        match how {
            Cut::OurEnd => self.near.ip(&["link", "set", "near", "up"]),
            Cut::FarEnd => self.far.ip(&["link", "set", "far", "up"]),
            Cut::Silent => FAR.iter().for_each(|address| self.near.neighbour("del", address)),
        }
    }

    /// Runs a future at the near end, on a thread of its own.
    pub(super) fn at_the_near_end<T, F>(&self, future: impl FnOnce() -> F + Send + 'static) -> JoinHandle<T>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        self.near.run(future)
    }

    /// Runs a future at the far end, on a thread of its own.
    pub(super) fn at_the_far_end<T, F>(&self, future: impl FnOnce() -> F + Send + 'static) -> JoinHandle<T>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        self.far.run(future)
    }
}

/// A network namespace that exists until it is dropped.
struct Namespace {
    name: String,
}

const PREFIX: &str = "hm-story-";
const FOLDER: &str = "/run/netns";

impl Namespace {
    /// One of this process; another process that is told the same story has its own.
    fn new(what: &str) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}-{what}", std::process::id());
        try_ip(&["netns", "add", &name])?;
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"]);
        Ok(namespace)
    }

    /// Removes what was left by a process that was killed.
    fn remove_abandoned() {
        let Ok(names) = std::fs::read_dir(FOLDER) else { return };
        for name in names.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
            let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
            if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                // Another run may have just removed it.
                let _ = try_ip(&["netns", "delete", &name]);
            }
        }
    }

    fn ip(&self, arguments: &[&str]) {
        try_ip(&[&["-netns", &self.name], arguments].concat()).unwrap();
    }

    fn neighbour(&self, verb: &str, address: &str) {
        self.ip(&["neighbour", verb, address, "lladdr", NOBODY, "nud", "permanent", "dev", "near"]);
    }

    /// A thread that has moved stays where it is, and so do the threads and processes that it starts.
    fn run<T, F>(&self, future: impl FnOnce() -> F + Send + 'static) -> JoinHandle<T>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        let namespace = File::open(Path::new(FOLDER).join(&self.name)).unwrap();
        std::thread::spawn(move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(future())
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Whatever is left of it is removed by the next run.
        let _ = try_ip(&["netns", "delete", &self.name]);
    }
}

fn try_ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("ip cannot be run ({error})"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let failed = || format!("ip {}: {}", arguments.join(" "), said.trim());
    output.status.success().then_some(()).ok_or_else(failed)
}
