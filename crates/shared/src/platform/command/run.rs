//! One run of a program within a limit of time and of output.

use std::env;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::descriptors;

/// How much of each stream is kept, from its end. The rest is read and dropped, or the program would block.
const KEPT: usize = 64 * 1024;

/// How long output that is still on its way is waited for once the program has ended. What the program itself
/// wrote is in the pipe by then; only a daemon that it left behind can keep the pipe open longer.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// How long a killed program may take to be gone. One that hangs in the kernel is left to the runtime.
const DYING: Duration = Duration::from_secs(1);

/// The variables of this process that a program sees.
const INHERITED: [&str; 3] = ["PATH", "HOME", "LANG"];

/// What is to be run.
#[derive(Debug)]
pub struct Program<'a> {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Variables that it sees beside the inherited ones.
    pub environment: &'a [(&'a str, &'a str)],
    /// How long it may take.
    pub limit: Duration,
}

/// How a run ended. Outputs are the last 64 KiB of each stream.
#[derive(Debug)]
pub enum Ended {
    /// Nothing was run.
    NotStarted {
        /// Why.
        cause: String,
    },
    /// It ended by itself.
    Exited {
        /// How.
        status: ExitStatus,
        /// What it wrote.
        stdout: Vec<u8>,
        /// What it wrote of faults.
        stderr: Vec<u8>,
    },
    /// It took too long and was killed with its process group.
    Killed {
        /// What it wrote until then.
        stdout: Vec<u8>,
        /// What it wrote of faults.
        stderr: Vec<u8>,
    },
    /// It was started, but the system does not tell how it ended.
    Lost {
        /// Why.
        cause: String,
    },
}

/// Runs a program in a process group of its own. Dropped before the end, it kills the group.
pub async fn run(program: Program<'_>) -> Ended {
    let mut child = match start(&program) {
        Ok(child) => child,
        Err(cause) => {
            return Ended::NotStarted { cause: format!("cannot start it: {cause}") };
        }
    };
    // Declared after the child, so dropped before it: as long as the child is not reaped, the number is its own.
    let process = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let group = Group(process);
    process.inspect(|process| descriptors::give_back(*process));
    let (mut stdout, mut stderr) = (Stream::new(child.stdout.take()), Stream::new(child.stderr.take()));
    let waited = {
        let waiting = timeout(program.limit, child.wait());
        let reading = async { tokio::join!(stdout.read_until_closed(), stderr.read_until_closed()) };
        tokio::pin!(waiting, reading);
        let waited = tokio::select! {
            waited = &mut waiting => waited,
            _ = &mut reading => waiting.await,
        };
        waited
    };
    match waited {
        Ok(Ok(status)) => {
            group.leave();
            let (stdout, stderr) = last_words(stdout, stderr).await;
            Ended::Exited { status, stdout, stderr }
        }
        Ok(Err(cause)) => Ended::Lost { cause: cause.to_string() },
        Err(_) => {
            group.kill();
            // Also reaps it. Its status no longer matters: it is the one that we caused.
            let _ = timeout(DYING, child.wait()).await;
            let (stdout, stderr) = last_words(stdout, stderr).await;
            Ended::Killed { stdout, stderr }
        }
    }
}

fn start(program: &Program<'_>) -> std::io::Result<Child> {
    let [name, arguments @ ..] = program.argv.as_slice() else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    let inherited = INHERITED.into_iter().filter_map(|name| Some((name, env::var_os(name)?)));
    Command::new(name)
        .args(arguments)
        .env_clear()
        .envs(inherited)
        .envs(program.environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// Reads on until both streams are closed, but not for long; then leaves them to a reader that keeps nothing.
async fn last_words(mut stdout: Stream, mut stderr: Stream) -> (Vec<u8>, Vec<u8>) {
    let reading = async { tokio::join!(stdout.read_until_closed(), stderr.read_until_closed()) };
    let _ = timeout(LAST_WORDS, reading).await;
    (stdout.leave(), stderr.leave())
}

/// A process group that is killed unless it is left alone.
struct Group(Option<Pid>);

impl Group {
    /// Lets what is left of the group live: a daemon that a restart started belongs to it.
    fn leave(mut self) {
        self.0 = None;
    }

    fn kill(self) {
        drop(self);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Fails only when the whole group is gone, which is what we want.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// One output stream of a program, with the end of what came.
struct Stream {
    pipe: Option<Box<dyn AsyncRead + Send + Unpin>>,
    kept: Vec<u8>,
}

impl Stream {
    fn new(pipe: Option<impl AsyncRead + Send + Unpin + 'static>) -> Self {
        Self { pipe: pipe.map(|pipe| Box::new(pipe) as Box<_>), kept: Vec::new() }
    }

    /// Can be dropped at any moment without losing what was read.
    async fn read_until_closed(&mut self) {
        let mut chunk = [0_u8; 4 * 1024];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut chunk).await {
                Ok(0) | Err(_) => self.pipe = None,
                Ok(length) => self.keep(&chunk[..length]),
            }
        }
    }

    fn keep(&mut self, chunk: &[u8]) {
        self.kept.extend_from_slice(chunk);
        // Cut at twice the size, so that a long stream is moved once per 64 KiB and not once per chunk.
        if self.kept.len() > 2 * KEPT {
            self.kept.drain(..self.kept.len() - KEPT);
        }
    }

    /// What was kept. A daemon that still holds the pipe would be killed by its next line if nobody read it, so
    /// a reader stays for as long as that daemon lives.
    fn leave(self) -> Vec<u8> {
        let Self { pipe, mut kept } = self;
        if let Some(mut pipe) = pipe {
            tokio::spawn(async move { tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await });
        }
        kept.drain(..kept.len().saturating_sub(KEPT));
        kept
    }
}
