//! Following the events of realms.

use std::sync::Arc;

use super::App;
use crate::features::events::{ReaderSources, Readers};
use crate::kernel::TenantId;

impl App {
    /// Wakes those who follow a realm's events.
    pub fn wake_readers(&self, realm: TenantId) {
        self.shared().realm_wakeups.relayed.wake(realm);
    }

    /// What follows the events of realms.
    #[must_use]
    pub fn readers(&self) -> Readers {
        let (app, relayed) = (self.clone(), Arc::clone(&self.shared().realm_wakeups.relayed));
        Readers::new(ReaderSources {
            realm: Box::new(move |realm| {
                let app = app.clone();
                Box::pin(async move { app.realm_of(realm).await })
            }),
            control: self.control_source(),
            relayed: Box::new(move || {
                let relayed = Arc::clone(&relayed);
                Box::pin(async move { relayed.woken().await })
            }),
        })
    }
}
