//! Connection URLs: whatever Nexus takes, libpq takes, and for the same place.

use std::collections::BTreeMap;

use nexus::infra::db::{Host, ServerAddress, Tls};
use nexus::kernel::{ExposeSecret, SecretString};

use crate::support::dice::Dice;
use crate::support::libpq;

const SCHEMES: &[&str] = &["postgres://", "postgresql://"];
const ODD_SCHEMES: &[&str] = &["POSTGRES://", "postgres:/", "postgresql:", "", "postgres+ssl://"];
const USERS: &[&str] = &["app", "a%40b", "us%65r", "ü", "a.b-c", "a+b"];
const ODD_USERS: &[&str] = &["", "x%zz", "x%00", "x%", "a b", "%20a", "a%09"];
const PASSWORDS: &[&str] =
    &["pw", "p%40ss%3Aw%2Fx", "pa?ss#x", "pä", "p=q&r", "a:b", "%20x%20", "p+q", "%25%32%35"];
const ODD_PASSWORDS: &[&str] = &["", "%FF", "a b", " x", "x\t", "%0A", "p@q", "p/q"];
const HOSTS: &[&str] = &[
    "db1",
    "db1.example",
    "127.0.0.1",
    "[::1]",
    "[fe80::1%25eth0]",
    "%2Frun%2Fpg",
    "%2Frun%2Fp%20g",
    "localhost",
];
const ODD_HOSTS: &[&str] = &[
    "",
    "[]",
    "[::1",
    "[::1]x",
    "db1,db2",
    "db1:5433,db2:5434",
    "::1",
    "%2Fa,%2Fb",
    "%2Fa%2Cb",
    "a@b",
    "%40pg",
    ",",
    "db 1",
];
const PORTS: &[&str] = &["", ":5433", ":", ":05432"];
const ODD_PORTS: &[&str] = &[":0", ":70000", ":x", ":5432,5433", ":54%332", ":-1", ": 5432", "::"];
const DATABASES: &[&str] = &["/shop", "/a%20b", "/a/b", "/ü", "/a+b"];
const ODD_DATABASES: &[&str] = &["", "/", "//x", "/a b", "/%zz", "/a%0Ab"];
const PARAMETERS: &[&str] = &[
    "host=db3",
    "host=%2Frun%2Fpg",
    "port=5434",
    "user=u2",
    "password=p%3D2",
    "dbname=d2",
    "sslmode=disable",
    "sslmode=require",
    "sslmode=prefer",
    "sslmode=allow",
    "sslmode=verify-ca",
    "sslmode=verify-full",
    "ssl=true",
    "connect_timeout=10",
    "application_name=a%20b",
    "channel_binding=prefer",
    "target_session_attrs=any",
    "target_session_attrs=read-write",
    "%68ost=db4",
    "keepalives=1",
];
const ODD_PARAMETERS: &[&str] = &[
    "",
    "host=",
    "port=",
    "user=",
    "password=",
    "dbname=",
    "sslmode=",
    "sslmode=perhaps",
    "password=a=b",
    "=x",
    "nothing",
    "unknown=x",
    "options=-csearch_path%3Dx",
    "hostaddr=192.0.2.1",
    "service=x",
    "target_session_attrs=read-only",
    "ssl=false",
    "password=%FF",
    "host=a,b",
    "application_name=a b",
    "host=%zz",
    "Host=db5",
    "passfile=%2Fx",
    "sslcert=%2Fx",
];

/// A URL of pieces; one of two is made of pieces that are in order.
fn url(dice: &mut Dice) -> String {
    let tame = dice.below(2) == 0;
    let mut piece = |usual: &[&'static str], odd: &[&'static str]| {
        if tame || dice.below(4) > 0 { dice.one(usual) } else { dice.one(odd) }
    };
    let mut url = piece(SCHEMES, ODD_SCHEMES).to_owned();
    let login = [piece(USERS, ODD_USERS), ":", piece(PASSWORDS, ODD_PASSWORDS), "@"].concat();
    url += piece(&[&*login.leak()], &["", "app@", "@", ":@", ":pw@"]);
    url += piece(HOSTS, ODD_HOSTS);
    url += piece(PORTS, ODD_PORTS);
    url += piece(DATABASES, ODD_DATABASES);
    let signs = ["?", "&", "&"];
    for sign in signs.iter().take(dice.below(4)) {
        url += sign;
        url += if tame || dice.below(3) > 0 { dice.one(PARAMETERS) } else { dice.one(ODD_PARAMETERS) };
    }
    url + dice.one(if tame { &["", "", "", "&"] } else { &["", "&", "?", "#x"] })
}

/// Whether what libpq read names one server, one login and one database, and says nothing else of
/// weight: such a URL has to be taken.
fn is_plain(given: &BTreeMap<String, String>, url: &str) -> bool {
    const WEIGHTLESS: [&str; 11] = [
        "host",
        "port",
        "user",
        "password",
        "dbname",
        "sslmode",
        "connect_timeout",
        "application_name",
        "channel_binding",
        "target_session_attrs",
        "keepalives",
    ];
    let get = |name: &str| given.get(name).map_or("", String::as_str);
    let host = get("host");
    let one_host =
        !host.contains([',', '@', ' ', '#', '?']) && (host.starts_with('/') || !host.contains('/'));
    let modes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
    let mode = given.get("sslmode").is_none_or(|mode| modes.contains(&mode.as_str()));
    let attributes = given.get("target_session_attrs").is_none_or(|it| it == "any" || it == "read-write");
    let port = get("port").is_empty() || get("port").parse::<u16>().is_ok_and(|port| port > 0);
    let named = ["host", "user", "password", "dbname"].iter().all(|name| !get(name).is_empty());
    let seen = !given.values().any(|value| value.contains(|c: char| c.is_control() || c == '\u{fffd}'));
    let known = given.keys().all(|key| WEIGHTLESS.contains(&key.as_str()));
    // What stands before a host of the parameters is refused where it could be the end of a password.
    let odd = ["a@b", " ", "\t", "%0A", "%09", "%FF"].iter().any(|odd| url.contains(odd));
    named && one_host && mode && attributes && port && known && seen && !odd
}

