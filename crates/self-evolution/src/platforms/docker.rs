//! Changes of containers: limits while they run, variables by making them anew, and further ones beside them.

use serde_json::Value;
use shared::clock::Timestamp;
use shared::order::{OrderId, Performed, Standing as Pieces, Unreachable};
use shared::platform::{Docker, Having, Limits, Variables};

use super::{Content, DockerMeans, values};
use crate::domain::order::{Inspection, Order, Sight, Stage, Values, Written};
use crate::domain::play::as_number;
use crate::domain::setting::SettingChange;

/// What the keys of variables begin with.
pub const VARIABLE: &str = "env.";
/// Bytes of memory.
pub const MEMORY: &str = "memory";
/// Processors.
pub const CPUS: &str = "cpus";
/// The number of containers.
pub const REPLICAS: &str = "replicas";

/// What the containers have.
pub(super) async fn see(means: &DockerMeans, look: &Inspection) -> Sight {
    let docker = &means.docker;
    if let (Content::Variables, Some(change)) = (means.content, look.change) {
        // While one takes the place of another, there may be none under the name.
        for id in [change, again(change)] {
            match docker.examine(id).await {
                Ok(Pieces::Partial) => return Sight::Partial,
                Ok(Pieces::Untouched | Pieces::Complete) => {}
                Err(Unreachable { reason }) => return Sight::Unreachable(reason),
            }
        }
    }
    let all = match docker.having().await {
        Ok(all) => all,
        Err(Unreachable { reason }) => return Sight::Unreachable(reason),
    };
    match means.content {
        Content::Limits | Content::Variables => {
            Sight::Several(all.iter().map(|one| values_of(one, &look.keys)).collect())
        }
        Content::Replicas => replicas(&all, look.change),
    }
}

fn values_of(having: &Having, keys: &[String]) -> Values {
    let value = |key: &String| match key.as_str() {
        MEMORY => having.memory.map(Value::from),
        CPUS => having.cpus.map(as_number),
        key => {
            let name = key.strip_prefix(VARIABLE)?;
            let of = |one: &String| Some(one.strip_prefix(name)?.strip_prefix('=')?.to_owned());
            having.variables.iter().rev().find_map(of).map(Value::String)
        }
    };
    keys.iter().map(|key| (key.clone(), value(key))).collect()
}

/// How many there are; those of a change count when all of them run.
fn replicas(all: &[Having], change: Option<OrderId>) -> Sight {
    let id = change.map(|change| change.to_string());
    let ours: Vec<_> = all.iter().filter(|one| id.is_some() && one.made_for == id).collect();
    let wanted = ours.iter().find_map(|one| one.made_of);
    if wanted.is_some_and(|wanted| wanted != ours.len()) || ours.iter().any(|one| !one.is_running) {
        return Sight::Partial;
    }
    Sight::Values(Values::from([(REPLICAS.to_owned(), Some(Value::from(all.len())))]))
}

/// Carries an order out.
pub(super) async fn write(means: &DockerMeans, order: &Order) -> Written {
    let docker = &means.docker;
    let performed = match (means.content, order.stage) {
        (Content::Limits, Stage::Apply | Stage::Rollback) => docker.limit(limits(&order.changes)).await,
        (Content::Variables, Stage::Apply) => docker.recreate(order.change, &variables(&order.changes)).await,
        (Content::Variables, Stage::Rollback) if order.is_kept => return put_back(docker, order).await,
        (Content::Variables, Stage::Rollback) => return back_anew(docker, order).await,
        (Content::Variables, Stage::Keep) => docker.keep(order.change).await,
        (Content::Replicas, Stage::Apply) => match further(&order.changes) {
            Some(further) => docker.add_replicas(order.change, further).await,
            None => Performed::NotRun { reason: "only further containers can be made".to_owned() },
        },
        (Content::Replicas, Stage::Rollback) => docker.remove_replicas(order.change).await,
        (Content::Limits | Content::Replicas, Stage::Keep) => Performed::Accepted,
    };
    written(performed)
}

fn written(performed: Performed) -> Written {
    match performed {
        Performed::Accepted | Performed::AcceptedAs { .. } => Written::Done,
        Performed::NotRun { reason } => Written::NotRun(reason),
        Performed::Failed { reason } => Written::Failed(reason),
        Performed::Unknown { reason } => Written::Unknown(reason),
        Performed::Superseded { reason } => Written::Foreign(reason),
    }
}

/// The identity of making a container anew once more, to take back what was kept already.
fn again(change: OrderId) -> OrderId {
    OrderId::at(Timestamp::default(), change.scatter())
}

