//! One value: from text to what the text means.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;

use super::http_url::HttpUrl;
use super::setting::{Exposure, Kind, Setting};
use super::suggest::closest;
use crate::redact::redact;

/// A value that is of its setting's kind and within its limits.
#[derive(Clone)]
pub enum Value {
    /// Any text, or one of a choice of words.
    Text(String),
    /// Text that must not be shown.
    Secret(SecretString),
    /// Yes or no.
    Boolean(bool),
    /// A whole number.
    Whole(u64),
    /// A number.
    Number(f64),
    /// A length of time.
    Seconds(Duration),
    /// An IP address with a port.
    Address(SocketAddr),
    /// A URL that can be shown without its user name and password.
    Url(HttpUrl),
    /// A URL of which only scheme and host can be shown.
    SecretUrl(HttpUrl),
    /// An argument vector.
    Words(Vec<String>),
    /// Words that must not be shown.
    SecretWords(Vec<String>),
}

impl Value {
    /// The value as it may be shown.
    pub fn shown(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => shown_text(text).into(),
            Self::Secret(_) | Self::SecretWords(_) => "***".into(),
            Self::Boolean(value) => (*value).into(),
            Self::Whole(value) => (*value).into(),
            Self::Number(value) => (*value).into(),
            Self::Seconds(value) if value.subsec_nanos() == 0 => value.as_secs().into(),
            Self::Seconds(value) => value.as_secs_f64().into(),
            Self::Address(value) => value.to_string().into(),
            Self::Url(value) => value.to_string().into(),
            Self::SecretUrl(value) => format!("{}/***", value.origin()).into(),
            Self::Words(words) => shown_words(words).into(),
        }
    }
}

/// Free text is no place for a secret, and may hold one all the same.
fn shown_text(text: &str) -> String {
    let text = redact(text);
    // Only in what looks like a URL: a path may have an @ for other reasons.
    if text.contains("://") { super::without_userinfo(&text) } else { text.into_owned() }
}

/// A secret may be a word of its own, behind one that says so: `--password hunter2`.
fn shown_words(words: &[String]) -> Vec<String> {
    let before = std::iter::once("").chain(words.iter().map(String::as_str));
    let is_announced = |before: &str, word: &str| {
        redact(&format!("{before} \"{}\"", word.replace('"', "'"))).ends_with(" ***")
    };
    let shown = before.zip(words).map(|(before, word)| match before.starts_with('-') {
        true if !word.starts_with('-') && is_announced(before, word) => "***".to_owned(),
        true | false => shown_text(word),
    });
    shown.collect()
}

impl Value {
    /// Whether it is the same value; never of what must not be shown.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Boolean(one), Self::Boolean(other)) => one == other,
            (Self::Whole(one), Self::Whole(other)) => one == other,
            (Self::Number(one), Self::Number(other)) => one == other,
            (Self::Seconds(one), Self::Seconds(other)) => one == other,
            (Self::Address(one), Self::Address(other)) => one == other,
            (Self::Url(one), Self::Url(other)) => one == other,
            (Self::Words(one), Self::Words(other)) => one == other,
            (
                Self::Text(_)
                | Self::Secret(_)
                | Self::Boolean(_)
                | Self::Whole(_)
                | Self::Number(_)
                | Self::Seconds(_)
                | Self::Address(_)
                | Self::Url(_)
                | Self::SecretUrl(_)
                | Self::Words(_)
                | Self::SecretWords(_),
                _,
            ) => false,
        }
    }
}

impl Setting {
    /// Reads a text as this setting demands; the error says what is wrong with it.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        parse(text, self).map_err(|Refusal { reason, suggestion }| match suggestion {
            Some(suggestion) => format!("{reason}; {suggestion}"),
            None => reason,
        })
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.shown())
    }
}

/// Why a text is not a value of its setting.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) suggestion: Option<String>,
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self { reason, suggestion: None }
    }
}

/// Reads a text as this setting demands. White space around it does not count.
pub(super) fn parse(text: &str, setting: &Setting) -> Result<Value, Refusal> {
    let text = text.trim();
    match setting.kind {
        Kind::Text => match setting.exposure {
            Exposure::Public | Exposure::HostOnly => Ok(Value::Text(text.to_owned())),
            Exposure::Secret => Ok(Value::Secret(text.into())),
        },
        Kind::Boolean => parse_boolean(text),
        Kind::Whole { min, max } => parse_whole(text, min, max),
        Kind::Number { min, max } => parse_number(text, min, max),
        Kind::Seconds { min, max } => parse_seconds(text, min, max),
        Kind::Choice(words) => parse_choice(text, words),
        Kind::Address => parse_address(text),
        Kind::Url => parse_url(text, HttpUrl::parse, setting.exposure),
        Kind::UrlOf(schemes) => parse_url(text, |text| HttpUrl::of(text, schemes), setting.exposure),
        Kind::Words => Err(Refusal::from("must be a list of words, in the configuration file".to_owned())),
    }
}

fn parse_boolean(text: &str) -> Result<Value, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(Value::Boolean(true)),
        "false" | "0" | "no" | "off" => Ok(Value::Boolean(false)),
        other => Err(Refusal {
            reason: "must be true or false".into(),
            suggestion: closest(other, ["true", "false", "yes", "no"]).map(did_you_mean),
        }),
    }
}

fn parse_whole(text: &str, min: u64, max: u64) -> Result<Value, Refusal> {
    let expected = format!("must be a whole number from {min} to {max}");
    match text.parse::<u64>() {
        Ok(value) if (min..=max).contains(&value) => Ok(Value::Whole(value)),
        Ok(_) | Err(_) => Err(expected.into()),
    }
}

