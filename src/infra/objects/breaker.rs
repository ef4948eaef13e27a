//! A store that did not answer is left alone for a while: what needs it fails at once, instead of
//! waiting for it each by itself.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{ObjectError, ObjectStore, Owner, ScopedKey, StoreInventory};

/// How long it is left alone.
const PAUSE: Duration = Duration::from_secs(30);

/// Whether a store is asked at all. All who ask one store share it, by whichever key they do.
pub struct Circuit {
    endpoint: String,
    /// Until when nobody is let through.
    open: Mutex<Option<Instant>>,
}

impl Circuit {
    /// Of the store at an endpoint.
    #[must_use]
    pub fn new(endpoint: &str) -> Self {
        Self { endpoint: endpoint.to_owned(), open: Mutex::new(None) }
    }

    /// Asks the store, unless it did not answer a moment ago. An answer, also one that says that it is busy with one
    /// bucket ([`ObjectError::Busy`]), is no silence.
    ///
    /// # Errors
    /// [`ObjectError::Down`], at once; what asking yields.
    pub async fn pass<T>(
        &self,
        asked: impl Future<Output = Result<T, ObjectError>>,
    ) -> Result<T, ObjectError> {
        {
            let mut open = self.open.lock().await;
            if let Some(until) = *open {
                if Instant::now() < until {
                    return Err(ObjectError::Down { endpoint: self.endpoint.clone() });
                }
                // The first one after the pause tries; the others wait for what comes of it.
                *open = Some(Instant::now() + PAUSE);
            }
        }
        let answer = asked.await;
        let mut open = self.open.lock().await;
        *open = match &answer {
            Err(ObjectError::Unavailable { .. }) => Some(Instant::now() + PAUSE),
            _ => None,
        };
        answer
    }

    async fn close(&self) {
        *self.open.lock().await = None;
    }
}

/// A store behind a circuit breaker, which all workers of a process share.
pub struct Breaker {
    store: Arc<dyn ObjectStore>,
    circuit: Arc<Circuit>,
}

impl Breaker {
    /// Before a store.
    #[must_use]
    pub fn before(store: Arc<dyn ObjectStore>) -> Self {
        let circuit = Arc::new(Circuit::new(store.endpoint()));
        Self { store, circuit }
    }

    /// What it goes by.
    #[must_use]
    pub fn circuit(&self) -> Arc<Circuit> {
        Arc::clone(&self.circuit)
    }
}

#[async_trait]
impl ObjectStore for Breaker {
    fn endpoint(&self) -> &str {
        self.store.endpoint()
    }

    fn region(&self) -> &str {
        self.store.region()
    }

    async fn fence(&self, owner: &Owner) -> Result<(), ObjectError> {
        self.circuit.pass(self.store.fence(owner)).await
    }

    async fn has_bucket(&self, bucket: &str, owner: &Owner) -> Result<bool, ObjectError> {
        self.circuit.pass(self.store.has_bucket(bucket, owner)).await
    }

    async fn create_bucket(&self, bucket: &str, owner: &Owner) -> Result<(), ObjectError> {
        self.circuit.pass(self.store.create_bucket(bucket, owner)).await
    }

    async fn purge_bucket(&self, bucket: &str, owner: &Owner) -> Result<(), ObjectError> {
        self.circuit.pass(self.store.purge_bucket(bucket, owner)).await
    }

    async fn keys(&self, owner: &Owner) -> Result<Vec<String>, ObjectError> {
        self.circuit.pass(self.store.keys(owner)).await
    }

    async fn create_key(&self, bucket: &str, owner: &Owner) -> Result<ScopedKey, ObjectError> {
        self.circuit.pass(self.store.create_key(bucket, owner)).await
    }

    async fn delete_key(&self, access_key_id: &str, owner: &Owner) -> Result<(), ObjectError> {
        self.circuit.pass(self.store.delete_key(access_key_id, owner)).await
    }

    async fn set_key_enabled(
        &self,
        access_key_id: &str,
        bucket: &str,
        owner: &Owner,
        enabled: bool,
    ) -> Result<(), ObjectError> {
        self.circuit.pass(self.store.set_key_enabled(access_key_id, bucket, owner, enabled)).await
    }

    async fn inventory(&self, installation: &str) -> Result<StoreInventory, ObjectError> {
        self.store.inventory(installation).await
    }

    async fn high_water(&self, installation: &str) -> Result<i64, ObjectError> {
        self.store.high_water(installation).await
    }

    async fn ready(&self) -> Result<(), ObjectError> {
        self.store.ready().await
    }

    /// Always asks: it is what a person does to learn whether the store is back.
    async fn check(&self) -> Result<(), ObjectError> {
        let answer = self.store.check().await;
        if answer.is_ok() {
            self.circuit.close().await;
        }
        answer
    }

    fn scopes_keys(&self) -> bool {
        self.store.scopes_keys()
    }
}
