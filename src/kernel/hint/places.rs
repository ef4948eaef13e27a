//! Actions on servers and stores for tenants.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::macros::actions;

/// A server or a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlaceKind {
    Cluster,
    Store,
}

impl fmt::Display for PlaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cluster => "cluster",
            Self::Store => "store",
        })
    }
}

actions! {
    Place:
    /// On servers and stores.
    PlaceAction {
        List(PlaceKind),
        /// `None`: one that the reader knows.
        Show(PlaceKind, Option<String>),
        /// Ask one whether it answers; `None`: one that the reader knows.
        Check(PlaceKind, Option<String>),
        CheckAll(PlaceKind),
        /// Let it take no more tenants.
        Drain(PlaceKind, String),
        /// Give its credentials again; `None`: of one that the reader knows.
        SetCredentials(PlaceKind, Option<String>),
        /// Register a server.
        AddCluster,
        /// Repeat the registration of a server.
        AddClusterAgain(String),
        /// Let the platform hold another number of sessions there.
        LimitConnections(Option<String>),
    }
}

#[cfg(test)]
impl super::macros::Sample for PlaceKind {
    fn sample(whole: bool) -> Self {
        if whole { Self::Cluster } else { Self::Store }
    }
}
