//! What people want to be told, and when.

use axum::Json;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::Api;
use super::super::body::{Body, Given, Parsed, given};
use super::super::context::RequestContext;
use super::super::problem::Problem;
use super::super::query::InQuery;
use crate::features::iam::UserRef;
use crate::features::notifications::{
    self, KindPattern, Preferences, PreferencesChange, QuietHours, TimeOfDay,
};
use crate::features::templates::Channel;
use crate::kernel::UserId;
use crate::kernel::calendar::Zone;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show, change))
}

/// Whose.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Whose {
    /// This user's, by id; without it one's own
    user: Option<Uuid>,
}

impl Whose {
    fn user(&self, request: &RequestContext) -> UserRef {
        self.user.map_or_else(|| request.user(), |id| UserRef::Id(UserId::from(id)))
    }
}

/// Show which notifications a user wants
///
/// Everybody may see their own; those of others with `user:read`.
#[utoipa::path(
    get,
    path = "/notifications/preferences",
    operation_id = "getNotificationPreferences",
    tag = "notifications",
    params(Whose),
    responses((status = 200, body = Preferences), Problem),
    extensions(("x-permission" = json!("user:read"))),
    security(("token" = []))
)]
async fn show(request: RequestContext, InQuery(whose): InQuery<Whose>) -> Result<Json<Preferences>, Problem> {
    let user = whose.user(&request);
    let mut realm = request.realm().await?;
    Ok(Json(notifications::preferences(&mut realm, &request.caller, &user).await?))
}

/// A kind that is switched on or off.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NotificationPreferenceChange)]
struct KindBody {
    /// A kind of an app, or the beginning of some with `.*` behind it.
    #[schema(value_type = String, example = "app.news.*")]
    pattern: Parsed<KindPattern>,
    channel: Channel,
    /// `null`: as if nothing had been said of it.
    enabled: Option<bool>,
}

/// Hours in which mail waits.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewQuietHours)]
struct HoursBody {
    /// A name of the IANA database.
    #[schema(value_type = String, example = "Europe/Vienna")]
    time_zone: Parsed<Zone>,
    #[schema(value_type = String, example = "22:00")]
    from: Parsed<TimeOfDay>,
    /// Where it is not after `from`, it is that of the next day.
    #[schema(value_type = String, example = "07:00")]
    to: Parsed<TimeOfDay>,
}

/// What is to be changed of what a user wants; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NotificationPreferencesChange)]
struct ChangeBody {
    #[serde(default)]
    kinds: Vec<KindBody>,
    /// `null`: none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<HoursBody>)]
    quiet_hours: Given<HoursBody>,
}

impl ChangeBody {
    fn change(self) -> PreferencesChange {
        let (mut set, mut reset) = (Vec::new(), Vec::new());
        for KindBody { pattern, channel, enabled } in self.kinds {
            match enabled {
                Some(enabled) => set.push((pattern.0, channel, enabled)),
                None => reset.push((pattern.0, channel)),
            }
        }
        let hours = |it: HoursBody| QuietHours { zone: it.time_zone.0, from: it.from.0.0, to: it.to.0.0 };
        PreferencesChange { set, reset, quiet_hours: self.quiet_hours.map(|it| it.map(hours)) }
    }
}

/// Change which notifications a user wants, and when
///
/// Everybody may change their own; those of others with `user:update`. What concerns the account cannot be switched
/// off. In quiet hours mail waits until they end, but for that of high priority.
#[utoipa::path(
    patch,
    path = "/notifications/preferences",
    operation_id = "updateNotificationPreferences",
    tag = "notifications",
    params(Whose),
    request_body(
        content = ChangeBody,
        example = json!({ "kinds": [{ "pattern": "app.news.*", "channel": "email", "enabled": false }],
                          "quiet_hours": { "time_zone": "Europe/Vienna", "from": "22:00", "to": "07:00" } })
    ),
    responses((status = 200, body = Preferences), Problem),
    extensions(("x-permission" = json!("user:update"))),
    security(("token" = []))
)]
async fn change(
    request: RequestContext,
    InQuery(whose): InQuery<Whose>,
    Body(body): Body<ChangeBody>,
) -> Result<Json<Preferences>, Problem> {
    let user = whose.user(&request);
    let mut realm = request.realm().await?;
    let after = notifications::set_preferences(&mut realm, &request.caller, &user, &body.change()).await?;
    Ok(Json(after))
}
