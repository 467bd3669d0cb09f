//! Where a browser's request comes from, as far as a browser tells it.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Uri, header};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What proxies add. Their presence shows that the peer is a proxy; their content proves nothing.
const FORWARDED_HEADERS: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"];

/// The host that the client thinks it talks to, with its port: `Host`, or `:authority` in HTTP/2.
pub(super) fn host(request: &Request) -> Option<&str> {
    match request.headers().get(header::HOST) {
        Some(value) => value.to_str().ok(),
        None => request.uri().authority().map(|authority| authority.as_str()),
    }
}

/// Whether the page that sent this belongs to another site.
///
/// `Sec-Fetch-Site` decides when it is there, because no page can set it. Browsers leave it out towards plain
/// HTTP on another host; then `Origin` has to name the host that is asked.
pub(super) fn is_cross_site(headers: &HeaderMap, host: Option<&str>) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return !matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let authority =
        origin.to_str().ok().and_then(|text| text.parse::<Uri>().ok()).and_then(|uri| {
            uri.authority().map(|authority| without_default_port(authority.as_str()).to_owned())
        });
    match (authority, host) {
        (Some(authority), Some(host)) => !authority.eq_ignore_ascii_case(without_default_port(host)),
        // `Origin: null`, or no Host to compare with.
        (None, _) | (_, None) => true,
    }
}

/// Whether a browser sent this, as opposed to a script or another service.
pub(super) fn is_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(SEC_FETCH_SITE) || headers.contains_key(header::ORIGIN)
}

/// Whether a proxy passed this on.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    FORWARDED_HEADERS.iter().any(|name| headers.contains_key(*name))
}

/// Whether the host is one that no foreign name server can answer for: `localhost` or an address.
pub(super) fn is_local_host(host: &str) -> bool {
    let name = without_port(host);
    name.eq_ignore_ascii_case("localhost") || is_address(name)
}

/// Whether the host is a name of the public tree, for which its owner's name server can give any address.
pub(super) fn is_public_name(host: &str) -> bool {
    let name = without_port(host);
    name.contains('.') && !is_address(name)
}

fn is_address(name: &str) -> bool {
    name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}

fn without_port(host: &str) -> &str {
    let port_at = host.rfind(':').filter(|at| !host[*at..].contains(']'));
    port_at.map_or(host, |at| &host[..at])
}

fn without_default_port(host: &str) -> &str {
    host.strip_suffix(":80").or_else(|| host.strip_suffix(":443")).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn a_page_of_another_site_is_told_from_our_own() {
        let check = |pairs: &[(&'static str, &'static str)], expected| {
            assert_eq!(is_cross_site(&headers(pairs), Some("localhost:5006")), expected, "{pairs:?}");
        };
        check(&[], false);
        check(&[("sec-fetch-site", "same-origin")], false);
        check(&[("sec-fetch-site", "none")], false);
        check(&[("sec-fetch-site", "cross-site")], true);
        check(&[("sec-fetch-site", "same-site")], true);
        check(&[("origin", "http://localhost:5006")], false);
        check(&[("origin", "http://LOCALHOST:5006")], false);
        check(&[("origin", "http://localhost:3000")], true);
        check(&[("origin", "https://evil.example")], true);
        check(&[("origin", "null")], true);
    }

    #[test]
    fn only_localhost_and_addresses_are_local_hosts() {
        for host in ["localhost", "LOCALHOST:5006", "127.0.0.1:5006", "[::1]:5006", "[::1]", "192.168.0.7"] {
            assert!(is_local_host(host), "{host}");
        }
        for host in ["evil.example", "evil.example:5006", "localhost.evil.example", "127.0.0.1.nip.io", ""] {
            assert!(!is_local_host(host), "{host}");
        }
    }

    #[test]
    fn a_service_name_is_not_a_public_name() {
        for (host, expected) in [
            ("health-monitor:5006", false),
            ("10.0.0.1", false),
            ("[fd00::1]:80", false),
            ("a.example", true),
        ] {
            assert_eq!(is_public_name(host), expected, "{host}");
        }
    }
}
