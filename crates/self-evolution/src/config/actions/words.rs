//! The words of an action: which value becomes what.

use serde_json::Value;

use crate::domain::play::{Want, Wanted, as_number};
use crate::domain::quantity::{Form, parse as quantity};
use crate::platforms::{CPUS, Key, LEAST, MEMORY, REPLICAS, scalar};

/// Processors are written in thousandths.
const MILLI: u32 = 3;

/// How the values of a key are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// As they look.
    Scalar,
    /// As text, whatever they look like; no steps.
    Text,
    /// As bytes, or with `k`, `m` or `g` behind.
    Bytes,
    /// As numbers.
    Number,
    /// As whole numbers.
    Count,
    /// As Kubernetes writes whole bytes: `512Mi`.
    Memory,
    /// As Kubernetes writes processors: `250m`, `0.5`; nothing finer than `1m`.
    Processors,
}

impl Writing {
    /// How the backend has the values of this key.
    fn of(key: &str, backend: &str) -> Self {
        match (backend, key) {
            ("docker", MEMORY) => Self::Bytes,
            ("docker", CPUS) => Self::Number,
            ("docker", REPLICAS) => Self::Count,
            ("docker", _) => Self::Text,
            ("kubernetes", key) => match Key::parse(key) {
                Some(Key::Replicas | Key::Least | Key::Most) => Self::Count,
                Some(Key::Resource { resource: "memory", .. }) => Self::Memory,
                Some(Key::Resource { .. }) => Self::Processors,
                Some(Key::Variable { .. } | Key::Image { .. } | Key::Datum { .. }) | None => Self::Text,
            },
            _ => Self::Scalar,
        }
    }

    fn value(self, text: &str) -> Option<Value> {
        match self {
            Self::Scalar => Some(scalar(text)),
            Self::Text => Some(Value::String(text.to_owned())),
            Self::Bytes | Self::Number | Self::Memory | Self::Processors => self.number(text).map(as_number),
            Self::Count => self.number(text).filter(|number| number.fract() == 0.0).map(as_number),
        }
    }

    /// A number of a step; never one that makes less of it or nothing.
    fn number(self, text: &str) -> Option<f64> {
        let text = text.trim();
        if matches!(self, Self::Memory | Self::Processors) {
            let form = if self == Self::Memory { Form::Memory } else { Form::Processors };
            return quantity(text).filter(|number| *number > 0.0 && form.keeps(*number));
        }
        let lower = text.to_ascii_lowercase();
        let (digits, unit) = match lower.trim_end_matches("ib").trim_end_matches('b') {
            rest if self != Self::Bytes => (rest, 1.0),
            rest => [("k", 1_024.0), ("m", 1_048_576.0), ("g", 1_073_741_824.0)]
                .into_iter()
                .find_map(|(suffix, unit)| Some((rest.strip_suffix(suffix)?, unit)))
                .unwrap_or((rest, 1.0)),
        };
        let number = digits.trim().parse().ok().map(|number: f64| number * unit);
        number.filter(|number| number.is_finite() && *number > 0.0)
    }
}

