//! Filters and pages of the histories: what may be asked for, and where the next page begins.

use std::fmt;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::http::Problem;
use shared::order::{OrderId, ServiceName};
use utoipa::{IntoParams, ToSchema};

use crate::domain::recovery::{Guard, Outcome, Recovery, Trigger};
use crate::domain::view::View;

/// Entries of a page when nobody says, and at most.
const LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;
/// Names that an error lists at most.
const NAMES: usize = 20;
/// In front of every cursor, so that a later version can tell its own from older ones.
pub(super) const CURSOR: &str = "c1";

/// Which entries, and how many of them.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Only those of this service.
    service: Option<String>,
    /// Only those with this outcome: recovered, not_recovered, action_failed, self_recovered, suppressed, superseded,
    /// unknown_outcome.
    outcome: Option<String>,
    /// Only those that this guard held back.
    guard: Option<String>,
    /// Only those that were wanted by: automatic, manual.
    trigger: Option<String>,
    /// Only those that began then or later, as RFC 3339.
    since: Option<String>,
    /// Only those that began before, as RFC 3339.
    until: Option<String>,
    /// How many at most: 1 to 500; 50 when it is not given.
    limit: Option<usize>,
    /// Where the page begins: the `next_cursor` of the page before.
    cursor: Option<String>,
}

/// One page, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The entries.
    pub(super) items: Vec<T>,
    /// Asks for the next page: `?cursor=`; null on the last one. It stays good while newer entries come.
    pub(super) next_cursor: Option<String>,
}

/// What was asked for, checked.
pub(super) struct Wanted {
    pub(super) service: Option<ServiceName>,
    outcome: Option<Outcome>,
    guard: Option<Guard>,
    trigger: Option<Trigger>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    limit: usize,
    /// Only what is older.
    before: Option<OrderId>,
}

impl Asked {
    /// Checks every filter; the problem says which one is wrong, and what there is.
    pub(super) fn check(self, view: &View) -> Result<Wanted, Problem> {
        let limit = limit(self.limit)?;
        Ok(Wanted {
            service: self.service.map(|name| known_service(&name, view)).transpose()?,
            outcome: word("outcome", self.outcome, &Outcome::ALL, Outcome::as_str)?,
            guard: word("guard", self.guard, &Guard::ALL, Guard::as_str)?,
            trigger: word("trigger", self.trigger, &Trigger::ALL, Trigger::as_str)?,
            since: moment("since", self.since)?,
            until: moment("until", self.until)?,
            limit,
            before: self.cursor.map(|cursor| before(&cursor)).transpose()?,
        })
    }
}

impl Wanted {
    /// Whether a recovery is of the kind that is wanted, whenever it began.
    pub(super) fn is_of_kind(&self, recovery: &Recovery) -> bool {
        self.outcome.is_none_or(|outcome| recovery.outcome == Some(outcome))
            && self.guard.is_none_or(|guard| recovery.guard == Some(guard))
            && self.trigger.is_none_or(|trigger| recovery.trigger == trigger)
    }

    /// Whether it matters of which kind the recoveries are.
    pub(super) fn asks_for_a_kind(&self) -> bool {
        self.outcome.is_some() || self.guard.is_some() || self.trigger.is_some()
    }

    /// Whether something of this service that began then is wanted.
    pub(super) fn is_within(&self, service: &ServiceName, began: Timestamp) -> bool {
        self.service.as_ref().is_none_or(|wanted| wanted == service)
            && self.since.is_none_or(|since| began >= since)
            && self.until.is_none_or(|until| began < until)
    }

    /// The page of these entries, by their identities, which grow with time.
    pub(super) fn page<T>(&self, entries: impl Iterator<Item = T>, id: impl Fn(&T) -> OrderId) -> Page<T> {
        let mut items: Vec<T> =
            entries.filter(|entry| self.before.is_none_or(|before| id(entry) < before)).collect();
        items.sort_unstable_by_key(|entry| std::cmp::Reverse(id(entry)));
        let has_more = items.len() > self.limit;
        items.truncate(self.limit);
        let last = items.last().filter(|_| has_more);
        let next_cursor = last.map(|last| format!("{CURSOR}{}", id(last)));
        Page { items, next_cursor }
    }
}

/// How many entries a page has.
pub(super) fn limit(given: Option<usize>) -> Result<usize, Problem> {
    let limit = given.unwrap_or(LIMIT);
    let is_fine = (1..=MAX_LIMIT).contains(&limit);
    is_fine.then_some(limit).ok_or_else(|| Problem::bad_request(format!("limit must be 1 to {MAX_LIMIT}")))
}

/// The identity in a path.
pub(super) fn identity(text: &str) -> Result<OrderId, Problem> {
    text.parse().map_err(|_| {
        Problem::bad_request("An identity looks like 0198c1d2-3f4a-7b5c-8d6e-0123456789ab: see the list.")
    })
}

/// A service by its name; an unknown one is refused with the names that there are.
pub(super) fn known_service(name: &str, view: &View) -> Result<ServiceName, Problem> {
    let known = ServiceName::new(name)
        .ok()
        .filter(|name| view.service(name.as_str()).is_some() || view.state.service(name).is_some());
    known.ok_or_else(|| {
        let names = view.policy.services.iter().map(|service| service.name.as_str());
        let shown: Vec<&str> = names.take(NAMES).collect();
        let more = view.policy.services.len().saturating_sub(NAMES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Problem::bad_request(format!("No service is named {name:?}: there are {}{more}", shown.join(", ")))
    })
}

pub(super) fn word<T: Copy>(
    filter: &str,
    given: Option<String>,
    all: &[T],
    as_str: impl Fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(given) = given else { return Ok(None) };
    let known = all.iter().copied().find(|one| as_str(*one) == given);
    known.map(Some).ok_or_else(|| {
        let all: Vec<&str> = all.iter().map(|one| as_str(*one)).collect();
        Problem::bad_request(format!("{filter} {given:?} is unknown: there are {}", all.join(", ")))
    })
}

fn moment(filter: &str, given: Option<String>) -> Result<Option<Timestamp>, Problem> {
    let wrong = |error: &dyn fmt::Display| {
        Problem::bad_request(format!("{filter} must be a time like 2026-11-24T09:00:00Z: {error}"))
    };
    given.map(|text| text.parse().map_err(|error: _| wrong(&error))).transpose()
}

fn before(cursor: &str) -> Result<OrderId, Problem> {
    let id = cursor.strip_prefix(CURSOR).and_then(|id| id.parse().ok());
    id.ok_or_else(|| Problem::bad_request("cursor must be the next_cursor of the page before"))
}
