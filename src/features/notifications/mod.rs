//! What is sent to people, and how: for now mail, by the server of the settings ([`Mailer`]), and a test of it
//! ([`test`]) that says at which step mail stops and what to do.
//!
//! A process feature. Start reading at [`test`]; the dialogue with the server is `infra::smtp`.

mod advice;
mod error;
mod mailer;
mod service;
mod views;

pub use error::NotificationsError;
pub use mailer::Mailer;
pub use service::{MailTest, test};
pub use views::{CertificateView, MailTestView, ReplyView, StepView};
