//! The tenant's own mail server.

use axum::Json;
use axum::http::StatusCode;
use axum::response::Response;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Api;
use super::super::body::{Body, Parsed};
use super::super::context::RequestContext;
use super::super::etag::IfNoneMatch;
use super::super::problem::Problem;
use crate::features::notifications::provider::{self, MailHost, MailProvider, MailUser, NewProvider};
use crate::kernel::MailAddress;
use crate::settings::SmtpTls;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show, set, remove))
}

/// Show the tenant's own mail server, without its password
#[utoipa::path(
    get,
    path = "/notifications/provider",
    operation_id = "getMailProvider",
    tag = "notifications",
    params(IfNoneMatch),
    responses((status = 200, body = MailProvider), (status = 304, description = "Not modified"), Problem),
    extensions(("x-permission" = json!("settings:read"))),
    security(("token" = []))
)]
async fn show(request: RequestContext, known: IfNoneMatch) -> Result<Response, Problem> {
    let mut realm = request.realm().await?;
    Ok(known.answer(&provider::get(&mut realm, &request.caller).await?))
}

/// How a connection is encrypted.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = MailEncryption)]
enum TlsBody {
    /// From its first byte.
    Implicit,
    /// After the command STARTTLS.
    Starttls,
    /// Not at all: only in networks that the operator allows.
    None,
}

/// A mail server that the tenant is to have.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewMailProvider)]
struct ProviderBody {
    #[schema(value_type = String, example = "smtp.acme.example")]
    host: Parsed<MailHost>,
    /// Without it the usual one of the encryption: 587, 465 or 25.
    #[schema(minimum = 1, maximum = 65535)]
    port: Option<u16>,
    /// Without it `implicit` on port 465, else `starttls`.
    tls: Option<TlsBody>,
    /// Who logs in; without it nobody.
    #[schema(value_type = Option<String>, example = "mailer@acme.example")]
    user: Option<Parsed<MailUser>>,
    /// It is never shown. Without it the one that is there stays, where server and user stay the same.
    #[schema(value_type = Option<String>, format = "password", write_only)]
    password: Option<SecretString>,
    /// Whom mail is from.
    #[schema(value_type = String, example = "Acme <no-reply@acme.example>")]
    from: Parsed<MailAddress>,
    /// Where answers go to.
    #[schema(value_type = Option<String>, example = "help@acme.example")]
    reply_to: Option<Parsed<MailAddress>>,
}

/// Have the tenant's mail go by a mail server of its own
///
/// Every message of the tenant, also those about accounts. The host must have public addresses, its port be one of
/// mail, and the connection encrypted, but in networks that the operator allows; that is looked at whenever it is
/// connected to.
#[utoipa::path(
    put,
    path = "/notifications/provider",
    operation_id = "setMailProvider",
    tag = "notifications",
    request_body(
        content = ProviderBody,
        example = json!({ "host": "smtp.acme.example", "user": "mailer@acme.example", "password": "a long password",
                          "from": "Acme <no-reply@acme.example>" })
    ),
    responses((status = 200, body = MailProvider), Problem),
    extensions(("x-permission" = json!("settings:update"))),
    security(("token" = []))
)]
async fn set(request: RequestContext, Body(body): Body<ProviderBody>) -> Result<Json<MailProvider>, Problem> {
    let tls = body.tls.map(|tls| match tls {
        TlsBody::Implicit => SmtpTls::Implicit,
        TlsBody::Starttls => SmtpTls::StartTls,
        TlsBody::None => SmtpTls::None,
    });
    let new = NewProvider {
        host: body.host.0,
        port: body.port,
        tls,
        user: body.user.map(|it| it.0),
        password: body.password,
        from: body.from.0,
        reply_to: body.reply_to.map(|it| it.0),
    };
    let outbound = request.api.0.app.outbound();
    let mut realm = request.realm().await?;
    Ok(Json(provider::set(&mut realm, &request.caller, outbound.policy(), &new).await?))
}

/// Have the tenant's mail go by the platform's mail server again
#[utoipa::path(
    delete,
    path = "/notifications/provider",
    operation_id = "deleteMailProvider",
    tag = "notifications",
    responses((status = 204), Problem),
    extensions(("x-permission" = json!("settings:update"))),
    security(("token" = []))
)]
async fn remove(request: RequestContext) -> Result<StatusCode, Problem> {
    let mut realm = request.realm().await?;
    provider::remove(&mut realm, &request.caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
