//! The health service of gRPC (`grpc.health.v1`), without TLS.

use std::error::Error;
use std::time::Duration;

use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tonic::codegen::http::Uri;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::client::InvalidClient;
use super::dial::Dialer;
use super::failure::{broken, unless_late};
use crate::domain::reading::Answer;

/// Probes one gRPC server.
pub(super) struct GrpcProbe {
    dialer: Dialer,
    /// Who is asked, as `http://host:port`.
    origin: Uri,
    service: String,
}

impl GrpcProbe {
    /// Asks for this service; for the server as a whole when it is empty.
    pub(super) fn new(dialer: Dialer, service: String) -> Result<Self, InvalidClient> {
        let origin = format!("http://{}", dialer.authority());
        let origin =
            origin.parse().map_err(|error| InvalidClient(format!("{origin} is not a URL ({error})")))?;
        Ok(Self { dialer, origin, service })
    }

    /// Asks once. `elapsed` gives the time since the probe began.
    pub(super) async fn ask(&self, elapsed: impl Fn() -> Duration) -> Answer {
        let limit = self.dialer.timeout;
        match tokio::time::timeout(limit, self.check()).await {
            Ok(Ok(serving)) => self.answer(serving),
            Ok(Err(answer)) => unless_late(answer, limit, elapsed()),
            Err(_) => unless_late(Answer::Silent, limit, elapsed()),
        }
    }

    /// One call on a fresh connection.
    async fn check(&self) -> Result<ServingStatus, Answer> {
        let stream = self.dialer.connect().await?;
        let shaken = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| broken(&error))?;
        let send = tower::service_fn(move |request| {
            let mut sender = sender.clone();
            async move { sender.send_request(request).await }
        });
        let mut client = HealthClient::with_origin(send, self.origin.clone());
        let request = HealthCheckRequest { service: self.service.clone() };
        tokio::select! {
            checked = client.check(request) => match checked {
                Ok(response) => Ok(response.into_inner().status()),
                Err(status) => Err(self.refused(&status)),
            },
            ended = connection => Err(match ended {
                Ok(()) => Answer::NoConnection("the connection was closed before the answer".into()),
                Err(error) => broken(&error),
            }),
        }
    }

    fn answer(&self, serving: ServingStatus) -> Answer {
        match serving {
            ServingStatus::Serving => Answer::Serving,
            ServingStatus::NotServing => Answer::NotServing("gRPC NOT_SERVING".into()),
            ServingStatus::Unknown => Answer::NotServing("gRPC health UNKNOWN".into()),
            ServingStatus::ServiceUnknown => self.stranger(),
        }
    }

    fn stranger(&self) -> Answer {
        Answer::Misconfigured(format!("the gRPC server does not know the service {:?}", self.service))
    }

    /// A call that was answered with an error, or that broke off.
    fn refused(&self, status: &Status) -> Answer {
        if let Some(error) = status.source() {
            return broken(error);
        }
        let told = format!("gRPC {:?}: {}", status.code(), status.message());
        match status.code() {
            Code::NotFound => self.stranger(),
            Code::Unimplemented => Answer::Misconfigured("the gRPC server has no health service".into()),
            Code::InvalidArgument
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::FailedPrecondition
            | Code::OutOfRange => Answer::Misconfigured(told),
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::AlreadyExists
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => Answer::NotServing(told),
        }
    }
}
