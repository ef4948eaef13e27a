//! The server that the settings name.

use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::OnceCell;

use super::model::Cluster;
use crate::settings::{SecretSetting, SecretSettingError};

/// The server that the settings name; its administrator's password is looked for when it is first
/// needed.
#[derive(Debug, Clone)]
pub struct DefaultCluster {
    known: Cluster,
    password: Option<SecretSetting>,
    opened: Arc<OnceCell<Cluster>>,
}

impl DefaultCluster {
    /// A server whose password is where a setting says.
    #[must_use]
    pub fn late(known: Cluster, password: SecretSetting) -> Self {
        Self { known, password: Some(password), opened: Arc::default() }
    }

    /// Most sessions that one tenant may have at a time.
    #[must_use]
    pub fn connection_limit(&self) -> i32 {
        self.known.connection_limit
    }

    /// Its address, without its password.
    #[must_use]
    pub fn address(&self) -> (String, i32) {
        (self.known.admin.host.to_string(), i32::from(self.known.admin.port))
    }

    /// The server, with its password.
    ///
    /// # Errors
    /// When the password cannot be read.
    pub(crate) async fn get(&self) -> Result<&Cluster, SecretSettingError> {
        let open = async || {
            let password = match &self.password {
                Some(setting) => setting.resolve().await?,
                None => SecretString::from(""),
            };
            let mut cluster = self.known.clone();
            cluster.admin.password = password;
            Ok(cluster)
        };
        self.opened.get_or_try_init(open).await
    }
}

impl From<Cluster> for DefaultCluster {
    fn from(cluster: Cluster) -> Self {
        Self { known: cluster.clone(), password: None, opened: Arc::new(OnceCell::new_with(Some(cluster))) }
    }
}
