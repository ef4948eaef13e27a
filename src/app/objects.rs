//! The S3 server, as the local stack's daemon runs it.

use async_trait::async_trait;

use crate::features::local::{ObjectEndpoint, ObjectSeat};
use crate::infra::object_server::{self, ObjectServerConfig};

/// Nexus's own object server.
#[derive(Debug, Clone, Copy)]
pub struct ObjectServer;

#[async_trait]
impl ObjectEndpoint for ObjectServer {
    async fn serve(&self, seat: ObjectSeat) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let config =
            ObjectServerConfig { root: seat.root, region: seat.region, admin_token: seat.admin_token };
        Ok(object_server::serve(seat.listener, config, seat.shutdown).await?)
    }
}
