//! Checking whether mail arrives.

use std::net::{IpAddr, SocketAddr};

use clap::Args;

use super::super::{CommandResult, Invocation, complete};
use crate::app::{dns, mailer};
use crate::features::notifications::arrival::{self, DkimSelector, MailSender};
use crate::features::notifications::{Mailer, NotificationsError};
use crate::features::tenants::TenantRef;
use crate::kernel::{AnyFailure, MailAddress};

/// Arguments of `nexus notify provider check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Check the mail server of this tenant, by slug or id
    #[arg(long, short = 't', value_name = "SLUG|ID", add = complete::tenants())]
    pub(super) tenant: Option<TenantRef>,
    /// Whom mail is from [default: from of the mail server]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) from: Option<MailAddress>,
    /// Look up the DKIM key of this selector; may be given several times
    #[arg(long = "dkim-selector", value_name = "NAME")]
    pub(super) dkim_selectors: Vec<DkimSelector>,
    /// An address that the provider sends from [default: those of the mail server]; may be given
    /// several times
    #[arg(long = "sender-ip", value_name = "IP")]
    pub(super) sender_ips: Vec<IpAddr>,
    /// Ask this DNS server [default: mail.dns_server, else those of /etc/resolv.conf]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) dns_server: Option<SocketAddr>,
}

pub(super) async fn run(args: CheckArgs, ctx: &Invocation) -> CommandResult {
    let CheckArgs { tenant, from, dkim_selectors, sender_ips, dns_server } = args;
    let mailer = match found(tenant.as_ref(), ctx).await {
        Ok(mailer) => Some(mailer),
        // Without a server there is still the domain.
        Err(failure) if from.is_some() && failure.code() == NO_SERVER => None,
        Err(failure) => return Err(failure),
    };
    let of_server = || mailer.as_ref().map(|mailer| mailer.from.clone());
    let Some(from) = from.or_else(of_server) else {
        let context = ctx.settings()?.context.to_string();
        return Err(AnyFailure::from(NotificationsError::NotConfigured { context }));
    };
    let dns = dns(dns_server, &ctx.settings()?)?;
    let checked = format!("mail from {}", from.address);
    let (mailer, addresses) = (mailer.as_ref(), sender_ips);
    let sender = MailSender { from, mailer, selectors: dkim_selectors, addresses };
    let report = ctx.reading(arrival::check(&dns, &ctx.caller(), &sender)).await?;
    let verdict = report.verdict();
    ctx.screen.report(&checked, report)?;
    Ok(verdict.into())
}

/// The code of [`NotificationsError::NotConfigured`].
const NO_SERVER: &str = "mail_not_configured";

/// The tenant's own mail server, else the platform's.
async fn found(tenant: Option<&TenantRef>, ctx: &Invocation) -> Result<Mailer, AnyFailure> {
    let progress = ctx.screen.progress();
    if let Some(tenant) = tenant {
        let session = ctx.open(&progress).await?;
        let app = session.app.clone();
        let mut realm = session.enter_realm(&ctx.caller(), Some(tenant)).await?;
        if let Some(own) = app.mailer_of(&mut realm, &ctx.caller()).await? {
            return Ok(own);
        }
    }
    mailer(&ctx.settings()?, &progress).await
}
