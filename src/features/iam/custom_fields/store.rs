//! The SQL of custom fields.

use serde_json::{Map, Value, json};
use sqlx::types::Json;
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::model::{AppliesTo, CustomField, NewCustomField};
use crate::infra::db::{DbError, PgConnection, has_table, pattern_of_part};
use crate::kernel::filter::{Condition, FilterValue, Operator};

const TABLE: &str = "nexus.custom_fields";

/// All fields, by what has them and by name; none in a realm whose schema has no place for them.
pub(super) async fn list(realm: &mut PgConnection) -> Result<Vec<CustomField>, DbError> {
    if !has_table(realm, TABLE).await? {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_as(
        "select id, applies_to, name, type as kind, choices, required, description, created_at, updated_at
         from nexus.custom_fields order by applies_to, name",
    )
    .fetch_all(realm)
    .await?)
}

/// Adds a field.
pub(super) async fn insert(
    realm: &mut PgConnection,
    id: Uuid,
    new: &NewCustomField,
    choices: &[String],
) -> Result<(), DbError> {
    sqlx::query(
        "insert into nexus.custom_fields (id, applies_to, name, type, choices, required, description)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(id)
    .bind(new.applies_to)
    .bind(new.name.as_str())
    .bind(new.kind)
    .bind(choices)
    .bind(new.required)
    .bind(new.description.as_str())
    .execute(realm)
    .await?;
    Ok(())
}

/// Changes a field, but for its name and type.
pub(super) async fn update(realm: &mut PgConnection, field: &CustomField) -> Result<(), DbError> {
    sqlx::query(
        "update nexus.custom_fields set choices = $2, required = $3, description = $4, updated_at = now()
         where id = $1",
    )
    .bind(field.id)
    .bind(&field.choices)
    .bind(field.required)
    .bind(&field.description)
    .execute(realm)
    .await?;
    Ok(())
}

/// Whether anybody has this value of a field.
pub(super) async fn has_value(
    realm: &mut PgConnection,
    field: &CustomField,
    value: &str,
) -> Result<bool, DbError> {
    let statement = match field.applies_to {
        AppliesTo::Users => "select exists (select from nexus.users where fields <> '{}' and fields @> $1)",
        AppliesTo::Groups => "select exists (select from nexus.groups where fields <> '{}' and fields @> $1)",
    };
    let values = Json(json!({ field.name.as_str(): value }));
    Ok(sqlx::query_scalar(statement).bind(values).fetch_one(realm).await?)
}

/// Takes the values of a field from so many of those behind an id; gives their ids.
pub(super) async fn clear_some(
    realm: &mut PgConnection,
    field: &CustomField,
    (after, most): (Uuid, i64),
) -> Result<Vec<Uuid>, DbError> {
    let statement = match field.applies_to {
        AppliesTo::Users => {
            "with chosen as (
                 select id from nexus.users where id > $2 and fields <> '{}' and fields -> $1::text is not null
                 order by id limit $3
             )
             update nexus.users set fields = fields - $1::text, updated_at = now()
             from chosen where users.id = chosen.id returning users.id"
        }
        AppliesTo::Groups => {
            "with chosen as (
                 select id from nexus.groups where id > $2 and fields <> '{}' and fields -> $1::text is not null
                 order by id limit $3
             )
             update nexus.groups set fields = fields - $1::text, updated_at = now()
             from chosen where groups.id = chosen.id returning groups.id"
        }
    };
    Ok(sqlx::query_scalar(statement).bind(&field.name).bind(after).bind(most).fetch_all(realm).await?)
}

/// Deletes a field with the values that are left; gives how many had one.
pub(super) async fn delete(realm: &mut PgConnection, field: &CustomField) -> Result<u64, DbError> {
    let statement = match field.applies_to {
        AppliesTo::Users => {
            "update nexus.users set fields = fields - $1::text, updated_at = now()
             where fields <> '{}' and fields -> $1::text is not null"
        }
        AppliesTo::Groups => {
            "update nexus.groups set fields = fields - $1::text, updated_at = now()
             where fields <> '{}' and fields -> $1::text is not null"
        }
    };
    let values = sqlx::query(statement).bind(&field.name).execute(&mut *realm).await?;
    sqlx::query("delete from nexus.custom_fields where id = $1").bind(field.id).execute(realm).await?;
    Ok(values.rows_affected())
}

/// Gives users their values.
pub(super) async fn put_on_users(
    realm: &mut PgConnection,
    users: &[Uuid],
    values: &[Value],
) -> Result<(), DbError> {
    sqlx::query(
        "update nexus.users set fields = given.fields
         from unnest($1::uuid[], $2::jsonb[]) as given (id, fields) where users.id = given.id",
    )
    .bind(users)
    .bind(values)
    .execute(realm)
    .await?;
    Ok(())
}

/// Sets the values of a user or a group.
pub(in super::super) async fn set(
    realm: &mut PgConnection,
    applies_to: AppliesTo,
    id: Uuid,
    values: &Map<String, Value>,
) -> Result<(), DbError> {
    let statement = match applies_to {
        AppliesTo::Users => "update nexus.users set fields = $2, updated_at = now() where id = $1",
        AppliesTo::Groups => "update nexus.groups set fields = $2, updated_at = now() where id = $1",
    };
    sqlx::query(statement).bind(id).bind(Json(values)).execute(realm).await?;
    Ok(())
}

/// Takes all values from users.
pub(in super::super) async fn erase(realm: &mut PgConnection, users: &[Uuid]) -> Result<(), DbError> {
    if has_table(realm, TABLE).await? {
        sqlx::query("update nexus.users set fields = '{}' where id = any($1) and fields <> '{}'")
            .bind(users)
            .execute(realm)
            .await?;
    }
    Ok(())
}

/// Appends ` and` that the values in a column meet a condition.
pub(in super::super) fn push(query: &mut QueryBuilder<Postgres>, column: &str, condition: &Condition) {
    let name = condition.field.as_str();
    match condition.operator {
        Operator::Eq | Operator::In => {
            // As the index says it of whoever is in it.
            query.push(format_args!(" and {column} <> '{{}}' and ("));
            for (at, value) in condition.values.iter().enumerate() {
                query.push(format_args!("{}{column} @> ", if at == 0 { "" } else { " or " }));
                query.push_bind(Json(json!({ name: json_of(value) })));
            }
            query.push(")");
        }
        Operator::Ne => {
            for value in &condition.values {
                query.push(format_args!(" and not {column} @> "));
                query.push_bind(Json(json!({ name: json_of(value) })));
            }
        }
        Operator::Lt | Operator::Gt => {
            let comparison = if condition.operator == Operator::Lt { "<" } else { ">" };
            for value in &condition.values {
                query.push(format_args!(" and {column} -> ")).push_bind(name.to_owned());
                query.push(format_args!(" {comparison} ")).push_bind(Json(json_of(value)));
            }
        }
        Operator::Contains => {
            for text in condition.texts() {
                query.push(format_args!(" and lower({column} ->> ")).push_bind(name.to_owned());
                query.push(") like lower(").push_bind(pattern_of_part(text)).push(")");
            }
        }
    }
}

fn json_of(value: &FilterValue) -> Value {
    match value {
        FilterValue::Text(text) => Value::from(text.as_str()),
        FilterValue::Flag(flag) => Value::from(*flag),
        FilterValue::Number(number) => Value::Number(number.clone()),
        // No custom field is a moment.
        FilterValue::Time(_) => Value::Null,
    }
}
