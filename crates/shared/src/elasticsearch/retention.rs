//! Days of which nothing is kept any longer: their indices are deleted as a whole.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::connection::{Answer, Client};
use super::indices::{Stream, day};
use super::setup::refusal;
use crate::clock::Timestamp;

/// A day in seconds.
const DAY: u64 = 86_400;

/// The indices of these streams whose day is over for more than so many days, and of which so many later days are there: a
/// clock that was set wrongly costs a day, and not everything. Only what is named as we name the index of a day is
/// one: `<stream>-2026.11.24`.
fn expired<'a>(indices: &[(&str, &'a str)], now: Timestamp, days: u32) -> Vec<&'a str> {
    let day_of = |stream: &str, index: &'a str| {
        index.strip_prefix(stream)?.strip_prefix('-').filter(|day| is_day(day))
    };
    let ours = indices.iter().filter_map(|(stream, index)| Some((day_of(stream, index)?, *index)));
    let ours: Vec<(&str, &str)> = ours.collect();
    let there: BTreeSet<&str> = ours.iter().map(|(day, _)| *day).collect();
    let kept = usize::try_from(days).unwrap_or(usize::MAX);
    let (Some(oldest), calendar) = (
        there.iter().rev().take(kept).next_back().copied(),
        day(now - Duration::from_secs(u64::from(days) * DAY)),
    ) else {
        return Vec::new();
    };
    ours.into_iter().filter(|(day, _)| *day < oldest && *day < &*calendar).map(|(_, index)| index).collect()
}

/// Whether a text is a day as names of indices have it. Such texts sort as the days do.
fn is_day(text: &str) -> bool {
    let is_meant = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'.',
        _ => byte.is_ascii_digit(),
    };
    text.len() == "2026.11.24".len() && text.bytes().enumerate().all(is_meant)
}

/// What became of indices of days that are over.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Expired {
    /// The names of those that are deleted.
    pub(super) deleted: Vec<String>,
    /// Why others could not be, or be looked for.
    pub(super) refused: Vec<String>,
}

/// Deletes the indices of all days that are over for more than so many days. One that cannot be deleted holds up no other.
pub(super) async fn expire(client: &Client, streams: &[Stream], now: Timestamp, days: u32) -> Expired {
    let mut outcome = Expired::default();
    let mut indices: Vec<(&str, String)> = Vec::new();
    for Stream { name: stream, .. } in streams {
        match ours(client, stream).await {
            Ok(names) => indices.extend(names.into_iter().map(|name| (*stream, name))),
            Err(reason) => outcome.refused.push(format!("{stream}: {reason}")),
        }
    }
    let indices: Vec<(&str, &str)> =
        indices.iter().map(|(stream, index)| (*stream, index.as_str())).collect();
    for index in expired(&indices, now, days) {
        match client.delete(index).await.and_then(accepted) {
            Ok(_) => outcome.deleted.push(index.to_owned()),
            Err(reason) => outcome.refused.push(format!("{index}: {reason}")),
        }
    }
    outcome
}

/// The indices by day of a stream. Whatever does not have our alias is somebody else's.
async fn ours(client: &Client, stream: &str) -> Result<Vec<String>, String> {
    let found = client.get(&format!("{stream}-*.*.*/_alias")).await.and_then(accepted)?;
    let found: Value = serde_json::from_slice(&found.body).unwrap_or_default();
    let found = found.as_object().into_iter().flatten();
    let ours = found.filter(|(_, index)| index["aliases"].get(stream).is_some());
    Ok(ours.map(|(index, _)| index.clone()).collect())
}

/// An index that is not there any more is as good as deleted.
fn accepted(answer: Answer) -> Result<Answer, String> {
    if matches!(answer.status, 200..=299 | 404) { Ok(answer) } else { Err(refusal(&answer)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(now: &str, days: u32, indices: &[&'static str]) -> Vec<&'static str> {
        let indices: Vec<_> = indices.iter().map(|index| ("errors", *index)).collect();
        expired(&indices, now.parse().unwrap(), days)
    }

    #[test]
    fn the_indices_of_days_that_are_over_for_longer_are_expired_and_no_others() {
        let indices = [
            "errors-2025.12.31",
            "errors-2026.11.20",
            "errors-2026.11.21",
            "errors-2026.11.22",
            "errors-2026.11.24",
            "errors-2026.11.25",
            "errors",
            "errors-dead",
            "errors-2020.01.01-copy",
            "errors-2020-01-01",
            "errors-2020.1.1",
            "errors-more-2020.01.01",
            "others-2020.01.01",
        ];
        let now = "2026-11-24T00:30:00Z";
        assert_eq!(of(now, 3, &indices), ["errors-2025.12.31", "errors-2026.11.20"]);
        assert_eq!(of(now, u32::MAX, &indices), [""; 0], "as long as there is time");
    }

    #[test]
    fn a_clock_that_is_far_ahead_does_not_empty_the_server() {
        let indices = ["errors-2026.11.22", "errors-2026.11.23", "errors-2026.11.24", "errors-2099.01.01"];
        assert_eq!(of("2099-01-01T00:00:00Z", 3, &indices), ["errors-2026.11.22"]);
    }

    #[test]
    fn days_on_which_one_stream_had_nothing_count_for_it_too() {
        let days = ["2026.11.21", "2026.11.22", "2026.11.23", "2026.11.24"];
        let checks = days.map(|day| format!("checks-{day}"));
        let mut indices: Vec<(&str, &str)> = checks.iter().map(|index| ("checks", index.as_str())).collect();
        indices.push(("errors", "errors-2026.11.01"));
        let now = "2026-11-24T00:30:00Z".parse().unwrap();
        assert_eq!(expired(&indices, now, 2), ["checks-2026.11.21", "errors-2026.11.01"]);
    }
}
