//! What a message says: in a few words, and in sentences that tell what is done about it or why nothing is.

use std::time::Duration;

use shared::clock::Timestamp;
use shared::order::ServiceName;
use shared::redact::redact;

use super::alarm::{Alarm, Scope, Trouble};
use super::channel::ChannelPolicy;
use super::{NAMED, NotificationKind};
use crate::domain::incident::Incident;
use crate::domain::recovery::{Outcome, Phase, Recovery};
use crate::domain::state::{Service, State};

/// Longest text of a message, in letters: what chat programs show whole.
const LONGEST: usize = 1_000;

/// What there is to tell from.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The durable state.
    pub state: &'a State,
    /// The first few of the services that are down.
    pub down: &'a [ServiceName],
    /// How many are down.
    pub down_count: usize,
    /// The moment.
    pub now: Timestamp,
}

/// What one channel is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wording {
    /// In a few words.
    pub title: String,
    /// In sentences.
    pub text: String,
    /// The first few services that are concerned.
    pub services: Vec<ServiceName>,
    /// How many there are.
    pub count: usize,
}

impl Scene<'_> {
    /// What this channel is told of an alarm; none when it is not concerned.
    pub fn tell(&self, alarm: &Alarm, kind: NotificationKind, channel: &ChannelPolicy) -> Option<Wording> {
        // Whoever was told of the begin is told of the end, also when the filters have changed meanwhile.
        let is_concerned = |name: &ServiceName| kind == NotificationKind::Resolved || channel.is_about(name);
        let Wording { title, text, services, count } = match alarm.scope {
            Scope::Service => {
                let name = alarm.services.first().filter(|name| is_concerned(name))?;
                let (title, text) = self.service(alarm, name, kind);
                Wording { title, text, services: vec![name.clone()], count: 1 }
            }
            Scope::Services => self.services(alarm, kind, channel)?,
            Scope::Storm | Scope::Budget | Scope::OwnNetwork | Scope::Test => {
                let (title, text) = self.all(alarm, kind);
                Wording { title, text, services: self.down.to_vec(), count: self.down_count }
            }
        };
        // What strangers wrote goes to further strangers.
        Some(Wording { title: short(&title), text: short(&redact(&text)), services, count })
    }

    fn service(&self, alarm: &Alarm, name: &ServiceName, kind: NotificationKind) -> (String, String) {
        let known = self.state.service(name).map(|service| &**service);
        let is_flapping = known.is_some_and(|service| service.flapping.is_some());
        let is_watched = !self.state.retired.contains(name);
        let title = match kind {
            NotificationKind::Firing if is_flapping => format!("{name} is flapping"),
            NotificationKind::Firing => format!("{name} is down"),
            NotificationKind::Reminder if is_flapping => format!("{name} is still flapping"),
            NotificationKind::Reminder => format!("{name} is still down"),
            NotificationKind::Resolved if is_watched => format!("{name} is up again"),
            NotificationKind::Resolved => format!("{name} is no longer watched"),
        };
        let text = match kind {
            NotificationKind::Firing | NotificationKind::Reminder => {
                known.map(|service| standing(service, self.now)).unwrap_or_default()
            }
            NotificationKind::Resolved => self.end(alarm),
        };
        (title, text)
    }

    /// How the trouble of one service ended.
    fn end(&self, alarm: &Alarm) -> String {
        let lasted = lasted(alarm, self.now);
        let of_it = |recovery: &&std::sync::Arc<Recovery>| recovery.incident_id == alarm.alarm_id;
        let last = self.state.recoveries.iter().rev().find(of_it);
        let attempts = |incident: &Incident| match incident.attempts {
            0 => String::new(),
            1 => ", after 1 attempt".to_owned(),
            many => format!(", after {many} attempts"),
        };
        let incident = self.state.incidents.iter().rev().find(|one| one.incident_id == alarm.alarm_id);
        let attempts = incident.map(|incident| attempts(incident)).unwrap_or_default();
        match last.and_then(|last| last.outcome.map(|outcome| (outcome, last.action))) {
            Some((Outcome::Recovered, action)) => {
                format!("It was in trouble for {lasted}; {} has helped{attempts}.", action.as_str())
            }
            Some(_) | None => format!("It was in trouble for {lasted}{attempts}."),
        }
    }

    fn services(&self, alarm: &Alarm, kind: NotificationKind, channel: &ChannelPolicy) -> Option<Wording> {
        let is_member = |name: &&ServiceName| {
            let known = self.state.service(name);
            kind == NotificationKind::Resolved
                || known.is_some_and(|service| service.alarm == Some(alarm.alarm_id))
        };
        let is_filtered = alarm.services.iter().any(|name| channel.is_about(name));
        let is_concerned = |name: &&ServiceName| {
            channel.is_about(name) || (kind == NotificationKind::Resolved && !is_filtered)
        };
        let concerned = || alarm.services.iter().filter(is_concerned);
        let all = concerned().count();
        let members: Vec<&ServiceName> = concerned().filter(is_member).collect();
        let first: Vec<ServiceName> = members.iter().take(NAMED).map(|name| (*name).clone()).collect();
        let (count, named) = (members.len(), named(&first, members.len()));
        if all == 0 {
            return None;
        }
        let (title, text) = match kind {
            NotificationKind::Firing => {
                let example = first.iter().find_map(|name| {
                    let service = self.state.service(name)?;
                    Some(format!(" {name}: {}", standing(service, self.now)))
                });
                let example = example.unwrap_or_default();
                (format!("{} down", services_are(count)), format!("{named}.{example}"))
            }
            NotificationKind::Reminder => {
                (format!("{count} of {all} services are still down"), format!("{named}."))
            }
            NotificationKind::Resolved => {
                let lasted = lasted(alarm, self.now);
                let title = format!("{} up again or no longer watched", services_are(all));
                (title, format!("{named}. It took {lasted} until all of them were."))
            }
        };
        Some(Wording { title, text, services: first, count })
    }

    fn all(&self, alarm: &Alarm, kind: NotificationKind) -> (String, String) {
        let fleet = &self.state.fleet;
        let (still, lasted) =
            (if kind == NotificationKind::Reminder { "still " } else { "" }, lasted(alarm, self.now));
        let down = match self.down_count {
            0 => String::new(),
            count => format!(" Down are {}.", named(self.down, count)),
        };
        match (alarm.scope, kind) {
            (Scope::Storm, NotificationKind::Resolved) => (
                "The storm is over".into(),
                format!("It lasted {lasted}. {} down.", services_are(self.down_count)),
            ),
            (Scope::Storm, NotificationKind::Firing | NotificationKind::Reminder) => {
                let title = format!("Storm: {} {still}down together", services_are(self.down_count));
                (
                    title,
                    format!(
                        "They are healed one at a time, because the cause is likely to be one, and elsewhere.{down}"
                    ),
                )
            }
            (Scope::Budget, NotificationKind::Resolved) => {
                ("The budget of recoveries was reset".into(), format!("Nothing was healed for {lasted}."))
            }
            (Scope::Budget, NotificationKind::Firing | NotificationKind::Reminder) => {
                let spent = fleet.tripped.as_ref().map(|one| {
                    format!("{} actions within {} s were made. ", one.actions, one.within_seconds)
                });
                let spent = spent.unwrap_or_default();
                let text = format!(
                    "{spent}Nothing more is healed until a person has found the cause and posts to /reset/budget.{down}"
                );
                (format!("The budget of recoveries is {still}spent"), text)
            }
            (Scope::OwnNetwork, NotificationKind::Resolved) => (
                "Our own network is back".into(),
                format!("It was gone for {lasted}; nothing was counted or done meanwhile."),
            ),
            (Scope::OwnNetwork, NotificationKind::Firing | NotificationKind::Reminder) => {
                let lost = fleet.isolation.as_ref().map(|one| format!("{} cannot be reached. ", one.lost()));
                let text = format!("{}Nothing is counted or done meanwhile.", lost.unwrap_or_default());
                (format!("Our own network is {still}gone"), text)
            }
            (Scope::Service | Scope::Services | Scope::Test, _) => (String::new(), String::new()),
        }
    }
}

