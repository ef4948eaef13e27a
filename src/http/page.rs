//! What is true of every operation of the page, said once: its answers, the permission that it needs, the
//! header that names a tenant. A list refers to the type of its rows.

use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ArrayItems, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Components, OpenApi, Ref, RefOr, Server};
use utoipa::{IntoResponses as _, openapi::security::SecurityRequirement};

use super::problem::Problem;

/// What a status means where an operation says no more.
const STATUSES: [(&str, &str); 6] = [
    ("200", "It was done, or is so already"),
    ("201", "It was created; `Location` says where it is"),
    ("202", "It was begun; the operation says how far it is"),
    ("204", "It was done; there is nothing to say of it"),
    ("304", "Not modified"),
    ("503", "Not at the moment; `Retry-After` says when to ask again"),
];

/// Adds it.
pub(super) fn finish(page: &mut OpenApi) {
    page.servers = Some(vec![Server::new("/")]);
    for (path, item) in &mut page.paths.paths {
        for operation in operations(item) {
            describe_answers(operation);
            describe_need(operation);
            if path.starts_with("/auth/") && is_open(operation) {
                describe_tenant(operation);
            }
        }
    }
    if let Some(components) = &mut page.components {
        refer_to_rows(components);
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// Whether it needs no token.
fn is_open(operation: &Operation) -> bool {
    operation.security.as_ref().is_none_or(|all| all.contains(&SecurityRequirement::default()))
}

/// Each answer has a description, and any request can be refused by what stands in front of all of them.
fn describe_answers(operation: &mut Operation) {
    let answers = &mut operation.responses.responses;
    for (status, problem) in Problem::responses() {
        answers.entry(status).or_insert(problem);
    }
    for (status, answer) in answers {
        if let RefOr::T(answer) = answer
            && answer.description.is_empty()
        {
            let known = STATUSES.iter().find(|(known, _)| known == status);
            known.map_or("An answer", |(_, text)| text).clone_into(&mut answer.description);
        }
    }
}

/// What whoever asks must hold or show.
fn describe_need(operation: &mut Operation) {
    let permission = operation.extensions.as_ref().and_then(|all| all.get("x-permission"));
    let need = match permission.and_then(serde_json::Value::as_str) {
        Some(text) => need(text),
        None if is_open(operation) => "Needs no token.".to_owned(),
        None => "Needs a token; it is about the token's own user.".to_owned(),
    };
    let description = operation.description.get_or_insert_default();
    if !description.is_empty() {
        description.push_str("\n\n");
    }
    description.push_str(&need);
}

/// Of what an operation says of itself: `user:read`, `user:read, but for …`, or `the token: none`.
fn need(text: &str) -> String {
    if let Some(shown) = text.strip_suffix(": none") {
        return format!("Needs no permission, but {shown}.");
    }
    match text.split_once(", ") {
        Some((permission, but)) => format!("Needs the permission `{permission}`, {but}."),
        None => format!("Needs the permission `{text}`."),
    }
}

/// Where there is no token, a header says for which tenant a request is.
fn describe_tenant(operation: &mut Operation) {
    let parameters = operation.parameters.get_or_insert_default();
    let is_there = |given: &RefOr<_>| matches!(given, RefOr::T(utoipa::openapi::path::Parameter { name, .. }) if name == "X-Tenant-ID");
    if parameters.iter().any(is_there) {
        return;
    }
    let parameter = ParameterBuilder::new()
        .name("X-Tenant-ID")
        .parameter_in(ParameterIn::Header)
        .description(Some(
            "The tenant's slug or id; without it, and without a host that names one, the platform",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).examples(["acme"])))
        .build();
    parameters.push(parameter.into());
}

/// The macro writes the type of a list's rows out in full: whoever generates a client would have it twice.
fn refer_to_rows(components: &mut Components) {
    let known: Vec<String> = components.schemas.keys().cloned().collect();
    for (name, schema) in &mut components.schemas {
        let Some(row) = name.strip_prefix("List_") else { continue };
        if let RefOr::T(Schema::Object(list)) = schema
            && let Some(RefOr::T(Schema::Array(data))) = list.properties.get_mut("data")
            && known.iter().any(|known| known == row)
        {
            data.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(row).into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::router::openapi;

    #[test]
    fn every_operation_says_what_it_answers_and_needs() {
        let page = serde_json::to_value(openapi()).unwrap();
        for (path, item) in page["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let said = operation["description"].as_str().unwrap();
                assert!(said.contains("Needs "), "{method} {path}: {said}");
                for (status, answer) in operation["responses"].as_object().unwrap() {
                    let said = answer["description"].as_str().unwrap_or_default();
                    assert!(!said.is_empty() && said != "An answer", "{method} {path} {status}");
                }
                for refused in ["4XX", "5XX"] {
                    assert!(operation["responses"][refused]["content"].is_object(), "{method} {path}");
                }
            }
        }
    }

    #[test]
    fn the_rows_of_a_list_are_of_the_type_that_a_single_one_is_of() {
        let page = serde_json::to_value(openapi()).unwrap();
        let users = &page["components"]["schemas"]["List_User"]["properties"]["data"]["items"];
        assert_eq!(users["$ref"], "#/components/schemas/User");
    }
}