fn check(url: &str, theirs: &Result<BTreeMap<String, String>, String>) -> bool {
    let ours = ServerAddress::from_url(&SecretString::from(url));
    let (ours, theirs) = match (ours, theirs) {
        (Err(error), Ok(given)) => {
            assert!(!is_plain(given, url), "{url} is refused: {error}");
            return false;
        }
        (Err(_), Err(_)) => return false,
        (Ok(_), Err(error)) => panic!("{url} is taken; libpq says: {error}"),
        (Ok(ours), Ok(theirs)) => (ours, theirs),
    };
    let get = |name: &str| theirs.get(name).filter(|text| !text.is_empty()).map(String::as_str);
    assert_eq!(Some(ours.host.to_string().as_str()), get("host"), "{url}");
    assert_eq!(ours.port, get("port").unwrap_or("5432").parse::<u16>().unwrap(), "{url}");
    assert_eq!(Some(ours.user.as_str()), get("user"), "{url}");
    assert_eq!(Some(ours.password.expose_secret()), get("password"), "{url}");
    assert_eq!(Some(ours.database.as_str()), get("dbname"), "{url}");
    let here = match &ours.host {
        Host::Socket(_) => true,
        Host::Tcp(name) => ["localhost", "127.0.0.1", "::1"].contains(&name.as_str()),
    };
    let tls = match get("sslmode") {
        Some("disable") => Tls::Disable,
        Some("require") => Tls::Require,
        None | Some("allow" | "prefer") if here => Tls::Disable,
        _ => Tls::VerifyFull(None),
    };
    assert_eq!(ours.tls, tls, "{url}");
    true
}

#[test]
fn a_url_means_what_it_means_to_libpq_or_is_refused() {
    let mut dice = Dice(1);
    let urls: Vec<String> = (0..1500).map(|_| url(&mut dice)).collect();
    let taken = urls.iter().zip(libpq::parse(&urls)).filter(|(url, theirs)| check(url, theirs)).count();
    assert!((400..1300).contains(&taken), "{taken}");
}

#[test]
fn nothing_of_a_url_that_is_refused_is_repeated() {
    let mut dice = Dice(2);
    for _ in 0..2000 {
        let url = url(&mut dice).replace("pw", "CANARY").replace("shop", "CANARY");
        if let Err(error) = ServerAddress::from_url(&SecretString::from(url.as_str())) {
            let text = format!("{error} {error:?}");
            assert!(!text.contains("CANARY"), "{url}: {text}");
        }
    }
}

#[test]
fn a_url_that_is_written_is_read_back_by_libpq_and_by_us() {
    const PIECES: &[&str] = &[
        "a", "Z", "7", "@", ":", "/", "?", "#", "%", "&", "=", "+", " ", "'", "\"", "\\", "$", "ü", "東",
        "[", "]", ",",
    ];
    let mut dice = Dice(3);
    let hosts = ["/run/pg", "/run/p g", "/a%2Fb&c=d", "db1.example", "127.0.0.1", "::1", "fe80::1%eth0"];
    let addresses: Vec<ServerAddress> = (0..400)
        .map(|_| {
            let host = dice.one(&hosts);
            let is_socket = host.starts_with('/');
            let mut text = || dice.text(PIECES, 8) + "x";
            let (user, database, password) = (text(), text(), SecretString::from(text()));
            ServerAddress {
                host: if is_socket { Host::Socket(host.into()) } else { Host::Tcp(host.to_owned()) },
                port: dice.one(&[5432, 1, 65535]),
                user,
                password,
                database,
                tls: if is_socket {
                    Tls::Disable
                } else if dice.one(&[true, false]) {
                    Tls::Require
                } else {
                    Tls::VerifyFull(None)
                },
            }
        })
        .collect();
    let urls: Vec<String> = addresses.iter().map(|address| address.to_url(None).to_string()).collect();
    for ((address, url), given) in addresses.iter().zip(&urls).zip(libpq::parse(&urls)) {
        let given = given.unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(given["host"], address.host.to_string(), "{url}");
        assert_eq!(given["port"], address.port.to_string(), "{url}");
        assert_eq!(given["user"], address.user, "{url}");
        assert_eq!(given["password"], address.password.expose_secret(), "{url}");
        assert_eq!(given["dbname"], address.database, "{url}");
        let back = ServerAddress::from_url(&SecretString::from(url.as_str())).unwrap();
        assert_eq!(
            (back.host, back.port, back.user, back.database, back.tls),
            (
                address.host.clone(),
                address.port,
                address.user.clone(),
                address.database.clone(),
                address.tls.clone()
            ),
            "{url}"
        );
        assert_eq!(back.password.expose_secret(), address.password.expose_secret());
    }
}
