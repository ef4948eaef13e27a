//! Deletes what is left of files in tenants' realms and buckets, beside the requests: abandoned uploads, and what
//! servers left that were killed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::App;
use crate::features::files::{self, Bucket, FilesError, Reach, SweepOutcome, Swept};
use crate::features::iam::{IamError, Realm};
use crate::features::tenants::{Tenant, TenantRef};
use crate::kernel::{AnyFailure, Caller, TenantId};

/// How often it is asked where something is due.
const ROUND: Duration = Duration::from_mins(1);

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

    /// What is left is in the realm already.
    async fn expect_sweep(&self) -> Result<(), AnyFailure> {
        Ok(())
    }

    async fn bucket(&self) -> Result<Bucket, AnyFailure> {
        self.app.bucket(&self.tenant).await
    }
}

impl App {
    /// Makes known that something of a tenant's files will have to be swept, before it is written there.
    ///
    /// # Errors
    /// The control database's.
    pub async fn expect_sweep(&self, tenant: TenantId) -> Result<(), AnyFailure> {
        let expected = &self.shared().expected_sweeps;
        if !expected.is_known(tenant) {
            let before = Instant::now();
            files::expect_sweep(&mut *self.control().await?, &Caller::System, tenant).await?;
            expected.know(tenant, before);
        }
        Ok(())
    }

    /// Sweeps the files of tenants where something is due, one tenant after the other, until it is told to stop.
    pub async fn sweep_files(self, stop: CancellationToken) {
        let work = async {
            let mut round = tokio::time::interval(ROUND);
            loop {
                round.tick().await;
                if let Err(failure) = self.sweep_due().await {
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
    async fn sweep_due(&self) -> Result<(), AnyFailure> {
        loop {
            let due = files::claim_sweeps(&mut *self.control().await?, &Caller::System).await?;
            if due.is_empty() {
                return Ok(());
            }
            for id in due {
                match self.sweep_one(id).await {
                    Ok(0) => {}
                    Ok(files) => tracing::info!(tenant = %id, files, "what was left of files is deleted"),
                    Err(failure) => {
                        let code = failure.code();
                        tracing::warn!(
                            tenant = %id,
                            code,
                            "files that are to be deleted stay for now: {failure}"
                        );
                    }
                }
            }
        }
    }

    async fn sweep_one(&self, id: TenantId) -> Result<usize, AnyFailure> {
        let (files, sweeping) = match self.tenant(&TenantRef::Id(id)).await? {
            None => (0, SweepOutcome::NotInUse),
            Some(tenant) => {
                let at = TenantFiles { app: self.clone(), tenant };
                match Box::pin(files::sweep(&at, &Caller::System)).await {
                    // It has no files.
                    Err(FilesError::Iam(IamError::Outdated)) => (0, SweepOutcome::Swept { next: None }),
                    swept => {
                        let Swept { files, next } = swept?;
                        (files, SweepOutcome::Swept { next })
                    }
                }
            }
        };
        files::settle_sweep(&mut *self.control().await?, &Caller::System, id, sweeping).await?;
        Ok(files)
    }
}
