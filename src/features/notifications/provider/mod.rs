//! A tenant's own mail server, by which its mail goes in place of the platform's. It is kept in the control database;
//! its password is sealed with the tenant's other secrets, and nobody is shown it.
//!
//! Who names a host could have Nexus connect to networks that are nobody's business: where the connection is opened,
//! its addresses are checked as those of webhooks are.

mod store;

use std::net::IpAddr;

use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::NotificationsError;
use super::mailer::Mailer;
use crate::features::access::{self, Authorized, rights};
use crate::features::audit;
use crate::features::iam::{Realm, RowsTx};
use crate::infra::db::{DbError, PgConnection, Transaction, transaction};
use crate::infra::outbound::Policy;
use crate::infra::smtp::{Login, SmtpServer, require_allowed};
use crate::kernel::line::lines;
use crate::kernel::{Caller, MailAddress, TenantId, text};
use crate::settings::SmtpTls;
use crate::settings::mail::IMPLICIT_PORT;

/// The password's name among the tenant's secrets.
const PASSWORD: &str = "mail.password";

lines! {
    /// The name or the address of a mail server.
    MailHost: |given| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
        let wrong = "a mail server is named by its host alone, e.g. smtp.example.com";
        let fits = (1..=253).contains(&given.len()) && given.chars().all(is_allowed);
        // What follows a colon is a port, but in an address of IPv6.
        let is_host = fits && (!given.contains(':') || given.matches(':').count() > 1);
        is_host.then(|| given.to_ascii_lowercase()).ok_or_else(|| wrong.to_owned())
    };
    /// Who logs in at a mail server.
    MailUser: |given| text::one_line("a user name", given, 1..=320);
}

/// A tenant's mail server, without its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MailProvider)]
pub struct MailProvider {
    #[schema(example = "smtp.acme.example")]
    pub host: String,
    #[schema(example = 587)]
    pub port: u16,
    /// `implicit` from the first byte, `starttls` after a command, `none`.
    #[schema(value_type = String, example = "starttls")]
    pub tls: SmtpTls,
    /// Who logs in; `null`: nobody.
    #[schema(example = "mailer@acme.example")]
    pub user: Option<String>,
    /// Whom mail is from.
    #[schema(example = "Acme <no-reply@acme.example>")]
    pub from: String,
    /// Where answers go to; `null`: to `from`.
    pub reply_to: Option<String>,
    pub updated_by: String,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    #[serde(skip)]
    pub(super) version: Uuid,
}

/// A mail server that a tenant is to have.
#[derive(Debug)]
pub struct NewProvider {
    pub host: MailHost,
    /// None: the usual one of the encryption.
    pub port: Option<u16>,
    /// None: as the port has it, else by STARTTLS.
    pub tls: Option<SmtpTls>,
    pub user: Option<MailUser>,
    /// None: the one that it has, where server and user stay the same.
    pub password: Option<SecretString>,
    pub from: MailAddress,
    pub reply_to: Option<MailAddress>,
}

impl NewProvider {
    fn tls(&self) -> SmtpTls {
        let usual = if self.port == Some(IMPLICIT_PORT) { SmtpTls::Implicit } else { SmtpTls::StartTls };
        self.tls.unwrap_or(usual)
    }

    fn port(&self) -> u16 {
        self.port.unwrap_or_else(|| self.tls().port())
    }

    /// Whether the password of another one may be used: it is told to the same server.
    fn is_login_of(&self, old: &MailProvider) -> bool {
        let user = self.user.as_ref().map(MailUser::as_str);
        (old.host.as_str(), old.port, old.tls, old.user.as_deref())
            == (self.host.as_str(), self.port(), self.tls(), user)
    }
}

/// Requires a permission on the mail server of a tenant, which it gives.
fn authorize(work: &mut RowsTx<'_>, permission: &'static str) -> Result<TenantId, NotificationsError> {
    work.authorize(permission, &Map::new())?;
    if work.is_platform() { Err(NotificationsError::PlatformProvider) } else { Ok(work.place().id) }
}

/// The mail server of a tenant, where it has one of its own.
///
/// # Errors
/// Without `settings:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn find(realm: &mut Realm, caller: &Caller) -> Result<Option<MailProvider>, NotificationsError> {
    let mut work = realm.look(caller).await?;
    let tenant = authorize(&mut work, "settings:read")?;
    let found = store::find(work.control().await?, tenant).await?;
    work.close().await?;
    Ok(found)
}

/// The same, which there must be.
///
/// # Errors
/// As [`find`]; [`NotificationsError::NoProvider`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn get(realm: &mut Realm, caller: &Caller) -> Result<MailProvider, NotificationsError> {
    let at = realm.place().hinted();
    find(realm, caller).await?.ok_or(NotificationsError::NoProvider { at })
}

