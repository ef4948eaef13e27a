//! What a server says of itself to whoever watches it.

use super::{PASSWORD, acme};

#[test]
fn tenants_servers_pools_and_limits_are_measured() {
    let (world, server) = acme();
    world.tenant_of("birch", "bob@birch.example", PASSWORD);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    for _ in 0..5 {
        server.get("/users", &ann).ok();
    }
    server.token("birch", "bob@birch.example", PASSWORD);
    server.until("/ready", |answer| answer.body.contains("\"up\""));
    let text = server.send("GET", "/metrics", &[], &[]).body;
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    };
    assert!((value("nexus_server_up{server=\"default\"}") - 1.0).abs() < f64::EPSILON);
    let requests = |slug: &str| value(&format!("nexus_tenant_requests_total{{tenant=\"{slug}\"}}"));
    assert!(requests("acme") > requests("birch") && requests("birch") >= 1.0, "{text}");
    assert!(value("nexus_tenant_wait_seconds_total{tenant=\"acme\"}") > 0.0, "{text}");
    for pool in ["control", "realms"] {
        let of = |what: &str| value(&format!("nexus_pool_{what}{{pool=\"{pool}\"}}"));
        // The control database's first session was opened before there was a pool.
        assert!(of("hits_total") >= 1.0 && of("logins_total") >= 0.0, "{text}");
        // Servers are asked for in the background all the time.
        assert!(of("sessions_leased") <= of("sessions_open") && of("sessions_open") >= 1.0, "{text}");
        assert!(of("waits_total") < 1.0 && of("evictions_total") < 1.0, "{text}");
    }
    assert!(value("nexus_rate_limit_clients{bucket=\"passwords\"}") >= 1.0, "{text}");
    // Each line is one that Prometheus reads.
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, number) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("nexus_") && number.parse::<f64>().is_ok(), "{line}");
    }
}
