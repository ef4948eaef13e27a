//! What a user may do, asked of a thousand random realms and of the simplest thinkable oracle; of ten
//! thousand with `NEXUS_TEST_ALL=1`.

use nexus::features::iam;
use nexus::kernel::UserId;
use serde_json::{Map, Value, json};
use sqlx::Connection;
use uuid::Uuid;

use super::acme;
use super::inside::{machine, realm, run};

/// Graphs written at a time.
const BATCH: usize = 500;

/// How many graphs.
fn graphs() -> usize {
    if std::env::var_os("NEXUS_TEST_ALL").is_some() { 10_000 } else { 1000 }
}

/// Numbers that look random and are the same every time (xorshift64*, Vigna 2016).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }

    fn some<T: Copy>(&mut self, all: &[T], most: usize) -> Vec<T> {
        if all.is_empty() {
            Vec::new()
        } else {
            (0..self.roll(most + 1)).map(|_| all[self.roll(all.len())]).collect()
        }
    }
}

/// One of the resources is administrative.
const PARTS: [[&str; 4]; 2] = [["a", "b", "role", "*"], ["x", "y", "z", "*"]];
const CONDITIONS: [&str; 5] =
    ["", "owner", "amount <= 10", "not state = 'open'", "team = user.team or amount > 90"];
const TEAMS: [&str; 3] = ["", "eu", "us"];

