//! `GET` over HTTP or HTTPS: the status tells, and what else of the answer somebody asks for.

use std::error::Error;
use std::time::Duration;

use reqwest::tls::TlsInfo;
use reqwest::{Client, Response, Url};
use shared::clock::Timestamp;

use super::client::{Clients, InvalidClient};
use super::failure::{of_connection, of_name, unless_late};
use super::resolver::Unresolved;
use crate::domain::expected::Expected;
use crate::domain::policy::ServicePolicy;
use crate::domain::reading::{Answer, Examined};

/// A body is read up to here: enough to see that it comes, not enough to be harmed by it.
const MAX_BODY: usize = 64 * 1024;
/// So much of the body of an answer that fails is kept as evidence.
const KEPT_BODY: usize = 4 * 1024;

/// Probes one address.
pub(super) struct HttpProbe {
    client: Client,
    url: Url,
    timeout: Duration,
    expected: Expected,
}

/// What came back, and the beginning of its body when it fails.
pub(super) struct Reply {
    pub(super) answer: Answer,
    pub(super) failing: Option<FailingBody>,
}

/// The beginning of the body of an answer that fails.
pub(super) struct FailingBody {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self { answer, failing: None }
    }
}

impl HttpProbe {
    /// Services with the same demands on a client share it.
    pub(super) fn new(service: &ServicePolicy, clients: &mut Clients) -> Result<Self, InvalidClient> {
        let url = &service.probe_url;
        let url = url.parse().map_err(|error| InvalidClient(format!("{url} is not a URL ({error})")))?;
        let client = clients.of(service)?;
        Ok(Self { client, url, timeout: service.timeout, expected: service.expected.clone() })
    }

    /// Asks once. `elapsed` gives the time since the probe began.
    pub(super) async fn ask(&self, elapsed: impl Fn() -> Duration) -> Reply {
        match tokio::time::timeout(self.timeout, self.fetch()).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => unless_late(failure(&error), self.timeout, elapsed()).into(),
            Err(_) => unless_late(Answer::Silent, self.timeout, elapsed()).into(),
        }
    }

    async fn fetch(&self) -> reqwest::Result<Reply> {
        let mut response = self.client.get(self.url.clone()).send().await?;
        let status = response.status().as_u16();
        let is_accepted = self.expected.statuses.contain(status);
        let certificate = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        let certificate_ends_at = certificate.and_then(end_of);
        let keep = match (is_accepted, &self.expected.body) {
            (true, None) => 0,
            (true, Some(_)) => MAX_BODY,
            (false, _) => KEPT_BODY,
        };
        let Body { mut kept, is_cut } = read(&mut response, keep).await?;
        let body = match &self.expected.body {
            Some(expected) if is_accepted => expected.compare(&kept, is_cut),
            Some(_) | None => Ok(()),
        };
        let fails = !is_accepted || body.is_err();
        let is_examined = is_accepted && (self.expected.body.is_some() || certificate_ends_at.is_some());
        let answer = if is_examined {
            Answer::Examined(Examined { body, certificate_ends_at })
        } else {
            Answer::Status(status)
        };
        kept.truncate(KEPT_BODY);
        Ok(Reply { answer, failing: fails.then_some(FailingBody { status, body: kept }) })
    }
}

/// What was read of a body.
struct Body {
    kept: Vec<u8>,
    /// There is more of it, or there may be.
    is_cut: bool,
}

/// Reads a body up to its limit and keeps its beginning.
async fn read(response: &mut Response, keep: usize) -> reqwest::Result<Body> {
    let (mut kept, mut length) = (Vec::new(), 0);
    while length < MAX_BODY
        && let Some(chunk) = response.chunk().await?
    {
        let room = keep - kept.len();
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        length += chunk.len();
    }
    Ok(Body { is_cut: length >= MAX_BODY, kept })
}

/// When a certificate (DER) ends. One that cannot be read has been trusted by the handshake nevertheless.
fn end_of(certificate: &[u8]) -> Option<Timestamp> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let seconds = certificate.validity().not_after.timestamp();
    Some(Timestamp::from_micros(seconds.saturating_mul(1_000_000)))
}

fn failure(error: &reqwest::Error) -> Answer {
    if let Some(unresolved) = cause::<Unresolved>(error) {
        return of_name(unresolved);
    }
    if error.is_redirect() {
        return Answer::Misconfigured(format!(
            "the answer redirects too often or in a circle ({})",
            deepest(error)
        ));
    }
    if error.is_connect() && error.is_timeout() {
        return Answer::ConnectTimeout;
    }
    match cause::<std::io::Error>(error) {
        Some(io) => match handshake(io) {
            Some(tls) => of_handshake(tls),
            None => of_connection(io),
        },
        None => Answer::NoConnection(deepest(error)),
    }
}

/// The error of TLS that this one carries, itself or in another one. An error of this kind hides what it carries
/// from the chain of causes.
fn handshake(error: &std::io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref().or_else(|| handshake(inner.downcast_ref()?))
}

/// A certificate that is not trusted, or no protocol in common: the peer is there, and a restart changes neither.
fn of_handshake(error: &rustls::Error) -> Answer {
    use rustls::Error::{InvalidCertificate, NoCertificatesPresented, PeerIncompatible};
    if matches!(error, InvalidCertificate(_) | NoCertificatesPresented | PeerIncompatible(_)) {
        return Answer::Misconfigured(format!("TLS: {error}"));
    }
    Answer::NoConnection(format!("TLS: {error}"))
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use std::sync::Arc;

    use super::super::client::Demands;
    use super::super::resolver::SystemResolver;
    use super::*;

    const LIMIT: Duration = Duration::from_millis(400);

    async fn reply_of(url: &str, expected: Expected) -> Reply {
        let demands = Demands { timeout: LIMIT, ..Demands::default() };
        let client = Clients::new(resolver()).with(demands).unwrap();
        let probe = HttpProbe { client, url: url.parse().unwrap(), timeout: LIMIT, expected };
        probe.ask(|| LIMIT).await
    }

    fn resolver() -> Arc<SystemResolver> {
        let clock = shared::clock::Clock::starting_after(Timestamp::default());
        Arc::new(SystemResolver::new(Arc::new(clock)))
    }

    async fn answer_of(url: &str) -> Answer {
        reply_of(url, Expected::default()).await.answer
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
