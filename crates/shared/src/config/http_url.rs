//! A URL, in most places an `http` or `https` one, that does not give away its credentials.

use std::fmt;

/// No address that a person configures is longer, and servers refuse longer ones.
const MAX_LENGTH: usize = 2_048;

/// A checked URL, as it was written but without slashes at the end. Shown without user name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl(String);

impl HttpUrl {
    /// Checks an `http` or `https` URL; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::of(text, &["http", "https"])
    }

    /// Checks a URL that has one of these schemes.
    pub fn of(text: &str, schemes: &[&str]) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("must be at most {MAX_LENGTH} bytes long"));
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("must not contain white space".into());
        }
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        if !schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(format!("must begin with {}://", schemes.join(":// or ")));
        }
        // The parser would take the first segment of `http:///path` for the host.
        if rest.starts_with('/') {
            return Err("must name a host".into());
        }
        reqwest::Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    /// The URL with everything in it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it carries a user name or password.
    pub fn has_userinfo(&self) -> bool {
        self.parsed().is_some_and(|url| !url.username().is_empty() || url.password().is_some())
    }

    /// Whether it ends in a query or fragment, so that no path can be put behind it.
    pub fn has_query_or_fragment(&self) -> bool {
        self.0.contains(['?', '#'])
    }

    /// Scheme, host and port, for where the rest may be a credential.
    pub fn origin(&self) -> String {
        self.parsed().map_or_else(String::new, |url| url.origin().ascii_serialization())
    }

    /// Its scheme, in lower case.
    pub fn scheme(&self) -> String {
        self.0.split_once("://").map_or_else(String::new, |(scheme, _)| scheme.to_ascii_lowercase())
    }

    /// Whether it names a port, and has no path.
    pub fn is_host_and_port(&self) -> bool {
        self.parsed().is_some_and(|url| url.port().is_some() && matches!(url.path(), "" | "/"))
    }

    /// Host, with the port when it is given.
    pub fn authority(&self) -> String {
        let origin = self.origin();
        origin.split_once("://").map_or_else(String::new, |(_, authority)| authority.to_owned())
    }

    fn parsed(&self) -> Option<reqwest::Url> {
        reqwest::Url::parse(&self.0).ok()
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_userinfo(&self.0))
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text with `***` in place of what stands between `://` and the last `@` in front of a path. It works on
/// text that is not a URL too, because a mistyped one has to be shown without its password as well.
pub fn without_userinfo(text: &str) -> String {
    let start = text.find("://").map_or(0, |index| index + 3);
    match text.rfind('@') {
        Some(at) if at >= start => format!("{}***{}", &text[..start], &text[at..]),
        Some(_) | None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_needs_a_scheme_and_a_host() {
        for bad in
            ["web", "web:80", "ftp://web", "http://", "http:///health", "http://a b", "http://a:99999", ""]
        {
            assert!(HttpUrl::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(HttpUrl::parse("HTTP://web:80//").unwrap().expose(), "HTTP://web:80");
    }

    #[test]
    fn credentials_are_never_shown() {
        let url = HttpUrl::parse("https://elastic:p@ss/word@es:9200/x");
        assert!(!format!("{url:?}").contains("ss/word"));
        let url = HttpUrl::parse("https://elastic:hunter2@es:9200").unwrap();
        assert_eq!(url.to_string(), "https://***@es:9200");
        assert_eq!(format!("{url:?}"), "https://***@es:9200");
        assert_eq!(url.authority(), "es:9200");
        assert!(url.has_userinfo());
        assert_eq!(without_userinfo("elastic:hunter2@es"), "***@es");
    }
}
