//! Where a new tenant is wanted.

use clap::Args;

use super::super::complete;
use crate::features::placement::PlacementRequest;
use crate::kernel::PlaceName;
use crate::kernel::label::Label;

/// Where a new tenant is wanted; without any of these, where there is most room.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Place")]
pub struct PlaceArgs {
    /// Place its database on this server
    #[arg(long, value_name = "NAME", add = complete::clusters())]
    pub cluster: Option<PlaceName>,
    /// Place its bucket in this object store
    #[arg(long, value_name = "NAME", add = complete::stores())]
    pub store: Option<PlaceName>,
    /// Place it on a server and in a store that have this label; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub place: Vec<Label>,
}

impl PlaceArgs {
    /// The wish.
    pub(super) fn wish(&self) -> PlacementRequest {
        PlacementRequest {
            cluster: self.cluster.as_ref().map(ToString::to_string),
            store: self.store.as_ref().map(ToString::to_string),
            labels: self.place.iter().map(|label| (label.key.clone(), label.value.clone())).collect(),
        }
    }

    /// What a line of a file wishes, and these where it says nothing.
    pub(super) fn or(&self, line: &PlacementRequest) -> PlacementRequest {
        let flags = self.wish();
        PlacementRequest {
            cluster: line.cluster.clone().or(flags.cluster),
            store: line.store.clone().or(flags.store),
            labels: flags.labels,
        }
    }
}
