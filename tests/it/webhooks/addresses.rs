//! What is never reached: addresses that are not public, whoever says they are.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use nexus::infra::outbound::{Exchange, Outbound, OutboundError, Policy, PostRequest, Resolve};
use nexus::settings::OutboundSettings;

use super::receiver::Receiver;
use super::{Worker, acme, allow, hook, id, of_acme, publish, until_deliveries};
use crate::support::world::World;

/// Gives the answers that it has, one for each question; the last one again and again.
#[derive(Debug)]
struct Flipping {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Flipping {
    fn new(answers: Vec<Vec<IpAddr>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into()), asked: AtomicUsize::new(0) })
    }
}

#[async_trait::async_trait]
impl Resolve for Flipping {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Ok(next.unwrap_or_default())
    }
}

fn post(outbound: &Outbound, url: &str) -> Exchange {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = outbound.policy().url(url).unwrap();
        outbound.post(PostRequest { url: &url, headers: &[], body: Bytes::from_static(b"{}") }).await
    })
}

/// Addresses of special networks: some of each, and the forms in which IPv6 writes those of IPv4.
fn hostile() -> Vec<IpAddr> {
    let mut all = Vec::new();
    let networks = [
        ([0, 0, 0, 0], 8),
        ([10, 0, 0, 0], 8),
        ([100, 64, 0, 0], 10),
        ([127, 0, 0, 0], 8),
        ([169, 254, 0, 0], 16),
        ([172, 16, 0, 0], 12),
        ([192, 0, 0, 0], 24),
        ([192, 0, 2, 0], 24),
        ([192, 168, 0, 0], 16),
        ([198, 18, 0, 0], 15),
        ([198, 51, 100, 0], 24),
        ([203, 0, 113, 0], 24),
        ([224, 0, 0, 0], 4),
        ([240, 0, 0, 0], 4),
    ];
    for (net, bits) in networks {
        let first = Ipv4Addr::from(net).to_bits();
        let size = u32::MAX >> bits;
        for at in [0, 1, size / 3, size / 2, size - 1, size] {
            let ip = Ipv4Addr::from_bits(first + at);
            let [a, b, c, d] = ip.octets().map(u16::from);
            all.push(IpAddr::V4(ip));
            all.push(IpAddr::V6(ip.to_ipv6_mapped()));
            all.push(IpAddr::V6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a << 8 | b, c << 8 | d)));
            all.push(IpAddr::V6(Ipv6Addr::new(0x2002, a << 8 | b, c << 8 | d, 0, 0, 0, 0, 1)));
        }
    }
    let six = [
        "::",
        "::1",
        "::7f00:1",
        "64:ff9b:1::7f00:1",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ];
    all.extend(six.iter().map(|text| text.parse::<IpAddr>().unwrap()));
    all
}

#[test]
fn a_name_with_any_of_hundreds_of_hostile_addresses_is_connected_to_by_nobody() {
    let all = hostile();
    assert!(all.len() >= 200, "{}", all.len());
    for ip in all {
        for answer in [vec![ip], vec!["8.8.8.8".parse().unwrap(), ip]] {
            let outbound = Outbound::with_resolver(Policy::default(), Flipping::new(vec![answer]));
            let Exchange { answer, steps, .. } = post(&outbound, "https://hooks.acme.example/");
            let refused = OutboundError::ResolvesToNotPublic("hooks.acme.example".to_owned());
            assert_eq!(answer.map(|it| it.status), Err(refused), "{ip}");
            // The first step was the last: no socket was opened, and no address is told.
            assert_eq!(steps.len(), 1, "{ip}");
            assert!(steps[0].addresses.is_empty(), "{ip}");
        }
    }
}

