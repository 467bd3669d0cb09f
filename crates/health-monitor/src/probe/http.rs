//! `GET` over HTTP or HTTPS: the status tells, and what else of the answer somebody asks for.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use reqwest::tls::TlsInfo;
use reqwest::{Client, Url};
use shared::clock::Timestamp;

use super::client::{Clients, InvalidClient};
use super::failure::{of_connection, of_name, unless_late};
use super::plain::Plain;
use super::resolver::{SystemResolver, Unresolved};
use crate::domain::expected::Expected;
use crate::domain::policy::ServicePolicy;
use crate::domain::reading::{Answer, Examined};

/// A body is read up to here: enough to see that it comes, not enough to be harmed by it.
const MAX_BODY: usize = 64 * 1024;
/// So much of the body of an answer that fails is kept as evidence.
const KEPT_BODY: usize = 4 * 1024;

/// Probes one address.
pub(super) struct HttpProbe {
    way: Way,
    url: Url,
    timeout: Duration,
    expected: Expected,
}

/// How it is asked. What needs TLS or follows redirects is left to a whole client.
enum Way {
    Plain(Plain),
    Client(Client),
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
    pub(super) fn new(
        service: &ServicePolicy,
        clients: &mut Clients,
        resolver: Arc<SystemResolver>,
    ) -> Result<Self, InvalidClient> {
        let url = &service.probe_url;
        let url: Url = url.parse().map_err(|error| InvalidClient(format!("{url} is not a URL ({error})")))?;
        let way = match url.scheme() == "http" && service.redirects == 0 {
            true => Way::Plain(Plain::new(&url, service.timeout, resolver)?),
            false => Way::Client(clients.of(service)?),
        };
        Ok(Self { way, url, timeout: service.timeout, expected: service.expected.clone() })
    }

    /// Asks once. `elapsed` gives the time since the probe began.
    pub(super) async fn ask(&self, elapsed: impl Fn() -> Duration) -> Reply {
        match tokio::time::timeout(self.timeout, self.fetch()).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(answer)) => unless_late(answer, self.timeout, elapsed()).into(),
            Err(_) => unless_late(Answer::Silent, self.timeout, elapsed()).into(),
        }
    }

    async fn fetch(&self) -> Result<Reply, Answer> {
        match &self.way {
            Way::Plain(plain) => plain.ask(async |response| self.read(response).await).await,
            // A client has a future of its own, whose room a plain probe must not take.
            Way::Client(client) => Box::pin(self.fetch_by(client)).await.map_err(|error| failure(&error)),
        }
    }

    /// Reads the answer of a plain probe.
    async fn read(&self, mut response: hyper::Response<Incoming>) -> Result<Reply, hyper::Error> {
        let status = response.status().as_u16();
        let mut body = self.body(status);
        while body.goes_on()
            && let Some(frame) = response.frame().await
        {
            // Trailers are no body.
            if let Ok(chunk) = frame?.into_data() {
                body.take(&chunk);
            }
        }
        Ok(self.reply(status, None, body))
    }

    async fn fetch_by(&self, client: &Client) -> reqwest::Result<Reply> {
        let mut response = client.get(self.url.clone()).send().await?;
        let status = response.status().as_u16();
        let certificate = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        let certificate_ends_at = certificate.and_then(end_of);
        let mut body = self.body(status);
        while body.goes_on()
            && let Some(chunk) = response.chunk().await?
        {
            body.take(&chunk);
        }
        Ok(self.reply(status, certificate_ends_at, body))
    }

    /// What is to be read of the body of an answer with this status.
    fn body(&self, status: u16) -> Body {
        let keep = match (self.expected.statuses.contain(status), &self.expected.body) {
            (true, None) => 0,
            (true, Some(_)) => MAX_BODY,
            (false, _) => KEPT_BODY,
        };
        Body { keep, kept: Vec::new(), length: 0 }
    }

    /// What an answer says.
    fn reply(&self, status: u16, certificate_ends_at: Option<Timestamp>, read: Body) -> Reply {
        let is_accepted = self.expected.statuses.contain(status);
        let is_cut = !read.goes_on();
        let mut kept = read.kept;
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
        Reply { answer, failing: fails.then_some(FailingBody { status, body: kept }) }
    }
}

/// A body that is read up to its limit, and whose beginning is kept.
struct Body {
    keep: usize,
    kept: Vec<u8>,
    /// So much was read.
    length: usize,
}

impl Body {
    /// Whether more of it is read, if there is more.
    fn goes_on(&self) -> bool {
        self.length < MAX_BODY
    }

    fn take(&mut self, chunk: &[u8]) {
        let room = self.keep - self.kept.len();
        self.kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        self.length += chunk.len();
    }
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

    /// What both ways to ask give, which must be the same.
    async fn reply_of(url: &str, expected: Expected) -> Reply {
        let demands = Demands { timeout: LIMIT, ..Demands::default() };
        let client = Clients::new(resolver()).with(demands).unwrap();
        let url: Url = url.parse().unwrap();
        let plain = Plain::new(&url, LIMIT, resolver()).unwrap();
        let ask = async |way| {
            HttpProbe { way, url: url.clone(), timeout: LIMIT, expected: expected.clone() }
                .ask(|| LIMIT)
                .await
        };
        let (plain, client) = (ask(Way::Plain(plain)).await, ask(Way::Client(client)).await);
        assert_eq!(plain.answer, client.answer);
        let body = |reply: &Reply| reply.failing.as_ref().map(|one| (one.status, one.body.clone()));
        assert_eq!(body(&plain), body(&client));
        plain
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
            let mut staying = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(reply).await;
                staying.extend(stays.then_some(stream));
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
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
            }
        });
        assert_eq!(answer_of(&url).await, Answer::Status(200));
    }

    #[tokio::test]
    async fn an_answer_is_read_whole_however_it_is_framed() {
        let chunked =
            b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nsor\r\n2\r\nry\r\n0\r\nx: y\r\n\r\n";
        let early = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 500 No\r\ncontent-length: 5\r\n\r\nsorry";
        let closed = b"HTTP/1.0 500 No\r\n\r\nsorry";
        for reply in [&chunked[..], early, closed] {
            let failing = reply_of(&peer(reply, false).await, Expected::default()).await.failing.unwrap();
            assert_eq!((failing.status, &failing.body[..]), (500, &b"sorry"[..]));
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_answer() {
        let url = peer(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", false).await;
        assert!(matches!(answer_of(&url).await, Answer::NoConnection(_)));
    }

    #[tokio::test]
    async fn a_plain_request_says_who_is_asked_for_what_and_by_whom() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url: Url = format!("http://{address}/ready?deep=1#x").parse().unwrap();
        let plain = Plain::new(&url, LIMIT, resolver()).unwrap();
        let asking = tokio::spawn(async move { plain.ask(async |_| Ok(())).await });
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 1024];
        let read = stream.read(&mut request).await.unwrap();
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "GET /ready?deep=1 HTTP/1.1\r\nhost: {address}\r\naccept: */*\r\nuser-agent: health-monitor/{version}\r\n\r\n"
        );
        assert_eq!(String::from_utf8_lossy(&request[..read]), expected);
        drop(stream);
        assert!(matches!(asking.await.unwrap(), Err(Answer::NoConnection(_))));
    }
}
