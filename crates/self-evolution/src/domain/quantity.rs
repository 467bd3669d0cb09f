//! Quantities as Kubernetes writes them: `512Mi` of memory, `250m` of a processor.

use serde_json::Value;

/// How a recorded number is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// As it is.
    Plain,
    /// As bytes.
    Memory,
    /// As processors.
    Processors,
}

impl Form {
    /// A recorded value as Kubernetes has it.
    pub fn written(self, value: &Value) -> Value {
        match (self, value.as_f64()) {
            (Self::Memory, Some(bytes)) => Value::String(memory(bytes)),
            (Self::Processors, Some(number)) => Value::String(processors(number)),
            (Self::Plain, _) | (_, None) => value.clone(),
        }
    }

    /// Whether a number is the same when it was written and is read again: it is not where it is finer than what is
    /// written.
    pub fn keeps(self, number: f64) -> bool {
        let written = match self {
            Self::Plain => return true,
            Self::Memory => memory(number),
            Self::Processors => processors(number),
        };
        parse(&written).is_some_and(|read| (read - number).abs() < 1e-9)
    }
}

/// What stands behind a number, and what it stands for.
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
const SUFFIXES: [(&str, f64); 15] = [
    ("Ki", 1_024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
];

/// The number that a quantity stands for; none where it is none.
pub fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let number = match text.parse::<f64>() {
        Ok(number) => Some(number),
        Err(_) => SUFFIXES.into_iter().find_map(|(suffix, unit)| {
            text.strip_suffix(suffix)?.parse::<f64>().ok().map(|number| number * unit)
        }),
    };
    number.filter(|number| number.is_finite())
}

/// So many bytes, in the largest unit that needs no fraction.
fn memory(bytes: f64) -> String {
    let whole = |unit: &f64| bytes >= *unit && (bytes / unit).fract() == 0.0;
    let binary = SUFFIXES.into_iter().take(6).rev().find(|(_, unit)| whole(unit));
    let (suffix, unit) = binary.unwrap_or(("", 1.0));
    format!("{}{suffix}", (bytes / unit).round())
}

/// So many processors: whole ones, or thousandths.
fn processors(number: f64) -> String {
    if number.fract() == 0.0 { format!("{number}") } else { format!("{}m", (number * 1e3).round()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_numbers_with_a_unit() {
        let told = ["512Mi", "1G", "250m", "0.5", "1e3", "2k", "1E"].map(parse);
        assert_eq!(told, [536_870_912.0, 1e9, 0.25, 0.5, 1e3, 2e3, 1e18].map(Some));
        assert_eq!(["", "much", "5 MiB", "Mi", "inf"].map(parse), [None; 5]);
    }

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!(
            [268_435_456.0, 1_536.0 * 1_048_576.0, 1e9, 100.0].map(memory),
            ["256Mi", "1536Mi", "1000000000", "100"]
        );
        assert_eq!([0.1, 0.5, 2.0, 1.25].map(processors), ["100m", "500m", "2", "1250m"]);
    }

    #[test]
    fn what_is_finer_than_it_is_written_is_not_kept() {
        let keeps = |form: Form, text: &str| form.keeps(parse(text).unwrap());
        assert_eq!(
            ["250m", "0.3", "2", "187.5m", "100u"].map(|text| keeps(Form::Processors, text)),
            [true, true, true, false, false]
        );
        assert_eq!(
            ["512Mi", "1.5Gi", "1.1Gi", "1181116006400m"].map(|text| keeps(Form::Memory, text)),
            [true, true, false, false]
        );
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for number in [0.001, 0.1, 0.3, 1.0, 2.75] {
            assert!((parse(&processors(number)).unwrap() - number).abs() < 1e-9, "{number}");
        }
        for bytes in [1.0, 1_023.0, 1_024.0, 123_456_789.0, 1_099_511_627_776.0] {
            assert_eq!(parse(&memory(bytes)), Some(bytes));
        }
    }
}
