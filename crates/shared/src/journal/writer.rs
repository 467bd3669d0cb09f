//! The one thread that writes, and the way to it.

use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot, watch};

use super::chunk::compress_json;
use super::lock::DirectoryLock;
use super::store::{Sizes, Store};
use super::{JournalError, Reader, Settings, Status, salvage};
use crate::clock::Timestamp;

/// The way to the writer thread. The journal closes when the last clone is gone.
#[derive(Clone)]
pub struct Writer {
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
    reader: Reader,
}

/// What an append tells its caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// So much has been written since the last checkpoint that another is due.
    pub wants_checkpoint: bool,
}

/// What a start reads: the checkpoint's state, then the facts after it, oldest first.
pub struct Replay<S, F> {
    /// The state that the checkpoint holds.
    pub state: Option<S>,
    /// The facts after it, with the time at which each was recorded.
    pub facts: Vec<(Timestamp, F)>,
}

/// Bytes of chunks, some thousand facts, below which no checkpoint is worth its while: a start reads them in some
/// hundredths of a second.
const LEAST_BETWEEN_CHECKPOINTS: u64 = 1024 * 1024;

type Outcome<T> = oneshot::Sender<Result<T, JournalError>>;

enum Command {
    Append { at: Timestamp, facts: Vec<Vec<u8>>, outcome: Outcome<Appended> },
    Checkpoint { seq: u64, state: Vec<u8>, outcome: Outcome<()> },
    Replay { outcome: Outcome<Replay<Vec<u8>, Vec<u8>>> },
    Advance { seq: u64, outcome: Outcome<()> },
    Close { outcome: Outcome<()> },
}

impl Writer {
    /// Takes the directory, opens the file (a damaged one is salvaged) and starts the thread.
    pub fn open(settings: &Settings) -> Result<Self, JournalError> {
        let lock = DirectoryLock::take(&settings.directory)?;
        let (store, salvaged) = salvage::open(settings)?;
        let status = Status {
            bytes: store.used()?,
            max_bytes: settings.max_bytes,
            last_at: store.last_at()?,
            last_seq: store.last_seq(),
            cursor: store.cursor(),
            salvaged,
            ..Status::default()
        };
        let reader = Reader::open(&store.file)?;
        let (commands, receiver) = mpsc::channel(64);
        let (publish, status) = watch::channel(status);
        let thread = WriterThread {
            reader: reader.clone(),
            store,
            publish,
            sizes: Sizes::default(),
            max_bytes: settings.max_bytes,
            lock,
        };
        thread::Builder::new()
            .name("journal".into())
            .spawn(move || thread.run(receiver))
            .map_err(|cause| JournalError::Directory { directory: settings.directory.clone(), cause })?;
        Ok(Self { commands, status, reader })
    }

    /// Appends facts in one commit; each must be written as a JSON object with at least one member. When this
    /// returns, the facts are as durable as the settings say.
    pub async fn append<F: Serialize>(&self, at: Timestamp, facts: &[F]) -> Result<Appended, JournalError> {
        let facts = facts.iter().map(serde_json::to_vec).collect::<Result<_, _>>()?;
        self.ask(|outcome| Command::Append { at, facts, outcome }).await
    }

    /// Writes the state that all facts up to the chunk `seq` give, makes room for more, and tells how many bytes the
    /// state takes. Facts may be appended meanwhile: the state is written as JSON on a thread of its own.
    pub async fn checkpoint<S>(&self, seq: u64, state: S) -> Result<usize, JournalError>
    where
        S: Serialize + Send + 'static,
    {
        let written = tokio::task::spawn_blocking(move || compress_json(&state)).await;
        // It ends without a result only when the runtime ends.
        let state = written.map_err(|_| JournalError::Closed)??;
        let bytes = state.len();
        self.ask(|outcome| Command::Checkpoint { seq, state, outcome }).await?;
        Ok(bytes)
    }

    /// Reads the checkpoint and every fact after it.
    pub async fn replay<S: DeserializeOwned, F: DeserializeOwned>(
        &self,
    ) -> Result<Replay<S, F>, JournalError> {
        let read = self.ask(|outcome| Command::Replay { outcome }).await?;
        let state = read.state.map(|json| serde_json::from_slice(&json)).transpose()?;
        let facts = read
            .facts
            .iter()
            .map(|(at, line)| Ok((*at, serde_json::from_slice(line)?)))
            .collect::<Result<_, JournalError>>()?;
        Ok(Replay { state, facts })
    }

