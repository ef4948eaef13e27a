//! Mail that is really sent: to a server that takes it, refuses it, or says nothing more.

use serde_json::{Value, json};

use super::{Worker, acme, ask_to_invite, end_leases, only_job, set, until, until_all_is_done};
use crate::api::PASSWORD;
use crate::mail::stock::StockServer;
use crate::support::api::ApiServer;
use crate::support::world::World;

/// Has the processes of an installation hand mail to a server.
fn with_mail(world: &World, server: &StockServer) {
    set(world, "serve", &["app_url = \"https://{tenant}.app.example\"".to_owned()]);
    let lines = [
        "smtp_host = \"127.0.0.1\"".to_owned(),
        format!("smtp_port = {}", server.port),
        "smtp_tls = \"none\"".to_owned(),
        "from = \"Acme <no-reply@acme.example>\"".to_owned(),
    ];
    set(world, "mail", &lines);
}

fn states(world: &World) -> Vec<String> {
    world.control_sql("select state from control.messages order by state")
}

/// The token of a message's link.
fn token(message: &Value) -> String {
    token_of("invitation", message)
}

/// The token of a link to a page.
fn token_of(page: &str, message: &Value) -> String {
    let text = message["content"].as_str().unwrap();
    let link = format!("https://acme.app.example/{page}#tenant=acme&token=");
    let (_, token) = text.split_once(&link).unwrap();
    token.lines().next().unwrap().to_owned()
}

#[test]
fn who_is_invited_through_the_api_gets_a_mail_whose_link_sets_the_password() {
    let (world, mut mail) = (World::new(), StockServer::plain());
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    with_mail(&world, &mail);
    let server = ApiServer::start(&world);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    server.change("POST", "/users?invite=true", &ann, &json!({ "email": "bob@acme.example" })).ok();
    let message = mail.taken();
    assert_eq!(
        (&message["from"], &message["to"]),
        (&json!("no-reply@acme.example"), &json!(["bob@acme.example"]))
    );
    let text = message["content"].as_str().unwrap();
    for header in ["From: Acme <no-reply@acme.example>\r\n", "Subject: You are invited to acme\r\n"] {
        assert!(text.contains(header), "{text}");
    }
    let accept = json!({ "token": token(&message), "password": PASSWORD });
    let answer = server.send_json("POST", "/auth/password", &["X-Tenant-ID: acme"], &accept);
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_eq!(server.login(Some("acme"), "bob@acme.example", PASSWORD).status, 200);
    until_all_is_done(&world);
    assert_eq!(states(&world), ["sent"]);
    let kept = "select jobs::text from control.jobs union all select m::text from control.messages as m
                union all select e::text from control.relayed_events as e";
    for row in world.control_sql(kept) {
        assert!(!row.contains("nxi_") && !row.contains("bob@"), "{row}");
    }
    assert!(mail.end().is_empty());
}

/// Sets a password with a token; the exit code.
fn redeem(world: &World, token: &str) -> Option<i32> {
    let file = world.file("token", token);
    let args = ["user", "password", "set", "--token-file", &file, "--password-stdin", "--tenant", "acme"];
    world.machine().output(&args, "seven dry cats in a barn\n").status.code()
}

#[test]
fn an_invitation_and_a_reset_by_mail_are_asked_for_on_the_command_line_too() {
    let (world, mut mail) = (acme(), StockServer::plain());
    with_mail(&world, &mail);
    let _worker = Worker::start(&world);
    let bob = "bob@acme.example";
    world.ok(&["user", "create", "--email", bob, "--role", "User", "--mail", "--tenant", "acme"]);
    let first = token(&mail.taken());
    world.ok(&["user", "invite", bob, "--mail", "--tenant", "acme"]);
    let second = token(&mail.taken());
    assert_eq!((redeem(&world, &first), redeem(&world, &second)), (Some(3), Some(0)));
    world.ok(&["user", "password", "reset", bob, "--mail", "--tenant", "acme"]);
    let reset = token_of("reset-password", &mail.taken());
    assert_eq!(redeem(&world, &reset), Some(0));
    let log = "select action from nexus.audit_log where action like 'user.%' order by id";
    let actions = ["user.create", "user.invite", "user.password.redeem", "user.password.reset"];
    let logged = world.tenant_sql("acme", log);
    assert!(actions.iter().all(|action| logged.iter().any(|row| row == action)), "{logged:?}");
}

#[test]
fn people_of_a_file_are_invited_by_mail_and_nothing_is_sent_by_a_dry_run() {
    let (world, mut mail) = (acme(), StockServer::plain());
    with_mail(&world, &mail);
    let file = world.file("people.csv", "email\nbob@acme.example\neve@acme.example\n");
    let args = ["user", "create", "--from", &file, "--mail", "--tenant", "acme"];
    world.ok(&[&["--dry-run"], &args[..]].concat());
    assert_eq!(world.tenant_sql("acme", "select count(*) from nexus.outbox"), ["0"]);
    world.ok(&args);
    let _worker = Worker::start(&world);
    let mut to: Vec<Value> = (0..2).map(|_| mail.taken()["to"].clone()).collect();
    to.sort_by_key(Value::to_string);
    assert_eq!(to, [json!(["bob@acme.example"]), json!(["eve@acme.example"])]);
    until_all_is_done(&world);
    assert!(mail.end().is_empty());
}

