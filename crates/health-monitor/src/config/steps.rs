//! The ladder of a service: which steps are written, and whether its means can carry them out.

use std::sync::Arc;
use std::time::Duration;

use shared::config::{Fault, Faults, Group};
use shared::order::Action;
use shared::platform::kubernetes::KubernetesSettings;
use shared::platform::{CommandSettings, DockerSettings, PlatformSettings};

use super::backend::target;
use crate::domain::ladder::{MOST_ATTEMPTS, MOST_STEPS, Step};

/// The time that a step may be given for its proof, in seconds: as for `VERIFICATION_TIMEOUT`.
const WITHIN: std::ops::RangeInclusive<f64> = 0.1..=86_400.0;

/// The steps of a service: its own, else those of all, else a restart alone; in a cluster see [`of_kubernetes`].
pub(super) fn of(root: &Group, service: &Group, faults: &mut Faults) -> Arc<[Step]> {
    let given = match (service.words("steps"), root.text("RECOVERY_STEPS")) {
        (Some(words), _) => Some(parse(words.iter().map(String::as_str))),
        (None, Some(text)) => Some(parse(text.split(',').map(str::trim))),
        (None, None) => None,
    };
    match given {
        Some(Ok(steps)) => steps.into(),
        // What is wrong with the steps of all is said once, by `check_all`.
        Some(Err(_)) if service.words("steps").is_none() => restart_only(),
        Some(Err(reason)) => {
            faults.push(service.fault("steps", reason));
            restart_only()
        }
        None => restart_only(),
    }
}

/// Checks the steps of all services.
pub(super) fn check_all(root: &Group, faults: &mut Faults) {
    let text = root.text("RECOVERY_STEPS");
    if let Some(Err(reason)) = text.map(|text| parse(text.split(',').map(str::trim))) {
        faults.push(root.fault("RECOVERY_STEPS", reason));
    }
}

fn restart_only() -> Arc<[Step]> {
    Arc::new([Step::new(Action::Restart)])
}

/// Whether somebody has written the steps of a service, or those of all.
pub(super) fn are_given(root: &Group, service: &Group) -> bool {
    service.words("steps").is_some() || root.text("RECOVERY_STEPS").is_some()
}

/// The steps in a cluster: other pods in place of the sick ones, then all of them anew.
pub(super) fn of_kubernetes() -> Arc<[Step]> {
    Arc::new([Step::new(Action::Restart), Step::new(Action::Recreate)])
}

/// Whether a step calls the webhook, which then is no backend.
pub(super) fn escalates(steps: &[Step]) -> bool {
    steps.iter().any(|step| step.action == Action::Webhook)
}

/// Every step must be possible by the means of the service.
pub(super) fn check(service: &Group, steps: &[Step], platform: &PlatformSettings, faults: &mut Faults) {
    // A service that is only watched has its guard, whatever all the others do.
    if matches!(platform, PlatformSettings::None) && !service.is_given("steps") {
        return;
    }
    let mut refused: Vec<Action> = Vec::new();
    for step in steps {
        if let Some(reason) = impossible(step.action, platform)
            && !refused.contains(&step.action)
        {
            refused.push(step.action);
            let fault = Fault::new(service.name_of("steps"), reason).from_origin(service.origin("steps"));
            let others =
                "leave the step out, choose another recovery_backend, or give this service steps of its own";
            faults.push(fault.suggesting(Some(others.to_owned())));
        }
    }
}

fn impossible(action: Action, platform: &PlatformSettings) -> Option<String> {
    let word = action.as_str();
    match (action, platform) {
        (_, PlatformSettings::None) => {
            Some(format!("the step {word} cannot be done: recovery_backend is none"))
        }
        (Action::Recreate, PlatformSettings::Webhook(_) | PlatformSettings::Command(_)) => Some(format!(
            "the step {word} cannot be done by a {}, only by docker and kubernetes",
            target(platform, "").backend.as_str()
        )),
        (Action::UpdateConfiguration, PlatformSettings::Webhook(_)) => Some(format!(
            "the step {word} cannot be done by a webhook: it keeps what was before until the verdict, which docker, kubernetes and command can"
        )),
        (Action::UpdateConfiguration, PlatformSettings::Docker(DockerSettings { update: None, .. }))
        | (
            Action::UpdateConfiguration,
            PlatformSettings::Kubernetes(KubernetesSettings { update: None, .. }),
        )
        | (Action::UpdateConfiguration, PlatformSettings::Command(CommandSettings { update: None, .. })) => {
            Some(format!(
                "the step {word} needs configuration_update of this service, which says what to change"
            ))
        }
        (
            Action::Restart | Action::Recreate | Action::UpdateConfiguration | Action::Webhook,
            PlatformSettings::Docker(_) | PlatformSettings::Kubernetes(_),
        )
        | (Action::Restart | Action::Webhook, PlatformSettings::Webhook(_))
        | (Action::Restart | Action::UpdateConfiguration | Action::Webhook, PlatformSettings::Command(_)) => {
            None
        }
    }
}

/// Reads steps: an action, then `xN` for the attempts and `within S` for the seconds of its proof.
fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Result<Vec<Step>, String> {
    let steps = words.map(step).collect::<Result<Vec<_>, _>>()?;
    match steps.len() {
        0 => Err("names no step".to_owned()),
        1..=MOST_STEPS => Ok(steps),
        more => Err(format!("has {more} steps, at most {MOST_STEPS} are taken")),
    }
}

fn step(text: &str) -> Result<Step, String> {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap_or_default();
    let Some(action) = Action::ALL.into_iter().find(|action| action.as_str().eq_ignore_ascii_case(name))
    else {
        let known = Action::ALL.map(Action::as_str).join(", ");
        return Err(format!("the step {text:?} names no action; there are {known}"));
    };
    let mut step = Step::new(action);
    while let Some(word) = words.next() {
        if word == "within" {
            let seconds = words.next().and_then(|word| word.parse::<f64>().ok());
            let Some(seconds) = seconds.filter(|seconds| WITHIN.contains(seconds)) else {
                return Err(format!(
                    "the step {text:?} needs a number of seconds from 0.1 to 86400 after within"
                ));
            };
            step.within = Some(Duration::from_secs_f64(seconds));
        } else {
            let attempts = word.strip_prefix('x').and_then(|number| number.parse().ok());
            let Some(attempts) = attempts.filter(|attempts| (1..=MOST_ATTEMPTS).contains(attempts)) else {
                return Err(format!(
                    "the step {text:?} has the word {word:?}; write an action, then x1 to x{MOST_ATTEMPTS} for its \
                     attempts and within S for the seconds of its proof: restart x2 within 90"
                ));
            };
            step.attempts = attempts;
        }
    }
    Ok(step)
}
