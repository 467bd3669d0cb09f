//! The usage of several requests as one fact: what shares a commit is written, read and shipped together, each key once.

use super::super::fact::{EventRecorded, Fact, UsageRecorded};
use super::super::usage::report::MOST_EVENTS;
use super::collect::Keys;

/// The same facts with usage that follows on usage in one; no such fact has more events than a request may have.
pub(super) fn condense(facts: Vec<Fact>) -> Vec<Fact> {
    let mut condensed = Vec::with_capacity(facts.len());
    let mut run = Vec::new();
    for fact in facts {
        match fact {
            Fact::Usage(recorded) => {
                if events_of(&run) + recorded.events.len() > MOST_EVENTS {
                    condensed.extend(join(&mut run));
                }
                run.push(recorded);
            }
            // Whatever it changes, usage before it was counted before, and usage after it afterwards.
            other @ (Fact::EvolutionStarted { .. }
            | Fact::EndpointFound { .. }
            | Fact::EndpointFolded { .. }
            | Fact::RouteMerged { .. }
            | Fact::Analysed(_)
            | Fact::Recommendation { .. }
            | Fact::ChangeBegun(_)
            | Fact::ChangeApplied(_)
            | Fact::ChangeEnded(_)
            | Fact::TrialBegan { .. }
            | Fact::ArmsSwapped { .. }
            | Fact::ChangeJudged(_)
            | Fact::PreviousDiscarded(_)
            | Fact::RollbackBegun(_)
            | Fact::RollbackFailed(_)
            | Fact::ChangeRolledBack(_)
            | Fact::SettingsDelivered { .. }
            | Fact::Paused(_)
            | Fact::Resumed) => {
                condensed.extend(join(&mut run));
                condensed.push(other);
            }
        }
    }
    condensed.extend(join(&mut run));
    condensed
}

fn events_of(run: &[UsageRecorded]) -> usize {
    run.iter().map(|recorded| recorded.events.len()).sum()
}

/// One fact of a run of usage, which is empty afterwards.
fn join(run: &mut Vec<UsageRecorded>) -> Option<Fact> {
    if run.len() < 2 {
        return run.pop().map(Fact::Usage);
    }
    let mut keys = Keys::default();
    let mut joined = UsageRecorded { events: Vec::with_capacity(events_of(run)), ..UsageRecorded::default() };
    for recorded in run.drain(..) {
        let places: Vec<u32> = recorded.keys.into_iter().map(|key| keys.place(key)).collect();
        let before = u32::try_from(joined.events.len()).unwrap_or(u32::MAX);
        joined.details.extend(recorded.details.into_iter().map(|(place, details)| (before + place, details)));
        // A key that is not in the list counts nowhere, and stays out of it.
        let placed = |event: EventRecorded| EventRecorded {
            key: places.get(event.key as usize).copied().unwrap_or(u32::MAX),
            ..event
        };
        joined.events.extend(recorded.events.into_iter().map(placed));
    }
    joined.keys = keys.all;
    Some(Fact::Usage(joined))
}

#[cfg(test)]
mod tests {
    use shared::clock::Timestamp;

    use super::super::super::state::State;
    use super::super::super::usage::report::Details;
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000 * 1_000_000);

    fn usage(keys: &[(&str, &str)], events: &[(u32, f64)], details: &[u32]) -> Fact {
        let event = |&(key, response_time)| EventRecorded { key, response_time, status_code: 200, age: 0 };
        let detail = |&place| {
            let method = Some(format!("of {place}").into());
            (place, Box::new(Details { method, ..Details::default() }))
        };
        Fact::Usage(UsageRecorded {
            keys: keys.iter().map(|&(service, endpoint)| (service.into(), endpoint.into())).collect(),
            events: events.iter().map(event).collect(),
            details: details.iter().map(detail).collect(),
        })
    }

    fn state_after(facts: &[Fact]) -> State {
        let mut state = State::default();
        facts.iter().for_each(|fact| state.apply(NOW, fact));
        state
    }

    #[test]
    fn usage_of_several_requests_is_one_fact_that_says_the_same() {
        let facts = vec![
            usage(&[("web", "/a")], &[(0, 0.1)], &[0]),
            usage(&[("web", "/b"), ("web", "/a")], &[(0, 0.2), (1, 0.3)], &[1]),
            Fact::RouteMerged { service: "web".into(), prefix: String::new() },
            usage(&[("web", "/{*}")], &[(0, 0.4)], &[]),
            usage(&[("api", "/a")], &[(0, 0.5)], &[0]),
        ];
        let condensed = condense(facts.clone());
        let expected = vec![
            usage(&[("web", "/a"), ("web", "/b")], &[(0, 0.1), (1, 0.2), (0, 0.3)], &[0, 2]),
            Fact::RouteMerged { service: "web".into(), prefix: String::new() },
            usage(&[("web", "/{*}"), ("api", "/a")], &[(0, 0.4), (1, 0.5)], &[1]),
        ];
        let without_texts = |facts: &[Fact]| {
            let json = serde_json::to_string(facts).unwrap();
            json.replace("of 0", "").replace("of 1", "").replace("of 2", "")
        };
        assert_eq!(without_texts(&condensed), without_texts(&expected));
        assert_eq!(state_after(&condensed), state_after(&facts));
        let Fact::Usage(first) = &condensed[0] else { panic!("{condensed:?}") };
        let methods: Vec<_> = first.details.iter().map(|(_, details)| details.method.as_deref()).collect();
        assert_eq!(methods, [Some("of 0"), Some("of 1")], "details stay with their events");
    }

    #[test]
    fn a_fact_has_no_more_events_than_a_request_may_have() {
        let half = usage(&[("web", "/a")], &vec![(0, 0.1); MOST_EVENTS / 2 + 1], &[]);
        assert_eq!(condense(vec![half.clone(), half.clone()]), [half.clone(), half]);
    }
}
