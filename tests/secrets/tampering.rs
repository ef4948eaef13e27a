//! Someone may write in the control database but has no key: whatever they change, swap, take away
//! or put back, Nexus refuses to open it.

use nexus::features::secrets::Secrets;
use nexus::infra::db::{PgConnection, transaction};
use nexus::kernel::hint::TenantAction;
use nexus::kernel::{ErrorKind, Failure, TenantId};
use sqlx::AssertSqlSafe;

use crate::postgres::{World, run, with_database};
use crate::{opened, sealed_tenant, secret, service};

const NAMES: [&str; 2] = ["postgres", "s3"];

/// What an intruder who owns the tables would do first: the constraints are in the way.
const LOOSEN: &str = "
    alter table control.sealed_secrets drop constraint sealed_secrets_tenant_id_key_id_fkey;
    alter table control.sealed_secrets drop constraint sealed_secrets_pkey;
    alter table control.data_keys drop constraint data_keys_tenant_id_key;
    alter table control.data_keys drop constraint data_keys_tenant_id_id_key;
    alter table control.data_keys drop constraint data_keys_pkey;";

/// A database with a master key and two tenants.
struct Scene<'a> {
    secrets: Secrets,
    conn: &'a mut PgConnection,
    acme: TenantId,
    globex: TenantId,
}

impl<'a> Scene<'a> {
    async fn new(conn: &'a mut PgConnection) -> Self {
        let secrets = service();
        secrets.register_master(conn).await.unwrap();
        let (acme, globex) = (sealed_tenant(&secrets, conn).await, sealed_tenant(&secrets, conn).await);
        Self { secrets, conn, acme, globex }
    }

    /// Does what the intruder does, expects acme's named secret to stay shut, and undoes it.
    async fn refuses(&mut self, name: &str, intrusion: &str) {
        let mut transaction = transaction(self.conn).await.unwrap();
        run(&mut transaction, LOOSEN.to_owned()).await;
        let changed =
            sqlx::raw_sql(AssertSqlSafe(intrusion.to_owned())).execute(&mut *transaction).await.unwrap();
        assert!(changed.rows_affected() > 0, "nothing was changed by: {intrusion}");
        match self.secrets.get(&mut transaction, self.acme, name).await {
            Ok(_) => panic!("{name} opened after: {intrusion}"),
            Err(refused) => assert_eq!(refused.kind(), ErrorKind::Integrity, "{refused} after: {intrusion}"),
        }
        transaction.rollback().await.unwrap();
    }

    async fn still_opens(&mut self) {
        for tenant in [self.acme, self.globex] {
            for name in NAMES {
                opened(&self.secrets, self.conn, tenant, name).await;
            }
        }
    }
}

/// Every non-empty choice among these columns, as the assignments of an UPDATE from `other`.
fn choices(columns: &[&str]) -> Vec<String> {
    (1..1_usize << columns.len())
        .map(|choice| {
            let chosen = columns.iter().enumerate().filter(|(at, _)| choice >> at & 1 == 1);
            chosen.map(|(_, column)| format!("{column} = other.{column}")).collect::<Vec<_>>().join(", ")
        })
        .collect()
}

#[tokio::test]
async fn no_choice_of_columns_taken_from_another_row_opens() {
    with_database(async |World { conn, .. }| {
        let mut scene = Scene::new(conn).await;
        let (acme, globex) = (scene.acme, scene.globex);
        // Another generation in every row, so that each column differs.
        scene.secrets.put(scene.conn, acme, "s3", &secret("s3-2")).await.unwrap();
        for assignments in choices(&["sealed", "generation", "key_id"]) {
            for (tenant, name) in [(acme, "s3"), (globex, "postgres"), (globex, "s3")] {
                let intrusion = format!(
                    "update control.sealed_secrets mine set {assignments} from control.sealed_secrets other
                     where mine.tenant_id = '{acme}' and mine.name = 'postgres'
                       and other.tenant_id = '{tenant}' and other.name = '{name}'"
                );
                let same = (tenant == acme && assignments == "key_id = other.key_id")
                    || (tenant == globex && assignments == "generation = other.generation");
                if !same {
                    scene.refuses("postgres", &intrusion).await;
                }
            }
        }
        scene.still_opens().await;
    })
    .await;
}

