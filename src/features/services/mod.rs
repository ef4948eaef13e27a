//! Services: functions that apps offer over HTTP and others call by name, without knowing where they run.
//!
//! A service belongs to a tenant, or to the platform, and then all tenants see it. A call asks for the service's
//! permission in the caller's realm, and carries a token that says who calls and for which tenant; it is signed by the
//! platform's key, for this service alone, and good for a minute. A call has two steps, so that no session is held while
//! a service works: [`prepare`], then `PreparedCall::send`. Start reading at [`Service`], then `call.rs`.

mod call;
mod change;
mod error;
mod heartbeat;
mod model;
mod read;
mod remove;
mod store;
mod views;

pub(crate) use call::note_health;
pub use call::{MOST_AT_ONCE, PreparedCall, prepare};
pub use change::register;
pub use error::ServiceError;
pub use heartbeat::heartbeat;
pub use model::{
    CallTimeout, Instance, MOST_SENT, NewService, ServiceCall, ServiceHealth, ServiceName, ServiceScope,
    ServiceVersion,
};
pub use read::{get, list};
pub(in crate::features) use remove::forget_tenant;
pub use remove::remove;
pub use views::{RemovedService, Service, ServiceInstance};
