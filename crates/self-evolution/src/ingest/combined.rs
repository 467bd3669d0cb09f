//! The combined log format of nginx and Apache, with the response time appended.
//!
//! `CLIENT - USER [TIME] "REQUEST" STATUS BYTES "REFERER" "AGENT" …`: what is appended is a list of values, quoted or not,
//! among which the response time is found by its form: people put it behind other values, and give it names.

use std::borrow::Cow;

use super::entry::{Entry, Skip, Unit, status};
use super::times::common;

/// How lines of this kind are read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Combined {
    /// What the form of a time does not tell.
    pub(super) time: TimeForm,
    /// The place of the response time among the appended values, from 1; found by its form where there is none.
    pub(super) time_place: Option<usize>,
    /// The place of the service among the appended values, from 1.
    pub(super) service_place: Option<usize>,
}

/// What a response time looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TimeForm {
    /// Seconds with decimals: nginx's `$request_time`.
    Decimal,
    /// A whole number: Apache's `%D`, or `%T`.
    Whole,
    /// Any number, of this unit.
    Of(Unit),
}

impl Combined {
    /// What a line says.
    pub(super) fn read<'a>(&self, line: &'a str) -> Result<Entry<'a>, Skip> {
        let parts = Parts::of(line).ok_or(Skip::Unreadable)?;
        let (method, target) = request(parts.request).ok_or(Skip::NoRequest)?;
        let status = status(parts.status)?;
        let seconds = self.seconds(parts.appended)?;
        let service = match self.service_place {
            Some(place) => value(parts.appended, place).map(Cow::Borrowed),
            None => parts.host.map(Cow::Borrowed),
        };
        Ok(Entry {
            service,
            method: Some(method),
            target,
            seconds,
            status,
            at: Some(parts.at),
            trace_id: None,
        })
    }

    fn seconds(&self, appended: &str) -> Result<f64, Skip> {
        let form = self.time;
        let found = match self.time_place {
            Some(place) => {
                value(appended, place).and_then(|value| named(value).or_else(|| form.seconds(value)))
            }
            None => response_time(appended, form),
        };
        found.ok_or(Skip::NoTime)
    }
}

impl TimeForm {
    fn seconds(self, value: &str) -> Option<f64> {
        let (whole, decimals) = match value.split_once('.') {
            Some((whole, decimals)) => (whole, Some(decimals)),
            None => (value, None),
        };
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(whole) || !decimals.is_none_or(are_digits) {
            return None;
        }
        let number: f64 = value.parse().ok()?;
        match self {
            Self::Decimal => decimals.map(|_| number),
            Self::Whole => decimals.is_none().then(|| Unit::Microseconds.seconds(number)),
            Self::Of(unit) => Some(unit.seconds(number)),
        }
    }
}

/// The form of the time that a line has appended, there if a place is given, and how many seconds it would be.
pub(super) fn form(line: &str, place: Option<usize>) -> Option<(TimeForm, f64)> {
    let appended = Parts::of(line)?.appended;
    [TimeForm::Decimal, TimeForm::Whole].into_iter().find_map(|time| {
        let seconds = Combined { time, time_place: place, service_place: None }.seconds(appended).ok()?;
        Some((time, seconds))
    })
}

/// Whether a line is of this format, with a response time or without.
pub(super) fn is_combined(line: &str) -> bool {
    Parts::of(line).is_some()
}

/// A line, taken apart.
struct Parts<'a> {
    /// The virtual host in front of the client, without its port.
    host: Option<&'a str>,
    at: shared::clock::Timestamp,
    request: &'a str,
    status: &'a str,
    appended: &'a str,
}

impl<'a> Parts<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let (open, at) = line.match_indices('[').find_map(|(open, _)| {
            // A user may have any name, so that what is in brackets must be a time.
            let at = common(line.get(open + 1..open + 27)?)?;
            line[open + 27..].starts_with(']').then_some((open, at))
        })?;
        let before: Vec<_> = line[..open].split_ascii_whitespace().collect();
        // `%v:%p` stands in front of client, identity and user; a user may have spaces, the identity never is one.
        let host = if let [host, _, "-", _] = before[..] { Some(host) } else { None };
        let (request, rest) = quoted(line[open + 28..].trim_start())?;
        let (status, rest) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
        let (_bytes, mut appended) = rest.trim_start().split_once(' ').unwrap_or((rest, ""));
        // The common format has neither referer nor agent.
        for _ in 0..2 {
            if let Some((_, rest)) = quoted(appended.trim_start()) {
                appended = rest;
            }
        }
        Some(Self { host: host.map(without_port), at, request, status, appended })
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

/// What stands between the quotation mark that the text begins with and the next that is not escaped, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('"')?;
    let mut is_escaped = false;
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !is_escaped => return Some((&text[..place], &text[place + 1..])),
            b'\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    None
}

/// Method and target of a request line. A target may have spaces, which servers log before they refuse it.
pub(super) fn request(line: &str) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    let (method, rest) = line.split_once(' ')?;
    let is_method = (1..=20).contains(&method.len())
        && method.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_'));
    let target = match rest.rsplit_once(' ') {
        Some((target, protocol)) if protocol.starts_with("HTTP/") => target,
        Some(_) | None => rest,
    };
    let is_target = target.starts_with('/')
        || target == "*"
        || target.contains("://")
        || method.eq_ignore_ascii_case("CONNECT");
    (is_method && is_target).then(|| (Cow::Borrowed(method), unescaped(target)))
}

/// The text with `\"`, `\\` and `\x22` taken back.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let (byte, length) = match (first, behind) {
            (b'\\', [b'x' | b'X', high, low, ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high * 16 + low, 4),
                (Some(_) | None, Some(_) | None) => (*first, 1),
            },
            (b'\\', [escaped @ (b'"' | b'\\'), ..]) => (*escaped, 2),
            (byte, _) => (*byte, 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The appended values, without quotation marks and brackets.
fn values(appended: &str) -> impl Iterator<Item = &str> {
    let mut rest = appended;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        if rest.is_empty() {
            return None;
        }
        if let Some((value, behind)) = quoted(rest) {
            rest = behind;
            return Some(value);
        }
        let (value, behind) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = behind;
        Some(value.trim_start_matches('[').trim_end_matches(']'))
    })
}

fn value(appended: &str, place: usize) -> Option<&str> {
    values(appended).nth(place.checked_sub(1)?).filter(|value| !matches!(*value, "" | "-"))
}

/// The first value that says by a name or unit that it is the time; else the first of the form.
fn response_time(appended: &str, form: TimeForm) -> Option<f64> {
    values(appended).find_map(named).or_else(|| values(appended).find_map(|value| form.seconds(value)))
}

/// `rt=0.012`, `request_time=0.012`, `D=1234`, `12ms`, and Apache's `%T/%D`, which tuning guides put between asterisks.
fn named(value: &str) -> Option<f64> {
    if let Some((name, value)) = value.split_once('=') {
        let form = match name {
            "rt" | "request_time" => TimeForm::Of(Unit::Seconds),
            "D" => TimeForm::Of(Unit::Microseconds),
            _ => return None,
        };
        return form.seconds(value.trim_matches('"'));
    }
    if let Some(number) = value.strip_suffix("ms") {
        return TimeForm::Of(Unit::Milliseconds).seconds(number);
    }
    let (seconds, micros) = value.trim_matches('*').split_once('/')?;
    TimeForm::Whole.seconds(seconds).and_then(|_| TimeForm::Whole.seconds(micros))
}

#[cfg(test)]
mod tests;