/// The old container is put back; where somebody has removed it, and the new one still is ours, another one is made.
async fn put_back(docker: &Docker, order: &Order) -> Written {
    let written = written(docker.revert(order.change).await);
    let id = Some(order.change.to_string());
    let is_ours = async || match docker.having().await {
        Ok(all) => all.iter().any(|one| one.made_for == id),
        Err(_) => false,
    };
    if matches!(written, Written::Foreign(_)) && is_ours().await {
        return back_anew(docker, order).await;
    }
    written
}

/// The old container is gone since the verdict, so another one is made with the variables of before.
async fn back_anew(docker: &Docker, order: &Order) -> Written {
    let id = again(order.change);
    let performed = match docker.examine(id).await {
        Err(Unreachable { reason }) => return Written::NotRun(reason),
        Ok(Pieces::Partial) => docker.revert(id).await,
        Ok(Pieces::Untouched | Pieces::Complete) => Performed::Accepted,
    };
    let performed = match performed {
        Performed::Accepted | Performed::AcceptedAs { .. } => {
            docker.recreate(id, &variables(&order.changes)).await
        }
        failed @ (Performed::NotRun { .. }
        | Performed::Failed { .. }
        | Performed::Unknown { .. }
        | Performed::Superseded { .. }) => failed,
    };
    match written(performed) {
        Written::Done => written(docker.keep(id).await),
        not_done @ (Written::Needless
        | Written::NotRun(_)
        | Written::Foreign(_)
        | Written::Failed(_)
        | Written::Unknown(_)) => not_done,
    }
}

fn limits(changes: &[SettingChange]) -> Limits {
    let after = |wanted: &str| changes.iter().find(|one| one.key == wanted)?.after.as_ref();
    Limits { memory: after(MEMORY).and_then(Value::as_i64), cpus: after(CPUS).and_then(Value::as_f64) }
}

fn variables(changes: &[SettingChange]) -> Variables {
    let mut variables = Variables::default();
    for SettingChange { key, after, .. } in changes {
        let Some(name) = key.strip_prefix(VARIABLE) else { continue };
        match after {
            Some(value) => variables.set.push((name.to_owned(), values::text(value))),
            None => variables.remove.push(name.to_owned()),
        }
    }
    variables
}

fn further(changes: &[SettingChange]) -> Option<usize> {
    let [SettingChange { before, after, .. }] = changes else { return None };
    let number = |value: &Option<Value>| value.as_ref().and_then(Value::as_u64);
    let further = number(after)?.checked_sub(number(before)?)?;
    usize::try_from(further).ok().filter(|further| *further > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn having(made_for: Option<&str>, of: usize, is_running: bool) -> Having {
        Having {
            name: "web-1".to_owned(),
            is_running,
            memory: Some(64),
            cpus: None,
            variables: vec!["CACHE=on".to_owned(), "CACHES=5".to_owned(), "BARE".to_owned()],
            made_for: made_for.map(str::to_owned),
            made_of: made_for.map(|_| of),
        }
    }

    #[test]
    fn a_container_shows_its_limits_and_variables_by_key() {
        let keys = ["memory", "cpus", "env.CACHE", "env.BARE"].map(str::to_owned);
        let expected = [
            ("memory", Some(json!(64))),
            ("cpus", None),
            ("env.CACHE", Some(json!("on"))),
            ("env.BARE", None),
        ];
        let expected: Values = expected.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        assert_eq!(values_of(&having(None, 0, true), &keys), expected);
    }

    #[test]
    fn further_containers_count_when_all_of_them_run() {
        let change = OrderId::at(Timestamp::default(), 7);
        let id = change.to_string();
        let seen = |all: &[Having]| match replicas(all, Some(change)) {
            Sight::Values(values) => values[REPLICAS].clone(),
            Sight::Owned(_)
            | Sight::Several(_)
            | Sight::Partial
            | Sight::Gone(_)
            | Sight::Blind
            | Sight::Unreachable(_) => None,
        };
        let (own, ours) = (having(None, 0, true), |runs| having(Some(&id), 2, runs));
        assert_eq!(seen(std::slice::from_ref(&own)), Some(json!(1)));
        assert_eq!(seen(&[own.clone(), ours(true), ours(true)]), Some(json!(3)));
        assert_eq!(seen(&[own.clone(), ours(true)]), None, "one of two");
        assert_eq!(seen(&[own.clone(), ours(true), ours(false)]), None, "one does not run");
        assert_eq!(
            seen(&[own, having(Some("another"), 5, false)]),
            Some(json!(2)),
            "those of others are theirs"
        );
    }
}
