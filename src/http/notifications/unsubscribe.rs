//! Unsubscribing by the link of a message (RFC 8058): without a session, a cookie or a header of ours.

use axum::extract::State;
use axum::response::Html;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Api;
use super::super::error::RequestError;
use super::super::problem::Problem;
use super::super::query::InQuery;
use crate::features::notifications;
use crate::features::tenants::TenantRef;
use crate::kernel::TenantId;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(ask, unsubscribe))
}

/// Which link.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LinkParams {
    /// What the message's link has
    token: Option<String>,
}

/// What programs of mail send (RFC 8058, section 3.2); it is not looked at.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described, and not needed: whoever posts has decided")]
struct Unsubscription {
    #[schema(rename = "List-Unsubscribe", example = "One-Click")]
    list_unsubscribe: String,
}

/// A page that needs nothing else: no style, no script.
fn page(title: &str, rest: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"robots\" content=\"noindex\">\
         <title>{title}</title><h1>{title}</h1>{rest}</html>\n"
    ))
}

/// Show a page with the button that unsubscribes
///
/// Nothing is changed: programs that scan mail open its links.
#[utoipa::path(
    get,
    path = "/notifications/unsubscribe",
    operation_id = "showUnsubscribe",
    tag = "notifications",
    params(LinkParams),
    responses((status = 200, description = "The page", body = String, content_type = "text/html"), Problem),
    security(())
)]
async fn ask(InQuery(link): InQuery<LinkParams>) -> Html<String> {
    if link.token.as_deref().and_then(notifications::tenant_of).is_none() {
        return not_good();
    }
    // Without an action a form goes to the page's own address (HTML standard, "form submission algorithm").
    let form = "<p>You will get no more mail of this kind.</p><form method=\"post\">\
                <button name=\"List-Unsubscribe\" value=\"One-Click\">Unsubscribe</button></form>";
    page("Unsubscribe", form)
}

/// Unsubscribe by the link of a message
///
/// RFC 8058: programs of mail post to the address of the header `List-Unsubscribe`. A user's preference for the kind
/// goes off; an address that is no user's gets no notifications of apps any more. The answer is 200 each time, also
/// where the link is not good.
#[utoipa::path(
    post,
    path = "/notifications/unsubscribe",
    operation_id = "unsubscribe",
    tag = "notifications",
    params(LinkParams),
    request_body(content = Option<Unsubscription>, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "It is done, or the link is not good", body = String, content_type = "text/html"),
        Problem
    ),
    security(())
)]
async fn unsubscribe(
    State(api): State<Api>,
    InQuery(link): InQuery<LinkParams>,
) -> Result<Html<String>, Problem> {
    let token = link.token.unwrap_or_default();
    let Some(id) = notifications::tenant_of(&token) else { return Ok(not_good()) };
    let place = match id {
        TenantId::PLATFORM => None,
        id => match api.0.app.tenant(&TenantRef::Id(id)).await? {
            Some(tenant) => Some(tenant),
            None => return Ok(not_good()),
        },
    };
    let refusal = || RequestError::NoTenant(id.to_string()).into();
    let mut realm = api.realm(place.as_deref(), refusal).await?;
    let is_good = notifications::unsubscribe(&mut realm, &token).await?;
    drop(realm);
    api.0.app.wake_relay(id);
    if !is_good {
        return Ok(not_good());
    }
    Ok(page("Unsubscribed", "<p>You get no more mail of this kind.</p>"))
}

fn not_good() -> Html<String> {
    page("This link is not good", "<p>Use the link of a newer message.</p>")
}