/// Reads `KEY=NEW`, `KEY=OLD => NEW`; NEW may be `+N` or `xN`, with `up to N` behind.
pub(super) fn want(word: &str, backend: &str) -> Result<Want, String> {
    let wrong = || {
        format!(
            "has {word:?}; write KEY=VALUE, KEY=OLD => VALUE, or a step from what it is: KEY=+1 up to 4, KEY=x2 up to 8"
        )
    };
    let (key, value) = word.split_once('=').ok_or_else(wrong)?;
    let key = key.trim();
    let (from, to) = match value.split_once("=>") {
        Some((from, to)) => (Some(from.trim()), to.trim()),
        None => (None, value.trim()),
    };
    let writing = Writing::of(key, backend);
    let read = |text: &str| writing.value(text).ok_or_else(wrong);
    let from = from.map(read).transpose()?;
    if key.is_empty() || to.is_empty() {
        return Err(wrong());
    }
    let is_text = writing == Writing::Text;
    let (step, up_to) = match to.split_once(" up to ").filter(|_| !is_text) {
        Some((step, up_to)) => (step, Some(writing.number(up_to).ok_or_else(wrong)?)),
        None => (to, None),
    };
    let number = |sign: char, writing: Writing| {
        step.strip_prefix(sign).filter(|_| !is_text).and_then(|text| writing.number(text))
    };
    let (more, factor) = (number('+', writing), number('x', Writing::Number));
    let to = match (more, factor) {
        (Some(more), _) => Wanted::Plus { more, up_to },
        (None, Some(factor)) => Wanted::Times { factor, up_to },
        (None, None) if up_to.is_some() => return Err(wrong()),
        (None, None) => Wanted::Value(read(to)?),
    };
    let decimals = match writing {
        Writing::Bytes | Writing::Memory | Writing::Count => Some(0),
        Writing::Processors => Some(MILLI),
        Writing::Number => None,
        Writing::Scalar | Writing::Text => from.as_ref().is_some_and(Value::is_i64).then_some(0),
    };
    let may_be_unset = !matches!(writing, Writing::Bytes | Writing::Number);
    // Where an autoscaler decides how many replicas there are, it is told the least.
    let instead = (backend == "kubernetes" && key == REPLICAS).then(|| LEAST.to_owned());
    Ok(Want { key: key.to_owned(), instead, from, to, decimals, may_be_unset })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_says_what_becomes_of_a_value() {
        let plain = |key: &str, from: Option<Value>, to: Wanted| Want {
            key: key.to_owned(),
            decimals: from.as_ref().is_some_and(Value::is_i64).then_some(0),
            may_be_unset: true,
            instead: None,
            from,
            to,
        };
        assert_eq!(want("cache=on", "webhook").unwrap(), plain("cache", None, Wanted::Value(json!("on"))));
        assert_eq!(
            want("cache=off => on", "webhook").unwrap(),
            plain("cache", Some(json!("off")), Wanted::Value(json!("on")))
        );
        assert_eq!(
            want("replicas=+1 up to 4", "webhook").unwrap(),
            plain("replicas", None, Wanted::Plus { more: 1.0, up_to: Some(4.0) })
        );
        assert_eq!(
            want("replicas=2 => x2", "webhook").unwrap(),
            plain("replicas", Some(json!(2)), Wanted::Times { factor: 2.0, up_to: None })
        );
        for wrong in ["cache", "=on", "cache=", "replicas=+1 up to none", "replicas=3 up to 4"] {
            assert!(want(wrong, "webhook").unwrap_err().contains("write KEY=VALUE"), "{wrong}");
        }
    }

    #[test]
    fn values_of_containers_are_read_by_their_kind() {
        let read = |word: &str| want(word, "docker").map(|want| (want.from, want.to, want.may_be_unset));
        let up_to = Some(1_073_741_824.0);
        assert_eq!(read("memory=x2 up to 1g"), Ok((None, Wanted::Times { factor: 2.0, up_to }, false)));
        let (from, to) = (Some(json!(268_435_456)), Wanted::Value(json!(536_870_912)));
        assert_eq!(read("memory=256MiB => 512m"), Ok((from, to, false)));
        assert_eq!(read("cpus=+0.5"), Ok((None, Wanted::Plus { more: 0.5, up_to: None }, false)));
        assert_eq!(read("env.CACHE=+1"), Ok((None, Wanted::Value(json!("+1")), true)), "text stays text");
        assert_eq!(read("replicas=3"), Ok((None, Wanted::Value(json!(3)), true)));
        assert!(read("replicas=2.5").is_err() && read("memory=much").is_err());
    }

    #[test]
    fn values_of_kubernetes_are_read_as_kubernetes_writes_them() {
        let read = |word: &str| want(word, "kubernetes").map(|want| (want.from, want.to, want.decimals));
        let up_to = Some(1_073_741_824.0);
        let doubled = Wanted::Times { factor: 2.0, up_to };
        assert_eq!(read("resources.limits.memory=x2 up to 1Gi"), Ok((None, doubled, Some(0))));
        let (from, to) = (Some(json!(0.25)), Wanted::Value(json!(0.5)));
        assert_eq!(read("resources.web.requests.cpu=250m => 500m"), Ok((from, to, Some(3))));
        assert_eq!(read("env.web.CACHE=+1"), Ok((None, Wanted::Value(json!("+1")), None)), "text stays text");
        for fine in ["0.1875", "+500u", "x2 up to 1.0005", "187.5m => 1", "100n"] {
            assert!(
                read(&format!("resources.requests.cpu={fine}")).is_err(),
                "{fine}: finer than it is written"
            );
        }
        assert!(read("resources.limits.memory=512m").is_err(), "that is half a byte");
        let replicas = want("replicas=+1 up to 4", "kubernetes").unwrap();
        assert_eq!((replicas.instead.as_deref(), replicas.may_be_unset), (Some("hpa.min_replicas"), true));
    }
}
