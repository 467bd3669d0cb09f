//! `GET` over HTTP or HTTPS: the status tells.

use std::error::Error;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url, redirect};

use super::resolver::{Bounded, SystemResolver, Unresolved};
use crate::domain::reading::Answer;

/// A body is read up to here: enough to see that it comes, not enough to be harmed by it.
const MAX_BODY: usize = 64 * 1024;
/// Part of the time limit within which the connection must be there. The rest tells a host that cannot be
/// reached from one that accepts and is silent.
const CONNECT_SHARE: f64 = 0.95;
/// Part of the time limit within which the name must be found; the connection's part includes it. Whoever drops
/// our questions to the resolver must not look like a service that cannot be reached.
const RESOLVE_SHARE: f64 = 0.5;
/// Beyond this many times the limit it was we who were too slow.
const LATE: f64 = 1.5;

/// Probes one address.
pub(super) struct HttpProbe {
    client: Client,
    url: Url,
    timeout: Duration,
}

/// A client for probes with this time limit: a fresh connection each, no redirects, no proxy.
pub(super) fn client(timeout: Duration, resolver: Arc<SystemResolver>) -> reqwest::Result<Client> {
    Client::builder()
        .user_agent(concat!("health-monitor/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(0)
        .connect_timeout(timeout.mul_f64(CONNECT_SHARE))
        .dns_resolver(Arc::new(Bounded { resolver, limit: timeout.mul_f64(RESOLVE_SHARE) }))
        .build()
}

impl HttpProbe {
    pub(super) fn new(client: Client, url: &str, timeout: Duration) -> Result<Self, String> {
        let url = url.parse().map_err(|error| format!("{url} is not a URL ({error})"))?;
        Ok(Self { client, url, timeout })
    }

    /// Asks once. `elapsed` gives the time since the probe began.
    pub(super) async fn ask(&self, elapsed: impl Fn() -> Duration) -> Answer {
        match tokio::time::timeout(self.timeout, self.fetch()).await {
            Ok(Ok(status)) => Answer::Status(status),
            Ok(Err(error)) => self.unless_late(failure(&error), elapsed()),
            Err(_) => self.unless_late(Answer::Silent, elapsed()),
        }
    }

    /// Had we been scheduled in time, we would have given up long ago: the lateness may be ours.
    fn unless_late(&self, answer: Answer, elapsed: Duration) -> Answer {
        let is_late = elapsed > self.timeout.mul_f64(LATE);
        if is_late && matches!(answer, Answer::Silent | Answer::ConnectTimeout) {
            return Answer::OwnFault("the monitor was too slow to see the answer".into());
        }
        answer
    }

    async fn fetch(&self) -> reqwest::Result<u16> {
        let mut response = self.client.get(self.url.clone()).send().await?;
        let mut read = 0;
        while read < MAX_BODY
            && let Some(chunk) = response.chunk().await?
        {
            read += chunk.len();
        }
        Ok(response.status().as_u16())
    }
}

fn failure(error: &reqwest::Error) -> Answer {
    if let Some(unresolved) = cause::<Unresolved>(error) {
        return match unresolved {
            Unresolved::UnknownName(reason) => Answer::UnknownName(reason.clone()),
            Unresolved::ResolverFailed(reason) => Answer::ResolverFailed(reason.clone()),
        };
    }
    if error.is_connect() && error.is_timeout() {
        return Answer::ConnectTimeout;
    }
    match cause::<std::io::Error>(error) {
        Some(io) if is_own_fault(io) => Answer::OwnFault(io.to_string()),
        Some(io) => Answer::NoConnection(in_words(io)),
        None => Answer::NoConnection(deepest(error)),
    }
}

/// Finds an error of this type among the causes.
fn cause<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    std::iter::successors(error.source(), |error| (*error).source()).find_map(|error| error.downcast_ref())
}

fn deepest(error: &reqwest::Error) -> String {
    std::iter::successors(error.source(), |error| (*error).source())
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// Errors of this host: without local network, addresses, descriptors or memory nothing can be said of others.
fn is_own_fault(error: &std::io::Error) -> bool {
    // Linux: ENFILE 23, EMFILE 24, ENOBUFS 105; the standard library gives them no kind of their own.
    const NO_DESCRIPTORS: [i32; 3] = [23, 24, 105];
    let is_local = matches!(
        error.kind(),
        ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable
            | ErrorKind::OutOfMemory
    );
    is_local || error.raw_os_error().is_some_and(|code| NO_DESCRIPTORS.contains(&code))
}

fn in_words(error: &std::io::Error) -> String {
    const WORDS: [(ErrorKind, &str); 5] = [
        (ErrorKind::ConnectionRefused, "connection refused"),
        (ErrorKind::ConnectionReset, "connection reset"),
        (ErrorKind::ConnectionAborted, "connection aborted"),
        (ErrorKind::HostUnreachable, "no route to host"),
        (ErrorKind::UnexpectedEof, "the connection was closed before the answer"),
    ];
    let known = WORDS.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or_else(|| error.to_string(), |(_, words)| (*words).into())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(400);

    fn resolver() -> Arc<SystemResolver> {
        let clock = shared::clock::Clock::starting_after(shared::clock::Timestamp::default());
        Arc::new(SystemResolver::new(Arc::new(clock)))
    }

    async fn answer_of(url: &str) -> Answer {
        let probe = HttpProbe::new(client(LIMIT, resolver()).unwrap(), url, LIMIT).unwrap();
        probe.ask(|| LIMIT).await
    }

    /// A peer that reads the request, writes these bytes, then closes or stays.
    async fn peer(reply: &'static [u8], stays: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(reply).await;
            if stays {
                std::future::pending::<()>().await;
            }
        });
        format!("http://{address}/health")
    }

    #[tokio::test]
    async fn a_status_is_an_answer_and_a_redirect_is_not_followed() {
        let url = peer(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", false).await;
        assert_eq!(answer_of(&url).await, Answer::Status(200));
        let url = peer(b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", false).await;
        assert_eq!(answer_of(&url).await, Answer::Status(302));
    }

    #[tokio::test]
    async fn silence_after_accepting_is_told_from_a_refusal() {
        assert_eq!(answer_of(&peer(b"", true).await).await, Answer::Silent);
        let unfinished = peer(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", true).await;
        assert_eq!(answer_of(&unfinished).await, Answer::Silent);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        assert_eq!(answer_of(&url).await, Answer::NoConnection("connection refused".into()));
    }

    #[tokio::test]
    async fn a_closed_connection_and_garbage_are_failures_of_the_service() {
        for reply in [&b""[..], b"\x00\x01\x02 what?\r\n\r\n"] {
            let answer = answer_of(&peer(reply, false).await).await;
            assert!(matches!(answer, Answer::NoConnection(_)), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_is_not_blamed_on_the_connection() {
        let answer = answer_of("http://no-such-name.invalid/health").await;
        assert!(matches!(answer, Answer::UnknownName(_) | Answer::ResolverFailed(_)), "{answer:?}");
    }

    #[tokio::test]
    async fn an_endless_body_is_cut_off() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        });
        assert_eq!(answer_of(&url).await, Answer::Status(200));
    }
}
