//! The template database: a realm at the newest version, which nobody can enter, so that nothing
//! ever stands in the way of cloning it (a session in a template makes `CREATE DATABASE` wait and
//! fail).

use super::privileges::usual_default_rights;
use super::{
    APP_ROLE, Carried, ClusterError, Database, DatabaseFound, acting_as, database, drop_database,
    drop_marked_migrators, ensure_app_role, fence, read_carried, realm_scripts,
};
use crate::infra::db::{
    DbError, History, MigrationSet, PgConnection, Script, ServerAddress, identifier, literal, make_missing,
};
use sqlx::AssertSqlSafe;

/// A history of an operator's set, and the files that it is to hold.
pub type SetOfFiles<'a> = (History, Vec<Script<'a>>);

/// Builds a template: a realm's tables, then the files of `sets`; what its clones are to be given.
///
/// Every file runs as in a tenant: in a session of a login without power that acts as the owner, with
/// everything reset between files. The administrator's session only makes and closes the database.
///
/// One that was finished at an older version is brought up to date: that needs no new database, and
/// no drop of the old one, which makes the server write out all that waits in its memory. It is
/// built from the start where that does not lead to the same, or an earlier attempt was cut short.
///
/// Its objects belong to a role of its own, so that a clone's can be given to the clone's owner;
/// the database itself ends up with the administrator. They cannot belong to `pg_database_owner`, which
/// would spare that: what files make later is the owner role's, and of two owners' objects a view or a
/// function of the one may not read a table of the other, nor can its sequence belong to a column there.
///
/// # Errors
/// [`ClusterError::Foreign`] when something of this name is there that is not ours.
pub async fn build_template(
    admin: &mut PgConnection,
    server: &ServerAddress,
    template: Database<'_>,
    migrations: MigrationSet,
    sets: &[SetOfFiles<'_>],
) -> Result<Carried, ClusterError> {
    let work = Work { server, template, migrations, sets };
    ensure_app_role(admin).await?;
    fence(admin, &work.application()).await?;
    if database(admin, template).await? != DatabaseFound::Absent {
        // Whatever is in the way of this is said when it is in the way of the other, too.
        if let Ok(Some(carried)) = work.bring_up_to_date(admin).await {
            work.close(admin).await?;
            return Ok(carried);
        }
        fence(admin, &work.application()).await?;
    }
    work.begin(admin).await?;
    let carried =
        work.fill(admin).await?.ok_or(ClusterError::Missing { what: "a new template".to_owned() })?;
    work.close(admin).await?;
    Ok(carried)
}

/// A template that is being built.
struct Work<'a> {
    server: &'a ServerAddress,
    template: Database<'a>,
    migrations: MigrationSet,
    sets: &'a [SetOfFiles<'a>],
}

