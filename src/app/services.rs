//! Calls of services.

use std::ops::DerefMut;

use serde_json::Value;

use super::App;
use crate::features::iam::Realm;
use crate::features::services::{self, ServiceCall};
use crate::infra::db::LazyLease;
use crate::kernel::{AnyFailure, Caller};

impl App {
    /// Calls a service as somebody, and gives its answer. The realm is given back before anything is sent.
    ///
    /// # Errors
    /// Where the caller may not, or the service is absent, does not answer or fails.
    pub async fn call_service(
        &self,
        mut realm: impl DerefMut<Target = Realm>,
        caller: &Caller,
        call: &ServiceCall,
    ) -> Result<Value, AnyFailure> {
        let shared = self.shared();
        let with = (&shared.tokens, &shared.circuits);
        let prepared = services::prepare(&mut realm, caller, with, call).await?;
        drop(realm);
        let (answer, news) = prepared.send(&self.outbound()).await;
        if let Some(change) = news {
            let mut control = LazyLease::new(self.control_source());
            let noted = services::note_health(control.get().await?, &Caller::System, change).await;
            if let Err(error) = noted {
                // What counts is the answer.
                tracing::warn!("whether a service answers was not written down: {error}");
            }
        }
        Ok(answer?)
    }
}
