//! Carries out what the [`Shipper`] decides, until it is told to stop.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Document;
use super::bulk::{self, FILTER};
use super::connection::Client;
use super::indices::Stream;
use super::retention::{Expired, expire};
use super::setup::{prepare, refusal};
use super::shipper::{Connection, Request, Sent, Shipper, Step, Totals, Trouble};
use crate::clock::{Clock, Timestamp};
use crate::journal::{Chunk, JournalError, Writer};

/// How it fares is looked into this often at most, unless something has come back.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Pause after the journal could not be read or written, which it says itself.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);

/// Where documents come from.
#[derive(Clone)]
pub struct Source {
    /// The journal that holds the facts and the cursor.
    pub journal: Writer,
    /// Makes the documents of a line of the journal; always the same ones, with identities of their own.
    pub documents: fn(&[u8]) -> Vec<Document>,
    /// The kinds of documents there are.
    pub streams: &'static [Stream],
}

/// How the shipping fares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shipping {
    /// How the server is.
    pub connection: Connection,
    /// What has been shipped since the start of the process.
    pub totals: Totals,
    /// When the oldest fact was recorded that has not arrived yet; none when all have.
    pub oldest_waiting: Option<Timestamp>,
}

impl Default for Shipping {
    fn default() -> Self {
        Self { connection: Connection::Unknown, totals: Totals::default(), oldest_waiting: None }
    }
}

/// What comes back to the shipper.
enum Back {
    Prepared(Result<BTreeSet<&'static str>, Trouble>),
    Sent(u64, Sent),
    Expired(Expired),
}

/// Ships everything that is recorded, for ever, and tells how it fares. Where `retention_days` is given, indices of days that
/// are over for longer are deleted, once a day. Ends when the journal is closed; what has
/// not arrived by then is shipped at the next start.
pub async fn ship(
    source: Source,
    client: Client,
    retention_days: Option<u32>,
    clock: Arc<Clock>,
    publish: watch::Sender<Shipping>,
) {
    let status = source.journal.status();
    let shipper = Shipper::new(status.borrow().cursor.seq);
    let mut courier = Courier {
        source,
        client,
        retention_days,
        clock,
        publish,
        shipper,
        under_way: JoinSet::new(),
        told_at: Timestamp::default(),
    };
    courier.run(status).await;
}

struct Courier {
    source: Source,
    client: Client,
    retention_days: Option<u32>,
    clock: Arc<Clock>,
    publish: watch::Sender<Shipping>,
    shipper: Shipper,
    under_way: JoinSet<Back>,
    told_at: Timestamp,
}

impl Courier {
    async fn run(&mut self, mut journal: watch::Receiver<crate::journal::Status>) {
        loop {
            let last = journal.borrow_and_update().last_seq;
            let outcome = match self.shipper.next(self.clock.now(), last) {
                Step::Prepare => {
                    let (client, streams) = (self.client.clone(), self.source.streams);
                    self.under_way.spawn(async move { Back::Prepared(prepare(&client, streams).await) });
                    Ok(())
                }
                Step::Read { after, last, bytes } => self.read(after, last, bytes).await,
                Step::Send(request) => {
                    let client = self.client.clone();
                    self.under_way
                        .spawn(async move { Back::Sent(request.batch, send(&client, request).await) });
                    Ok(())
                }
                Step::Advance(seq) => {
                    let noted = self.source.journal.advance(seq).await;
                    if noted.is_ok() {
                        self.shipper.noted(seq);
                    }
                    noted
                }
                Step::Wait(until) => match self.wait(until, &mut journal).await {
                    Some(()) => Ok(()),
                    None => return,
                },
            };
            match outcome {
                Ok(()) => {}
                Err(JournalError::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "shipping to Elasticsearch waits for the journal");
                    tokio::time::sleep(JOURNAL_PAUSE).await;
                }
            }
        }
    }

    async fn read(&mut self, after: u64, last: u64, bytes: usize) -> Result<(), JournalError> {
        let chunks = self.source.journal.reader().after(after, bytes).await?;
        let make = self.source.documents;
        let documents = |chunk: &Chunk| chunk.documents().flat_map(make).collect();
        let chunks = chunks.iter().map(|chunk| (chunk.seq, documents(chunk))).collect();
        self.shipper.read(chunks, last, self.clock.now());
        Ok(())
    }

