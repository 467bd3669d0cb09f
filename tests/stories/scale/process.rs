//! What a process has used, as the kernel counts it; the neighbours' load does not change it.

use std::time::Duration;

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used {
    /// Time on processors, its own and the kernel's on its behalf.
    pub(super) processor: Duration,
    /// Resident now, in bytes.
    pub(super) resident: u64,
    /// Resident at most so far, in bytes.
    pub(super) peak: u64,
}

impl Used {
    pub(super) fn by(process: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let bytes = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
        };
        Self { processor: processor(process), resident: bytes("VmRSS"), peak: bytes("VmHWM") }
    }
}

fn processor(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name of the program, in parentheses, may contain anything; the fields behind it are counted from 3.
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks = |field: usize| fields[field - 3].parse::<u64>().unwrap();
    // USER_HZ is 100 on every architecture that Linux runs Rust on.
    Duration::from_millis((ticks(14) + ticks(15)) * 10)
}

pub(super) fn mebibytes(bytes: u64) -> u64 {
    bytes / 1024 / 1024
}
