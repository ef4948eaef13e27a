//! The server that mail is handed to, and whom it is from.

use crate::infra::outbound::Policy;
use crate::infra::smtp::{Deadlines, SmtpClient, SmtpServer};
use crate::kernel::MailAddress;

/// Most connections to a mail server at a time: what usual ones allow one client.
const CONNECTIONS: usize = 4;

/// The server that mail is handed to, and whom it is from. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Mailer {
    pub client: SmtpClient,
    pub from: MailAddress,
    pub reply_to: Option<MailAddress>,
}

impl Mailer {
    /// Nothing is connected before the first message.
    #[must_use]
    pub fn new(server: SmtpServer, from: MailAddress, reply_to: Option<MailAddress>) -> Self {
        Self { client: SmtpClient::new(server, Deadlines::SENDING, CONNECTIONS), from, reply_to }
    }

    /// The same for a server that a tenant named.
    #[must_use]
    pub fn guarded(
        server: SmtpServer,
        from: MailAddress,
        reply_to: Option<MailAddress>,
        policy: Policy,
    ) -> Self {
        Self { client: SmtpClient::guarded(server, Deadlines::SENDING, CONNECTIONS, policy), from, reply_to }
    }
}
