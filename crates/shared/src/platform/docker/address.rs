//! Where the Docker Engine listens, as `DOCKER_HOST` says it.

use std::fmt;

use bollard::errors::Error;

use crate::platform::InvalidPlatform;

/// Where an engine listens when nothing else is said.
const USUAL_SOCKET: &str = "/var/run/docker.sock";

/// The port of an engine whose address names none.
const USUAL_PORT: u16 = 2375;

/// The address of an engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Address {
    /// Absolute path of a socket.
    Unix(String),
    /// `host:port`, without encryption.
    Tcp(String),
}

impl Address {
    /// Reads an address in the form of `DOCKER_HOST`; none or an empty one is the usual socket.
    pub(super) fn parse(host: Option<&str>) -> Result<Self, InvalidPlatform> {
        let host = host.unwrap_or("").trim();
        if host.is_empty() {
            return Ok(Self::Unix(USUAL_SOCKET.into()));
        }
        let Some((scheme, rest)) = host.split_once("://") else {
            return Err(invalid("has no scheme; write unix:///var/run/docker.sock or tcp://host:port"));
        };
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            "unix" => Err(invalid("is not an absolute path; write it as unix:///var/run/docker.sock")),
            "tcp" | "http" => host_and_port(rest).map(Self::Tcp),
            "https" => Err(invalid(
                "asks for TLS, which is not supported; use unix://, or tcp:// to a proxy on a trusted network",
            )),
            // The address itself is not repeated: it may hold a password.
            _ => Err(invalid("has an unknown scheme; only unix://, tcp:// and http:// are supported")),
        }
    }

    /// A client for one task. Connects to nothing, but the socket must be there. No connection is kept: these
    /// calls are rare, and over a kept one that is just being closed nobody would know what arrived.
    pub(super) fn client(&self) -> Result<bollard::Docker, Error> {
        // Every call has a limit of its own, which must be the one that counts.
        let no_limit = u64::from(u32::MAX);
        match self {
            Self::Unix(path) => {
                bollard::Docker::connect_with_unix(path, no_limit, bollard::API_DEFAULT_VERSION)
            }
            Self::Tcp(address) => {
                bollard::Docker::connect_with_http(address, no_limit, bollard::API_DEFAULT_VERSION)
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{path}"),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

fn host_and_port(rest: &str) -> Result<String, InvalidPlatform> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let parsed = reqwest::Url::parse(&format!("http://{rest}"))
        .map_err(|error| invalid(&format!("is not valid ({error}); write it as tcp://host:port")))?;
    let bare = parsed.username().is_empty()
        && parsed.password().is_none()
        && parsed.path() == "/"
        && parsed.query().is_none()
        && parsed.fragment().is_none();
    match parsed.host_str() {
        Some(host) if bare => {
            // Parsed as http, so that port 80 counts as the usual one and must be looked for in the text.
            let port = parsed.port().or_else(|| rest.ends_with(":80").then_some(80)).unwrap_or(USUAL_PORT);
            Ok(format!("{host}:{port}"))
        }
        Some(_) | None => Err(invalid("has more than a host and a port; write it as tcp://host:port")),
    }
}

fn invalid(fault: &str) -> InvalidPlatform {
    InvalidPlatform { reason: format!("the address of the Docker Engine (DOCKER_HOST) {fault}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, expected: &str) {
        let shown = match Address::parse(Some(host)) {
            Ok(address) => address.to_string(),
            Err(error) => error.to_string(),
        };
        assert!(shown.contains(expected), "{host:?} gives {shown:?}");
    }

    #[test]
    fn an_address_is_read_as_the_docker_client_reads_it() {
        check("", "unix:///var/run/docker.sock");
        check("unix:///run/user/1000/docker.sock", "unix:///run/user/1000/docker.sock");
        check("tcp://127.0.0.1:2375", "tcp://127.0.0.1:2375");
        check("http://engine:8080/", "tcp://engine:8080");
        check("tcp://engine:80", "tcp://engine:80");
        check("tcp://engine", "tcp://engine:2375");
        check("tcp://[::1]:2375", "tcp://[::1]:2375");
    }

    #[test]
    fn an_address_that_cannot_be_used_says_why_and_what_to_write() {
        check("/var/run/docker.sock", "write unix:///var/run/docker.sock or tcp://host:port");
        check("unix://docker.sock", "is not an absolute path");
        check("https://engine:2376", "asks for TLS, which is not supported");
        check("ssh://engine", "has an unknown scheme");
        check("tcp://", "is not valid");
        check("tcp://engine:99999", "is not valid");
        check("tcp://engine:2375/v1.41", "more than a host and a port");
    }

    #[test]
    fn a_password_in_an_address_is_not_repeated() {
        let error = Address::parse(Some("tcp://me:hunter2@engine:2375")).unwrap_err().to_string();
        assert!(error.contains("more than a host and a port") && !error.contains("hunter2"), "{error}");
    }
}
