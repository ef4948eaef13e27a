//! Measures tokens: a check against the bare signature check, in this process; minting offline, as
//! a whole process.
//!
//! `scripts/bench tokens [--json] [--runs N]`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256};
use aws_lc_rs::signature::{UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nexus::features::tokens::{Expected, KeyRing, RingKey};
use nexus::infra::crypto::jwt;
use nexus::infra::crypto::signing::{Algorithm, PublicKey, SigningKey};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const ISSUER: &str = "urn:uuid:0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d";

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let runs = args.iter().position(|arg| arg == "--runs").and_then(|at| args.get(at + 1));
    let runs = runs.and_then(|text| text.parse().ok()).unwrap_or(101);
    let checks: Vec<Value> = Algorithm::ALL.into_iter().map(check).collect::<Result<_, _>>()?;
    let mint = mint_offline(runs)?;
    if args.iter().any(|arg| arg == "--json") {
        println!("{:#}", json!({ "verify": checks, "mint_offline": mint }));
        return Ok(());
    }
    println!("{:<34} {:>12} {:>12} {:>8}  goal", "", "bare", "nexus", "ratio");
    for it in &checks {
        let number = |key: &str| it[key].as_f64().unwrap_or(0.0);
        let name = format!("verify {} (us)", it["algorithm"].as_str().unwrap_or_default());
        println!(
            "{name:<34} {:>12.2} {:>12.2} {:>8.3}  <= 1.1",
            number("bare_us"),
            number("nexus_us"),
            number("ratio")
        );
    }
    let number = |key: &str| mint[key].as_f64().unwrap_or(0.0);
    println!(
        "{:<34} {:>12.1} {:>12.1} {:>8}  <= 15",
        "mint offline, whole process (ms)",
        number("version_ms"),
        number("median_ms"),
        ""
    );
    Ok(())
}

fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": Uuid::now_v7(), "aud": "nexus", "client_id": "nexus-cli", "iat": now(),
        "nbf": now(), "exp": now() + 900, "jti": Uuid::now_v7(), "tenant_id": Uuid::now_v7(),
        "tenant": "acme", "roles": ["Admin"],
    })
}

/// The check of a token, and of its bare signature by the same library, by turns: the middle of many
/// rounds, so that a busy machine slows both.
fn check(algorithm: Algorithm) -> Result<Value, Failure> {
    const ROUNDS: usize = 201;
    const TIMES: u32 = 20;
    let key = SigningKey::generate_blocking(algorithm)?;
    let token = jwt::signed(&claims(), &key)?;
    let public = key.public().clone();
    let (verification, bytes) = bare(&public)?;
    let bare = UnparsedPublicKey::new(verification, bytes);
    let (message, signature) = token.rsplit_once('.').unwrap_or_default();
    let signature = URL_SAFE_NO_PAD.decode(signature)?;
    let mut ring = KeyRing::default();
    ring.insert(public.id().to_owned(), RingKey::new(public));
    let expected = Expected { issuers: &[ISSUER], audience: Some("nexus"), now: now() };
    let (mut floor, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..TIMES {
            std::hint::black_box(bare.verify(message.as_bytes(), &signature)).map_err(|_| "bare check")?;
        }
        let one = began.elapsed() / TIMES;
        let began = Instant::now();
        for _ in 0..TIMES {
            std::hint::black_box(ring.check(&token, expected)).map_err(|flaw| flaw.to_string())?;
        }
        let two = began.elapsed() / TIMES;
        ratios.push(two.as_secs_f64() / one.as_secs_f64());
        floor.push(one);
        ours.push(two);
    }
    ratios.sort_by(f64::total_cmp);
    Ok(json!({
        "algorithm": algorithm, "bare_us": median(floor) * 1000.0, "nexus_us": median(ours) * 1000.0,
        "ratio": ratios[ROUNDS / 2],
    }))
}

/// A public key as the library below takes it.
fn bare(key: &PublicKey) -> Result<(&'static dyn VerificationAlgorithm, Vec<u8>), Failure> {
    let jwk = serde_json::to_value(key.jwk())?;
    let part = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or_default());
    Ok(match key.algorithm() {
        Algorithm::EdDsa => (&ED25519, part("x")?),
        Algorithm::Es256 => (&ECDSA_P256_SHA256_FIXED, [vec![4], part("x")?, part("y")?].concat()),
        Algorithm::Rs256 => {
            use aws_lc_rs::encoding::AsDer;
            let key = aws_lc_rs::signature::RsaPublicKeyComponents { n: part("n")?, e: part("e")? };
            (&RSA_PKCS1_2048_8192_SHA256, key.as_der().map_err(|_| "no RSA key")?.as_ref().to_vec())
        }
    })
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

/// The whole process of minting with a development key, and of the same program doing nothing.
fn mint_offline(runs: usize) -> Result<Value, Failure> {
    let folder = tempfile::tempdir()?;
    let key = SigningKey::generate_blocking(Algorithm::EdDsa)?;
    let user = |number: usize| {
        json!({ "id": Uuid::now_v7(), "email": format!("user{number}@acme.example"), "state": "active",
                "roles": ["Admin"], "permissions": ["*:*"] })
    };
    let file = json!({
        "nexus_development_key": 1, "kid": key.public().id(), "algorithm": "EdDSA",
        "private_key": URL_SAFE_NO_PAD.encode(key.to_pkcs8()?.expose_secret()), "issuer": ISSUER,
        "audience": "nexus", "ttl_seconds": 900,
        "realms": [{ "id": Uuid::now_v7(), "slug": "acme", "users": (0..100).map(user).collect::<Vec<_>>() }],
    });
    let path = folder.path().join("dev.key");
    nexus::infra::private_file::create(&path, file.to_string().as_bytes())?;
    let nexus =
        std::env::var_os("NEXUS_BIN").map_or_else(|| env!("CARGO_BIN_EXE_nexus").into(), PathBuf::from);
    let run = |args: &[&str]| -> Result<Duration, Failure> {
        let began = Instant::now();
        let status = Command::new(&nexus)
            .args(args)
            .env("NEXUS_HOME", folder.path())
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .status()?;
        if status.success() { Ok(began.elapsed()) } else { Err(format!("{args:?} failed").into()) }
    };
    let mint = [
        "token",
        "mint",
        "--offline",
        "--key",
        "dev.key",
        "--tenant",
        "acme",
        "--user",
        "user7@acme.example",
    ];
    let (mut minted, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..runs.max(1) {
        floor.push(run(&["--version"])?);
        minted.push(run(&mint)?);
    }
    minted.sort();
    let worst = minted[minted.len() * 9 / 10].as_secs_f64() * 1000.0;
    Ok(json!({ "median_ms": median(minted), "p90_ms": worst, "version_ms": median(floor), "runs": runs }))
}
