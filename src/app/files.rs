//! Deletes what is left of files in all tenants' realms and buckets, beside the requests: abandoned uploads, and what
//! servers left that were killed.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::App;
use crate::features::files::{self, Bucket, FilesError, Reach};
use crate::features::iam::{IamError, Realm};
use crate::features::tenants::{self, Selector, Tenant, TenantRef};
use crate::kernel::{AnyFailure, Caller, TenantId};

/// How often all realms are looked at, which takes a session of each.
const ROUND: Duration = Duration::from_hours(6);

/// The files of one tenant.
struct TenantFiles {
    app: App,
    tenant: Arc<Tenant>,
}

impl Reach for TenantFiles {
    type Realm<'a> = Box<Realm>;

    async fn realm(&self) -> Result<Box<Realm>, AnyFailure> {
        self.app.realm(Some(&self.tenant)).await.map(Box::new)
    }

    fn most_bytes(&self) -> Option<i64> {
        None
    }

    async fn bucket(&self) -> Result<Bucket, AnyFailure> {
        self.app.bucket(&self.tenant).await
    }
}

impl App {
    /// Sweeps the files of all tenants that are in use, one tenant after the other, until it is told to stop.
    pub async fn sweep_files(self, stop: CancellationToken) {
        let work = async {
            let mut round = tokio::time::interval(ROUND);
            loop {
                round.tick().await;
                if let Err(failure) = self.sweep_all().await {
                    tracing::warn!(
                        code = failure.code(),
                        "files that are to be deleted stay for now: {failure}"
                    );
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }

    /// What fails in one realm keeps no other waiting.
    async fn sweep_all(&self) -> Result<(), AnyFailure> {
        let all = {
            let mut control = self.control().await?;
            tenants::select(&mut control, &Caller::System, &Selector::default()).await?
        };
        for (id, slug) in all {
            match self.sweep_one(id).await {
                Ok(0) => {}
                Ok(files) => tracing::info!(tenant = slug, files, "what was left of files is deleted"),
                Err(failure) => {
                    let code = failure.code();
                    tracing::warn!(
                        tenant = slug,
                        code,
                        "files that are to be deleted stay for now: {failure}"
                    );
                }
            }
        }
        Ok(())
    }

    async fn sweep_one(&self, id: TenantId) -> Result<usize, AnyFailure> {
        // One that is not in use keeps what it has.
        let Some(tenant) = self.tenant(&TenantRef::Id(id)).await? else { return Ok(0) };
        let at = TenantFiles { app: self.clone(), tenant };
        match Box::pin(files::sweep(&at, &Caller::System)).await {
            // It has no files.
            Err(FilesError::Iam(IamError::Outdated)) => Ok(0),
            swept => Ok(swept?),
        }
    }
}
