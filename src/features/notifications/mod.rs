//! Notifications: what apps have sent to people ([`send`]), what people want of it ([`preferences`]), and their inbox
//! ([`inbox`]), which addresses get no mail ([`suppressions`]), and tenants' own
//! mail servers ([`provider`]). Also the mail server of the settings ([`Mailer`]), and a test of it ([`test`]) that says at which step
//! mail stops and what to do, and a check of whether its mail arrives ([`arrival`]).
//!
//! A process feature. A request writes rows and events; `relay` makes jobs of those, and `messages` asks here what is
//! [`due`], writes it and sends it. Start reading at [`send`].

mod advice;
pub mod arrival;
mod budget;
mod due;
mod error;
mod history;
pub mod inbox;
mod mailer;
mod model;
mod notice;
mod preferences;
pub mod provider;
mod quiet;
mod send;
mod service;
mod store;
pub mod suppressions;
mod unsubscribe;
mod views;

use uuid::Uuid;

pub(in crate::features) use due::{Due, Says, due};
pub use error::NotificationsError;
pub(in crate::features) use history::{cancel, lock, row, rows};
pub use mailer::Mailer;
pub use model::{
    Accepted, Content, DedupKey, NewNotification, NotARecipient, NotificationPriority, Subject, To,
};
pub use notice::Notice;
pub(crate) use notice::notify_administrators;
pub use preferences::{
    KindPattern, NotATime, Preference, Preferences, PreferencesChange, QuietHoursView, TimeOfDay,
    preferences, set_preferences,
};
pub use quiet::QuietHours;
pub(in crate::features) use send::{EVENT, facts};
pub use send::{MOST_RECIPIENTS, send};
pub use service::{MailTest, test};
pub(in crate::features) use unsubscribe::token as unsubscribe_token;
pub use unsubscribe::{tenant_of, unsubscribe};
pub use views::{
    CertificateView, MailTestView, NotificationFilter, NotificationState, NotificationView, ReplyView,
    StepView,
};

/// Whether the turn to forget old rows falls on an id with random last bits, as on one of 32.
fn is_turn_to_forget(id: Uuid) -> bool {
    id.as_bytes()[15].trailing_zeros() >= 5
}