    /// Waits for something to come back, for more to be recorded, or for time to pass; none when the journal is
    /// closed.
    async fn wait(
        &mut self,
        until: Option<Timestamp>,
        journal: &mut watch::Receiver<crate::journal::Status>,
    ) -> Option<()> {
        let now = self.clock.now();
        if now.since(self.told_at) >= TELL_EVERY {
            self.told_at = now;
            self.tell().await;
        }
        let pause = until.map(|until| until.since(now));
        tokio::select! {
            Some(back) = self.under_way.join_next() => {
                // A task that broke leaves its batch in flight for ever; only a new start would help.
                self.told_at = Timestamp::default();
                match back {
                    Ok(back) => self.take(back),
                    Err(error) => {
                        tracing::error!(%error, "a request to Elasticsearch broke; beginning anew");
                        // Dropped with all that is under way, or its cancellations would come back one by one.
                        self.under_way = JoinSet::new();
                        self.shipper = Shipper::new(self.source.journal.status().borrow().cursor.seq);
                    }
                }
            }
            // While there is a moment to wait for, what is recorded meanwhile waits for it too.
            changed = journal.changed(), if pause.is_none() => changed.ok()?,
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
        }
        Some(())
    }

    fn take(&mut self, back: Back) {
        let (now, chance) = (self.clock.now(), rand::random());
        match back {
            Back::Prepared(outcome) => {
                // A new day has begun, or the daemon or the server has.
                if let (Ok(_), Some(days)) = (&outcome, self.retention_days) {
                    let (client, streams) = (self.client.clone(), self.source.streams);
                    self.under_way
                        .spawn(async move { Back::Expired(expire(&client, streams, now, days).await) });
                }
                self.shipper.prepared(outcome, now, chance);
            }
            Back::Expired(Expired { deleted, refused }) => {
                if !deleted.is_empty() {
                    tracing::info!(indices = deleted.join(", "), "indices of days that are over are deleted");
                }
                if let Some(reason) = refused.first() {
                    let others = refused.len() - 1;
                    tracing::warn!(reason, others, "indices of days that are over cannot be deleted");
                }
            }
            Back::Sent(batch, outcome) => {
                let refused = self.shipper.sent(batch, outcome, now, chance);
                if let Some((id, reason)) = refused.first() {
                    let documents = refused.len();
                    tracing::error!(
                        documents,
                        id,
                        reason,
                        "Elasticsearch does not take documents; they are laid aside"
                    );
                }
            }
        }
    }

    /// Publishes how it fares, and logs when that has changed.
    async fn tell(&mut self) {
        let before = self.publish.borrow().clone();
        let connection = self.shipper.connection().clone();
        if is_news(&before.connection, &connection) {
            log(&connection, self.client.name());
        }
        let oldest = self.source.journal.reader().oldest_after(self.shipper.arrived_to()).await;
        let oldest_waiting = oldest.ok().flatten().map(|(_, at)| at);
        let after = Shipping { connection, totals: self.shipper.totals(), oldest_waiting };
        if before != after {
            self.publish.send_replace(after);
        }
    }
}

async fn send(client: &Client, request: Request) -> Sent {
    let Request { documents, body, .. } = request;
    let answer = match client.bulk(FILTER, body).await {
        Ok(answer) => answer,
        Err(reason) => return Sent::Unanswered(reason),
    };
    match answer.status {
        200 => match bulk::items(&answer.body, documents) {
            Ok(items) => Sent::Answered(items),
            Err(reason) => Sent::Unanswered(reason),
        },
        413 => Sent::TooMuch { is_size: true, reason: answer.reason() },
        400 => Sent::TooMuch { is_size: false, reason: answer.reason() },
        429 => Sent::Busy,
        300..=499 => Sent::Failed(Trouble::Held(refusal(&answer))),
        _ => Sent::Failed(Trouble::Down(format!("Elasticsearch fails: {}", answer.reason()))),
    }
}

/// Whether the server is in another condition, or for another reason; not merely for longer.
fn is_news(before: &Connection, after: &Connection) -> bool {
    match (before, after) {
        (Connection::Down { .. }, Connection::Down { .. }) => false,
        (Connection::Held { reason: before, .. }, Connection::Held { reason: after, .. }) => before != after,
        (before, after) => std::mem::discriminant(before) != std::mem::discriminant(after),
    }
}

fn log(connection: &Connection, server: &str) {
    match connection {
        Connection::Unknown => {}
        Connection::Up => tracing::info!(server, "shipping to Elasticsearch"),
        Connection::Down { reason, .. } => {
            tracing::warn!(reason, "Elasticsearch is away; what is recorded waits in the journal");
        }
        Connection::Held { reason, .. } => {
            tracing::error!(reason, "Elasticsearch takes nothing; what is recorded waits in the journal");
        }
    }
}
