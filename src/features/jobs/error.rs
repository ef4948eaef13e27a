//! What can go wrong with jobs.

use crate::features::access::AccessError;
use crate::infra::db::DbError;
use crate::kernel::{Failure, JobId, TenantId};

/// A request about jobs that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum JobError {
    /// No job has that id.
    #[error("no job {id}")]
    #[failure(NotFound, "job_not_found")]
    #[hint("a job that is done is deleted")]
    #[details(id)]
    NotFound { id: JobId },
    /// A process is at work on the job.
    #[error("job {id} is running")]
    #[failure(Conflict, "job_running")]
    #[hint("repeat when it has finished; if its worker died, within 30 seconds")]
    #[details(id)]
    Running { id: JobId },
    /// The tenant has as many jobs in the queue as one may have.
    #[error("tenant {tenant} has {limit} jobs in the queue, and may have no more")]
    #[failure(Busy, "queue_full")]
    #[hint("its events wait in its outbox, and are tried again by themselves")]
    #[hint("see what fills the queue" => PlatformAction::ListJobsOf(*tenant))]
    #[details(limit)]
    QueueFull { tenant: TenantId, limit: i64 },
    /// The caller may not.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent, from(sqlx::Error))]
    Db(#[from] DbError),
}