/// As an attacker's name server answers: first something harmless for the check, then this machine for the connection.
#[test]
fn a_name_that_changes_its_address_is_asked_once_and_what_was_checked_is_connected_to() {
    let inner = Receiver::taking();
    let settings =
        OutboundSettings { allow_networks: vec!["127.0.0.2/32".parse().unwrap()], plaintext_http: true };
    // Nobody listens at the first.
    let (good, bad): (IpAddr, IpAddr) = ("127.0.0.2".parse().unwrap(), "127.0.0.1".parse().unwrap());
    let flipping = Flipping::new(vec![vec![good], vec![bad]]);
    let resolver: Arc<dyn Resolve> = Arc::clone(&flipping) as _;
    let outbound = Outbound::with_resolver(Policy::new(&settings), resolver);
    let url = format!("http://hooks.acme.example:{}/", inner.port);
    let first = post(&outbound, &url);
    assert_eq!(flipping.asked.load(Ordering::SeqCst), 1);
    assert!(matches!(first.answer, Err(OutboundError::Connect(_))), "{:?}", first.answer);
    let second = post(&outbound, &url);
    assert!(matches!(second.answer, Err(OutboundError::ResolvesToNotPublic(_))), "{:?}", second.answer);
    assert_eq!(inner.connections(), 0);
}

#[test]
fn a_proxy_of_the_environment_is_not_used() {
    let (proxy, receiver) = (Receiver::taking(), Receiver::taking());
    let world = acme();
    let made = hook(&world, &receiver.url("/"), "*");
    let mut command = world.command(&["webhook", "test", id(&made), "--tenant", "acme"]);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, proxy.url(""));
    }
    assert!(command.output().unwrap().status.success());
    assert_eq!((proxy.connections(), receiver.connections()), (0, 1));
}

#[test]
fn where_no_network_is_allowed_this_machine_is_refused_when_a_webhook_is_made() {
    let (world, inner) = (World::new(), Receiver::taking());
    world.ok(&["tenant", "create", "acme"]);
    let port = inner.port;
    let urls = [
        inner.url("/"),
        format!("https://127.0.0.1:{port}/"),
        "https://127.0.0.1/".to_owned(),
        "https://0x7f.1/".to_owned(),
        "https://[::1]/".to_owned(),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        format!("https://hooks.acme.example:{port}/"),
    ];
    for url in &urls {
        let args = ["webhook", "create", url, "--event", "*", "--reveal", "--tenant", "acme"];
        let (code, error) = world.error(&args);
        assert_eq!((code, error["code"].as_str().unwrap()), (2, "webhook_url_refused"), "{url}");
    }
    assert_eq!(inner.connections(), 0);
}

#[test]
fn a_network_that_is_allowed_no_more_is_not_reached_any_more() {
    let (world, receiver) = (acme(), Receiver::taking());
    let made = hook(&world, &receiver.url("/"), "*");
    let file = world.machine().path("work/nexus.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let (without, _) = settings.split_once("[context.t.outbound]").unwrap();
    std::fs::write(&file, without).unwrap();
    let _worker = Worker::start(&world);
    publish(&world, "order.shipped", "{}");
    until_deliveries(&world, "waiting 1");
    let listed = of_acme(&world, "deliveries", &[id(&made)]);
    assert_eq!(listed[0]["last_error"], "the URL must begin with https://");
    assert_eq!(receiver.connections(), 0);
}

#[test]
fn a_name_that_leads_to_this_machine_is_refused_where_it_is_not_allowed() {
    let world = World::new();
    allow(&world, "10.99.0.0/16");
    world.ok(&["tenant", "create", "acme"]);
    let receiver = Receiver::taking();
    let made = hook(&world, &format!("http://localhost:{}/", receiver.port), "*");
    let (code, error) = world.error(&["webhook", "test", id(&made), "--tenant", "acme"]);
    assert_eq!((code, error["code"].as_str().unwrap()), (8, "webhook_test_failed"));
    let reason = error["details"]["reason"].as_str().unwrap();
    assert_eq!(reason, "localhost has an address that is not public");
    assert_eq!(receiver.connections(), 0);
}