/// Has a tenant's mail go by a server of its own.
///
/// # Errors
/// Without `settings:update`; [`NotificationsError::Provider`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn set(
    realm: &mut Realm,
    caller: &Caller,
    policy: &Policy,
    new: &NewProvider,
) -> Result<MailProvider, NotificationsError> {
    let secrets = realm.secrets();
    let mut work = realm.change(caller).await?;
    let tenant = authorize(&mut work, "settings:update")?;
    require_usable(policy, new)?;
    let (is_dry_run, proof) = (work.is_dry_run(), work.proof());
    let mut tx = transaction(work.control().await?).await?;
    store::lock(&mut tx, tenant).await?;
    let old = store::find(&mut tx, tenant).await?;
    match (&new.user, &new.password) {
        (None, None) => drop(secrets.forget(&mut tx, tenant, PASSWORD).await?),
        (Some(_), Some(password)) => drop(secrets.put(&mut tx, tenant, PASSWORD, password).await?),
        (Some(_), None) if old.as_ref().is_some_and(|old| new.is_login_of(old)) => {}
        (Some(_), None) => return Err(refused("give the password of its user")),
        (None, Some(_)) => return Err(refused("a password goes with a user")),
    }
    let view = store::put(&mut tx, tenant, (new, new.port(), new.tls()), &caller.to_string()).await?;
    let detail =
        json!({ "host": view.host, "port": view.port, "tls": view.tls, "login": view.user.is_some() });
    end(tx, (&proof, is_dry_run), (tenant, "mail_provider.set", &detail)).await?;
    work.note("mail_provider.set", detail);
    work.commit().await?;
    Ok(view)
}

/// Has a tenant's mail go by the platform's server again; gives the one that it had.
///
/// # Errors
/// Without `settings:update`; [`NotificationsError::NoProvider`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn remove(realm: &mut Realm, caller: &Caller) -> Result<MailProvider, NotificationsError> {
    let secrets = realm.secrets();
    let mut work = realm.change(caller).await?;
    let tenant = authorize(&mut work, "settings:update")?;
    let at = work.place().hinted();
    let (is_dry_run, proof) = (work.is_dry_run(), work.proof());
    let mut tx = transaction(work.control().await?).await?;
    store::lock(&mut tx, tenant).await?;
    let old = store::find(&mut tx, tenant).await?.ok_or(NotificationsError::NoProvider { at })?;
    secrets.forget(&mut tx, tenant, PASSWORD).await?;
    store::delete(&mut tx, tenant).await?;
    let detail = json!({ "host": old.host });
    end(tx, (&proof, is_dry_run), (tenant, "mail_provider.remove", &detail)).await?;
    work.note("mail_provider.remove", detail);
    work.commit().await?;
    Ok(old)
}

/// Ends the part of a change that is in the control database: nothing is written in a dry run.
async fn end(
    tx: Transaction<'_>,
    (proof, is_dry_run): (&Authorized<'_>, bool),
    (tenant, action, detail): (TenantId, &'static str, &Value),
) -> Result<(), NotificationsError> {
    let (tenant, detail) = (Some(tenant), detail.clone());
    let entry = audit::Entry { caller: proof, action, tenant, operation: None, detail };
    Ok(audit::record_and_commit(tx, entry, is_dry_run).await?)
}

fn refused(reason: &str) -> NotificationsError {
    NotificationsError::Provider { reason: reason.to_owned() }
}

/// As far as what is written says: where a name leads is looked at when its server is connected to.
fn require_usable(policy: &Policy, new: &NewProvider) -> Result<(), NotificationsError> {
    if new.port() == 0 {
        return Err(refused("a port is a number from 1 to 65535"));
    }
    let bare = crate::settings::mail::bare_host(new.host.as_str());
    let addresses: Vec<IpAddr> = bare.parse().into_iter().collect();
    require_allowed(policy, (new.port(), new.tls()), &addresses)
        .map_err(|why| NotificationsError::Provider { reason: why.to_string() })
}

/// A tenant's own way for mail; what it has in common with the one before is its connections.
#[derive(Debug, Clone)]
pub struct OwnMailer {
    /// Another one after each change.
    pub version: Uuid,
    pub mailer: Mailer,
}

/// The way of the realm's mail, where it has one of its own: the one that is known, if nobody changed it.
///
/// # Errors
/// For all but who holds the platform's credentials; the control database's; where the password does not open.
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) async fn mailer(
    realm: &mut Realm,
    caller: &Caller,
    (policy, known): (&Policy, Option<&OwnMailer>),
) -> Result<Option<OwnMailer>, NotificationsError> {
    access::authorize_machine(caller, &rights::DELIVER)?;
    let (secrets, tenant) = (realm.secrets(), realm.place().id);
    let control = realm.control().await?;
    let Some(found) = store::find(control, tenant).await? else { return Ok(None) };
    if let Some(known) = known.filter(|known| known.version == found.version) {
        return Ok(Some(known.clone()));
    }
    let login = match found.user {
        None => None,
        Some(user) => Some(Login { user, password: secrets.get(control, tenant, PASSWORD).await? }),
    };
    let address = |text: &str| text.parse::<MailAddress>().map_err(|error| refused(&error.to_string()));
    let from = address(&found.from)?;
    let reply_to = found.reply_to.as_deref().map(address).transpose()?;
    let server = SmtpServer { host: found.host, port: found.port, tls: found.tls, login, ca_file: None };
    let mailer = Mailer::guarded(server, from, reply_to, policy.clone());
    Ok(Some(OwnMailer { version: found.version, mailer }))
}

/// Forgets what there is of a tenant, in the transaction that erases its secrets.
pub(in crate::features) async fn forget_tenant(
    control: &mut PgConnection,
    tenant: TenantId,
) -> Result<(), DbError> {
    store::delete(control, tenant).await
}
