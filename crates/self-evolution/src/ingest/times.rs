//! Times as access logs write them, in the zone that they name.

use jiff::civil::Date;
use jiff::tz::Offset;
use shared::clock::Timestamp;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A time of any of the forms below.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(number) = text.parse() {
        return since_1970(number);
    }
    common(text).or_else(|| text.parse().ok())
}

/// `24/Nov/2026:13:00:00 +0100`, as the Common Log Format has it.
pub(super) fn common(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() != 26 || !text.is_ascii() {
        return None;
    }
    for (place, separator) in [(2, b'/'), (6, b'/'), (11, b':'), (14, b':'), (17, b':'), (20, b' ')] {
        if bytes[place] != separator {
            return None;
        }
    }
    let number = |from: usize, to: usize| {
        let digits = &text[from..to];
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i16>().ok())?
    };
    let small = |from: usize| i8::try_from(number(from, from + 2)?).ok();
    let month = MONTHS.iter().position(|month| *month == &text[3..6])?;
    let date = Date::new(number(7, 11)?, i8::try_from(month + 1).ok()?, small(0)?).ok()?;
    // A leap second is the last one twice.
    let second = small(18)?.min(59);
    let (hour, minute) = (small(12)?, small(15)?);
    if hour > 23 || minute > 59 {
        return None;
    }
    let east = i32::from(number(22, 24)?) * 3_600 + i32::from(number(24, 26)?) * 60;
    let offset = match bytes[21] {
        b'+' => Offset::from_seconds(east),
        b'-' => Offset::from_seconds(-east),
        _ => return None,
    };
    let at = offset.ok()?.to_timestamp(date.at(hour, minute, second, 0)).ok()?;
    Some(Timestamp::from_micros(at.as_microsecond()))
}

/// A number since the start of 1970, of seconds, milliseconds, microseconds or nanoseconds: which of them shows in its
/// size, until the year 5138.
pub(super) fn since_1970(number: f64) -> Option<Timestamp> {
    if !number.is_finite() || number <= 0.0 {
        return None;
    }
    let micros = match number {
        n if n < 1e11 => n * 1e6,
        n if n < 1e14 => n * 1e3,
        n if n < 1e17 => n,
        n => n / 1e3,
    };
    Some(Timestamp::from_micros(micros.round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_moment_is_read_in_its_own_zone() {
        for text in [
            "24/Nov/2026:13:00:00 +0100",
            "[24/Nov/2026:07:00:00 -0500]",
            "24/Nov/2026:17:30:00 +0530",
            "2026-11-24T12:00:00Z",
            "2026-11-24T13:00:00+01:00",
            "2026-11-24T12:00:00.000Z",
            "1795521600",
            "1795521600.000",
            "1795521600000",
            "1795521600000000",
            "1795521600000000000",
        ] {
            assert_eq!(
                time(text).map(|at| at.to_string()).unwrap_or_default(),
                "2026-11-24T12:00:00.000000Z",
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "-",
            "24/Nov/2026:13:00:00",
            "31/Feb/2026:13:00:00 +0000",
            "24/Now/2026:13:00:00 +0000",
            "24/Nov/2026:24:00:00 +0000",
            "24/Nov/2026:13:00:00 x0000",
            "24/Nov/2026:1é:00:00 +000",
            "NaN",
            "-5",
            "yesterday",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
        assert_eq!(time("31/Dec/2016:23:59:60 +0000"), time("31/Dec/2016:23:59:59 +0000"), "a leap second");
    }
}