fn parse_number(text: &str, min: f64, max: f64) -> Result<Value, Refusal> {
    match text.parse::<f64>() {
        Ok(value) if (min..=max).contains(&value) => Ok(Value::Number(value)),
        Ok(_) | Err(_) => Err(format!("must be a number from {min} to {max}").into()),
    }
}

fn parse_seconds(text: &str, min: f64, max: f64) -> Result<Value, Refusal> {
    let refusal = |suggestion| Refusal {
        reason: format!("must be a number of seconds from {min} to {max}"),
        suggestion,
    };
    let Ok(seconds) = text.parse::<f64>() else {
        return Err(refusal(in_seconds(text).map(|seconds| format!("write {seconds}"))));
    };
    if !(seconds.is_finite() && min <= seconds && seconds <= max) {
        return Err(refusal(None));
    }
    Duration::try_from_secs_f64(seconds).map(Value::Seconds).map_err(|_| refusal(None))
}

/// What `30s`, `500ms`, `5m` or `1h` is in seconds; people who know other daemons write these.
fn in_seconds(text: &str) -> Option<f64> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number.trim().parse().ok()?;
    match unit {
        "ms" => Some(number / 1_000.0),
        "s" | "sec" | "seconds" => Some(number),
        "m" | "min" | "minutes" => Some(number * 60.0),
        "h" | "hours" => Some(number * 3_600.0),
        _ => None,
    }
}

fn parse_choice(text: &str, words: &[&str]) -> Result<Value, Refusal> {
    match words.iter().find(|word| word.eq_ignore_ascii_case(text)) {
        Some(word) => Ok(Value::Text((*word).to_owned())),
        None => Err(Refusal {
            reason: format!("must be one of {}", words.join(", ")),
            suggestion: closest(text, words.iter().copied()).map(did_you_mean),
        }),
    }
}

fn parse_address(text: &str) -> Result<Value, Refusal> {
    if let Ok(address) = text.parse() {
        return Ok(Value::Address(address));
    }
    let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    let host = if text.starts_with("localhost:") { "127.0.0.1" } else { "0.0.0.0" };
    Err(Refusal {
        reason: "must be an IP address with a port, such as 0.0.0.0:5006 or [::1]:5006".into(),
        suggestion: port.map(|port| did_you_mean(&format!("{host}:{port}"))),
    })
}

fn parse_url(
    text: &str,
    parse: impl Fn(&str) -> Result<HttpUrl, String>,
    exposure: Exposure,
) -> Result<Value, Refusal> {
    let url = parse(text).map_err(|reason| Refusal {
        reason,
        suggestion: match exposure {
            Exposure::Public
                if !text.contains("://") && HttpUrl::parse(&format!("http://{text}")).is_ok() =>
            {
                Some(did_you_mean(&super::without_userinfo(&format!("http://{text}"))))
            }
            Exposure::Public | Exposure::HostOnly | Exposure::Secret => None,
        },
    })?;
    match exposure {
        Exposure::Public => Ok(Value::Url(url)),
        Exposure::HostOnly | Exposure::Secret => Ok(Value::SecretUrl(url)),
    }
}

pub(super) fn did_you_mean(word: &str) -> String {
    format!("did you mean {word:?}?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, kind: Kind) -> Refusal {
        parse(text, &Setting::new("X", kind, "")).unwrap_err()
    }

    #[test]
    fn booleans_are_taken_in_any_case_and_usual_spelling() {
        for (text, expected) in [("TRUE", true), ("Yes", true), ("on", true), ("1", true), ("oFF", false)] {
            let value = parse(text, &Setting::new("X", Kind::Boolean, "")).unwrap();
            assert!(matches!(value, Value::Boolean(value) if value == expected), "{text}");
        }
        assert_eq!(refused("ture", Kind::Boolean).suggestion.unwrap(), "did you mean \"true\"?");
    }

    #[test]
    fn seconds_are_finite_and_within_their_limits() {
        let kind = Kind::Seconds { min: 0.1, max: 60.0 };
        for text in ["inf", "NaN", "-1", "0", "60.1", "1e300", "soon", ""] {
            assert_eq!(refused(text, kind).reason, "must be a number of seconds from 0.1 to 60", "{text}");
        }
        let half = parse(" 0.5 ", &Setting::new("X", kind, "")).unwrap();
        assert!(matches!(half, Value::Seconds(duration) if duration == Duration::from_millis(500)));
    }

    #[test]
    fn a_duration_with_a_unit_is_answered_with_its_number_of_seconds() {
        let kind = Kind::Seconds { min: 0.1, max: 60.0 };
        assert_eq!(refused("500ms", kind).suggestion.unwrap(), "write 0.5");
        assert_eq!(refused("5m", kind).suggestion.unwrap(), "write 300");
    }

    #[test]
    fn whole_numbers_have_no_sign_fraction_or_overflow() {
        let kind = Kind::Whole { min: 1, max: 9 };
        for text in ["0", "10", "-1", "1.5", "99999999999999999999", "five"] {
            assert_eq!(refused(text, kind).reason, "must be a whole number from 1 to 9", "{text}");
        }
    }

    #[test]
    fn an_address_without_a_host_is_answered_with_one() {
        assert_eq!(refused(":5006", Kind::Address).suggestion.unwrap(), "did you mean \"0.0.0.0:5006\"?");
        let suggestion = refused("localhost:80", Kind::Address).suggestion.unwrap();
        assert_eq!(suggestion, "did you mean \"127.0.0.1:80\"?");
    }
}
