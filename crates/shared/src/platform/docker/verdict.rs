//! What becomes of the old and of the new container once there is a verdict.
//!
//! Every order begins by looking and does what is missing, whatever came between. So the last trace of a recovery,
//! a name with its identity, is removed last: as long as something is left to do, the next try sees it.

use bollard::Docker as Client;
use bollard::models::RestartPolicy;

use super::choice::Listed;
use super::failure::Failure;
use super::recreate::{CALL, NEW, Pieces, named, pieces, policy_of, remove, rename, start, unpark};
use super::{Docker, within};
use crate::order::{OrderId, Performed};
use crate::platform::update::begun;

/// Why there was nothing to do, where somebody else came first.
type Superseded = Option<String>;

impl Docker {
    /// The verdict is good: the old ones are removed.
    pub async fn keep(&self, id: OrderId) -> Performed {
        let tried = format!("remove the old container of {}", self.container());
        self.ended(&tried, self.keep_all(id).await)
    }

    /// The verdict is bad: the old ones are put back and started, and the new ones removed.
    pub async fn revert(&self, id: OrderId) -> Performed {
        let tried = format!("put the old container of {} back", self.container());
        self.ended(&tried, self.revert_all(id).await)
    }

    /// Only where no connection was made is it certain that the engine had no part in it.
    fn ended(&self, tried: &str, result: Result<Superseded, Failure>) -> Performed {
        match result {
            Ok(None) => Performed::Accepted,
            Ok(Some(reason)) => Performed::Superseded { reason },
            Err(failure @ Failure::NoConnection { .. }) => failure.of_order(tried, &self.address),
            Err(failure @ (Failure::Answered { .. } | Failure::NoAnswer { .. })) => {
                begun(failure.of_order(tried, &self.address))
            }
        }
    }

    async fn keep_all(&self, id: OrderId) -> Result<Superseded, Failure> {
        let client = self.address.client()?;
        let mut superseded = None;
        let all = within(CALL, pieces(&client, id)).await?;
        if all.is_empty() {
            return Ok(Some("the new container is gone, removed or replaced by somebody else".to_owned()));
        }
        for (name, Pieces { kept, aside, .. }) in all {
            if let Some(kept) = kept {
                if within(CALL, named(&client, &name)).await?.is_some() {
                    within(CALL, remove(&client, &kept.id)).await?;
                } else {
                    superseded = Some(put_back_for_want(&client, &name, &kept, aside.as_ref()).await?);
                }
            }
            if let Some(aside) = aside {
                within(CALL, remove(&client, &aside.id)).await?;
            }
        }
        Ok(superseded)
    }

    async fn revert_all(&self, id: OrderId) -> Result<Superseded, Failure> {
        let client = self.address.client()?;
        let mut superseded = None;
        for (name, pieces) in within(CALL, pieces(&client, id)).await? {
            superseded = self.revert_one(&client, &name, pieces, id).await?.or(superseded);
        }
        Ok(superseded)
    }

    async fn revert_one(
        &self,
        client: &Client,
        name: &str,
        pieces: Pieces,
        id: OrderId,
    ) -> Result<Superseded, Failure> {
        let Pieces { kept, mut aside, made } = pieces;
        let under_name = within(CALL, named(client, name)).await?;
        let Some(old) = kept.as_ref().or(under_name.as_ref().filter(|_| made.is_none())) else {
            return self.go_on_with_the_new(client, name, made.or(aside)).await;
        };
        if kept.is_some() && made.is_none() && under_name.is_some() {
            for ours in aside.into_iter().chain(kept) {
                within(CALL, remove(client, &ours.id)).await?;
            }
            return Ok(Some(format!("somebody else has made a new container {name}")));
        }
        if let Some(made) = made {
            self.stop(client, &made.id).await?;
            within(CALL, rename(client, &made.id, &format!("{name}{NEW}{id}"))).await?;
            aside = Some(made);
        }
        let policy = match &aside {
            Some(aside) => {
                // Whatever has started it meanwhile: both want the same ports.
                self.stop(client, &aside.id).await?;
                policy_of(client, &aside.id).await?
            }
            None => None,
        };
        if kept.is_some() {
            within(CALL, rename(client, &old.id, name)).await?;
        }
        self.start_again(client, &old.id, policy).await?;
        if let Some(aside) = aside {
            within(CALL, remove(client, &aside.id)).await?;
        }
        Ok(None)
    }

    /// A stop may be under way still, so the old one is restarted and not only started.
    async fn start_again(
        &self,
        client: &Client,
        old: &str,
        policy: Option<RestartPolicy>,
    ) -> Result<(), Failure> {
        within(CALL, unpark(client, old, policy)).await?;
        self.restart_named(client, old).await
    }

    /// The old one is gone: rather the new one than none.
    async fn go_on_with_the_new(
        &self,
        client: &Client,
        name: &str,
        new: Option<Listed>,
    ) -> Result<Superseded, Failure> {
        if let Some(new) = new {
            if new.name != name {
                within(CALL, rename(client, &new.id, name)).await?;
            }
            within(CALL, start(client, &new.id)).await?;
        }
        Ok(Some(format!("somebody removed the old container of {name}, so there is nothing to put back")))
    }
}

/// Somebody removed the new one: rather the old one than none. It is started before it loses the name by which the
/// next try would find it.
async fn put_back_for_want(
    client: &Client,
    name: &str,
    kept: &Listed,
    aside: Option<&Listed>,
) -> Result<String, Failure> {
    let policy = match aside {
        Some(aside) => policy_of(client, &aside.id).await?,
        None => None,
    };
    let is_known = policy.is_some();
    within(CALL, unpark(client, &kept.id, policy)).await?;
    within(CALL, start(client, &kept.id)).await?;
    within(CALL, rename(client, &kept.id, name)).await?;
    let lost = if is_known {
        ""
    } else {
        "; its restart policy went with the new one: set it (docker update --restart)"
    };
    Ok(format!("the new container {name} is gone, so the old one was put back{lost}"))
}
