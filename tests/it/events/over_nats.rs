//! Events over NATS: what other programs read, and what goes on while it is down.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::{self, stream};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::order::Worker;
use super::{AppLogin, Follower, PASSWORD, positions, until, until_published};
use crate::iam::inside::run;
use crate::support::api::ApiServer;
use crate::support::nats::NatsServer;
use crate::support::world::World;

/// So many messages of the stream, as a program reads them that knows nothing of Nexus: subject, id and body.
fn read(nats: &NatsServer, filter: &str, count: usize) -> Vec<(String, String, Value)> {
    let (url, filter) = (nats.url(), filter.to_owned());
    run(async move {
        let context = jetstream::new(async_nats::connect(url).await.unwrap());
        // It is made with the first event.
        let stream = loop {
            match context.get_stream("nexus-events").await {
                Ok(stream) => break stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        let config = pull::Config {
            filter_subject: filter,
            deliver_policy: DeliverPolicy::All,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.unwrap();
        let messages = consumer.messages().await.unwrap().take(count);
        let read = messages.map(|message| {
            let message = message.unwrap();
            let id = message.headers.as_ref().unwrap().get("Nats-Msg-Id").unwrap().to_string();
            (message.subject.to_string(), id, serde_json::from_slice(&message.payload).unwrap())
        });
        tokio::time::timeout(Duration::from_mins(1), read.collect()).await.expect("messages are missing")
    })
}

/// How many messages the stream has.
fn stored(nats: &NatsServer) -> u64 {
    let url = nats.url();
    run(async move {
        let context = jetstream::new(async_nats::connect(url).await.unwrap());
        match context.get_stream("nexus-events").await {
            Ok(stream) => stream.cached_info().state.messages,
            Err(_) => 0,
        }
    })
}

fn counting() -> (World, AppLogin, NatsServer) {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let nats = NatsServer::start();
    nats.carry_events_of(&world);
    let app = AppLogin::of(&world, "acme");
    (world, app, nats)
}

#[test]
fn other_programs_read_events_by_tenant_and_type_in_their_order() {
    let (world, app, nats) = counting();
    app.publish(&world, "order.shipped", 20);
    let _worker = Worker::start(&world);
    let tenant = world.control_sql("select id from control.tenants where slug = 'acme'").remove(0);
    let read = read(&nats, &format!("nexus.{tenant}.order.>"), 20);
    for (index, (subject, id, event)) in read.iter().enumerate() {
        assert_eq!(*subject, format!("nexus.{tenant}.order.shipped"));
        assert_eq!(event["type"], "order.shipped");
        assert_eq!(event["tenant_id"], tenant.as_str());
        assert_eq!(event["payload"]["n"], index + 1);
        assert_eq!(event["id"], id.as_str());
    }
    let numbered =
        "select string_agg(id::text, ' ' order by position) from nexus.outbox where type = 'order.shipped'";
    let ids: Vec<&str> = read.iter().map(|(_, id, _)| id.as_str()).collect();
    assert_eq!(world.tenant_sql("acme", numbered), [ids.join(" ")]);
}

#[test]
fn killed_after_it_published_a_process_doubles_nothing() {
    let (world, app, nats) = counting();
    app.publish(&world, "order.shipped", 20);
    world.killed_at("stream.published", &["worker"]);
    let before = stored(&nats);
    assert!(before >= 20, "{before} are stored");
    crate::support::worker::end_leases(&world);
    world.control_sql("update control.event_subscriptions set lease_until = '-infinity'");
    let _worker = Worker::start(&world);
    let all = "select count(*) from nexus.outbox where position is not null";
    let reached =
        "select sum(position) from control.event_subscriptions join control.tenants on id = tenant_id
                   where subscriber = 'nats' and slug = 'acme'";
    until("not all are published", || {
        world.control_sql(reached) == world.tenant_sql("acme", all)
            && read(&nats, "nexus.*.order.shipped", 20).len() == 20
    });
    let of_orders: Vec<_> = read(&nats, "nexus.*.order.shipped", 20);
    let ids: std::collections::BTreeSet<_> = of_orders.iter().map(|(_, id, _)| id).collect();
    assert_eq!(ids.len(), 20);
}

#[test]
fn while_nats_is_down_events_are_numbered_and_streamed_and_are_published_when_it_is_up() {
    let mut nats = NatsServer::start();
    let world = World::new();
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    nats.carry_events_of(&world);
    let server = ApiServer::start_with(&world, &[("requests_a_minute", "1000000")]);
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    let app = AppLogin::of(&world, "acme");
    app.publish(&world, "order.placed", 1);
    read(&nats, "nexus.*.order.placed", 1);
    nats.kill();
    let mut follower = Follower::by(&server, "?type=order.*", &token, &[]);
    app.publish(&world, "order.shipped", 30);
    let told = follower.take(30);
    assert!(positions(&told).is_sorted());
    until_published(&world, "acme");
    until("it is not said that NATS is down", || {
        let ready = server.get("/ready", &token).ok();
        ready["ready"] == true && ready["events"] == json!({ "backend": "nats", "connected": false })
    });
    nats.start_again();
    let published = read(&nats, "nexus.*.order.shipped", 30);
    let counts: Vec<i64> =
        published.iter().map(|(.., event)| event["payload"]["n"].as_i64().unwrap()).collect();
    assert_eq!(counts, (1..=30).collect::<Vec<_>>());
}

#[test]
fn a_stream_that_is_anothers_is_named_and_left_as_it_is() {
    let (world, app, nats) = counting();
    let url = nats.url();
    let made = run(async move {
        let context = jetstream::new(async_nats::connect(url).await.unwrap());
        let subjects = vec!["other.>".to_owned()];
        let config =
            stream::Config { name: "nexus-events".to_owned(), subjects, ..stream::Config::default() };
        context.create_stream(config).await.unwrap().cached_info().config.clone()
    });
    app.publish(&world, "order.shipped", 1);
    let _worker = Worker::start(&world);
    until_published(&world, "acme");
    let output = world.command(&["doctor", "--only", "events", "-o", "json"]).output().unwrap();
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(found.contains("nexus-events") && found.contains("other.>"), "{found}");
    assert_eq!((stored(&nats), made.subjects), (0, vec!["other.>".to_owned()]));
}

#[test]
fn a_consumer_that_is_gone_is_made_again_and_nothing_is_lost() {
    let (world, _, nats) = counting();
    let delete = |name: &'static str| {
        let url = nats.url();
        run(async move {
            let context = jetstream::new(async_nats::connect(url).await.unwrap());
            match context.get_stream("nexus-events").await {
                Ok(stream) => stream.delete_consumer(name).await.is_ok(),
                Err(_) => false,
            }
        })
    };
    let _worker = Worker::start(&world);
    until("there is no consumer", || delete("nexus-webhook-notices"));
    until("it is not made again", || delete("nexus-webhook-notices"));
}

/// The seed of an nkey, and its public half.
const SEED: &str = "SUANMEVD24F665ACFB3XRMRPM7DR4Q4X7FUP3P7SPCBN6AQJPVMVWCJPCU";
const PUBLIC: &str = "UCCLK3YUCVFM3HGUYDGFZNISGRJASYTF4WZDFMNJ7XEZNLNDJLSMAIZE";

/// The configuration of `docs/processes.md`, without TLS.
fn authorization(tenant: &str) -> String {
    let page = std::fs::read_to_string("docs/processes.md").unwrap();
    let text = page.split("```").find(|part| part.contains("authorization {")).unwrap();
    let text = text.replace("UNEXUS…", PUBLIC).replace("$2a$11$…", "of acme").replace("TENANT_ID", tenant);
    let is_ours = |line: &&str| !["listen:", "jetstream", "tls"].iter().any(|word| line.starts_with(word));
    text.lines().filter(is_ours).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_app_that_the_server_lets_read_its_tenants_events_reads_those_and_no_others() {
    let world = World::new();
    for slug in ["acme", "birch"] {
        world.ok(&["tenant", "create", slug]);
    }
    let id = |slug: &str| {
        world.control_sql(&format!("select id from control.tenants where slug = '{slug}'")).remove(0)
    };
    let (acme, birch) = (id("acme"), id("birch"));
    let nats = NatsServer::with(Some(&authorization(&acme)));
    let seed = world.machine().path("work/nats.nk");
    std::fs::write(&seed, SEED).unwrap();
    std::fs::set_permissions(&seed, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    nats.carry_events_with(&world, &format!("nats_credentials = \"file:{}\"", seed.display()));
    for slug in ["acme", "birch"] {
        AppLogin::of(&world, slug).publish(&world, "order.shipped", 3);
    }
    let _worker = Worker::start(&world);
    let reached =
        "select count(*) from control.event_subscriptions where subscriber = 'nats' and position >= 3";
    until("events are not published", || {
        world.control_sql(reached) == ["2"] || world.control_sql(reached) == ["3"]
    });
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut client = Command::new(root.join("scripts/nats-client"))
        .arg("run")
        .arg(root.join("tests/clients/nats-events.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = json!({ "url": nats.url(), "tenants": [birch, acme] });
    write!(client.stdin.take().unwrap(), "{asked}").unwrap();
    let output = client.wait_with_output().unwrap();
    let said: Vec<Option<Vec<String>>> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said[0], None, "it reads another tenant's events");
    let subjects = said[1].as_ref().expect("it reads none of its own");
    assert!(subjects.len() >= 3 && subjects.iter().all(|it| it.starts_with(&format!("nexus.{acme}."))));
}
