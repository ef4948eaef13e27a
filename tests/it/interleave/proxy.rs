//! What stands between does what it is told.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use crate::support::pg_proxy::{Operation, PgProxy};
use crate::support::world::World;

#[test]
fn messages_are_cut_lost_delayed_and_frozen() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let proxy = PgProxy::before(world.stack());
    let config = world.behind(&proxy);
    let list = ["--config", config.as_str(), "tenant", "list"];
    proxy.every(Operation::Delay(Duration::from_millis(1)));
    world.ok(&list);
    let points = proxy.points();
    assert!(points[0].asks == "login" && points[0].connection == 1 && points.len() > 2, "{points:?}");

    proxy.reset();
    proxy.at(1, Operation::Cut);
    assert_eq!(world.run(&list).status.code(), Some(8));
    assert!(proxy.is_met());

    // The first message that changes something; it is done although nobody hears of it.
    let update = ["--config", config.as_str(), "tenant", "update", "acme", "--label", "tier=gold"];
    proxy.reset();
    world.ok(&update);
    let commit = proxy.points().iter().position(|point| point.asks.eq_ignore_ascii_case("commit")).unwrap();
    world.ok(&["tenant", "update", "acme", "--unlabel", "tier"]);
    proxy.reset();
    proxy.at(commit, Operation::LoseAnswer);
    assert_eq!(world.run(&update).status.code(), Some(8));
    assert_eq!(world.json(&["tenant", "show", "acme"])["labels"]["tier"], "gold");

    proxy.reset();
    proxy.at(1, Operation::Freeze);
    let mut frozen = world.command(&list).spawn().unwrap();
    assert!(proxy.wait(|| frozen.try_wait().unwrap().is_some()));
    // Nobody is refused, and nobody is answered.
    TcpStream::connect(("127.0.0.1", proxy.tcp_port)).unwrap().write_all(&[0]).unwrap();
    proxy.go_on();
    assert!(frozen.wait().unwrap().success());
}
