//! One run of one process, told apart from every later process that gets the same number.

use std::fmt;
use std::fs;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// How often a process is looked at while its end is awaited.
const LOOK: Duration = Duration::from_millis(10);

/// One run of one process: its number and when it was started. Written as `<pid>@<start time>`.
///
/// The kernel gives the numbers of ended processes to new ones; with the start time the pair is never reused
/// until the host reboots.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Instance {
    /// The process id.
    pub pid: u32,
    /// Clock ticks from the boot of the host to the start of the process, as `/proc/<pid>/stat` has it.
    start_time: u64,
}

impl Instance {
    /// The process that has this number now; none when it has ended, a zombie included.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        running_since(&stat).map(|start_time| Self { pid, start_time })
    }

    /// Whether it still runs.
    pub fn is_running(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends a signal to this process and to no other; false when it has already ended.
    pub fn signal(self, signal: Signal) -> io::Result<bool> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return Ok(false);
        };
        let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => descriptor,
            Err(Errno::SRCH) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        // The descriptor stays with the process it was opened for. When the start time is right now, it was
        // right then, and the signal cannot reach a successor.
        if !self.is_running() {
            return Ok(false);
        }
        match pidfd_send_signal(descriptor, signal) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for its end.
    pub async fn ended(self) {
        while self.is_running() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks it to end, and makes it end when it has not within `grace`. An error when it runs even after that.
    pub async fn stop(self, grace: Duration) -> io::Result<()> {
        for (signal, limit) in [(Signal::TERM, grace), (Signal::KILL, Duration::from_secs(2))] {
            if !self.signal(signal)? || tokio::time::timeout(limit, self.ended()).await.is_ok() {
                return Ok(());
            }
        }
        Err(io::Error::other(format!("process {} did not end", self.pid)))
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.pid, self.start_time)
    }
}

impl FromStr for Instance {
    type Err = String;

    /// Reads `<pid>@<start time>`, or `<pid>` for the process that has this number now.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().map_err(|_| format!("'{text}' is not a number"));
        match text.split_once('@') {
            Some((pid, start_time)) => {
                let start_time = start_time.parse().map_err(|_| format!("'{start_time}' is not a number"))?;
                Ok(Self { pid: number(pid)?, start_time })
            }
            None => Self::of(number(text)?).ok_or_else(|| format!("no process {text} runs")),
        }
    }
}

impl TryFrom<String> for Instance {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Instance> for String {
    fn from(instance: Instance) -> Self {
        instance.to_string()
    }
}

/// The start time in the text of `/proc/<pid>/stat`; none for a process that has ended and awaits its parent.
///
/// A process whose first thread has ended shows as a zombie while its other threads still hold its sockets; it
/// has not ended before the last of them has.
fn running_since(stat: &str) -> Option<u64> {
    // The second field is the name in parentheses, which may itself have spaces and parentheses. After it come
    // the state, field 3, the number of threads, field 20, and the start time, field 22 (proc_pid_stat(5)).
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    let threads: u32 = fields.nth(16)?.parse().ok()?;
    if state == "X" || (state == "Z" && threads <= 1) {
        return None;
    }
    fields.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(state: char, threads: u32) -> String {
        format!("42 (a) b (c)) {state} 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 {threads} 21 603409 23")
    }

    #[test]
    fn the_start_time_is_found_behind_a_name_with_spaces_and_parentheses() {
        assert_eq!(running_since(&stat('S', 3)), Some(603_409));
    }

    #[test]
    fn a_zombie_has_ended_once_its_last_thread_has() {
        assert_eq!(running_since(&stat('Z', 1)), None);
        assert_eq!(running_since(&stat('Z', 2)), Some(603_409));
    }

    #[test]
    fn an_instance_is_read_back_as_it_was_written() {
        let own = Instance::of(std::process::id()).unwrap();
        assert_eq!(own.to_string().parse::<Instance>().unwrap(), own);
        assert_eq!(own.pid.to_string().parse::<Instance>().unwrap(), own);
    }

    #[test]
    fn the_same_number_with_another_start_time_is_another_instance_and_gets_no_signal() {
        let own = Instance::of(std::process::id()).unwrap();
        let predecessor = Instance { start_time: own.start_time - 1, ..own };
        assert!(own.is_running());
        assert!(!predecessor.is_running());
        assert!(!predecessor.signal(Signal::KILL).unwrap());
    }
}
