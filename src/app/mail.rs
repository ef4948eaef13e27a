//! Messages to users: where they go, and how one is sent.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use uuid::Uuid;

use super::App;
use super::mailer::{LOCAL_SENDER, mailer};
use crate::features::iam::Realm;
use crate::features::jobs::{ClaimedJob, JobEnd};
use crate::features::messages::{self, Links, Route, Sender, Sent, Writing};
use crate::features::notifications::Mailer;
use crate::features::notifications::provider::{self, OwnMailer};
use crate::features::tenants::TenantRef;
use crate::infra::circuit::Circuits;
use crate::infra::db::LazyLease;
use crate::kernel::{AnyFailure, Caller, Progress, TenantId};
use crate::settings::{Settings, Target};

/// Where messages go.
#[derive(Debug, Clone)]
pub struct Post {
    links: Links,
    sender: Sender,
    /// Hears which files were written in place of mail.
    files: mpsc::Sender<PathBuf>,
    own: OwnMailers,
    circuits: Circuits,
}

/// Tenants' own mail servers, with their connections.
type OwnMailers = Arc<Mutex<HashMap<TenantId, OwnMailer>>>;

/// Most that are kept: one that is not is opened again.
const MOST_OWN: usize = 500;

/// Where the messages of these settings go: to the mail server, or, where none is set, to a folder that is, or to the
/// mailbox of the embedded stack; `None`: nowhere. `url`: where the API is found.
///
/// # Errors
/// When the password of the mail server cannot be read, or the stack does not start.
pub async fn post(
    settings: &Settings,
    url: &str,
    progress: &dyn Progress,
    files: mpsc::Sender<PathBuf>,
) -> Result<Option<Post>, AnyFailure> {
    let mail = &settings.mail;
    let to_folder = |folder: PathBuf| {
        let from = mail.from.clone().or_else(|| LOCAL_SENDER.parse().ok())?;
        Some((Sender::Folder(folder), from, mail.reply_to.clone()))
    };
    let to_server = |Mailer { client, from, reply_to }| Some((Sender::Smtp(client), from, reply_to));
    let place = match (&mail.server, &settings.serve.mail_folder, &settings.target) {
        (Some(_), ..) => to_server(mailer(settings, progress).await?),
        (None, Some(folder), _) => to_folder(folder.clone()),
        (None, None, Target::Local(local)) => match mailer(settings, progress).await {
            Ok(mailer) => to_server(mailer),
            // Its mailbox does not run.
            Err(failure) => {
                tracing::warn!(code = failure.code(), "messages are written as files: {failure}");
                to_folder(super::stack(settings, local).mail_folder())
            }
        },
        (None, None, Target::Servers(_)) => None,
    };
    let Some((sender, from, reply_to)) = place else { return Ok(None) };
    let base = settings.serve.app_url.as_deref().unwrap_or(url);
    Ok(Some(Post {
        links: Links::of((base, url), from, reply_to),
        sender,
        files,
        own: OwnMailers::default(),
        circuits: Circuits::new(u32::MAX),
    }))
}

impl App {
    /// The tenant's own mail server, where it has one.
    async fn own_mailer(&self, post: &Post, realm: &mut Realm) -> Result<Option<OwnMailer>, AnyFailure> {
        let tenant = realm.place().id;
        let kept = || post.own.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept().get(&tenant).cloned();
        let outbound = self.outbound();
        let found = provider::mailer(realm, &Caller::System, (outbound.policy(), known.as_ref())).await?;
        let mut kept = kept();
        match &found {
            None => drop(kept.remove(&tenant)),
            Some(own) => {
                if kept.len() >= MOST_OWN && !kept.contains_key(&tenant) {
                    kept.clear();
                }
                kept.insert(tenant, own.clone());
            }
        }
        Ok(found)
    }

    /// Sends the message of a job.
    ///
    /// # Errors
    /// When a server does not answer.
    pub async fn send_message(&self, post: &Post, job: &ClaimedJob) -> Result<JobEnd, AnyFailure> {
        let tenant = match job.tenant {
            TenantId::PLATFORM => None,
            id => match self.tenant(&TenantRef::Id(id)).await? {
                Some(tenant) => Some(tenant),
                None => return self.not_in_use(id).await,
            },
        };
        let (written, own) = {
            let mut realm = self.realm(tenant.as_deref()).await?;
            let own = self.own_mailer(post, &mut realm).await?;
            let links = match &own {
                Some(OwnMailer { mailer: Mailer { from, reply_to, .. }, .. }) => {
                    &post.links.in_the_name_of(from.clone(), reply_to.clone())
                }
                None => &post.links,
            };
            (messages::write(&mut realm, &Caller::System, job, links).await?, own)
        };
        let message = match written {
            Writing::Message(message) => message,
            Writing::Ended(end) => return Ok(end),
        };
        let mut control = LazyLease::new(self.control_source());
        // One whose settings were changed begins with a circuit of its own.
        let (sender, server) = match own {
            Some(own) => (&Sender::Smtp(own.mailer.client), own.version),
            None => (&post.sender, Uuid::nil()),
        };
        let route = Route { sender, circuits: &post.circuits, server };
        let sent = messages::send_written(&mut control, &Caller::System, &message, &route).await?;
        drop(control);
        match sent {
            Sent::Ended { end, file } => {
                if let Some(file) = file {
                    // Where there are many, or the process is about to end, not every one is said.
                    let _ = post.files.try_send(file);
                }
                Ok(end)
            }
            Sent::NoMailbox { why } => {
                let mut realm = self.realm(tenant.as_deref()).await?;
                Ok(messages::record_bounce(&mut realm, &Caller::System, (&message, why)).await?)
            }
        }
    }
}
