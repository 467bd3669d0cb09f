//! What the answer of a healthy HTTP service looks like, and how an answer differs from it.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Of a value that is not the expected one this many characters are told.
const QUOTED: usize = 80;

/// What an HTTP answer must be like to pass.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Expected {
    /// The statuses that pass.
    pub statuses: Statuses,
    /// What the body must be like; none when it is not looked at.
    pub body: Option<BodyExpected>,
    /// Containers fail by the health check of their image alone, and not when they do not run.
    pub unhealthy_only: bool,
    /// A pass that takes longer is degraded.
    pub latency_limit: Option<Duration>,
    /// A pass is degraded when the TLS certificate ends within this time.
    pub certificate_for: Option<Duration>,
}

/// HTTP statuses: single ones and ranges.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

/// 200 alone.
impl Default for Statuses {
    fn default() -> Self {
        Self(vec![200..=200])
    }
}

impl Statuses {
    /// Reads `200, 204, 300-399`; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.split(',').map(str::trim).map(range).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the status is one of them.
    pub fn contain(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

fn range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let status = |text: &str| text.trim().parse::<u16>().ok().filter(|status| (100..=599).contains(status));
    match (status(first), status(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        (Some(_) | None, _) => {
            Err(format!("{text:?} is no status from 100 to 599, nor a range such as 200-299"))
        }
    }
}

/// What a body must be like.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BodyExpected {
    /// Text that it contains.
    pub text: Option<String>,
    /// A value that it has, being JSON.
    pub value: Option<ValueExpected>,
}

/// A value within a JSON document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValueExpected {
    /// Where it is: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What it is: the text of a string, or anything else as JSON.
    pub value: String,
}

impl ValueExpected {
    /// Reads `/pointer=value`; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((pointer, value)) = text.split_once('=') else {
            return Err("must be a JSON pointer, =, and a value, such as /status/db=ok".into());
        };
        let (pointer, value) = (pointer.trim(), value.trim());
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(format!("the JSON pointer {pointer:?} must begin with /, such as /status/db=ok"));
        }
        Ok(Self { pointer: pointer.into(), value: value.into() })
    }

    fn is(&self, found: &serde_json::Value) -> bool {
        found.as_str() == Some(&self.value)
            || serde_json::from_str(&self.value).is_ok_and(|wanted: serde_json::Value| wanted == *found)
    }
}

/// How a body differs from what is expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mismatch {
    /// The text is not in it.
    NoText(String),
    /// The value is another one.
    OtherValue {
        /// Where.
        pointer: String,
        /// What it is, cut short.
        found: String,
        /// What it should be.
        wanted: String,
    },
    /// There is no value at that place.
    NoValue(String),
    /// It is not JSON.
    NotJson,
    /// It is longer than what is read of it, and what was read does not tell.
    TooLong,
}

impl Mismatch {
    /// Whether the service itself says that it is not well. The others say that the answer is not of the form that
    /// somebody expected of it.
    pub fn is_about_health(&self) -> bool {
        match self {
            Self::NoText(_) | Self::OtherValue { .. } => true,
            Self::NoValue(_) | Self::NotJson | Self::TooLong => false,
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoText(text) => write!(f, "the body does not contain {text:?}"),
            Self::OtherValue { pointer, found, wanted } => write!(f, "{pointer} is {found}, not {wanted}"),
            Self::NoValue(pointer) => write!(f, "the body has no value at {pointer}"),
            Self::NotJson => f.write_str("the body is not JSON"),
            Self::TooLong => f.write_str("the body is too long to be looked into"),
        }
    }
}

impl BodyExpected {
    /// Compares a body, or the beginning of one that is cut off.
    pub fn compare(&self, body: &[u8], is_cut: bool) -> Result<(), Mismatch> {
        if let Some(text) = &self.text
            && !contains(body, text.as_bytes())
        {
            return Err(if is_cut { Mismatch::TooLong } else { Mismatch::NoText(text.clone()) });
        }
        let Some(expected) = &self.value else { return Ok(()) };
        if is_cut {
            return Err(Mismatch::TooLong);
        }
        let Ok(document) = serde_json::from_slice::<serde_json::Value>(body) else {
            return Err(Mismatch::NotJson);
        };
        let (pointer, wanted) = (expected.pointer.clone(), expected.value.clone());
        match document.pointer(&expected.pointer) {
            None => Err(Mismatch::NoValue(pointer)),
            Some(found) if expected.is(found) => Ok(()),
            Some(found) => {
                let found = found.to_string().chars().take(QUOTED).collect();
                Err(Mismatch::OtherValue { pointer, found, wanted })
            }
        }
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(value: &str, body: &str) -> Result<(), String> {
        let value = Some(ValueExpected::parse(value).unwrap());
        let compared = BodyExpected { text: None, value }.compare(body.as_bytes(), false);
        compared.map_err(|mismatch| mismatch.to_string())
    }

    #[test]
    fn statuses_are_single_ones_and_ranges() {
        let statuses = Statuses::parse("204, 300 - 302,418").unwrap();
        let passing: Vec<u16> = (100..600).filter(|status| statuses.contain(*status)).collect();
        assert_eq!(passing, [204, 300, 301, 302, 418]);
        for wrong in ["", "20", "2xx", "299-200", "200-", "600", "200,,204"] {
            assert!(Statuses::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_value_is_compared_as_text_or_as_json() {
        let body = r#"{"status": {"db": "ok", "ready": true, "lag": 0, "a/b": null}}"#;
        for same in ["/status/db=ok", "/status/ready=true", "/status/lag=0", "/status/a~1b=null"] {
            assert_eq!(compared(same, body), Ok(()), "{same}");
        }
        assert_eq!(compared("/status/db=down", body).unwrap_err(), r#"/status/db is "ok", not down"#);
        assert_eq!(compared("/status/ready=yes", body).unwrap_err(), "/status/ready is true, not yes");
        assert_eq!(compared("/db=ok", body).unwrap_err(), "the body has no value at /db");
        assert_eq!(compared("/db=ok", "<html>").unwrap_err(), "the body is not JSON");
        assert_eq!(compared("=ok", r#""ok""#), Ok(()));
        assert!(ValueExpected::parse("status.db").is_err() && ValueExpected::parse("status.db=ok").is_err());
    }

    #[test]
    fn what_lies_behind_the_cut_is_not_held_against_the_service() {
        let text = |text: &str| BodyExpected { text: Some(text.into()), value: None };
        assert_eq!(text("all is well").compare(b"... all is well ...", true), Ok(()));
        assert_eq!(text("well").compare(b"all is", true), Err(Mismatch::TooLong));
        assert_eq!(text("well").compare(b"all is", false), Err(Mismatch::NoText("well".into())));
    }
}
