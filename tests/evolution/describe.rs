//! Facts and answers of self-evolution as lines that a person can read.

use std::collections::BTreeMap;

use self_evolution::domain::change::{Change, Trigger};
use self_evolution::domain::evolution::{Answer, Refusal};
use self_evolution::domain::fact::Fact;
use self_evolution::domain::recommendation::{Confidence, Recommendation, Status};
use shared::clock::Timestamp;

use super::world::beginning;

/// A moment as hours, minutes and seconds since the beginning.
pub fn moment(at: Timestamp) -> String {
    let seconds = at.since(beginning()).as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// What was told before, so that what is only confirmed is not told again.
#[derive(Default)]
pub struct Told {
    recommendations: BTreeMap<String, String>,
    analysis: String,
}

impl Told {
    /// A fact as a line; none where it says nothing new.
    pub fn fact(&mut self, fact: &Fact) -> Option<String> {
        Some(match fact {
            Fact::EvolutionStarted { .. } => "the daemon begins to decide".into(),
            // There is much of it.
            Fact::Usage(_) => return None,
            Fact::EndpointFound { service, endpoint } => format!("{service} {endpoint} is told apart"),
            Fact::EndpointFolded { service, endpoint } => {
                format!("{service} {} makes room", endpoint.as_deref().unwrap_or("as a whole"))
            }
            Fact::RouteMerged { service, prefix } => format!("{service} {prefix:?} is followed by a value"),
            Fact::Analysed(analysed) => {
                let line = format!("analysed: {} recommended", analysed.recommendations.len());
                if std::mem::replace(&mut self.analysis, line.clone()) == line {
                    return None;
                }
                line
            }
            Fact::Recommendation { recommendation } => {
                let line = self::recommendation(recommendation);
                let known = self.recommendations.insert(recommendation.id.to_string(), line.clone());
                if known.as_ref() == Some(&line) {
                    return None;
                }
                line
            }
            Fact::ChangeApplied(change) | Fact::ChangeBegun(change) => applied(change),
            Fact::ChangeEnded(ended) => {
                format!("{} ended -> {}: {}", ended.service, ended.phase.as_str(), ended.reason)
            }
            Fact::ArmsSwapped { service, trial, .. } => {
                format!("{service} halves change places until {}", moment(trial.until))
            }
            Fact::RollbackBegun(undoing) => {
                let by = by(undoing.undo.trigger);
                format!("{} to be taken back {by} -> rolling_back: {}", undoing.service, undoing.undo.reason)
            }
            Fact::PreviousDiscarded(discarded) => {
                format!("{} what was before is discarded", discarded.service)
            }
            Fact::RollbackFailed(undoing) => {
                let (reason, due) = (undoing.undo.failure.as_deref().unwrap_or_default(), undoing.undo.due);
                format!("{} -> rollback_failed: {reason}; next try at {}", undoing.service, moment(due))
            }
            Fact::TrialBegan { service, trial, .. } => {
                format!("{service} trial from {} until {}", moment(trial.since), moment(trial.until))
            }
            Fact::ChangeJudged(judged) => {
                let (outcome, reason) = (judged.verdict.outcome.as_str(), &judged.verdict.reason);
                format!("{} judged {outcome} -> {}: {reason}", judged.service, judged.phase.as_str())
            }
            Fact::ChangeRolledBack(rolled_back) => {
                let (rollback, detector) = (&rolled_back.rollback, &rolled_back.recommendation.detector);
                let line = format!("{} {detector} taken back {}", rollback.service, by(rollback.trigger));
                match rollback.trigger {
                    // The verdict has just said why.
                    Trigger::Automatic => line,
                    Trigger::Manual | Trigger::Outside => format!("{line}: {}", rollback.reason),
                }
            }
            Fact::SettingsDelivered { service, instance, version } => {
                format!("{service} settings {version} fetched by {instance}")
            }
            Fact::Paused(pause) => match pause.until {
                Some(until) => format!("paused until {}", moment(until)),
                None => "paused".into(),
            },
            Fact::Resumed => "resumed".into(),
        })
    }
}

fn by(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Manual => "by a person",
        Trigger::Automatic => "by itself",
        Trigger::Outside => "by others",
    }
}

fn recommendation(recommendation: &Recommendation) -> String {
    let Recommendation { target_service: service, detector, status, priority, held_back, .. } =
        recommendation;
    let mut line = format!("{service} {detector} {}, {} priority", status.as_str(), priority.as_str());
    if recommendation.confidence == Confidence::Low {
        line += ", low confidence";
    }
    if recommendation.is_approved {
        line += ", approved";
    }
    let is_settled = matches!(status, Status::Applied | Status::RolledBack);
    if let Some(last) = recommendation.history.last().filter(|_| !is_settled) {
        line += &format!(" ({})", last.reason);
    }
    if let Some(reason) = held_back {
        line += &format!(", held back: {reason}");
    }
    line
}

fn applied(change: &Change) -> String {
    let (service, detector) = (&change.baseline.service, &change.recommendation.detector);
    let (by, phase) = (by(change.trigger), change.phase.as_str());
    format!("{service} {detector} applied {by} -> {phase}: {}", change.result.details)
}

/// What somebody who asked for something is told.
pub fn answer(answer: Option<&Answer>) -> String {
    match answer {
        None => "nobody answers".into(),
        Some(Answer::Counted(events)) => format!("{events} events"),
        Some(Answer::Analysing(run)) => format!("analysis {run}"),
        Some(Answer::InspectFirst(_)) => "a platform is looked at first".into(),
        Some(Answer::Planned(change)) => format!("would be: {}", change.result.details),
        Some(Answer::Begun(_)) => "begun".into(),
        Some(Answer::Applied(change)) => format!("applied, {}", change.phase.as_str()),
        Some(Answer::RolledBack(_)) => "taken back".into(),
        Some(Answer::Recommendation(recommendation)) => recommendation.status.as_str().to_owned(),
        Some(Answer::Done) => "done".into(),
        Some(Answer::Refused(Refusal::HandedOut(hindrance))) => {
            let patch = hindrance.patch.as_ref().map_or_else(String::new, |patch| format!(": {patch}"));
            format!("handed out, because {hindrance}{patch}")
        }
        Some(Answer::Refused(refusal)) => format!("refused: {refusal}"),
    }
}
