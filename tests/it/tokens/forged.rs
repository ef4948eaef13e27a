//! Forged tokens: none is accepted, the answer is always the same, and nobody is asked.

use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use nexus::infra::crypto::signing::{Algorithm, SigningKey};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{ANN, Company, claims, error, kid};

/// A forger who holds a development key that the installation accepts: what is refused is then
/// refused for what it says, not for its signature.
struct Forger {
    key: SigningKey,
    kid: String,
    claims: Value,
    own: SigningKey,
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Forger {
    fn new(company: &Company) -> Self {
        let exported = company.development_key();
        let document = URL_SAFE_NO_PAD.decode(exported["private_key"].as_str().unwrap()).unwrap();
        let key = SigningKey::from_pkcs8(Algorithm::EdDsa, &document).unwrap();
        let mint = ["token", "mint", "--offline", "--key", "dev.key", "--tenant", "acme", "--user", ANN];
        let minted = company.run(&mint, "");
        let claims = claims(String::from_utf8(minted.stdout).unwrap().trim_end());
        Self {
            kid: exported["kid"].as_str().unwrap().to_owned(),
            key,
            claims,
            own: SigningKey::generate_blocking(Algorithm::EdDsa).unwrap(),
        }
    }

    fn header(&self) -> Value {
        json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": self.kid })
    }

    fn sign(header: &str, payload: &str, key: &SigningKey) -> String {
        let message = format!("{}.{}", b64(header), b64(payload));
        let signature = key.sign(message.as_bytes()).unwrap();
        format!("{message}.{signature}")
    }

    fn good(&self) -> String {
        Self::sign(&self.header().to_string(), &self.claims.to_string(), &self.key)
    }

    /// Signed by the accepted key, with another header.
    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = self.header();
        if value.is_null() {
            header.as_object_mut().unwrap().remove(name);
        } else {
            header[name] = value;
        }
        Self::sign(&header.to_string(), &self.claims.to_string(), &self.key)
    }

