//! The mail server of a context: of the settings, or the mailbox of the embedded stack.

use std::net::SocketAddr;

use super::{App, stack};
use crate::features::iam::Realm;
use crate::features::notifications::provider;
use crate::features::notifications::{Mailer, NotificationsError};
use crate::infra::dns::{Dns, DnsError};
use crate::infra::smtp::{Login, SmtpServer};
use crate::kernel::{AnyFailure, Caller, Failure, MailAddress, Progress};
use crate::settings::{MailServerSettings, Settings, SmtpTls, Target};

/// Whom mail of the embedded stack is from, where nobody says it.
pub(super) const LOCAL_SENDER: &str = "Nexus <nexus@localhost.localdomain>";

/// The mail server of the settings. In the local context, where none is set, the stack's own mailbox; the stack is
/// started where it does not run.
///
/// # Errors
/// Where none is set; when its password cannot be read, or the stack does not start.
pub async fn mailer(settings: &Settings, progress: &dyn Progress) -> Result<Mailer, AnyFailure> {
    let (mail, none) =
        (&settings.mail, || NotificationsError::NotConfigured { context: settings.context.to_string() });
    let from = |usual: Option<&str>| {
        mail.from.clone().or_else(|| usual?.parse::<MailAddress>().ok()).ok_or_else(none)
    };
    if let Some(server) = &mail.server {
        return Ok(Mailer::new(of_settings(server).await?, from(None)?, mail.reply_to.clone()));
    }
    let Target::Local(local) = &settings.target else { return Err(none().into()) };
    let stack = stack(settings, local);
    let running = match stack.running()? {
        Some(running) => running,
        None => stack.up(progress).await?,
    };
    let address = running.mail.ok_or(NotificationsError::NoMailbox)?;
    let server = SmtpServer {
        host: address.ip().to_string(),
        port: address.port(),
        tls: SmtpTls::None,
        login: None,
        ca_file: None,
    };
    Ok(Mailer::new(server, from(Some(LOCAL_SENDER))?, mail.reply_to.clone()))
}

/// No DNS server can be asked.
#[derive(Debug, thiserror::Error, Failure)]
#[error("no DNS server can be asked: {source}")]
#[failure(Unavailable, "dns_unavailable")]
struct NoDns {
    source: DnsError,
}

/// What asks the DNS: this server, else that of the settings, else those that this machine asks.
///
/// # Errors
/// Where the resolver cannot be made.
pub fn dns(server: Option<SocketAddr>, settings: &Settings) -> Result<Dns, AnyFailure> {
    Ok(Dns::new(server.or(settings.mail.dns_server)).map_err(|source| NoDns { source })?)
}

impl App {
    /// The tenant's own mail server, where it has one.
    ///
    /// # Errors
    /// For all but who holds the platform's credentials; the control database's; where its password does not open.
    pub async fn mailer_of(&self, realm: &mut Realm, caller: &Caller) -> Result<Option<Mailer>, AnyFailure> {
        let outbound = self.outbound();
        let found = provider::mailer(realm, caller, (outbound.policy(), None)).await?;
        Ok(found.map(|own| own.mailer))
    }
}

/// Reads the password.
async fn of_settings(server: &MailServerSettings) -> Result<SmtpServer, AnyFailure> {
    let login = match &server.login {
        None => None,
        Some(login) => Some(Login { user: login.user.clone(), password: login.password.resolve().await? }),
    };
    Ok(SmtpServer {
        host: server.host.clone(),
        port: server.port,
        tls: server.tls,
        login,
        ca_file: server.ca_file.clone(),
    })
}
