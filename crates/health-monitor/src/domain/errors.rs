//! The last errors of one service. Most failures repeat the one before, so a repetition takes the room of its time only:
//! a long outage of ten thousand services is a million entries.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shared::clock::Timestamp;

use super::reading::{ErrorEntry, Status};

/// Entries kept: the contract's number.
const MOST: usize = 100;

/// The last errors, at most a hundred.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Errors {
    runs: VecDeque<Run>,
    count: usize,
}

/// The same error, again and again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Run {
    error: Arc<str>,
    status: Status,
    /// When each came, in microseconds since 1970; never empty.
    at: VecDeque<i64>,
}

impl Errors {
    /// Takes in the newest.
    pub fn push(&mut self, at: Timestamp, error: &Arc<str>, status: Status) {
        if self.count == MOST {
            self.forget_oldest();
        }
        let same = self.runs.back_mut().filter(|run| run.status == status && run.error == *error);
        match same {
            Some(run) => run.at.push_back(at.as_micros()),
            None => {
                let (error, at) = (Arc::clone(error), VecDeque::from([at.as_micros()]));
                self.runs.push_back(Run { error, status, at });
            }
        }
        self.count += 1;
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.runs.front_mut() {
            oldest.at.pop_front();
            self.count -= 1;
        }
        self.runs.pop_front_if(|oldest| oldest.at.is_empty());
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// What was wrong most recently.
    pub fn last(&self) -> Option<&str> {
        self.runs.back().map(|run| &*run.error)
    }

    /// Every entry, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = ErrorEntry> {
        self.runs.iter().flat_map(|run| {
            run.at.iter().map(|at| ErrorEntry {
                timestamp: Timestamp::from_micros(*at),
                error: Arc::clone(&run.error),
                status: run.status,
            })
        })
    }

    /// The newest entries, oldest first.
    pub fn newest(&self, number: usize) -> impl Iterator<Item = ErrorEntry> {
        self.iter().skip(self.count.saturating_sub(number))
    }
}

impl Serialize for Errors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.runs)
    }
}

/// A run, or one entry as journals of an earlier version have it.
#[derive(Deserialize)]
struct Written {
    error: Arc<str>,
    status: Status,
    #[serde(default)]
    timestamp: Option<Timestamp>,
    #[serde(default)]
    at: Vec<i64>,
}

impl<'de> Deserialize<'de> for Errors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut errors = Self::default();
        for Written { error, status, timestamp, at } in Vec::<Written>::deserialize(deserializer)? {
            for at in timestamp.into_iter().chain(at.into_iter().map(Timestamp::from_micros)) {
                errors.push(at, &error, status);
            }
        }
        Ok(errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: i64) -> Timestamp {
        Timestamp::from_micros(n)
    }

    #[test]
    fn the_newest_hundred_are_kept_in_order_and_read_back() {
        let mut errors = Errors::default();
        let texts: [Arc<str>; 2] = ["refused".into(), "reset".into()];
        for n in 0..250 {
            errors.push(at(n), &texts[usize::from(n % 7 == 0)], Status::Unreachable);
        }
        let times: Vec<_> = errors.iter().map(|entry| entry.timestamp).collect();
        assert_eq!(times, (150..250).map(at).collect::<Vec<_>>());
        assert!(
            errors.iter().all(|entry| (entry.timestamp.as_micros() % 7 == 0) == (&*entry.error == "reset"))
        );
        assert_eq!((errors.last(), errors.newest(1).next().unwrap().timestamp), (Some("refused"), at(249)));
        let text = serde_json::to_string(&errors).unwrap();
        assert_eq!(serde_json::from_str::<Errors>(&text).unwrap(), errors);
    }

    #[test]
    fn entries_of_an_earlier_version_are_read() {
        let entry = ErrorEntry { timestamp: at(5), error: "refused".into(), status: Status::Unreachable };
        let text = serde_json::to_string(&[&entry, &entry]).unwrap();
        let errors: Errors = serde_json::from_str(&text).unwrap();
        assert_eq!(errors.iter().collect::<Vec<_>>(), [entry.clone(), entry]);
        assert_eq!(errors.runs.len(), 1);
    }
}
