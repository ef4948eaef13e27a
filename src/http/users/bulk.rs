//! Many users at once.

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

use axum::Json;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::Api;
use super::super::body::Body;
use super::super::context::RequestContext;
use super::super::error::RequestError;
use super::super::problem::Problem;
use super::super::query::InQuery;
use super::body::NewUserBody;
use crate::features::iam::users::{self, ImportReport, ImportRow, Imported, Invite, RowOutcome, RowState};
use crate::kernel::{AnyFailure, Failure};

/// Most users at once.
const MOST: usize = 1_000;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(create))
}

/// How users are created.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct BulkParams {
    /// Create all of them, or none
    #[serde(default)]
    #[param(default = false)]
    atomic: bool,
    /// Send an invitation to everybody who has no password
    #[serde(default)]
    #[param(default = false)]
    invite: bool,
}

/// Users to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUsers {
    #[schema(min_items = 1, max_items = 1000)]
    users: Vec<NewUserBody>,
}

/// What came of each user, in their order.
#[derive(Serialize, ToSchema)]
struct BulkResult {
    created: usize,
    /// Those whose address is taken.
    unchanged: usize,
    failed: usize,
    results: Vec<ItemResult>,
}

/// What came of one user.
#[derive(Serialize, ToSchema)]
struct ItemResult {
    /// Where they stand in the request, from 0.
    index: usize,
    email: String,
    outcome: ItemOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Uuid>,
    /// Why they were not created, for a program.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// The same, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Whether a user was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ItemOutcome {
    Created,
    /// The address is taken.
    Unchanged,
    Failed,
}

/// Create up to 1,000 users
///
/// Each has a result; those whose address is taken are left as they are. A role or a group that does not
/// exist stops it before anybody is created. With `atomic` all are created or none: if one cannot be, the
/// answer is 409, and `errors` says which and why.
#[utoipa::path(
    post,
    path = "/users/bulk",
    operation_id = "createUsers",
    tag = "users",
    params(BulkParams),
    request_body = NewUsers,
    responses((status = 200, body = BulkResult), Problem),
    extensions(("x-permission" = json!("user:create"))),
    security(("token" = []))
)]
async fn create(
    request: RequestContext,
    InQuery(params): InQuery<BulkParams>,
    Body(body): Body<NewUsers>,
) -> Result<Json<BulkResult>, Problem> {
    if !(1..=MOST).contains(&body.users.len()) {
        return Err(RequestError::body("/users", "there are 1 to 1,000 users in a request").into());
    }
    let row = |(line, body): (usize, NewUserBody)| {
        let (user, password) = body.into_parts();
        ImportRow { line, user, password, state: RowState::UNSAID }
    };
    let rows = body.users.into_iter().enumerate().map(row).collect::<Vec<_>>();
    let mut realm = request.realm().await?;
    users::check_import(&mut realm, &request.caller, &rows).await?;
    let rules = realm.rules().clone();
    // Others need it more while passwords are hashed.
    drop(realm);
    let invite = if params.invite { Invite::Message } else { Invite::Not };
    let prepared = users::prepare_import(rules, rows, invite).await;
    let mut results = Results(Vec::new());
    let mut realm = request.realm().await?;
    users::import_prepared(&mut realm, &request.caller, prepared, params.atomic, &mut results).await?;
    drop(realm);
    request.ring();
    let Results(mut results) = results;
    results.sort_by_key(|result| result.index);
    let count = |outcome| results.iter().filter(|result| result.outcome == outcome).count();
    Ok(Json(BulkResult {
        created: count(ItemOutcome::Created),
        unchanged: count(ItemOutcome::Unchanged),
        failed: count(ItemOutcome::Failed),
        results,
    }))
}

/// Gathers what came of each user, for one answer.
struct Results(Vec<ItemResult>);

impl ImportReport for Results {
    fn invitations(&mut self, _: &[(&str, &SecretString)]) -> Result<(), AnyFailure> {
        Ok(())
    }

    fn rows(&mut self, some: Vec<Imported>) -> Result<(), AnyFailure> {
        self.0.extend(some.into_iter().map(ItemResult::of));
        Ok(())
    }
}

impl ItemResult {
    fn of(Imported { line: index, email, outcome }: Imported) -> Self {
        let mut result =
            Self { index, email, outcome: ItemOutcome::Created, id: None, code: None, error: None };
        match outcome {
            RowOutcome::Created { id, .. } => result.id = Some(id.uuid()),
            // Nothing is planned only: no request is a dry run.
            RowOutcome::Unchanged | RowOutcome::Planned => result.outcome = ItemOutcome::Unchanged,
            RowOutcome::Failed(error) => {
                result.outcome = ItemOutcome::Failed;
                (result.code, result.error) = (Some(error.code()), Some(error.to_string()));
            }
        }
        result
    }
}
