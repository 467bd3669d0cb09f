//! Reporting to self-evolution how long requests took, beside the work and never in its way.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, StatusCode, Url};
use serde::Serialize;
use shared::clock::Timestamp;
use shared::order::ServiceName;
use tokio::sync::mpsc;

/// How often it reports.
const PAUSE: Duration = Duration::from_secs(1);

/// Requests that wait for being reported; what comes beyond them is not reported.
const MOST_WAITING: usize = 10_000;

/// Requests of one report.
const MOST_REPORTED: usize = 1_000;

/// A request that was answered, as `/collect-usage` takes it.
#[derive(Clone, Serialize, Debug)]
pub(super) struct Answered {
    pub(super) service: ServiceName,
    pub(super) endpoint: String,
    pub(super) method: String,
    /// In seconds.
    pub(super) response_time: f64,
    pub(super) status_code: u16,
    pub(super) timestamp: Timestamp,
    /// Which variant of its settings it had.
    pub(super) variant: Arc<str>,
}

/// Takes what is to be reported.
#[derive(Clone, Debug)]
pub(super) struct Usage(Option<mpsc::Sender<Answered>>);

impl Usage {
    /// For a stand-in that has nobody to report to.
    pub(super) fn unreported() -> Self {
        Self(None)
    }

    /// A request was answered. Whether it can be reported is no concern of the one who asked.
    pub(super) fn note(&self, answered: Answered) {
        if let Some(sender) = &self.0 {
            let _ = sender.try_send(answered);
        }
    }
}

/// Reports at this URL, for as long as what is returned and its clones live.
pub(super) fn report_to(url: Url, client: Client) -> Usage {
    let (sender, receiver) = mpsc::channel(MOST_WAITING);
    tokio::spawn(report(url, client, receiver));
    Usage(Some(sender))
}

/// One report at a time. What could not be delivered is sent again with what has come meanwhile.
async fn report(url: Url, client: Client, mut receiver: mpsc::Receiver<Answered>) {
    let mut waiting: Vec<Answered> = Vec::new();
    loop {
        tokio::time::sleep(PAUSE).await;
        while waiting.len() < MOST_REPORTED {
            match receiver.try_recv() {
                Ok(answered) => waiting.push(answered),
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => return,
            }
        }
        if waiting.is_empty() {
            continue;
        }
        let answer = client.post(url.clone()).json(&waiting).send().await;
        if answer.is_ok_and(|answer| is_final(answer.status())) {
            waiting.clear();
        }
    }
}

/// Whether the same report would not be answered otherwise later.
fn is_final(status: StatusCode) -> bool {
    status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_sent_again_only_where_that_may_help() {
        for (status, expected) in [(200, true), (400, true), (413, true), (429, false), (503, false)] {
            assert_eq!(is_final(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }
}
