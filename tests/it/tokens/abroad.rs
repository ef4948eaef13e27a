//! Tokens as services in other languages check them, with their usual libraries and nothing but the
//! public keys.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Company;

const PYTHON: &str = r##"
import json, sys, jwt
keys = {key["kid"]: key for key in json.load(open("keys.json"))["keys"]}
issuer = json.load(open("keys.json"))["issuer"]
def check(token):
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "at+jwt", header
    key = jwt.PyJWK(keys[header["kid"]])
    return jwt.decode(token, key, algorithms=[key.algorithm_name], audience="nexus", issuer=issuer,
                      options={"require": ["exp", "iat", "nbf", "iss", "aud", "sub", "jti"]})
for token in open("tokens").read().split():
    assert check(token)["tenant"] == "acme"
    cut = token.rsplit(".", 1)
    for forged in (cut[0] + ".", cut[0] + "." + cut[1][::-1], "A" + token):
        try:
            check(forged)
        except Exception:
            continue
        sys.exit("a forged token was accepted")
for block in open("keys.pem").read().split("# ")[1:]:
    kid, rest = block.split(" ", 1)
    pem = rest[rest.index("-----BEGIN"):]
    for token in open("tokens").read().split():
        header = jwt.get_unverified_header(token)
        if header["kid"] == kid:
            jwt.decode(token, pem, algorithms=[header["alg"]], audience="nexus", issuer=issuer)
            print(header["alg"])
"##;

const NODE: &str = r#"
import { createLocalJWKSet, jwtVerify } from "jose";
import { readFileSync } from "node:fs";
const set = JSON.parse(readFileSync("keys.json"));
const keys = createLocalJWKSet(set);
for (const token of readFileSync("tokens", "utf8").trim().split("\n")) {
    const expected = { issuer: set.issuer, audience: "nexus", typ: "at+jwt", requiredClaims: ["jti", "sub"] };
    const { payload, protectedHeader } = await jwtVerify(token, keys, expected);
    if (payload.tenant !== "acme") throw new Error("no tenant");
    const forged = token.slice(0, -8) + "AAAAAAAA";
    if (await jwtVerify(forged, keys, expected).then(() => true, () => false)) throw new Error("forged");
    console.log(protectedHeader.alg);
}
"#;

/// The folder in which a library is kept from one run to the next.
fn kept(name: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if !cache.exists() {
        let draft = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        install(draft.path());
        // Another run may have been quicker.
        let _ = std::fs::rename(draft.keep(), &cache);
    }
    cache
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let seen = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{seen}");
    String::from_utf8(output.stdout).unwrap()
}

/// Leaves the public keys and a token of each kind in the working directory.
fn published(company: &Company) -> PathBuf {
    let tokens = ["EdDSA", "ES256", "RS256"].map(|algorithm| company.mint(&["--algorithm", algorithm]));
    let folder = company.world.machine().path("work");
    std::fs::write(folder.join("tokens"), tokens.join("\n")).unwrap();
    company.world.ok(&["key", "export", "--jwks", "--file", "keys.json"]);
    company.world.ok(&["key", "export", "--pem", "--file", "keys.pem"]);
    folder
}

#[test]
fn pythons_usual_library_accepts_them() {
    let company = Company::new();
    let folder = published(&company);
    let packages = kept("pyjwt-2.10.1", |draft| {
        run(Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"])
            .arg(draft)
            .args(["PyJWT==2.10.1", "cryptography"]));
    });
    std::fs::write(folder.join("check.py"), PYTHON).unwrap();
    let seen = run(Command::new("python3").arg("check.py").env("PYTHONPATH", packages).current_dir(folder));
    let mut seen: Vec<&str> = seen.lines().collect();
    seen.sort_unstable();
    assert_eq!(seen, ["ES256", "EdDSA", "RS256"]);
}

#[test]
fn nodes_usual_library_accepts_them() {
    let company = Company::new();
    let folder = published(&company);
    let packages = kept("jose-5.9.6", |draft| {
        run(Command::new("npm")
            .args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "jose@5.9.6"])
            .current_dir(draft));
    });
    std::os::unix::fs::symlink(packages.join("node_modules"), folder.join("node_modules")).unwrap();
    std::fs::write(folder.join("check.mjs"), NODE).unwrap();
    let seen = run(Command::new("node").arg("check.mjs").current_dir(folder));
    assert_eq!(seen.lines().collect::<Vec<_>>(), ["EdDSA", "ES256", "RS256"]);
}

#[test]
fn a_key_set_is_enough_to_check_a_token_from_a_file_or_a_server() {
    let company = Company::new();
    let folder = published(&company);
    let token = company.mint(&[]);
    // A machine that knows nothing else.
    let machine = crate::support::machine::Machine::new();
    std::fs::copy(folder.join("keys.json"), machine.path("work/keys.json")).unwrap();
    let code =
        |args: &[&str]| machine.output(&[&["token", "verify"][..], args].concat(), &token).status.code();
    assert_eq!(code(&["--jwks", "keys.json"]), Some(0));
    assert_eq!(code(&["--jwks", "keys.json", "--aud", "billing"]), Some(3));
    assert_eq!(code(&["--jwks", "keys.json", "--issuer", "urn:other"]), Some(3));

    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let body = std::fs::read(folder.join("keys.json")).unwrap();
    let serving = std::thread::spawn(move || {
        use std::io::{Read, Write};
        for head in ["HTTP/1.1 200 OK", "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/"] {
            let (mut stream, _) = server.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            write!(stream, "{head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len()).unwrap();
            stream.write_all(&body).unwrap();
        }
    });
    let url = format!("http://{address}/jwks.json");
    assert_eq!(code(&["--jwks", &url]), Some(0));
    assert_eq!(code(&["--jwks", &url]), Some(8), "a redirect is not followed");
    serving.join().unwrap();
    assert_eq!(code(&["--jwks", "http://example.com/jwks.json"]), Some(8), "not over a plain wire");
    for (name, set) in [
        (
            "a private key",
            r#"{"issuer":"urn:x","keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"AA","d":"AA"}]}"#,
        ),
        ("no object", "[]"),
        ("no keys", r#"{"issuer":"urn:x"}"#),
    ] {
        std::fs::write(machine.path("work/keys.json"), set).unwrap();
        assert_eq!(code(&["--jwks", "keys.json"]), Some(9), "{name}");
    }
}