impl Work<'_> {
    fn application(&self) -> String {
        format!("nexus:template:{}", self.template.name)
    }

    /// The mark of the logins that build it.
    fn mark(&self) -> String {
        format!("{}:{}", self.template.mark.text, self.template.name)
    }

    fn names(&self) -> (String, String) {
        (identifier(self.template.name), identifier(self.template.owner))
    }

    /// Makes it, with nothing in it but what a file can rely upon.
    async fn begin(&self, admin: &mut PgConnection) -> Result<(), ClusterError> {
        drop_template_database(admin, self.template).await?;
        drop_marked_migrators(admin, &self.mark()).await?;
        make_owner(admin, self.template).await?;
        let (name, owner) = self.names();
        let create =
            format!("create database {name} template template0 owner {owner} allow_connections false");
        super::collation::clone(admin, None, (&create, "template0")).await?;
        // A new database's privileges let every login of the server in.
        let close = format!(
            "revoke all on database {name} from public; alter database {name} allow_connections true"
        );
        sqlx::raw_sql(AssertSqlSafe(close)).execute(admin).await?;
        let mut inside = self.server.database(self.template.name).connect(&self.application()).await?;
        let rights = format!(
            "revoke all on schema public from public; grant usage on schema public to {APP_ROLE}; {}",
            usual_default_rights(self.template.owner)
        );
        sqlx::raw_sql(AssertSqlSafe(rights)).execute(&mut inside).await?;
        Ok(inside.close().await?)
    }

    /// Applies what a finished template lacks. `None`: it is not finished, or holds what it should
    /// not.
    async fn bring_up_to_date(&self, admin: &mut PgConnection) -> Result<Option<Carried>, ClusterError> {
        if !is_finished(admin, self.template).await? {
            return Ok(None);
        }
        let (name, owner) = self.names();
        let open =
            format!("alter database {name} owner to {owner}; alter database {name} allow_connections true");
        sqlx::raw_sql(AssertSqlSafe(open)).execute(&mut *admin).await?;
        drop_marked_migrators(admin, &self.mark()).await?;
        self.fill(admin).await
    }

    /// Applies what is not in it, in a session that acts as its owner and has no other power; what its
    /// clones are to be given. `None`: it holds what it should not.
    async fn fill(&self, admin: &mut PgConnection) -> Result<Option<Carried>, ClusterError> {
        let server = self.server.database(self.template.name);
        let (application, mark) = (self.application(), self.mark());
        let how = (self.template.owner, &*application, &*mark);
        let filled = async |inside: &mut PgConnection| {
            if !self.fill_in(inside).await? {
                return Ok(None);
            }
            read_carried(inside, self.template.owner).await.map(Some)
        };
        acting_as(admin, &server, how, filled).await
    }

    async fn fill_in(&self, inside: &mut PgConnection) -> Result<bool, ClusterError> {
        sqlx::raw_sql("create schema if not exists nexus").execute(&mut *inside).await?;
        let own = History::new(&self.migrations.history());
        let realm = realm_scripts(self.migrations, self.template.owner);
        let sets = std::iter::once((&own, &realm)).chain(self.sets.iter().map(|(history, it)| (history, it)));
        for (history, scripts) in sets {
            if history == &own {
                // What apps may read of it is said after each of its files.
                history.make(inside, &[]).await?;
            } else {
                make_missing(inside, &[history], &[APP_ROLE]).await?;
            }
            let held = history.read(inside).await?;
            if !held.faults(scripts.iter().map(|it| (it.version, it.checksum))).is_empty() {
                return Ok(false);
            }
            for script in scripts.iter().filter(|script| !held.has(script.version)) {
                let script = Script { owner: self.template.owner, another_follows: true, ..*script };
                let applied = history.apply(inside, script).await;
                applied.map_err(|error| ClusterError::File {
                    file: format!("{}_{}", script.version, script.description.replace(' ', "_")),
                    message: DbError::from(error.error).to_string(),
                })?;
            }
        }
        Ok(true)
    }

    /// Closes it, marked as finished.
    async fn close(&self, admin: &mut PgConnection) -> Result<(), ClusterError> {
        let name = self.names().0;
        let finish = format!(
            "comment on database {name} is {};
             alter database {name} owner to current_user;
             alter database {name} allow_connections false is_template true",
            literal(self.template.mark.text),
        );
        sqlx::raw_sql(AssertSqlSafe(finish)).execute(admin).await?;
        Ok(())
    }
}

/// Whether it was finished once: the mark on the database itself is the last thing that it gets.
async fn is_finished(admin: &mut PgConnection, template: Database<'_>) -> Result<bool, ClusterError> {
    let mark: Option<String> = sqlx::query_scalar(
        "select shobj_description(oid, 'pg_database') from pg_database where datname = $1",
    )
    .bind(template.name)
    .fetch_optional(&mut *admin)
    .await?
    .flatten();
    let owner = owner_is_ours(admin, template).await?;
    Ok(template.mark.fits(mark.as_deref()) && owner == Some(true))
}

/// Drops a template and its owner role, where they are there and ours.
///
/// # Errors
/// [`ClusterError::Foreign`] when something of this name is there that is not ours.
pub async fn drop_template(admin: &mut PgConnection, template: Database<'_>) -> Result<(), ClusterError> {
    drop_template_database(admin, template).await?;
    drop_marked_migrators(admin, &format!("{}:{}", template.mark.text, template.name)).await?;
    if owner_is_ours(admin, template).await? == Some(true) {
        let drop = format!("drop role {}", identifier(template.owner));
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(admin).await?;
    }
    Ok(())
}

async fn drop_template_database(
    admin: &mut PgConnection,
    template: Database<'_>,
) -> Result<(), ClusterError> {
    if database(admin, template).await? != DatabaseFound::Absent {
        let open = format!("alter database {} is_template false", identifier(template.name));
        sqlx::raw_sql(AssertSqlSafe(open)).execute(&mut *admin).await?;
    }
    drop_database(admin, template).await
}

/// Whether the owner role bears our mark; `None` when it is not there.
async fn owner_is_ours(
    admin: &mut PgConnection,
    template: Database<'_>,
) -> Result<Option<bool>, ClusterError> {
    let mark: Option<Option<String>> =
        sqlx::query_scalar("select shobj_description(oid, 'pg_authid') from pg_roles where rolname = $1")
            .bind(template.owner)
            .fetch_optional(admin)
            .await?;
    Ok(mark.map(|mark| template.mark.fits(mark.as_deref())))
}

async fn make_owner(admin: &mut PgConnection, template: Database<'_>) -> Result<(), ClusterError> {
    match owner_is_ours(admin, template).await? {
        Some(true) => Ok(()),
        Some(false) => Err(ClusterError::Foreign { what: format!("role {}", template.owner) }),
        None => {
            let owner = identifier(template.owner);
            let make = format!(
                "create role {owner} nologin; comment on role {owner} is {}",
                literal(template.mark.text)
            );
            sqlx::raw_sql(AssertSqlSafe(make)).execute(admin).await?;
            Ok(())
        }
    }
}
