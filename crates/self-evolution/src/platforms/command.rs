//! Changes made by programs on this host: argument vectors, never a shell of ours.

use std::time::Duration;

use shared::platform::{Ended, Program, run};

use super::{CommandMeans, values};
use crate::domain::order::{Inspection, Order, Sight, Written};
use crate::domain::playbook::action_of;
use crate::domain::setting::SettingChange;

/// What the program prints that tells the present value.
pub(super) async fn see(means: &CommandMeans, look: &Inspection) -> Sight {
    let Some(read) = &means.read else { return Sight::Blind };
    let keys = look.keys.join(",");
    let environment = [("SERVICE", &*look.service), ("ACTION", "read"), ("KEY", &*keys)];
    let tried = format!("read {keys} of {} by running {}", look.service, program(read));
    match ran(read, &environment, means.timeout).await {
        Ended::Exited { status, stdout, .. } if status.success() => {
            match values::sight(&String::from_utf8_lossy(&stdout), &look.keys) {
                Sight::Unreachable(reason) => Sight::Unreachable(format!("{tried}: {reason}")),
                sight @ (Sight::Values(_)
                | Sight::Owned(_)
                | Sight::Several(_)
                | Sight::Partial
                | Sight::Gone(_)
                | Sight::Blind) => sight,
            }
        }
        ended @ (Ended::NotStarted { .. }
        | Ended::Exited { .. }
        | Ended::Killed { .. }
        | Ended::Lost { .. }) => Sight::Unreachable(format!("{tried}: {}", how(&ended, means.timeout))),
    }
}

/// Runs the program; what its end says of the order.
pub(super) async fn write(means: &CommandMeans, order: &Order) -> Written {
    let [SettingChange { key, before, after }] = order.changes.as_slice() else {
        return Written::NotRun("a command changes one value at a time".to_owned());
    };
    let (id, attempt) = (order.change.to_string(), order.key());
    let (before, after) = (before.as_ref().map(values::text), after.as_ref().map(values::text));
    let mut environment = vec![
        ("SERVICE", &*order.service),
        ("ACTION", action_of(order.kind)),
        ("STAGE", order.stage.as_str()),
        ("KEY", key.as_str()),
        ("RECOMMENDATION_ID", order.recommendation_id.as_str()),
        ("CHANGE_ID", &id),
        ("IDEMPOTENCY_KEY", &attempt),
    ];
    // A value that is not set is a variable that is not there.
    environment.extend(before.as_deref().map(|before| ("BEFORE", before)));
    environment.extend(after.as_deref().map(|after| ("AFTER", after)));
    let tried = format!("change {key} of {} by running {}", order.service, program(&means.command));
    let ended = ran(&means.command, &environment, means.timeout).await;
    let reason = format!("{tried}: {}", how(&ended, means.timeout));
    match ended {
        Ended::Exited { status, .. } if status.success() => Written::Done,
        Ended::Exited { .. } => Written::Failed(reason),
        Ended::NotStarted { .. } => Written::NotRun(reason),
        Ended::Killed { .. } | Ended::Lost { .. } => {
            Written::Unknown(format!("{reason}; it may have had an effect"))
        }
    }
}

fn program(argv: &[String]) -> &str {
    argv.first().map_or("", String::as_str)
}

async fn ran(argv: &[String], environment: &[(&str, &str)], limit: Duration) -> Ended {
    run(Program { argv: argv.to_vec(), environment, limit }).await
}

fn how(ended: &Ended, limit: Duration) -> String {
    let said = ended.said();
    match ended {
        Ended::NotStarted { cause } => format!("{cause}; check the program and the PATH of this process"),
        Ended::Exited { status, .. } => format!("it ended with {status}{said}"),
        Ended::Killed { .. } => format!("killed after {} s{said}", limit.as_secs_f32()),
        Ended::Lost { cause } => format!("its end could not be awaited: {cause}"),
    }
}
