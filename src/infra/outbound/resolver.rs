//! Who says which addresses a name has.

use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};

use tokio::sync::Semaphore;

/// Looks names up.
#[async_trait::async_trait]
pub trait Resolve: Debug + Send + Sync {
    /// The addresses of a name.
    ///
    /// # Errors
    /// Where it has none, or nobody answers.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// How many are looked up at once. A lookup goes on, and occupies a thread, also where nobody waits for it any more.
static LOOKUPS: Semaphore = Semaphore::const_new(64);

/// As this machine does it.
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

#[async_trait::async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let permit = LOOKUPS.acquire().await.map_err(io::Error::other)?;
        let name = name.to_owned();
        let looking = tokio::task::spawn_blocking(move || {
            // The port plays no part.
            let found: io::Result<Vec<IpAddr>> =
                (name.as_str(), 0).to_socket_addrs().map(|found| found.map(|it| it.ip()).collect());
            drop(permit);
            found
        });
        let mut found = looking.await.map_err(io::Error::other)??;
        found.dedup();
        Ok(found)
    }
}