/// A realm as a child would draw it.
struct Graph {
    user: Uuid,
    active: bool,
    team: &'static str,
    /// Of each role its permissions, each with a condition.
    roles: Vec<(Uuid, Vec<(String, &'static str)>)>,
    /// Of each group its parent, and the roles it carries.
    groups: Vec<(Uuid, Option<usize>, Vec<usize>)>,
    own_roles: Vec<usize>,
    own_groups: Vec<usize>,
}

impl Graph {
    fn random(dice: &mut Dice) -> Self {
        let mut roles = Vec::new();
        for _ in 0..=dice.roll(4) {
            let mut permissions: Vec<(String, &'static str)> = Vec::new();
            for _ in 0..dice.roll(4) {
                let name = format!("{}:{}", PARTS[0][dice.roll(4)], PARTS[1][dice.roll(4)]);
                if permissions.iter().all(|(other, _)| *other != name) {
                    permissions.push((name, CONDITIONS[dice.roll(5)]));
                }
            }
            roles.push((Uuid::now_v7(), permissions));
        }
        let indices: Vec<usize> = (0..roles.len()).collect();
        let mut groups = Vec::new();
        for index in 0..dice.roll(7) {
            let parent = if index > 0 && dice.roll(4) > 0 { Some(dice.roll(index)) } else { None };
            groups.push((Uuid::now_v7(), parent, dice.some(&indices, 2)));
        }
        let places: Vec<usize> = (0..groups.len()).collect();
        Self {
            user: UserId::new().uuid(),
            active: dice.roll(20) > 0,
            team: TEAMS[dice.roll(3)],
            own_roles: dice.some(&indices, 2),
            own_groups: dice.some(&places, 3),
            roles,
            groups,
        }
    }

    /// The oracle: walks up from each group, and looks at every permission of every role found.
    fn may(&self, resource: &str, action: &str, thing: &Map<String, Value>) -> bool {
        let mut held: Vec<usize> = self.own_roles.clone();
        for group in &self.own_groups {
            let mut at = Some(*group);
            while let Some(index) = at {
                held.extend(&self.groups[index].2);
                at = self.groups[index].1;
            }
        }
        self.active
            && held.iter().any(|role| {
                self.roles[*role].1.iter().any(|(name, condition)| {
                    let (left, right) = name.split_once(':').unwrap();
                    let by_name = left == resource && (right == "*" || right == action);
                    let by_pattern = left == "*" && right == action && resource != "role";
                    (by_name || by_pattern || name == "*:*") && self.met(condition, thing)
                })
            })
    }

    fn met(&self, condition: &str, thing: &Map<String, Value>) -> bool {
        let text = |name: &str| thing.get(name).and_then(Value::as_str);
        let amount = thing.get("amount").and_then(Value::as_i64);
        match condition {
            "" => true,
            "owner" => text("owner") == Some(&self.user.to_string()),
            "amount <= 10" => amount.is_some_and(|amount| amount <= 10),
            "not state = 'open'" => text("state").is_some_and(|state| state != "open"),
            _ => {
                (!self.team.is_empty() && text("team") == Some(self.team))
                    || amount.is_some_and(|amount| amount > 90)
            }
        }
    }
}

fn thing(dice: &mut Dice, user: Uuid) -> Map<String, Value> {
    let mut thing = Map::new();
    match dice.roll(3) {
        0 => drop(thing.insert("owner".into(), user.to_string().into())),
        1 => drop(thing.insert("owner".into(), Uuid::nil().to_string().into())),
        _ => {}
    }
    match dice.roll(4) {
        0 => {}
        1 => drop(thing.insert("amount".into(), "many".into())),
        _ => drop(thing.insert("amount".into(), [5, 10, 11, 100][dice.roll(4)].into())),
    }
    match dice.roll(3) {
        0 => drop(thing.insert("state".into(), "open".into())),
        1 => drop(thing.insert("state".into(), "draft".into())),
        _ => {}
    }
    match dice.roll(3) {
        0 => {}
        team => drop(thing.insert("team".into(), TEAMS[team].into())),
    }
    thing
}

async fn write(database: &mut sqlx::PgConnection, graphs: &[Graph]) {
    let statement = "
        with g as (select g from jsonb_array_elements($1) as all_of (g)),
        u as (insert into nexus.users (id, email, email_key, state, profile)
              select (g->>'user')::uuid, g->>'user' || '@x', g->>'user' || '@x', g->>'state', g->'profile' from g),
        r as (insert into nexus.roles (id, name)
              select (r->>'id')::uuid, r->>'id' from g, jsonb_array_elements(g->'roles') as each (r)),
        p as (insert into nexus.role_permissions (role_id, permission, condition)
              select (p->>0)::uuid, p->>1, nullif(p->>2, '') from g, jsonb_array_elements(g->'permissions') as each (p)),
        o as (insert into nexus.groups (id, name, parent_id)
              select (o->>0)::uuid, o->>0, (o->>1)::uuid from g, jsonb_array_elements(g->'groups') as each (o)),
        c as (insert into nexus.group_roles (group_id, role_id)
              select distinct (c->>0)::uuid, (c->>1)::uuid from g, jsonb_array_elements(g->'carried') as each (c)),
        m as (insert into nexus.group_members (group_id, user_id)
              select distinct (m #>> '{}')::uuid, (g->>'user')::uuid from g, jsonb_array_elements(g->'own_groups') as each (m))
        insert into nexus.user_roles (role_id, user_id)
        select distinct (m #>> '{}')::uuid, (g->>'user')::uuid from g, jsonb_array_elements(g->'own_roles') as each (m)";
    let of = |graph: &Graph| {
        let role = |index: &usize| graph.roles[*index].0;
        let profile = if graph.team.is_empty() { json!({}) } else { json!({ "team": graph.team }) };
        let permissions: Vec<Value> = graph
            .roles
            .iter()
            .flat_map(|(id, all)| all.iter().map(move |(name, condition)| json!([id, name, condition])))
            .collect();
        let groups =
            graph.groups.iter().map(|(id, parent, _)| json!([id, parent.map(|at| graph.groups[at].0)]));
        let carried =
            graph.groups.iter().flat_map(|(id, _, roles)| roles.iter().map(move |at| json!([id, role(at)])));
        json!({
            "user": graph.user, "state": if graph.active { "active" } else { "disabled" }, "profile": profile,
            "roles": graph.roles.iter().map(|(id, _)| json!({ "id": id })).collect::<Vec<_>>(),
            "permissions": permissions, "groups": groups.collect::<Vec<_>>(), "carried": carried.collect::<Vec<_>>(),
            "own_groups": graph.own_groups.iter().map(|at| graph.groups[*at].0).collect::<Vec<_>>(),
            "own_roles": graph.own_roles.iter().map(role).collect::<Vec<_>>(),
        })
    };
    let all = Value::Array(graphs.iter().map(of).collect());
    sqlx::query(statement).bind(all).execute(database).await.unwrap();
}

#[test]
fn random_realms_agree_with_the_simplest_oracle() {
    let world = acme();
    let database = world.control_sql("select database_name from control.tenants where slug = 'acme'");
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let (mut yes, mut no) = (0, 0);
    run(async {
        let options = sqlx::postgres::PgConnectOptions::new_without_pgpass()
            .socket(&world.stack().socket_dir)
            .port(world.stack().port.parse().unwrap())
            .username("nexus")
            .password(&world.stack().password())
            .database(&database[0]);
        let mut inside = sqlx::PgConnection::connect_with(&options).await.unwrap();
        let register = "insert into nexus.permissions (name, description)
            select a || ':' || b, '' from unnest('{a,b,role,*}'::text[]) as a, unnest('{x,y,z,*}'::text[]) as b
            on conflict do nothing";
        sqlx::query(register).execute(&mut inside).await.unwrap();
        let mut realm = realm(&world, Some("acme")).await;
        for _ in 0..graphs() / BATCH {
            let graphs: Vec<Graph> = (0..BATCH).map(|_| Graph::random(&mut dice)).collect();
            write(&mut inside, &graphs).await;
            for graph in &graphs {
                let grants = iam::grants(&mut realm, &machine(), graph.user.into()).await.unwrap();
                for resource in &PARTS[0][..3] {
                    for action in &PARTS[1][..3] {
                        let thing = thing(&mut dice, graph.user);
                        let asked = format!("{resource}:{action}").parse().unwrap();
                        let answer = grants.can(&asked, &thing).is_granted();
                        let expected = graph.may(resource, action, &thing);
                        assert_eq!(answer, expected, "{} {asked} {thing:?}", graph.user);
                        *if expected { &mut yes } else { &mut no } += 1;
                    }
                }
            }
        }
    });
    // Neither answer is rare, so that always saying one of them would not do.
    assert!(yes > graphs() && no > graphs(), "{yes} yes, {no} no");
}