/// What is wrong with a service, and what is done about it or why nothing is.
fn standing(service: &Service, now: Timestamp) -> String {
    let flapping = service
        .flapping
        .as_ref()
        .map(|one| format!("{} % of its last results differed from the one before. ", one.percent));
    let error = service.errors.last().map(|error| format!("{}. ", error.trim_end_matches('.')));
    let since = Trouble::of(service)
        .map(|trouble| format!("It has been in trouble for {}. ", length(now.since(trouble.since))));
    let refusal = service.refusal.as_ref().and_then(|refusal| refusal.reason.as_deref());
    let work = match (&service.recovery, refusal) {
        (Some(recovery), _) => under_way(recovery),
        (None, Some(reason)) => format!("Nothing is done: {}.", reason.trim_end_matches(['.', '…'])),
        (None, None) if service.flapping.is_some() => "It is not restarted while it flaps.".to_owned(),
        (None, None) => "The next attempt is being decided.".to_owned(),
    };
    [flapping, error, since, Some(work)].into_iter().flatten().collect()
}

fn under_way(recovery: &Recovery) -> String {
    let (action, attempt) = (recovery.action.as_str(), recovery.attempt);
    match recovery.phase {
        Phase::Preflight => format!("Attempt {attempt} ({action}) is about to begin."),
        Phase::Acting => format!("Attempt {attempt} ({action}) is under way."),
        Phase::Verifying | Phase::Concluding | Phase::Finished => {
            format!("Attempt {attempt} ({action}) was made, and has yet to prove that it helped.")
        }
    }
}

fn services_are(count: usize) -> String {
    if count == 1 { "1 service is".to_owned() } else { format!("{count} services are") }
}

fn named(first: &[ServiceName], count: usize) -> String {
    let mut named: Vec<String> = first.iter().map(ToString::to_string).collect();
    let unnamed = count.saturating_sub(named.len());
    if unnamed > 0 {
        named.push(format!("{unnamed} more"));
    }
    named.join(", ")
}

fn lasted(alarm: &Alarm, now: Timestamp) -> String {
    length(now.since(alarm.since))
}

/// A length of time as people say it.
fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

/// One line, not longer than anybody reads.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    let cut: String = line.chars().take(LONGEST - 1).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_said_as_people_say_it() {
        let said = [5, 59, 60, 3_599, 3_600, 90_061].map(|seconds| length(Duration::from_secs(seconds)));
        assert_eq!(said, ["5 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "25 h 1 min"]);
    }

    #[test]
    fn what_is_too_long_or_has_lines_becomes_one_short_line() {
        assert_eq!(short("one\r\n two\tthree"), "one two three");
        let cut = short(&"ä".repeat(LONGEST + 1));
        assert!(cut.ends_with('…') && cut.chars().count() == LONGEST, "{cut}");
    }

    #[test]
    fn of_many_services_a_few_are_named_and_the_rest_counted() {
        let names = ["a", "b"].map(|name| ServiceName::new(name).unwrap());
        assert_eq!((named(&names, 2), named(&names, 40)), ("a, b".to_owned(), "a, b, 38 more".to_owned()));
    }
}
