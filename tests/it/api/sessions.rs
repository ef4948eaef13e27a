//! Sessions and passwords by the API.

use serde_json::{Value, json};

use super::{PASSWORD, acme};
use crate::support::api::{Answer, ApiServer, bearer};
use crate::support::world::World;

fn refresh(server: &ApiServer, pair: &Value) -> u16 {
    exchange(server, &pair["refresh_token"]).status
}

#[test]
fn signing_out_ends_one_session_and_no_other() {
    let (_world, server) = acme();
    let one = server.login(Some("acme"), "ann@acme.example", PASSWORD).ok();
    let other = server.login(Some("acme"), "ann@acme.example", PASSWORD).ok();
    let body = json!({ "refresh_token": one["refresh_token"] });
    assert_eq!(server.send_json("POST", "/auth/logout", &[], &body).status, 204);
    assert_eq!((refresh(&server, &one), refresh(&server, &other)), (401, 200));
    // One that is not good ends nothing, and nobody learns that.
    for token in [&body["refresh_token"], &json!("nonsense")] {
        let again = server.send_json("POST", "/auth/logout", &[], &json!({ "refresh_token": token }));
        assert_eq!(again.status, 204, "{token}");
    }
}

#[test]
fn everybody_sees_and_ends_their_own_sessions() {
    let (world, server) = acme();
    let input = format!("{PASSWORD}\n");
    let args = ["user", "create", "--tenant", "acme", "--email", "vic@acme.example", "--password-stdin"];
    world.machine().run_with_input(&args, &input);
    let pair = server.login(Some("acme"), "vic@acme.example", PASSWORD).ok();
    let ann = server.login(Some("acme"), "ann@acme.example", PASSWORD).ok();
    let (vic, anns) = (pair["access_token"].as_str().unwrap(), ann["access_token"].as_str().unwrap());
    assert_eq!(server.get("/users", vic).problem(), (403, "permission_missing".to_owned()));
    let sessions = |token: &str| server.get("/auth/sessions", token).ok()["data"].as_array().unwrap().clone();
    assert_eq!(sessions(vic).len(), 1);
    let of_ann = sessions(anns)[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/auth/sessions/{of_ann}");
    assert_eq!(server.send("DELETE", &path, &[&bearer(vic)], &[]).problem().0, 403);
    assert_eq!(server.send("DELETE", "/auth/sessions", &[&bearer(vic)], &[]).status, 204);
    assert_eq!((refresh(&server, &pair), refresh(&server, &ann)), (401, 200));
    assert_eq!(server.send("DELETE", "/auth/sessions/x", &[&bearer(anns)], &[]).problem().1, "path_invalid");
}

#[test]
fn a_session_that_is_ended_takes_its_tokens_with_it_and_no_others() {
    let (world, server) = acme();
    let second = ApiServer::start(&world);
    let [lost, kept] = [(); 2].map(|()| server.login(Some("acme"), "ann@acme.example", PASSWORD).ok());
    let token = |pair: &Value| pair["access_token"].as_str().unwrap().to_owned();
    let (gone, kept) = (token(&lost), token(&kept));
    let newest_first = server.get("/auth/sessions", &kept).ok()["data"].clone();
    let path = format!("/auth/sessions/{}", newest_first[1]["id"].as_str().unwrap());
    for _ in 0..2 {
        assert_eq!(server.send("DELETE", &path, &[&bearer(&kept)], &[]).status, 204);
    }
    let began = std::time::Instant::now();
    for one in [&server, &second] {
        while one.get("/auth/me", &gone).status != 401 {
            assert!(began.elapsed().as_secs() < 5, "its token is good still");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(one.get("/auth/me", &kept).status, 200);
    }
    assert_eq!(refresh(&server, &lost), 401);
    // By the command line, too.
    let id = newest_first[0]["id"].as_str().unwrap();
    world.ok(&["user", "sessions", "revoke", "--session", id, "--tenant", "acme"]);
    let began = std::time::Instant::now();
    while server.get("/auth/me", &kept).status != 401 {
        assert!(began.elapsed().as_secs() < 5, "its token is good still");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_token_that_allows_less_ends_no_session() {
    let (world, server) = acme();
    let pair = server.login(Some("acme"), "ann@acme.example", PASSWORD).ok();
    let mint =
        ["token", "mint", "--tenant", "acme", "--user", "ann@acme.example", "--permission", "role:read"];
    let narrow = world.ok(&mint).trim().to_owned();
    assert_eq!(server.get("/auth/me", &narrow).status, 200);
    assert_eq!(server.send("DELETE", "/auth/sessions", &[&bearer(&narrow)], &[]).problem().0, 403);
    assert_eq!(refresh(&server, &pair), 200);
}

#[test]
fn an_invitation_sets_the_first_password_once() {
    let (world, server) = acme();
    let args = ["user", "create", "--tenant", "acme", "--email", "bob@acme.example", "--invite", "--reveal"];
    let invitation = world.json(&args)["invitation"].as_str().unwrap().to_owned();
    let accept = |password: &str| {
        let body = json!({ "token": invitation, "password": password });
        server.send_json("POST", "/auth/password", &["X-Tenant-ID: acme"], &body)
    };
    assert_eq!(accept("short").problem(), (400, "password_short".to_owned()));
    assert_eq!(accept("eight wet dogs on a hill").status, 204);
    assert_eq!(server.login(Some("acme"), "bob@acme.example", "eight wet dogs on a hill").status, 200);
    assert_eq!(accept("nine sly foxes in a den").status / 100, 4);
}

#[test]
fn the_keys_are_published_and_check_a_token_that_was_given() {
    let (world, server) = acme();
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    let keys = server.send("GET", "/.well-known/jwks.json", &[], &[]);
    assert_eq!(keys.header("cache-control"), Some("max-age=600"));
    let file = world.machine().path("work/keys.json");
    std::fs::write(&file, &keys.body).unwrap();
    let issuer =
        world.json(&["token", "inspect", "--file", &token_file(&world, &token)])["claims"]["iss"].clone();
    let args = [
        "token",
        "verify",
        "--jwks",
        "keys.json",
        "--issuer",
        issuer.as_str().unwrap(),
        "--file",
        "token.txt",
    ];
    let me = server.get("/auth/me", &token).ok()["id"].as_str().unwrap().to_owned();
    assert!(world.ok(&args).contains(&me));
}

fn token_file(world: &World, token: &str) -> String {
    std::fs::write(world.machine().path("work/token.txt"), token).unwrap();
    "token.txt".to_owned()
}

fn exchange(server: &ApiServer, refresh: &Value) -> Answer {
    server.send_json("POST", "/auth/refresh-token", &[], &json!({ "refresh_token": refresh }))
}

#[test]
fn of_fifty_uses_of_a_refresh_token_on_two_servers_one_succeeds_and_the_session_lives() {
    let (world, server) = acme();
    let second = ApiServer::start(&world);
    let first = server.login(Some("acme"), "ann@acme.example", PASSWORD).ok();
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..50)
            .map(|number| {
                let one = if number % 2 == 0 { &server } else { &second };
                let refresh = &first["refresh_token"];
                scope.spawn(move || exchange(one, refresh))
            })
            .collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (done, other): (Vec<&Answer>, Vec<&Answer>) = answers.iter().partition(|answer| answer.status == 200);
    // On a slow machine some ask a second after the first, as whoever lost an answer does, and are given it again.
    let mut successors: Vec<String> =
        done.iter().map(|answer| answer.json()["refresh_token"].to_string()).collect();
    successors.dedup();
    assert_eq!(successors.len(), 1);
    for answer in other {
        assert_eq!(answer.problem(), (409, "refresh_in_progress".to_owned()));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(exchange(&server, &done[0].json()["refresh_token"]).status, 200);
}

/// A refresh token that was exchanged five minutes ago, when another session has begun since; and its successor.
fn lost(world: &World, server: &ApiServer) -> (Value, Value) {
    let first = server.login(Some("acme"), "ann@acme.example", PASSWORD).ok();
    let next = exchange(server, &first["refresh_token"]).ok();
    world.tenant_sql(
        "acme",
        "update nexus.refresh_tokens set used_at = used_at - interval '5 minutes' where used_at is not null",
    );
    server.login(Some("acme"), "ann@acme.example", PASSWORD).ok();
    (first["refresh_token"].clone(), next["refresh_token"].clone())
}

#[test]
fn a_client_that_slept_through_the_answer_goes_on_where_that_is_set() {
    let (world, _) = acme();
    let until_used = || ApiServer::start_at(&world, 0, &[("TOKENS_LOST_ANSWER", "until_used")]);
    let (server, second) = (until_used(), until_used());
    let (old, next) = lost(&world, &server);
    let again = exchange(&second, &old).ok();
    assert_eq!(again["refresh_token"], next);
    assert_eq!(second.get("/users", again["access_token"].as_str().unwrap()).status, 200);
    let late = "select count(*) from nexus.audit_log where action = 'refresh.late'";
    assert_eq!(world.tenant_sql("acme", late), ["1"]);
    let used = exchange(&server, &next).ok();
    // Whoever has the old one now did not sleep.
    assert_eq!(exchange(&second, &old).problem(), (401, "refresh_token_invalid".to_owned()));
    assert_eq!(
        exchange(&server, &used["refresh_token"]).problem(),
        (401, "refresh_token_invalid".to_owned())
    );
}

#[test]
fn a_client_that_slept_through_the_answer_signs_in_again_where_nothing_is_set() {
    let (world, server) = acme();
    let (old, next) = lost(&world, &server);
    for token in [&old, &next] {
        assert_eq!(exchange(&server, token).problem(), (401, "refresh_token_invalid".to_owned()));
    }
}
