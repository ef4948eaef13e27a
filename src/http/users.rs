//! `/users`: the users of the request's realm.

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

mod access;
mod body;
mod bulk;
mod one;
mod state;

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Api;
use super::context::RequestContext;
use super::error::RequestError;
use super::list::{List, NO_CURSOR, PageParams};
use super::problem::Problem;
use super::query::{Conditions, Filtered, FilteredQuery};
use crate::features::iam::model::{UserFilter, UserPosition, UserSort};
use crate::features::iam::{NameRef, User, users};
use crate::kernel::filter::FilterField;
use crate::kernel::line::LineError;
use crate::kernel::{UserId, suggest, text};

pub(super) use access::sessions_of;

pub(super) fn routes() -> OpenApiRouter<Api> {
    let all = OpenApiRouter::new().routes(routes!(list, one::create));
    all.merge(one::routes()).merge(state::routes()).merge(access::routes()).merge(bulk::routes())
}

/// What users are filtered and sorted by.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct UserParams {
    /// With this role, by name or id, their own or by a group
    role: Option<String>,
    /// In this group, by name or id, or in one that is part of it
    group: Option<String>,
    /// With this text in address or name, whatever its case
    search: Option<String>,
    /// By email, name, created_at or last_sign_in_at; with - in front, backwards
    #[param(example = "-created_at", default = "email")]
    sort: Option<String>,
}

impl Filtered for UserParams {
    const FIELDS: &'static [FilterField] = users::FIELDS;
    const CUSTOM: bool = true;
}

/// Where a list of users goes on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    sort: String,
    value: String,
    id: Uuid,
}

/// The fields that users are sorted by.
const SORTS: [(&str, UserSort); 4] = [
    ("email", UserSort::Email),
    ("name", UserSort::Name),
    ("created_at", UserSort::CreatedAt),
    ("last_sign_in_at", UserSort::LastSignIn),
];

/// List the users
#[utoipa::path(
    get,
    path = "/users",
    operation_id = "listUsers",
    tag = "users",
    params(PageParams, UserParams, Conditions<UserParams>),
    responses((status = 200, body = List<User>), Problem),
    extensions(("x-permission" = json!("user:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    FilteredQuery { part, filter, conditions, fields }: FilteredQuery<UserParams>,
) -> Result<Json<List<User>>, Problem> {
    let order = filter.sort.unwrap_or_default();
    let (states, conditions) = users::states_of(conditions);
    let filter = UserFilter {
        states,
        conditions,
        fields,
        role: filter.role.as_deref().map(|text| name("role", text)).transpose()?,
        group: filter.group.as_deref().map(|text| name("group", text)).transpose()?,
        search: filter.search.as_deref().map(search).transpose()?,
        after: None,
    };
    page_of(&request, filter, &order, &part).await
}

/// One page of the users that a filter lets through, in an order; without one, by address.
pub(super) async fn page_of(
    request: &RequestContext,
    mut filter: UserFilter,
    order: &str,
    part: &PageParams,
) -> Result<Json<List<User>>, Problem> {
    let page = part.page()?;
    let sort = sort(order)?;
    let after = part.position::<Position>()?;
    if after.as_ref().is_some_and(|after| after.sort != order) {
        return Err(RequestError::query("cursor", "it is of a list in another order").into());
    }
    let given = after.map(|at| {
        let position = UserPosition::given(at.value, UserId::from(at.id), sort.0);
        position.ok_or_else(|| RequestError::query("cursor", NO_CURSOR))
    });
    filter.after = given.transpose()?;
    let mut realm = request.realm().await?;
    let (data, place) = users::list(&mut realm, &request.caller, &filter, sort, page).await?;
    let position = |last: &User| {
        let UserPosition { value, id } = UserPosition::of(last, sort.0);
        Position { sort: order.to_owned(), value, id: id.uuid() }
    };
    Ok(Json(List::page(data, place, position)))
}

/// Of a word that is none of those that there are.
fn unknown<'a>(name: &str, reason: &str, word: &str, known: impl Iterator<Item = &'a str>) -> RequestError {
    let nearest = suggest::nearest(word, known).map(str::to_owned);
    RequestError::Query { name: name.to_owned(), reason: reason.to_owned(), nearest }
}

fn sort(text: &str) -> Result<(UserSort, bool), RequestError> {
    let text = if text.is_empty() { "email" } else { text };
    let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
    let found = SORTS.iter().find(|(known, _)| *known == name);
    let known = SORTS.iter().map(|(known, _)| *known);
    let sort = found.map(|(_, sort)| (*sort, descending));
    sort.ok_or_else(|| unknown("sort", "users are not sorted by it", name, known))
}

fn search(given: &str) -> Result<String, RequestError> {
    text::one_line("search", given, 1..=200).map_err(|reason| RequestError::query("search", reason))
}

fn name(parameter: &str, text: &str) -> Result<NameRef, RequestError> {
    text.parse().map_err(|error: LineError| RequestError::query(parameter, error.to_string()))
}
