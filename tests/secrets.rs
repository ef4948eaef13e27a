//! Secrets sealed in a real control database: what opens, and all that must not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "secrets/postgres.rs"]
mod postgres;
#[path = "secrets/tampering.rs"]
mod tampering;

use std::sync::Arc;

use nexus::features::secrets::{self, Secrets, SecretsError};
use nexus::infra::crypto::{AccessKey, LocalMasterKey, random, scram};
use nexus::infra::db::{DbError, PgConnection, transaction};
use nexus::kernel::{ErrorKind, ExposeSecret, Failure, SecretString, TenantId};
use postgres::{World, run, with_database};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

fn service() -> Secrets {
    Secrets::new(Arc::new(LocalMasterKey::from_bytes(random::key().unwrap())))
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

async fn tenant(conn: &mut PgConnection) -> TenantId {
    let tenant = TenantId::new();
    sqlx::query("insert into control.tenants (id) values ($1)").bind(tenant).execute(conn).await.unwrap();
    tenant
}

/// A tenant with its two credentials sealed.
async fn sealed_tenant(secrets: &Secrets, conn: &mut PgConnection) -> TenantId {
    let tenant = tenant(conn).await;
    let (postgres, s3) = (secret("postgres-1"), secret("s3-1"));
    secrets.seal_new_tenant(conn, tenant, &[("postgres", &postgres), ("s3", &s3)]).await.unwrap();
    tenant
}

async fn opened(secrets: &Secrets, conn: &mut PgConnection, tenant: TenantId, name: &str) -> String {
    secrets.get(conn, tenant, name).await.unwrap().expose_secret().to_owned()
}

#[tokio::test]
async fn a_tenants_secrets_are_sealed_opened_renewed_and_erased() {
    with_database(async |World { conn, .. }| {
        let secrets = service();
        secrets.register_master(conn).await.unwrap();
        let (acme, globex) = (sealed_tenant(&secrets, conn).await, sealed_tenant(&secrets, conn).await);
        assert_eq!(secrets.names(conn, acme).await.unwrap(), ["postgres", "s3"]);
        let both = secrets.get_many(conn, acme, &["s3", "postgres"]).await.unwrap();
        assert_eq!(both["postgres"].expose_secret(), "postgres-1");
        assert_eq!(both["s3"].expose_secret(), "s3-1");

        secrets.put(conn, acme, "postgres", &secret("postgres-2")).await.unwrap();
        secrets.put(conn, acme, "smtp", &secret("")).await.unwrap();
        assert_eq!(opened(&secrets, conn, acme, "postgres").await, "postgres-2");
        assert_eq!(opened(&secrets, conn, acme, "smtp").await, "");
        assert_eq!(opened(&secrets, conn, acme, "s3").await, "s3-1");
        assert_eq!(opened(&secrets, conn, globex, "postgres").await, "postgres-1");

        assert!(secrets.erase(conn, acme).await.unwrap());
        assert!(!secrets.erase(conn, acme).await.unwrap());
        assert!(matches!(secrets.names(conn, acme).await, Err(SecretsError::NoDataKey(_))));
        assert!(matches!(secrets.get(conn, acme, "s3").await, Err(SecretsError::NoDataKey(_))));
        assert!(matches!(secrets.put(conn, acme, "s3", &secret("x")).await, Err(SecretsError::NoDataKey(_))));
        let left: i64 =
            sqlx::query_scalar("select count(*) from control.sealed_secrets where tenant_id = $1")
                .bind(acme)
                .fetch_one(&mut *conn)
                .await
                .unwrap();
        assert_eq!(left, 0);
        assert_eq!(opened(&secrets, conn, globex, "s3").await, "s3-1");
    })
    .await;
}

#[tokio::test]
async fn sealing_a_tenant_twice_is_a_conflict_that_leaves_the_transaction_and_the_secrets_whole() {
    with_database(async |World { conn, .. }| {
        let secrets = service();
        secrets.register_master(conn).await.unwrap();
        let acme = sealed_tenant(&secrets, conn).await;
        let mut transaction = transaction(conn).await.unwrap();
        let refused = secrets
            .seal_new_tenant(&mut transaction, acme, &[("postgres", &secret("other"))])
            .await
            .unwrap_err();
        assert_eq!((refused.kind(), refused.code()), (ErrorKind::Conflict, "secrets_exist"));
        assert_eq!(opened(&secrets, &mut transaction, acme, "postgres").await, "postgres-1");
        transaction.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_absent_secret_is_not_found_and_a_bad_name_is_refused() {
    with_database(async |World { conn, .. }| {
        let secrets = service();
        secrets.register_master(conn).await.unwrap();
        let acme = sealed_tenant(&secrets, conn).await;
        let absent = secrets.get(conn, acme, "smtp").await.unwrap_err();
        assert_eq!((absent.kind(), absent.code()), (ErrorKind::NotFound, "secret_not_found"));
        assert!(absent.to_string().contains("smtp") && absent.to_string().contains(&acme.to_string()));
        for bad in ["", "Postgres", "1st", "a b", "a'b", "ä", &"a".repeat(64)] {
            let refused = secrets.put(conn, acme, bad, &secret("x")).await;
            assert!(matches!(refused, Err(SecretsError::Name(_))), "{bad:?}");
        }
        let twice = secrets.put_many(conn, acme, &[("a", &secret("x")), ("a", &secret("y"))]).await;
        assert!(matches!(twice, Err(SecretsError::Name(_))));
        assert_eq!(secrets.names(conn, acme).await.unwrap(), ["postgres", "s3"]);
    })
    .await;
}

#[tokio::test]
async fn a_control_database_takes_one_master_key_and_names_it_to_any_other() {
    with_database(async |world| {
        let (right, wrong) = (service(), service());
        let conn = &mut world.conn;
        assert!(matches!(right.check_master(conn).await, Err(SecretsError::NoMaster)));
        assert_eq!(secrets::recorded_master(conn).await.unwrap(), None);
        let early = tenant(conn).await;
        assert!(matches!(right.seal_new_tenant(conn, early, &[]).await, Err(SecretsError::NoMaster)));
        right.register_master(conn).await.unwrap();
        right.register_master(conn).await.unwrap();
        let acme = sealed_tenant(&right, conn).await;
        for refused in [
            wrong.register_master(conn).await.unwrap_err(),
            wrong.check_master(conn).await.unwrap_err(),
            wrong.get(conn, acme, "postgres").await.unwrap_err(),
            wrong.put(conn, acme, "postgres", &secret("x")).await.unwrap_err(),
            wrong.names(conn, acme).await.unwrap_err(),
            wrong.seal_new_tenant(conn, early, &[]).await.unwrap_err(),
        ] {
            assert_eq!((refused.kind(), refused.code()), (ErrorKind::Integrity, "master_key_mismatch"));
            let text = refused.to_string();
            assert!(text.contains(right.master_id().as_str()), "{text}");
            assert!(text.contains(wrong.master_id().as_str()), "{text}");
        }
        // Nor when the record is bent to name the other key.
        let bent = format!("update control.master_keys set id = '{}'", wrong.master_id());
        run(
            conn,
            format!("alter table control.data_keys drop constraint data_keys_master_key_id_fkey; {bent}"),
        )
        .await;
        run(conn, format!("update control.data_keys set master_key_id = '{}'", wrong.master_id())).await;
        let refused = wrong.get(conn, acme, "postgres").await.unwrap_err();
        assert_eq!((refused.kind(), refused.code()), (ErrorKind::Integrity, "master_key_mismatch"));
    })
    .await;
}

#[tokio::test]
async fn two_first_inits_at_once_leave_one_master_key() {
    with_database(async |world| {
        let attempts = (0..8).map(|_| async {
            let (secrets, mut conn) = (service(), world.connect().await);
            secrets.register_master(&mut conn).await
        });
        let outcomes = futures_util::future::join_all(attempts).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        let lost = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        assert!(lost.into_iter().all(|error| error.code() == "master_key_mismatch"));
    })
    .await;
}

#[tokio::test]
async fn writers_of_one_tenant_do_not_lose_each_others_secrets() {
    with_database(async |world| {
        let secrets = service();
        secrets.register_master(&mut world.conn).await.unwrap();
        let acme = sealed_tenant(&secrets, &mut world.conn).await;
        let (secrets, shared) = (&secrets, &*world);
        let writers = (0..20).map(|number| async move {
            let mut conn = shared.connect().await;
            let mut transaction = transaction(&mut conn).await.unwrap();
            let (name, value) = (format!("key-{number}"), secret(&format!("value-{number}")));
            secrets.put(&mut transaction, acme, &name, &value).await.unwrap();
            transaction.commit().await.unwrap();
        });
        futures_util::future::join_all(writers).await;
        let mut conn = world.connect().await;
        assert_eq!(secrets.names(&mut conn, acme).await.unwrap().len(), 22);
        for number in 0..20 {
            let value = opened(secrets, &mut conn, acme, &format!("key-{number}")).await;
            assert_eq!(value, format!("value-{number}"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_rolled_back_writing_leaves_the_older_secret_open() {
    with_database(async |World { conn, .. }| {
        let secrets = service();
        secrets.register_master(conn).await.unwrap();
        let acme = sealed_tenant(&secrets, conn).await;
        let mut transaction = transaction(conn).await.unwrap();
        secrets.put(&mut transaction, acme, "postgres", &secret("postgres-2")).await.unwrap();
        transaction.rollback().await.unwrap();
        assert_eq!(opened(&secrets, conn, acme, "postgres").await, "postgres-1");
    })
    .await;
}

#[tokio::test]
async fn status_counts_what_each_key_seals_and_holds_no_secret() {
    with_database(async |World { conn, .. }| {
        let (right, wrong) = (service(), service());
        let before = right.status(conn).await.unwrap();
        assert!(!before.matches && before.recorded.is_none() && before.master_keys.is_empty());
        right.register_master(conn).await.unwrap();
        for _ in 0..3 {
            sealed_tenant(&right, conn).await;
        }
        let status = right.status(conn).await.unwrap();
        assert!(status.matches);
        assert_eq!((status.master_keys[0].data_keys, status.master_keys[0].sealed_values), (3, 6));
        let json = serde_json::to_value(&status).unwrap();
        assert_eq!(json["in_use"], right.master_id().as_str());
        assert_eq!(json["master_keys"][0]["state"], "active");
        assert!(!json.to_string().contains("postgres-1"));
        assert!(!wrong.status(conn).await.unwrap().matches);
        assert_eq!(secrets::status(conn, None).await.unwrap().recorded.as_ref(), Some(right.master_id()));
    })
    .await;
}

#[tokio::test]
async fn nothing_in_the_database_shows_a_secret_in_any_common_form() {
    with_database(async |World { conn, .. }| {
        let secrets = service();
        secrets.register_master(conn).await.unwrap();
        let acme = tenant(conn).await;
        let canary = "canary-4f1d9a7be2";
        secrets.seal_new_tenant(conn, acme, &[("postgres", &secret(canary))]).await.unwrap();
        secrets.put(conn, acme, "postgres", &secret(canary)).await.unwrap();
        let dump: String = sqlx::query_scalar(
            "select string_agg(k::text || s::text || encode(s.sealed, 'base64') || encode(s.sealed, 'escape')
                               || encode(k.manifest, 'escape') || encode(k.wrapped, 'base64'), ' ')
             from control.data_keys k join control.sealed_secrets s using (tenant_id)",
        )
        .fetch_one(&mut *conn)
        .await
        .unwrap();
        for form in [canary, "63616e6172792d3466316439", "Y2FuYXJ5LTRmMWQ5YTdiZT"] {
            assert!(!dump.contains(form), "{form} is in {dump}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_role_made_with_our_verifier_logs_in_with_its_password_only() {
    with_database(async |world| {
        let password = random::role_password().unwrap();
        let verifier = scram::verifier(&password).unwrap();
        let role = AccessKey::generate().unwrap().id.to_lowercase();
        let create = format!("create role {role} login password '{}'", verifier.expose_secret());
        assert!(!create.contains(password.expose_secret()));
        run(&mut world.conn, create).await;
        let login = |password: &str| {
            let server = world.server.login(&role, secret(password));
            async move { server.connect("test").await }
        };
        let entered = login(password.expose_secret()).await;
        let refused = login("another").await;
        let stored: String = sqlx::query_scalar("select rolpassword from pg_authid where rolname = $1")
            .bind(&role)
            .fetch_one(&mut world.conn)
            .await
            .unwrap();
        let user: String =
            sqlx::query_scalar("select current_user::text").fetch_one(&mut entered.unwrap()).await.unwrap();
        run(&mut world.conn, format!("drop role {role}")).await;
        assert_eq!(user, role);
        assert!(matches!(refused.unwrap_err(), DbError::LoginRefused { .. }));
        // Kept as we sent it, and a probe can tell whose password it is.
        assert_eq!(stored, verifier.expose_secret());
        assert!(scram::verify(&stored, &password));
        assert!(!scram::verify(&stored, &secret("another")));
    })
    .await;
}

/// PostgreSQL's own verifier of the same password is one that ours recognises.
#[tokio::test]
async fn a_verifier_that_postgresql_made_is_recognised() {
    with_database(async |World { conn, .. }| {
        let role = AccessKey::generate().unwrap().id.to_lowercase();
        run(conn, format!("set password_encryption = 'scram-sha-256'; create role {role} password 'pencil'"))
            .await;
        let stored: String = sqlx::query_scalar("select rolpassword from pg_authid where rolname = $1")
            .bind(&role)
            .fetch_one(&mut *conn)
            .await
            .unwrap();
        run(conn, format!("drop role {role}")).await;
        assert!(scram::verify(&stored, &secret("pencil")));
        assert!(!scram::verify(&stored, &secret("pencils")));
    })
    .await;
}

/// What an operator may do to a tenant's secrets, in any order.
#[derive(Debug, Clone)]
enum Act {
    Seal(Vec<String>),
    Put(usize, String),
    Erase,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        1 => prop::collection::vec(".{0,20}", 0..4).prop_map(Act::Seal),
        6 => (0usize..4, ".{0,40}").prop_map(|(name, value)| Act::Put(name, value)),
        1 => Just(Act::Erase),
    ]
}

#[tokio::test]
async fn any_order_of_acts_leaves_exactly_what_was_last_put() {
    const NAMES: [&str; 4] = ["postgres", "s3", "smtp", "webhook"];
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    with_database(async |World { conn, .. }| {
        let secrets = service();
        secrets.register_master(conn).await.unwrap();
        for _ in 0..40 {
            let acts = prop::collection::vec(act(), 1..12).new_tree(&mut runner).unwrap().current();
            let acme = tenant(conn).await;
            let mut expected: Option<std::collections::BTreeMap<String, String>> = None;
            for act in &acts {
                match act {
                    Act::Seal(values) => {
                        let values: Vec<SecretString> = values.iter().map(|value| secret(value)).collect();
                        let named: Vec<_> = NAMES.into_iter().zip(&values).collect();
                        let sealed = secrets.seal_new_tenant(conn, acme, &named).await;
                        assert_eq!(sealed.is_ok(), expected.is_none(), "{acts:?}");
                        expected.get_or_insert_with(|| {
                            let texts = values.iter().map(|value| value.expose_secret().to_owned());
                            NAMES.into_iter().map(String::from).zip(texts).collect()
                        });
                    }
                    Act::Put(name, value) => {
                        let put = secrets.put(conn, acme, NAMES[*name], &secret(value)).await;
                        assert_eq!(put.is_ok(), expected.is_some(), "{acts:?}");
                        if let Some(expected) = &mut expected {
                            expected.insert(NAMES[*name].to_owned(), value.clone());
                        }
                    }
                    Act::Erase => {
                        let erased = secrets.erase(conn, acme).await.unwrap();
                        assert_eq!(erased, expected.take().is_some(), "{acts:?}");
                    }
                }
            }
            let names = secrets.names(conn, acme).await.ok();
            let expected_names = expected.as_ref().map(|all| all.keys().cloned().collect::<Vec<_>>());
            assert_eq!(names, expected_names, "{acts:?}");
            for (name, value) in expected.into_iter().flatten() {
                assert_eq!(opened(&secrets, conn, acme, &name).await, value, "{acts:?}");
            }
        }
    })
    .await;
}