#[tokio::test]
async fn no_choice_of_columns_taken_from_another_tenants_data_key_opens() {
    with_database(async |World { conn, .. }| {
        let mut scene = Scene::new(conn).await;
        let (acme, globex) = (scene.acme, scene.globex);
        scene.secrets.put(scene.conn, globex, "s3", &secret("s3-2")).await.unwrap();
        for assignments in choices(&["id", "wrapped", "manifest", "manifest_generation"]) {
            let intrusion = format!(
                "update control.data_keys mine set {assignments} from control.data_keys other
                 where mine.tenant_id = '{acme}' and other.tenant_id = '{globex}'"
            );
            for name in NAMES {
                scene.refuses(name, &intrusion).await;
            }
        }
        // All that the other tenant has, key and secrets, under this tenant's name.
        let intrusion = format!(
            "delete from control.data_keys where tenant_id = '{acme}';
             delete from control.sealed_secrets where tenant_id = '{acme}';
             update control.sealed_secrets set tenant_id = '{acme}' where tenant_id = '{globex}';
             update control.data_keys set tenant_id = '{acme}' where tenant_id = '{globex}'"
        );
        for name in NAMES {
            scene.refuses(name, &intrusion).await;
        }
        scene.still_opens().await;
    })
    .await;
}

#[tokio::test]
async fn secrets_of_one_tenant_that_change_names_stay_shut() {
    with_database(async |World { conn, .. }| {
        let mut scene = Scene::new(conn).await;
        let acme = scene.acme;
        let intrusion = format!(
            "update control.sealed_secrets set name = case name when 's3' then 'postgres' else 's3' end
             where tenant_id = '{acme}'"
        );
        for name in NAMES {
            scene.refuses(name, &intrusion).await;
        }
        scene.still_opens().await;
    })
    .await;
}

#[tokio::test]
async fn no_choice_of_older_columns_put_back_opens() {
    with_database(async |World { conn, .. }| {
        let mut scene = Scene::new(conn).await;
        let acme = scene.acme;
        let kept = "create table public.old_secrets as select * from control.sealed_secrets;
                    create table public.old_keys as select * from control.data_keys";
        run(scene.conn, kept.to_owned()).await;
        scene.secrets.put(scene.conn, acme, "postgres", &secret("postgres-2")).await.unwrap();
        for assignments in choices(&["sealed", "generation"]) {
            let intrusion = format!(
                "update control.sealed_secrets mine set {assignments} from public.old_secrets other
                 where mine.tenant_id = '{acme}' and mine.name = 'postgres'
                   and other.tenant_id = mine.tenant_id and other.name = mine.name"
            );
            scene.refuses("postgres", &intrusion).await;
        }
        for assignments in choices(&["manifest", "manifest_generation"]) {
            let intrusion = format!(
                "update control.data_keys mine set {assignments} from public.old_keys other
                 where mine.tenant_id = '{acme}' and other.tenant_id = mine.tenant_id"
            );
            scene.refuses("postgres", &intrusion).await;
        }
        scene.still_opens().await;
        assert_eq!(opened(&scene.secrets, scene.conn, acme, "postgres").await, "postgres-2");
    })
    .await;
}

#[tokio::test]
async fn a_secret_newer_than_a_list_put_back_stays_shut() {
    with_database(async |World { conn, .. }| {
        let mut scene = Scene::new(conn).await;
        let acme = scene.acme;
        run(scene.conn, "create table public.old_keys as select * from control.data_keys".to_owned()).await;
        scene.secrets.put(scene.conn, acme, "smtp", &secret("smtp-1")).await.unwrap();
        let intrusion = format!(
            "update control.data_keys mine
             set manifest = other.manifest, manifest_generation = other.manifest_generation
             from public.old_keys other where mine.tenant_id = '{acme}' and other.tenant_id = mine.tenant_id"
        );
        scene.refuses("smtp", &intrusion).await;
        scene.still_opens().await;
    })
    .await;
}

