//! What can go wrong with templates.

use super::model::Part;
use crate::features::access::AccessError;
use crate::features::iam::IamError;
use crate::infra::db::DbError;
use crate::kernel::Failure;
use crate::kernel::hint::InRealm;

/// A template that cannot be used, or a request about templates that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum TemplateError {
    /// A template names a value that its messages do not have.
    #[error("line {line} of the {part}: there is no value {name}{}", meant(nearest.as_ref()))]
    #[failure(Invalid, "template_value_unknown")]
    #[hint("an app's values are under data, e.g. data.order; give an example of each as the sample")]
    #[details(line, name, nearest)]
    Unknown { part: Part, line: usize, name: String, nearest: Option<String> },
    /// A template cannot be read, or not be rendered with these values.
    #[error("line {line} of the {part}: {reason}")]
    #[failure(Invalid, "template_invalid")]
    #[details(line, reason)]
    Wrong { part: Part, line: usize, reason: String },
    /// A part of a template, or what comes of it, is too long.
    #[error("the {part} is longer than {most} bytes")]
    #[failure(Invalid, "template_too_long")]
    #[details(most)]
    TooLong { part: Part, most: usize },
    /// The sample of an app's own values is too long.
    #[error("the sample is longer than {most} bytes")]
    #[failure(Invalid, "template_sample_too_long")]
    #[details(most)]
    LongSample { most: usize },
    /// What a message would be written from is too long.
    #[error("the values of a message are longer than {most} bytes")]
    #[failure(Invalid, "template_values_too_long")]
    #[details(most)]
    LongValues { most: usize },
    /// It was not rendered within its time.
    #[error("the template was not rendered in time")]
    #[failure(Busy, "template_slow")]
    #[hint("try again; if it happens again, make the template simpler")]
    Slow,
    /// A subject that no message can have.
    #[error("a subject is one line of 1 to {most} characters")]
    #[failure(Invalid, "template_subject_invalid")]
    #[details(most)]
    Subject { most: usize },
    /// Neither Nexus nor the realm has a template of the kind.
    #[error("there is no template of {kind}{}", meant(nearest.as_ref()))]
    #[failure(NotFound, "template_not_found")]
    #[hint(if let Some(at) = at, "see which there are" => NotifyAction::ListTemplates(at.clone()))]
    #[details(kind, nearest)]
    NotFound {
        kind: String,
        nearest: Option<String>,
        /// None where a message is about to be sent.
        at: Option<InRealm>,
    },
    /// A kind that is neither Nexus's own nor an app's.
    #[error("{kind} is no kind of notification{}", meant(nearest.as_ref()))]
    #[failure(Invalid, "notification_kind_unknown")]
    #[hint("the kinds of apps begin with app.")]
    #[details(kind, nearest)]
    UnknownKind { kind: String, nearest: Option<String> },
    /// The realm is the platform's own.
    #[error("messages of the platform's own realm have the built-in templates")]
    #[failure(Conflict, "template_platform")]
    Platform,
    /// The realm has as many templates as it may.
    #[error("the realm has {most} templates, and may have no more")]
    #[failure(Conflict, "too_many_templates")]
    #[details(most)]
    TooMany { most: i64 },
    /// The realm.
    #[error(transparent)]
    #[failure(transparent)]
    Iam(#[from] IamError),
    /// The caller may not.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent)]
    Db(#[from] DbError),
}

fn meant(nearest: Option<&String>) -> String {
    nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}
