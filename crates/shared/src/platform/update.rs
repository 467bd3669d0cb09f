//! Updates of a configuration: variables of a container, or a file and a restart.

use tokio::task::spawn_blocking;

use super::file_update::{FileUpdate, PutBack};
use super::{Command, Docker, Platform, Variables};
use crate::order::{Action, FileChange, Order, OrderId, Performed, Stage, Standing, Unreachable};

/// What an update changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Update {
    /// Variables of a container, which is made anew with them.
    Variables(Variables),
    /// A file on this host; the instance is restarted after it.
    File(FileUpdate),
}

impl Platform {
    /// The file that this order changes, if it changes one.
    pub(super) fn file(&self, order: &Order) -> Option<&FileUpdate> {
        if order.action != Action::UpdateConfiguration {
            return None;
        }
        match self {
            Self::Docker(Docker { update: Some(Update::File(file)), .. })
            | Self::Command(Command { update: Some(file), .. }) => Some(file),
            Self::Docker(_) | Self::Kubernetes(_) | Self::Command(_) | Self::Webhook(_) | Self::None => None,
        }
    }

    /// The file that this order has changed, while its previous version is kept.
    pub async fn change(&self, order: &Order) -> Option<FileChange> {
        let (file, id) = (self.file(order)?.clone(), order.id);
        spawn_blocking(move || file.change(id)).await.ok()?
    }

    pub(super) async fn update_file(&self, file: &FileUpdate, order: &Order) -> Performed {
        let (file, id, change) = (file.clone(), order.id, order.change.clone());
        match order.stage {
            Stage::Act => match waited_for(move || file.apply(id)).await {
                Ok(()) => begun(self.restart(order).await),
                Err(reason) => Performed::NotRun { reason },
            },
            Stage::Keep => match waited_for(move || file.keep(id)).await {
                Ok(()) => Performed::Accepted,
                Err(reason) => Performed::Failed { reason },
            },
            Stage::Revert => match waited_for(move || file.revert(id, change.as_ref())).await {
                Ok(PutBack::Done) => begun(self.restart(order).await),
                Ok(PutBack::Superseded(reason)) => Performed::Superseded { reason },
                Err(reason) => Performed::Failed { reason },
            },
        }
    }

    async fn restart(&self, order: &Order) -> Performed {
        self.perform_itself(&Order { action: Action::Restart, ..order.clone() }).await
    }
}

/// What there is of a change of a file.
pub(super) async fn examine(file: &FileUpdate, id: OrderId) -> Result<Standing, Unreachable> {
    let file = file.clone();
    waited_for(move || file.examine(id)).await.map_err(|reason| Unreachable { reason })
}

/// Files are read and written where that holds nobody up.
async fn waited_for<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}

/// Once something was changed it is no longer true that nothing happened.
pub(super) fn begun(one: Performed) -> Performed {
    match one {
        Performed::NotRun { reason } => Performed::Failed { reason },
        Performed::Accepted
        | Performed::AcceptedAs { .. }
        | Performed::Failed { .. }
        | Performed::Unknown { .. }
        | Performed::Superseded { .. } => one,
    }
}