#[test]
fn what_is_refused_for_good_ends_at_once_with_the_servers_words() {
    let (world, mail) = (acme(), StockServer::plain());
    with_mail(&world, &mail);
    ask_to_invite(&world, "nobody@acme.example");
    let _worker = Worker::start(&world);
    until(&world, "select state from control.messages", "failed");
    until(&world, "select state from control.jobs", "dead");
    let job = only_job(&world, "dead");
    let error = job["last_error"].as_str().unwrap();
    assert!(error.contains("550") && error.contains("no such user"), "{error}");
    assert!(!error.contains("nobody@"), "the address is not kept: {error}");
    assert_eq!((&job["attempts"], mail.end().len()), (&json!(1), 0));
}

#[test]
fn what_is_refused_for_now_is_sent_later() {
    let (world, mut mail) = (acme(), StockServer::plain());
    with_mail(&world, &mail);
    ask_to_invite(&world, "grey@acme.example");
    let _worker = Worker::start(&world);
    until(&world, "select state from control.jobs", "scheduled");
    let job = only_job(&world, "retrying");
    assert!(job["last_error"].as_str().unwrap().contains("greylisted"), "{job}");
    assert_eq!(states(&world), ["deferred"]);
    // The first pause is ten seconds, a fifth more or less.
    let pause = "select extract(epoch from due_at - updated_at) between 7.5 and 12.5 from control.jobs";
    assert_eq!(world.control_sql(pause), ["t"]);
    world.control_sql("update control.jobs set due_at = clock_timestamp()");
    mail.taken();
    until_all_is_done(&world);
    assert_eq!((states(&world), mail.end().len()), (vec!["sent".to_owned()], 0));
}

#[test]
fn a_server_that_cannot_be_reached_defers_a_message() {
    let (world, mail) = (acme(), StockServer::plain());
    with_mail(&world, &mail);
    drop(mail);
    ask_to_invite(&world, "bob@acme.example");
    let _worker = Worker::start(&world);
    until(&world, "select state || attempts from control.jobs", "scheduled1");
    assert_eq!(states(&world), ["deferred"]);
}

#[test]
fn a_message_whose_answer_was_lost_is_unknown_and_sent_again_only_for_a_person() {
    let (world, mut mail) = (acme(), StockServer::plain());
    with_mail(&world, &mail);
    ask_to_invite(&world, "lost@acme.example");
    let worker = Worker::start(&world);
    let first = mail.taken();
    until(&world, "select state from control.jobs", "dead");
    assert_eq!(states(&world), ["unknown"]);
    drop(worker);
    // Whoever begins the job by itself gives up.
    world.control_sql("update control.jobs set state = 'scheduled', due_at = now()");
    let _worker = Worker::start(&world);
    until(&world, "select state || attempts from control.jobs", "dead2");
    assert_eq!(states(&world), ["unknown"]);
    let job = only_job(&world, "dead");
    assert!(job["last_error"].as_str().unwrap().contains("may have arrived"), "{job}");
    world.ok(&["job", "retry", job["id"].as_str().unwrap()]);
    // The next that the server has is the one that a person asked for, with a token of its own.
    let second = mail.taken();
    assert_ne!(token(&first), token(&second));
    until(&world, "select state || attempts from control.jobs", "dead1");
    assert!(mail.end().is_empty());
}

#[test]
fn killed_on_the_way_to_the_server_a_message_is_never_sent_twice_by_itself() {
    let (world, mail) = (acme(), StockServer::plain());
    with_mail(&world, &mail);
    // The point, and what is known of the message then.
    let points = [
        ("message.token.made", "sent"),
        ("message.sending", "unknown"),
        ("message.sent", "unknown"),
        ("message.recorded", "sent"),
        ("jobs.settle.before", "sent"),
    ];
    for (at, (point, state)) in points.into_iter().enumerate() {
        ask_to_invite(&world, &format!("p{at}@acme.example"));
        world.killed_at(point, &["worker"]);
        end_leases(&world);
        let worker = Worker::start(&world);
        let last = "select state from control.messages order by created_at desc limit 1";
        until(&world, last, state);
        until(&world, "select count(*) from control.jobs where state <> 'dead'", "0");
        drop(worker);
    }
    assert_eq!(states(&world), ["sent", "sent", "sent", "unknown", "unknown"]);
    let arrived: Vec<Value> = mail.end().into_iter().map(|message| message["to"][0].clone()).collect();
    // Of the two that are unknown one had not been sent yet.
    assert_eq!(arrived, [0, 2, 3, 4].map(|at| format!("p{at}@acme.example")));
}
