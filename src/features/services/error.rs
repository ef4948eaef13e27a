//! What can go wrong with services.

use crate::features::access::AccessError;
use crate::features::iam::IamError;
use crate::features::tokens::TokenError;
use crate::infra::db::DbError;
use crate::kernel::hint::InRealm;
use crate::kernel::{Failure, RealmRef};

use super::model::{MOST_SENT, ServiceName};

/// A request about services that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum ServiceError {
    /// No service of that name is seen in the realm.
    #[error("no service {name}")]
    #[failure(NotFound, "service_not_found")]
    #[hint("see which there are" => ServiceAction::List(at.clone()))]
    #[details(name)]
    NotFound { name: String, at: InRealm },
    /// The service has no such version.
    #[error("service {name} has no version {version}")]
    #[failure(NotFound, "service_version_not_found")]
    #[hint("see which there are" => ServiceAction::List(at.clone()))]
    #[details(name, version, versions)]
    VersionNotFound { name: String, version: i32, versions: Vec<i32>, at: InRealm },
    /// The service has no such address.
    #[error("service {name} is not registered at this address")]
    #[failure(NotFound, "service_instance_not_found")]
    #[hint("register it there first; see where it is registered" => ServiceAction::List(at.clone()))]
    #[details(name)]
    InstanceNotFound { name: String, at: InRealm },
    /// The caller may not call it.
    #[error("{caller} may not call service {name}: permission {permission} is missing")]
    #[failure(Forbidden, "permission_missing")]
    #[hint("somebody who manages roles can give a role this permission")]
    #[details(permission)]
    Forbidden { caller: String, permission: String, name: String },
    /// The platform has a service of that name.
    #[error("the platform has a service {name}; a tenant cannot register another of that name")]
    #[failure(Conflict, "service_name_taken")]
    #[hint("use another name")]
    #[details(name)]
    NameTaken { name: String },
    /// A realm may have so many services, and a service so many instances.
    #[error("there are {most} {what}, and there may be no more")]
    #[failure(Conflict, "too_many_services")]
    #[hint("remove what is not used")]
    #[details(most, what)]
    TooMany { most: i64, what: &'static str },
    /// The URL is none that is sent to.
    #[error("the URL cannot be used: {reason}")]
    #[failure(Invalid, "service_url_refused")]
    #[hint("use an https:// URL with a public name on port 443")]
    #[hint("the operator can allow other networks: outbound.allow_networks")]
    #[details(reason)]
    Url { reason: String },
    /// The permission stands for several.
    #[error("{permission} stands for several permissions, and a service asks for one")]
    #[failure(Invalid, "service_permission_invalid")]
    #[hint("name one permission, such as invoice:send")]
    #[details(permission)]
    Pattern { permission: String },
    /// What is to be sent is too much.
    #[error("what is sent to a service has {} KiB at most", MOST_SENT >> 10)]
    #[failure(Invalid, "service_payload_too_large")]
    #[hint("send less, or send where it can be read")]
    PayloadTooLarge,
    /// All instances are silent, or fail, or have as many calls as they may.
    #[error("service {name} is not available: {reason}")]
    #[failure(Unavailable, "service_unavailable")]
    #[hint("try again in {retry_after} s")]
    #[details(name, reason, retry_after)]
    Unavailable { name: String, reason: &'static str, retry_after: u64 },
    /// It did not answer in time.
    #[error("service {name} did not answer within {timeout_ms} ms; whether it did its work is not known")]
    #[failure(Unavailable, "service_timeout")]
    #[hint("try again only where doing it twice does no harm")]
    #[details(name, timeout_ms)]
    Timeout { name: String, timeout_ms: u64 },
    /// It could not be reached, or said that it failed, or answered no JSON.
    #[error("service {name} failed: {reason}")]
    #[failure(Unavailable, "service_failed")]
    #[hint("whoever runs the service finds the cause in its log")]
    #[details(name, status, reason)]
    Failed { name: String, status: Option<u16>, reason: String },
    /// The caller may not.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
    /// The realm, or what the caller may do there.
    #[error(transparent)]
    #[failure(transparent)]
    Iam(#[from] IamError),
    /// The token that says who calls.
    #[error(transparent)]
    #[failure(transparent)]
    Token(#[from] TokenError),
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent, from(sqlx::Error))]
    Db(#[from] DbError),
}

impl ServiceError {
    pub(super) fn not_found(name: &ServiceName, at: &RealmRef) -> Self {
        Self::NotFound { name: name.to_string(), at: at.hinted() }
    }
}