#[tokio::test]
async fn an_older_secret_stays_shut_after_its_name_was_erased_and_sealed_anew() {
    with_database(async |World { conn, .. }| {
        let mut scene = Scene::new(conn).await;
        let acme = scene.acme;
        run(scene.conn, "create table public.old_secrets as select * from control.sealed_secrets".to_owned()).await;
        scene.secrets.erase(scene.conn, acme).await.unwrap();
        let (postgres, s3) = (secret("postgres-1"), secret("s3-1"));
        let anew = [("postgres", &postgres), ("s3", &s3)];
        scene.secrets.seal_new_tenant(scene.conn, acme, &anew).await.unwrap();
        for assignments in ["sealed = other.sealed", "sealed = other.sealed, key_id = other.key_id"] {
            let intrusion = format!(
                "update control.sealed_secrets mine set {assignments} from public.old_secrets other
                 where mine.tenant_id = '{acme}' and other.tenant_id = mine.tenant_id and other.name = mine.name"
            );
            for name in NAMES {
                scene.refuses(name, &intrusion).await;
            }
        }
        scene.still_opens().await;
    })
    .await;
}

#[tokio::test]
async fn a_secret_taken_away_or_added_is_noticed() {
    with_database(async |World { conn, .. }| {
        let mut scene = Scene::new(conn).await;
        let acme = scene.acme;
        let taken =
            format!("delete from control.sealed_secrets where tenant_id = '{acme}' and name = 'postgres'");
        let added = format!(
            "insert into control.sealed_secrets (tenant_id, name, generation, key_id, sealed)
             select tenant_id, 'smtp', generation, key_id, sealed from control.sealed_secrets
             where tenant_id = '{acme}' and name = 'postgres'"
        );
        scene.refuses("postgres", &taken).await;
        scene.refuses("smtp", &added).await;
        for intrusion in [taken, added] {
            let mut transaction = transaction(scene.conn).await.unwrap();
            run(&mut transaction, intrusion).await;
            let refused = scene.secrets.names(&mut transaction, acme).await.unwrap_err();
            assert_eq!((refused.kind(), refused.code()), (ErrorKind::Integrity, "sealed_value_damaged"));
            transaction.rollback().await.unwrap();
        }
        scene.still_opens().await;
    })
    .await;
}

#[tokio::test]
async fn every_changed_byte_and_every_cut_is_noticed() {
    with_database(async |World { conn, .. }| {
        let mut scene = Scene::new(conn).await;
        let acme = scene.acme;
        let places = [
            ("sealed_secrets", "sealed", "and name = 'postgres'"),
            ("data_keys", "wrapped", ""),
            ("data_keys", "manifest", ""),
        ];
        for (table, column, and) in places {
            let at_acme = format!("from control.{table} where tenant_id = '{acme}' {and}");
            let length: i32 = sqlx::query_scalar(AssertSqlSafe(format!("select length({column}) {at_acme}")))
                .fetch_one(&mut *scene.conn)
                .await
                .unwrap();
            for byte in 0..length {
                for change in [
                    format!("set_byte({column}, {byte}, get_byte({column}, {byte}) # 1)"),
                    format!("set_byte({column}, {byte}, get_byte({column}, {byte}) # 128)"),
                    format!("substr({column}, 1, {byte})"),
                ] {
                    let intrusion = format!(
                        "update control.{table} set {column} = {change} where tenant_id = '{acme}' {and}"
                    );
                    scene.refuses("postgres", &intrusion).await;
                }
            }
        }
        scene.still_opens().await;
    })
    .await;
}

#[tokio::test]
async fn a_damaged_secret_says_whose_and_which_and_can_be_sealed_anew() {
    with_database(async |World { conn, .. }| {
        let scene = Scene::new(conn).await;
        let acme = scene.acme;
        let damage = format!(
            "update control.sealed_secrets set sealed = '\\x00' where tenant_id = '{acme}' and name = 'postgres'"
        );
        run(scene.conn, damage).await;
        let refused = scene.secrets.get(scene.conn, acme, "postgres").await.unwrap_err();
        assert_eq!(refused.code(), "sealed_value_damaged");
        let text = refused.to_string();
        assert!(text.contains("postgres") && text.contains(&acme.to_string()), "{text}");
        assert_eq!(refused.hints(), [TenantAction::Repair(Some(acme.to_string())).into()]);
        assert_eq!(opened(&scene.secrets, scene.conn, acme, "s3").await, "s3-1");
        scene.secrets.put(scene.conn, acme, "postgres", &secret("postgres-2")).await.unwrap();
        assert_eq!(opened(&scene.secrets, scene.conn, acme, "postgres").await, "postgres-2");
    })
    .await;
}
