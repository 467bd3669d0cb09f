//! `GET` over HTTP without TLS, on a connection of its own: until something comes back, nothing is held but the connection.
//!
//! An HTTP client makes its buffers when it begins to ask. Of a service that hangs nothing ever comes to be buffered, and
//! thousands may hang at once. So the request is written first, and the client is given the connection only once there is
//! something to read; what it writes as its request counts as sent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use reqwest::Url;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::client::{InvalidClient, USER_AGENT};
use super::dial::Dialer;
use super::failure::{broken, of_connection};
use super::resolver::SystemResolver;
use crate::domain::reading::Answer;

/// Asks one address.
pub(super) struct Plain {
    dialer: Dialer,
    /// The whole request, as it is written.
    request: Box<[u8]>,
}

impl Plain {
    pub(super) fn new(
        url: &Url,
        timeout: Duration,
        resolver: Arc<SystemResolver>,
    ) -> Result<Self, InvalidClient> {
        let dialer = Dialer::to(url, timeout, resolver)?;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let host = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
            None => url.host_str().unwrap_or_default().to_owned(),
        };
        let path = url.path();
        let request = format!(
            "GET {path}{query} HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\nuser-agent: {USER_AGENT}\r\n\r\n"
        );
        Ok(Self { dialer, request: request.into_bytes().into() })
    }

    /// Asks once, and gives what `read` makes of the answer.
    pub(super) async fn ask<T>(
        &self,
        read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, hyper::Error>,
    ) -> Result<T, Answer> {
        let mut stream = self.dialer.connect().await?;
        stream.write_all(&self.request).await.map_err(|error| of_connection(&error))?;
        stream.readable().await.map_err(|error| of_connection(&error))?;
        // In a place of its own, so that who only waits does not hold its room.
        Box::pin(answered(stream, read)).await.map_err(|error| broken(&error))
    }
}

/// Reads the answer from a connection on which there is something to read.
async fn answered<T>(
    stream: TcpStream,
    read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, hyper::Error>,
) -> Result<T, hyper::Error> {
    let (mut sender, connection) =
        handshake(TokioIo::new(Asked { stream, has_asked: false, reader: None })).await?;
    let exchange = async {
        let response = sender.send_request(Request::new(Empty::<Bytes>::new())).await?;
        read(response).await
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        done = &mut exchange => done,
        // What it has read, and why it has ended, is with the exchange.
        _ = connection => exchange.await,
    }
}

/// A connection on which the request was sent already. The answer is there from the beginning, and is shown once the client
/// believes that it has asked: an answer that comes unasked would be an error to it.
struct Asked {
    stream: TcpStream,
    has_asked: bool,
    /// Who wants to read too early.
    reader: Option<Waker>,
}

impl AsyncRead for Asked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.has_asked {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        self.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for Asked {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.has_asked = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
