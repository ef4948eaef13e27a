//! Sending a notification.

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Api;
use super::super::body::{Body, Parsed};
use super::super::context::RequestContext;
use super::super::error::RequestError;
use super::super::problem::Problem;
use crate::features::notifications::{
    self, Accepted, Content, DedupKey, MOST_RECIPIENTS, NewNotification, NotificationPriority, Subject, To,
};
use crate::features::templates::{Channel, Kind};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(send))
}

/// A notification to be sent. What it says is that of the template of its kind, or of another one, or `subject` and
/// `text`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewNotification)]
struct NewBody {
    /// What it is about: words with dots between them, beginning with `app.`.
    #[schema(value_type = String, example = "app.order.shipped")]
    kind: Parsed<Kind>,
    /// Up to 1,000: addresses, `user:ID`, `group:NAME`. An address of a user stands for the user.
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 1000, example = json!(["bob@acme.example"]))]
    to: Vec<Parsed<To>>,
    /// The kind whose template says it; without it that of `kind`.
    #[schema(value_type = Option<String>)]
    template: Option<Parsed<Kind>>,
    /// One line; with `text`, and without a template.
    #[schema(value_type = Option<String>)]
    subject: Option<Parsed<Subject>>,
    /// With `subject`, and without a template.
    text: Option<String>,
    /// Without it: the inbox and mail, as far as a recipient wants them.
    channel: Option<Channel>,
    /// What the template may say as `data`, at most 16 KiB.
    #[serde(default)]
    #[schema(value_type = Option<Object>, example = json!({ "order": 4711 }))]
    data: Map<String, Value>,
    /// `high` is sent in quiet hours, too.
    #[serde(default)]
    priority: NotificationPriority,
    /// What was asked for with the same key before is not sent again.
    #[schema(value_type = Option<String>, example = "shipped-4711")]
    dedup_key: Option<Parsed<DedupKey>>,
    /// It is not sent before this time, which is at most a year away.
    #[serde(default, with = "time::serde::rfc3339::option")]
    not_before: Option<OffsetDateTime>,
}

impl NewBody {
    fn notification(self) -> Result<NewNotification, RequestError> {
        let content = match (self.template, self.subject, self.text) {
            (template, None, None) => {
                Content::Template(template.map_or_else(|| self.kind.0.clone(), |it| it.0))
            }
            (None, Some(subject), Some(text)) => Content::Text { subject: subject.0, text },
            (None, None, Some(_)) => return Err(RequestError::body("/subject", "a text needs a subject")),
            (None, Some(_), None) => return Err(RequestError::body("/text", "a subject needs a text")),
            (Some(_), ..) => {
                return Err(RequestError::body("/template", "give a template, or a subject and a text"));
            }
        };
        if self.to.is_empty() || self.to.len() > MOST_RECIPIENTS {
            return Err(RequestError::body("/to", format!("1 to {MOST_RECIPIENTS} recipients")));
        }
        Ok(NewNotification {
            kind: self.kind.0,
            content,
            to: self.to.into_iter().map(|to| to.0).collect(),
            channel: self.channel,
            data: self.data,
            priority: self.priority,
            dedup_key: self.dedup_key.map(|key| key.0),
            not_before: self.not_before,
        })
    }
}

/// Send a notification
///
/// To users, groups or addresses. It is on its way once this answers: what became of it is in the history. All
/// templates that it may need are rendered first, and a value that is missing is a 400.
#[utoipa::path(
    post,
    path = "/notifications/send",
    operation_id = "sendNotification",
    tag = "notifications",
    request_body(
        content = NewBody,
        example = json!({ "kind": "app.order.shipped", "to": ["bob@acme.example"], "subject": "Order 4711",
                          "text": "It was shipped today." })
    ),
    responses((status = 202, body = Accepted), Problem),
    extensions(("x-permission" = json!("notification:send"))),
    security(("token" = []))
)]
async fn send(
    request: RequestContext,
    Body(body): Body<NewBody>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let new = body.notification()?;
    let mut realm = request.realm().await?;
    let accepted = notifications::send(&mut realm, &request.caller, &new).await?;
    drop(realm);
    request.ring();
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}
