//! The mail server of a context: of the settings, or the mailbox of the embedded stack.

use super::stack;
use crate::features::notifications::{Mailer, NotificationsError};
use crate::infra::smtp::{Login, SmtpServer};
use crate::kernel::{AnyFailure, MailAddress, Progress};
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