    /// Signed by the accepted key, with another claim.
    fn with_claim(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value;
        }
        Self::sign(&self.header().to_string(), &claims.to_string(), &self.key)
    }

    /// With a signature of the forger's making.
    fn mac(&self, alg: &str, kid: &str, secret: &[u8]) -> String {
        let header = json!({ "alg": alg, "typ": "at+jwt", "kid": kid }).to_string();
        let message = format!("{}.{}", b64(header), b64(self.claims.to_string()));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(message.as_bytes());
        format!("{message}.{}", b64(mac.finalize().into_bytes()))
    }

    fn all(&self, lure: &str) -> Vec<(String, String)> {
        let mut all = self.algorithms();
        all.extend(self.headers(lure));
        all.extend(self.signatures());
        all.extend(self.forms());
        all.extend(self.said());
        all
    }

    fn algorithms(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let good = self.good();
        let (message, signature) = good.rsplit_once('.').unwrap();
        let payload = message.split_once('.').unwrap().1;
        for alg in
            ["none", "None", "NONE", "nOnE", "", "eddsa", "Ed25519", "ES256", "RS256", "PS256", "HS256"]
        {
            let header = b64(json!({ "alg": alg, "typ": "at+jwt", "kid": self.kid }).to_string());
            all.push((format!("alg {alg:?} unsigned"), format!("{header}.{payload}.")));
            all.push((format!("alg {alg:?} with a signature"), format!("{header}.{payload}.{signature}")));
            all.push((format!("alg {alg:?} signed"), self.with_header("alg", json!(alg))));
        }
        let public = self.key.public();
        let jwk = serde_json::to_value(public.jwk()).unwrap();
        let raw = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
        let secrets = [raw, jwk.to_string().into_bytes(), public.pem().unwrap().into_bytes(), Vec::new()];
        for (number, secret) in secrets.iter().enumerate() {
            all.push((format!("HS256 with public half {number}"), self.mac("HS256", &self.kid, secret)));
            all.push((format!("a MAC as EdDSA {number}"), self.mac("EdDSA", &self.kid, secret)));
        }
        all
    }

    fn headers(&self, lure: &str) -> Vec<(String, String)> {
        let own = serde_json::to_value(self.own.public().jwk()).unwrap();
        let mut all = Vec::new();
        for (name, value) in [
            ("jwk", own.clone()),
            ("jku", json!(format!("{lure}/jwks.json"))),
            ("x5u", json!(format!("{lure}/cert.pem"))),
            ("x5c", json!(["MIIB"])),
            ("x5t", json!("AAAA")),
            ("crit", json!(["exp"])),
            ("crit", json!([])),
            ("b64", json!(false)),
            ("zip", json!("DEF")),
            ("cty", json!("JWT")),
            ("enc", json!("A256GCM")),
            ("url", json!(lure)),
            ("nonce", json!("x")),
            ("typ", json!("JWT")),
            ("typ", json!("AT+JWT")),
            ("typ", json!("application/at+jwt")),
            ("typ", json!("at+jwt ")),
            ("typ", json!("refresh+jwt")),
            ("typ", json!(["at+jwt"])),
            ("typ", Value::Null),
            ("alg", Value::Null),
            ("alg", json!(null)),
            ("alg", json!(["EdDSA"])),
            ("kid", Value::Null),
            ("kid", json!("")),
            ("kid", json!(0)),
            ("kid", json!([self.kid])),
            ("kid", json!("../../../../dev/null")),
            ("kid", json!("/proc/sys/kernel/randomize_va_space")),
            ("kid", json!("x' or '1'='1")),
            ("kid", json!(format!("{}'; drop table control.signing_keys; --", self.kid))),
            ("kid", json!("*")),
            ("kid", json!("%")),
            ("kid", json!(format!("{}\u{0}", self.kid))),
            ("kid", json!(self.kid.to_uppercase() + "A")),
            ("kid", json!(format!(" {}", self.kid))),
            ("kid", json!("a".repeat(4000))),
            ("kid", json!(lure)),
        ] {
            let signed = self.with_header(name, value.clone());
            all.push((format!("header {name} {value}"), signed));
            // The same with the key that the header names.
            let mut header = self.header();
            header[name] = value;
            let text = header.to_string();
            all.push((
                format!("own key, header {name}"),
                Self::sign(&text, &self.claims.to_string(), &self.own),
            ));
        }
        all.push(("kid path, empty secret".to_owned(), self.mac("HS256", "../../dev/null", b"")));
        all.push(("own key under its own kid".to_owned(), {
            let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": self.own.public().id() });
            Self::sign(&header.to_string(), &self.claims.to_string(), &self.own)
        }));
        all
    }

    fn signatures(&self) -> Vec<(String, String)> {
        let good = self.good();
        let (message, signature) = good.rsplit_once('.').unwrap();
        let mut standard = STANDARD.encode(URL_SAFE_NO_PAD.decode(signature).unwrap());
        if !standard.contains(['+', '/', '=']) {
            standard.push('=');
        }
        let other = Self::sign(&self.header().to_string(), "{}", &self.key);
        let of_other = other.rsplit_once('.').unwrap().1;
        let forged = [
            ("empty", String::new()),
            ("cut", signature[..signature.len() - 2].to_owned()),
            ("longer", format!("{signature}AA")),
            ("zeros", b64([0; 64])),
            ("ones", b64([255; 64])),
            ("of another message", of_other.to_owned()),
            ("padded", format!("{signature}==")),
            ("standard alphabet", standard),
            ("with a line break inside", format!("{}\n{}", &signature[..20], &signature[20..])),
            ("with a space inside", format!("{} {}", &signature[..20], &signature[20..])),
            ("not base64", "!!!!".to_owned()),
        ];
        forged
            .into_iter()
            .map(|(name, it)| (format!("signature {name}"), format!("{message}.{it}")))
            .collect()
    }

    fn forms(&self) -> Vec<(String, String)> {
        let good = self.good();
        let (message, signature) = good.rsplit_once('.').unwrap();
        let header = self.header().to_string();
        let claims = self.claims.to_string();
        let sign = |header: &str, payload: &str| Self::sign(header, payload, &self.key);
        let twice = |json: &str, more: &str| json.replacen('{', &format!("{{{more},"), 1);
        let jwe = format!("{}.AAAA.AAAA.AAAA.AAAA", b64(r#"{"alg":"dir","enc":"A256GCM"}"#));
        let in_json = json!({ "payload": b64(&claims), "protected": b64(&header), "signature": signature });
        let forged = [
            ("nothing but dots", "..".to_owned()),
            ("two parts", message.to_owned()),
            ("four parts", format!("{good}.AAAA")),
            ("a dot before", format!(".{good}")),
            ("a dot behind", format!("{good}.")),
            ("JWE", jwe),
            ("JSON form", in_json.to_string()),
            ("a scheme before", format!("Bearer {good}")),
            ("two tokens", format!("{good},{good}")),
            ("1 MB", format!("{}.{}.{signature}", b64(&header), b64("x".repeat(1_000_000)))),
            ("1 MB signed", sign(&header, &twice(&claims, &format!("\"x\":\"{}\"", "x".repeat(1_000_000))))),
            (
                "deep",
                sign(&header, &twice(&claims, &format!("\"x\":{}{}", "[".repeat(2000), "]".repeat(2000)))),
            ),
            ("alg twice", sign(&twice(&header, "\"alg\":\"none\""), &claims)),
            ("kid twice", sign(&twice(&header, "\"kid\":\"x\""), &claims)),
            ("sub twice", sign(&header, &twice(&claims, "\"sub\":\"x\""))),
            ("exp twice", sign(&header, &twice(&claims, "\"exp\":9999999999"))),
            ("an unknown claim twice", sign(&header, &twice(&claims, "\"x\":1,\"x\":2"))),
            ("exp NaN", sign(&header, &claims.replace("\"exp\":", "\"exp\":NaN,\"old\":"))),
            ("payload a list", sign(&header, &format!("[{claims}]"))),
            ("payload text", sign(&header, "\"x\"")),
            ("payload empty", sign(&header, "")),
            ("payload not UTF-8", {
                let message = format!("{}.{}", b64(&header), b64([0xff, 0xfe]));
                format!("{message}.{}", self.key.sign(message.as_bytes()).unwrap())
            }),
            ("payload with more behind", sign(&header, &format!("{claims}{{}}"))),
            ("header a list", sign(&format!("[{header}]"), &claims)),
            ("header with a mark", sign(&format!("\u{feff}{header}"), &claims)),
            ("a token in a token", sign(&header, &good)),
            ("a refresh token", format!("nxr_{}", b64([7; 48]))),
            ("an API key", format!("nxk_{}", b64([7; 48]))),
            ("an invitation", format!("nxi_{}", b64([7; 32]))),
        ];
        forged.into_iter().map(|(name, token)| (name.to_owned(), token)).collect()
    }

    fn said(&self) -> Vec<(String, String)> {
        let iat = self.claims["iat"].as_i64().unwrap();
        let past = |name: &str, by: i64| {
            let mut claims = self.claims.clone();
            for time in ["iat", "nbf", "exp"] {
                claims[time] = json!(claims[time].as_i64().unwrap() + by);
            }
            (name.to_owned(), Self::sign(&self.header().to_string(), &claims.to_string(), &self.key))
        };
        let mut all = vec![past("expired", -7200), past("from the future", 7200)];
        for (name, value) in [
            ("exp", json!(format!("{}", iat + 900))),
            ("exp", json!(-1)),
            ("exp", json!(0)),
            ("exp", json!(1e300)),
            ("exp", json!(i64::MAX)),
            ("exp", json!(u64::MAX)),
            ("exp", json!(1_800_000_000.5)),
            ("exp", json!([iat + 900])),
            ("exp", json!(iat + 3601)),
            ("exp", json!(iat)),
            ("exp", Value::Null),
            ("iat", Value::Null),
            ("iat", json!("now")),
            ("iat", json!(iat + 3000)),
            ("nbf", json!(iat + 3000)),
            ("nbf", json!("0")),
            ("aud", json!("billing")),
            ("aud", json!(["billing", "nexus2"])),
            ("aud", json!([])),
            ("aud", json!({ "nexus": true })),
            ("aud", json!(["nexus", 7])),
            ("aud", json!("NEXUS")),
            ("aud", json!("")),
            ("aud", Value::Null),
            ("iss", json!("https://evil.example")),
            ("iss", json!(format!("{}/", self.claims["iss"].as_str().unwrap()))),
            ("iss", json!(self.claims["iss"].as_str().unwrap().to_uppercase())),
            ("iss", json!([self.claims["iss"]])),
            ("iss", Value::Null),
            ("sub", Value::Null),
            ("sub", json!("admin")),
            ("sub", json!(1)),
            ("jti", Value::Null),
            ("jti", json!(self.claims["jti"].as_str().unwrap().to_uppercase() + " ")),
            ("client_id", Value::Null),
            ("tenant_id", json!("00000000-0000-0000-0000-000000000000")),
            ("tenant_id", json!(["x"])),
            ("tenant_id", Value::Null),
            ("tenant", Value::Null),
            ("roles", json!("Admin")),
            ("roles", json!([{ "name": "Admin" }])),
            ("permissions", json!("*:*")),
            ("scope", json!(["*:*"])),
            ("act", json!("root")),
        ] {
            all.push((format!("{name} {value}"), self.with_claim(name, value)));
        }
        all
    }
}

#[test]
fn no_forged_token_is_accepted_and_nobody_is_asked_about_one() {
    let company = Company::new();
    let forger = Forger::new(&company);
    assert!(company.accepts(&forger.good()), "the forger's own token is good");
    let lure = TcpListener::bind("127.0.0.1:0").unwrap();
    lure.set_nonblocking(true).unwrap();
    let forged = forger.all(&format!("http://{}", lure.local_addr().unwrap()));
    assert!(forged.len() > 100, "{}", forged.len());

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut tokens = company.tokens();
    tokens.development = true;
    let verifier = runtime.block_on(async {
        nexus::features::tokens::Verifier::start(
            &tokens,
            &company.server(&company.world.control),
            &nexus::kernel::Caller::System,
        )
        .await
        .unwrap()
    });
    assert!(verifier.verify(&forger.good(), "nexus").is_ok());
    let accepted: Vec<&str> = forged
        .iter()
        .filter(|(_, token)| verifier.verify(token, "nexus").is_ok())
        .map(|(name, _)| &**name)
        .collect();
    assert!(accepted.is_empty(), "{accepted:?}");
    let answers: std::collections::BTreeSet<String> = forged
        .iter()
        .map(|(_, token)| nexus::kernel::AnyFailure::from(verifier.verify(token, "nexus").unwrap_err()))
        .map(|failure| format!("{} {failure} {:?} {}", failure.code(), failure.hints(), failure.details()))
        .collect();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(lure.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "somebody looked");
}

#[test]
fn the_command_line_answers_every_forged_token_the_same() {
    let company = Company::new();
    let forger = Forger::new(&company);
    let forged = forger.all("http://127.0.0.1:1");
    let first = company.verify("rubbish", &[]);
    assert_eq!(first.status.code(), Some(3));
    // Every eighth, because each is a process.
    for (name, token) in forged.iter().step_by(8) {
        let output = company.verify(token, &[]);
        assert_eq!(output.status.code(), Some(3), "{name}");
        assert!(output.stdout.is_empty() && output.stderr == first.stderr, "{name}");
    }
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    let company = Company::new();
    let token = company.mint(&[]).into_bytes();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let verifier = runtime.block_on(async {
        nexus::features::tokens::Verifier::start(
            &company.tokens(),
            &company.server(&company.world.control),
            &nexus::kernel::Caller::System,
        )
        .await
        .unwrap()
    });
    for bit in 0..token.len() * 8 {
        let mut changed = token.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(text) = std::str::from_utf8(&changed) {
            assert!(verifier.verify(text, "nexus").is_err(), "bit {bit}");
        }
    }
    assert!(verifier.verify(std::str::from_utf8(&token).unwrap(), "nexus").is_ok());
}

#[test]
fn a_token_of_another_installation_is_refused() {
    let (company, other) = (Company::new(), Company::new());
    let token = other.mint(&[]);
    assert!(other.accepts(&token) && !company.accepts(&token));
}

#[test]
fn a_key_that_is_slipped_into_the_control_database_is_noticed() {
    let company = Company::new();
    let token = company.mint(&[]);
    let own = SigningKey::generate_blocking(Algorithm::EdDsa).unwrap();
    let jwk = serde_json::to_value(own.public().jwk()).unwrap();
    // In place of the key that signs.
    company.world.control_sql(&format!(
        "update control.signing_keys set public_jwk = '{jwk}' where kid = '{}'",
        kid(&token)
    ));
    let output = company.run(&["-o", "json", "token", "verify"], &token);
    assert_eq!((output.status.code(), &error(&output)["code"]), (Some(9), &json!("signing_key_damaged")));
    // Beside it.
    let company = Company::new();
    company.mint(&[]);
    company.world.control_sql(&format!(
        "insert into control.signing_keys (kid, algorithm, purpose, state, public_jwk)
         values ('{}', 'ES256', 'platform', 'active', '{jwk}')",
        own.public().id()
    ));
    let output = company.run(&["-o", "json", "token", "verify"], &token);
    assert!(output.status.code() != Some(0) && output.stdout.is_empty());
}
