//! Delivers messages to a mailbox for development: at once what a request of this process left, and what others
//! left at the next round.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::App;
use crate::features::mailbox::{self, Links, Mailbox};
use crate::features::tenants::{self, Selector, TenantRef};
use crate::kernel::{AnyFailure, Caller, TenantId};
use crate::settings::{Settings, Target};

/// How often all realms are looked at.
const ROUND: Duration = Duration::from_secs(30);
/// Most tenants of one round: a mailbox for development has few.
const MOST: usize = 500;

/// Realms in which requests of this process left messages.
#[derive(Debug, Default)]
pub(super) struct Doorbell {
    rung: Mutex<BTreeSet<TenantId>>,
    bell: Notify,
}

/// The mailbox of these settings, where messages are written to as files; `url` is the server's own address.
#[must_use]
pub fn mailbox(settings: &Settings, url: &str) -> Option<Mailbox> {
    let own = || match &settings.target {
        Target::Local(local) => Some(super::stack(settings, local).mail_folder()),
        Target::Servers(_) => None,
    };
    let folder = settings.serve.mail_folder.clone().or_else(own)?;
    Some(Mailbox { folder, links: Links::of(settings.serve.app_url.as_deref().unwrap_or(url)) })
}

impl App {
    /// Says that there are messages in a realm, after the commit.
    pub fn ring(&self, realm: TenantId) {
        let doorbell = &self.shared().doorbell;
        doorbell.rung.lock().unwrap_or_else(PoisonError::into_inner).insert(realm);
        doorbell.bell.notify_one();
    }

    /// Writes messages into a mailbox until it is told to stop, and says which files it wrote.
    pub async fn deliver(self, mailbox: Mailbox, written: mpsc::Sender<PathBuf>, stop: CancellationToken) {
        let work = async {
            let mut round = tokio::time::interval(ROUND);
            loop {
                let realms = tokio::select! {
                    _ = round.tick() => self.all_realms().await,
                    () = self.shared().doorbell.bell.notified() => Ok(self.rung()),
                };
                let delivered = match realms {
                    Ok(realms) => self.deliver_in(realms, &mailbox, &written).await,
                    Err(failure) => Err(failure),
                };
                if let Err(failure) = delivered {
                    tracing::warn!(code = failure.code(), "messages could not be written: {failure}");
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }

    fn rung(&self) -> Vec<TenantId> {
        let mut rung = self.shared().doorbell.rung.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *rung).into_iter().collect()
    }

    async fn all_realms(&self) -> Result<Vec<TenantId>, AnyFailure> {
        let mut control = self.control().await?;
        let all = tenants::select(&mut control, &Caller::System, &Selector::default()).await?;
        Ok(std::iter::once(TenantId::PLATFORM).chain(all.into_iter().map(|(id, _)| id).take(MOST)).collect())
    }

    /// What fails in one realm keeps no other waiting.
    async fn deliver_in(
        &self,
        realms: Vec<TenantId>,
        mailbox: &Mailbox,
        written: &mpsc::Sender<PathBuf>,
    ) -> Result<(), AnyFailure> {
        let mut failed = Ok(());
        for realm in realms {
            match self.deliver_one(realm, mailbox).await {
                Ok(paths) => {
                    for path in paths {
                        // Nobody listens when the process is about to end.
                        let _ = written.send(path).await;
                    }
                }
                Err(failure) => failed = Err(failure),
            }
        }
        failed
    }

    async fn deliver_one(&self, realm: TenantId, mailbox: &Mailbox) -> Result<Vec<PathBuf>, AnyFailure> {
        let tenant = match realm {
            TenantId::PLATFORM => None,
            id => match self.tenant(&TenantRef::Id(id)).await? {
                Some(tenant) => Some(tenant),
                // Not in use: its messages wait.
                None => return Ok(Vec::new()),
            },
        };
        let mut realm = self.realm(tenant.as_deref()).await?;
        Ok(mailbox::deliver(&mut realm, &Caller::System, mailbox).await?)
    }
}
