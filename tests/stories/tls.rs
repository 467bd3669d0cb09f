//! Services that answer over TLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use shared::clock::{Clock, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const DAY: Duration = Duration::from_secs(86_400);

/// An authority that a story's services are certified by.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    /// Makes one; its own certificate is written into the folder.
    pub(super) fn new(folder: &Path) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let file = folder.join("authority.pem");
        std::fs::write(&file, parameters.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(parameters, key), file }
    }

    /// Where its certificate is.
    pub(super) fn file(&self) -> &str {
        self.file.to_str().unwrap()
    }

    /// A certificate for 127.0.0.1 and its key, as PEM.
    pub(super) fn certify(&self) -> (String, String) {
        let parameters = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// A service that answers 200, with a certificate for 127.0.0.1 that began a year ago and lasts for `days` after
    /// it began.
    pub(super) async fn service(&self, days: u32) -> SocketAddr {
        let mut parameters = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let now = Clock::starting_after(Timestamp::default()).now();
        let now = date_time_ymd(1970, 1, 1) + now.since(Timestamp::default());
        parameters.not_before = now - DAY * 365;
        parameters.not_after = parameters.not_before + DAY * days;
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(answer(listener, TlsAcceptor::from(Arc::new(server))));
        address
    }
}

async fn answer(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that does not trust us breaks the handshake off.
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = stream.read(&mut [0; 1_024]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            let _ = stream.shutdown().await;
        });
    }
}
