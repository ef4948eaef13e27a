//! Databases that were there before Nexus: taken under it, and handed back just as they were.

mod again;
mod handed_back;
mod life;
mod points;
mod refused;

use std::process::Command;

use nexus::infra::objects::{BucketClient, ScopedKey};

use crate::support::stack::Stack;
use crate::support::world::World;

/// A database with an app's tables, and the login that the app uses.
pub struct Shop {
    stack: &'static Stack,
    /// The database; the login is named alike.
    pub name: String,
    /// The file with its connection URL.
    pub file: String,
}

/// Makes one on the world's server. The login owns it, or another role does.
pub fn shop(world: &World, login_owns: bool) -> Shop {
    shop_on(world, world.stack(), login_owns)
}

/// Makes one on a server.
pub fn shop_on(world: &World, stack: &'static Stack, login_owns: bool) -> Shop {
    let name = format!("shop_{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
    let file = world.machine().path(&format!("{name}.dsn"));
    let shop = Shop { stack, name, file: file.to_str().unwrap().to_owned() };
    let name = &shop.name;
    let owner = if login_owns { name.clone() } else { format!("{name}_dba") };
    if !login_owns {
        shop.on("postgres", &format!("create role {owner} nologin"));
    }
    shop.on("postgres", &format!("create role {name} login connection limit 7 password 'p@ss {name}'"));
    shop.on("postgres", &format!("create database {name} owner {owner}"));
    shop.on(
        name,
        &format!(
            "set role {owner}; create schema stock; create table stock.goods (id int primary key, name text not null);
             create table public.orders (id int primary key, goods int references stock.goods, note text);
             create view public.open_orders as select id from public.orders where note is null;
             create function public.twice(n int) returns int language sql as 'select n * 2';
             grant usage on schema stock to {name};
             grant select, insert, update on stock.goods, public.orders to {name};
             insert into stock.goods select n, 'thing ' || n from generate_series(1, 50) as n;
             insert into public.orders select n, n, case when n % 2 = 0 then 'sent' end from generate_series(1, 50) as n"
        ),
    );
    shop.write_url(&format!("p%40ss%20{name}"));
    shop
}

impl Shop {
    /// Rows of a statement as the superuser.
    pub fn on(&self, database: &str, statement: &str) -> Vec<String> {
        self.stack.sql("nexus", &self.stack.password(), database, statement).unwrap()
    }

    /// Writes the file with the connection URL.
    pub fn write_url(&self, password: &str) {
        let (name, socket) = (&self.name, self.stack.socket_dir.replace('/', "%2F"));
        let url = format!("postgres://{name}:{password}@{socket}:{}/{name}\n", self.stack.port);
        std::fs::write(&self.file, url).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&self.file, private).unwrap();
    }

    /// The command that adopts it.
    pub fn adopt<'a>(&'a self, slug: &'a str) -> Vec<&'a str> {
        vec!["tenant", "adopt", slug, "--dsn-file", &self.file]
    }

    /// All of it: schema, data, the database's own rights and settings, its roles.
    pub fn dumped(&self) -> String {
        let output = Command::new("pg_dump")
            .args(["--create", "--no-password", &self.name])
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/local/bin")
            .env("PGHOST", &self.stack.socket_dir)
            .env("PGPORT", &self.stack.port)
            .env("PGUSER", "nexus")
            .env("PGPASSWORD", self.stack.password())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        // A dump's guard against itself is a new random word each time.
        let lines =
            text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
        let roles = self.on(
            "postgres",
            &format!(
                "select role, shobj_description(role.oid, 'pg_authid') from pg_authid as role
                 where rolname like '{}%' order by rolname",
                self.name
            ),
        );
        lines.map(str::to_owned).chain(roles).collect::<Vec<_>>().join("\n")
    }

    /// Whether the app can log in and read its data with the password that it has.
    pub fn is_open(&self) -> bool {
        let password = format!("p@ss {}", self.name);
        let statement = "select count(*) from public.orders";
        match self.stack.sql(&self.name, &password, &self.name, statement) {
            Ok(rows) => rows == ["50"],
            Err(_) => false,
        }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let (name, password) = (&self.name, self.stack.password());
        for statement in [
            format!("drop database if exists {name} with (force)"),
            format!("drop role if exists {name}"),
            format!("drop role if exists {name}_dba"),
        ] {
            let _ = self.stack.sql("nexus", &password, "postgres", &statement);
        }
    }
}

/// The steps that a `--dry-run` announces.
pub fn announced(world: &World, args: &[&str]) -> Vec<String> {
    let args: Vec<&str> = ["--dry-run"].iter().chain(args).copied().collect();
    let rows = world.json(&args);
    let steps = rows.as_array().unwrap().iter().map(|row| row["step"].as_str().unwrap().to_owned());
    steps.filter(|step| step != "checked").collect()
}

/// The command that hands it back.
pub fn purge(slug: &str) -> Vec<&str> {
    vec!["--yes", "tenant", "delete", slug, "--purge", "--confirm", slug]
}

/// Uses the tenant as its environment tells: the realm, the app's own data, the bucket.
pub fn is_usable(world: &World, slug: &str, what: &str) {
    let env = world.env(slug);
    let of = |name: &str| env[name].as_str().unwrap().to_owned();
    let statement = "begin; insert into nexus.settings (key, value) values ('used', '1');
                     select count(*) from public.orders; rollback";
    let rows = world.sql_as(&of("PGUSER"), &of("PGPASSWORD"), &of("PGDATABASE"), statement);
    assert_eq!(rows.as_deref(), Ok(["50".to_owned()].as_slice()), "{what}: {slug}'s database");
    let key =
        ScopedKey { access_key_id: of("AWS_ACCESS_KEY_ID"), secret: of("AWS_SECRET_ACCESS_KEY").into() };
    let bucket = world.control_sql(&format!(
        "select bucket from control.tenants where slug = '{slug}' and state = 'active'"
    ));
    let client = BucketClient::new(&world.stack().endpoint, &of("AWS_REGION"), &key);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let read = runtime.block_on(async {
        client.put(&bucket[0], "used", b"1").await?;
        client.get(&bucket[0], "used").await
    });
    assert_eq!(read.unwrap(), b"1", "{what}: {slug}'s bucket");
}