    /// Notes that every chunk up to this one has arrived where facts are shipped to.
    pub async fn advance(&self, seq: u64) -> Result<(), JournalError> {
        self.ask(|outcome| Command::Advance { seq, outcome }).await
    }

    /// A way to read what was recorded.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Closes the file and lets go of the directory; whatever is asked of the journal afterwards fails.
    pub async fn close(&self) -> Result<(), JournalError> {
        self.ask(|outcome| Command::Close { outcome }).await
    }

    /// How the journal fares, now and from now on.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    async fn ask<T>(&self, command: impl FnOnce(Outcome<T>) -> Command) -> Result<T, JournalError> {
        let (outcome, answer) = oneshot::channel();
        self.commands.send(command(outcome)).await.map_err(|_| JournalError::Closed)?;
        answer.await.map_err(|_| JournalError::Closed)?
    }
}

struct WriterThread {
    reader: Reader,
    store: Store,
    publish: watch::Sender<Status>,
    sizes: Sizes,
    max_bytes: u64,
    #[expect(dead_code, reason = "held until the file is closed")]
    lock: DirectoryLock,
}

impl WriterThread {
    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.blocking_recv() {
            // A caller who has gone away does not need the outcome.
            match command {
                Command::Append { at, facts, outcome } => drop(outcome.send(self.append(at, &facts))),
                Command::Checkpoint { seq, state, outcome } => {
                    drop(outcome.send(self.checkpoint(seq, &state)));
                }
                Command::Replay { outcome } => drop(outcome.send(self.replay())),
                Command::Advance { seq, outcome } => drop(outcome.send(self.advance(seq))),
                Command::Close { outcome } => {
                    self.reader.close();
                    drop(self);
                    drop(outcome.send(Ok(())));
                    return;
                }
            }
        }
        self.reader.close();
    }

    fn append(&mut self, at: Timestamp, facts: &[Vec<u8>]) -> Result<Appended, JournalError> {
        let outcome = self.store.append(at, facts);
        let used = self.store.used();
        self.publish.send_modify(|status| {
            status.failure = outcome.as_ref().err().map(ToString::to_string);
            status.bytes = used.unwrap_or(status.bytes);
            if outcome.is_ok() {
                status.appended += facts.len() as u64;
                status.last_at = at;
            }
            status.last_seq = self.store.last_seq();
            status.cursor = self.store.cursor();
        });
        self.sizes.since += outcome?;
        // In proportion to the state, so that writing it down never costs more than the facts themselves; and before
        // the budget is used up.
        let due = self.sizes.checkpoint.max(LEAST_BETWEEN_CHECKPOINTS).min(self.max_bytes / 8);
        Ok(Appended { wants_checkpoint: self.sizes.since > due })
    }

    fn checkpoint(&mut self, seq: u64, state: &[u8]) -> Result<(), JournalError> {
        let at = self.publish.borrow().last_at;
        self.store.checkpoint(seq, at, state)?;
        self.sizes = self.store.sizes()?;
        let used = self.store.used()?;
        self.publish.send_modify(|status| {
            status.bytes = used;
            status.cursor = self.store.cursor();
        });
        Ok(())
    }

    fn advance(&mut self, seq: u64) -> Result<(), JournalError> {
        self.store.advance(seq)?;
        self.publish.send_modify(|status| status.cursor = self.store.cursor());
        Ok(())
    }

    fn replay(&mut self) -> Result<Replay<Vec<u8>, Vec<u8>>, JournalError> {
        let mut facts = Vec::new();
        self.store.after_checkpoint(|chunk| {
            facts.extend(
                chunk
                    .lines
                    .split(|byte| *byte == b'\n')
                    .filter(|line| !line.is_empty())
                    .map(|line| (chunk.at, line.to_vec())),
            );
            Ok(())
        })?;
        self.sizes = self.store.sizes()?;
        Ok(Replay { state: self.store.state()?, facts })
    }
}
