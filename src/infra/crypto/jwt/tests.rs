use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::infra::crypto::signing::Algorithm;

fn keys() -> Vec<SigningKey> {
    Algorithm::ALL.into_iter().map(|algorithm| SigningKey::generate_blocking(algorithm).unwrap()).collect()
}

fn read(token: &str, keys: &[SigningKey]) -> Result<Map<String, Value>, JwtError> {
    let find = |by: By<'_>| {
        let is = |key: &&PublicKey| match by {
            By::Header(header) => header_of(key) == header,
            By::Id(id) => key.id() == id,
        };
        keys.iter().map(SigningKey::public).find(is)
    };
    let read = verified(token, find);
    // Whether the header is read or not, the answer is one.
    assert_eq!(verified(token, |by| find(by).filter(|_| matches!(by, By::Id(_)))), read);
    read
}

#[test]
fn a_signed_token_is_read_back() {
    let keys = keys();
    for key in &keys {
        let claims = json!({ "sub": "ann", "n": [1, { "a": null }], "f": 1.5 });
        let token = signed(&claims, key).unwrap();
        assert_eq!(Value::Object(read(&token, &keys).unwrap()), claims);
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let keys = keys();
    for key in &keys {
        let token = signed(&json!({ "sub": "ann", "exp": 1 }), key).unwrap().into_bytes();
        for bit in 0..token.len() * 8 {
            let mut changed = token.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let Ok(text) = std::str::from_utf8(&changed) else { continue };
            assert!(read(text, &keys).is_err(), "{}: bit {bit}", key.public().algorithm());
        }
    }
}

#[test]
fn json_that_says_a_thing_twice_is_refused_at_any_depth() {
    assert!(object(br#"{"a":1,"b":{"c":[{"d":1}]}}"#).is_ok());
    for twice in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"b":{"c":[{"d":1,"d":2}]}}"#,
        r#"{"a":1}{"a":1}"#,
        r#"{"a":1} x"#,
        "[]",
        "null",
        "{\"a\":NaN}",
        "{\"a\":1e999}",
        "",
    ] {
        assert!(object(twice.as_bytes()).is_err(), "{twice}");
    }
    let deep = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    assert!(object(deep.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn rubbish_is_refused_without_a_panic(text in ".{0,200}", parts in "[A-Za-z0-9_=-]{0,40}(\\.[A-Za-z0-9_=-]{0,40}){0,5}") {
        let keys: [SigningKey; 0] = [];
        prop_assert!(read(&text, &keys).is_err());
        prop_assert!(read(&parts, &keys).is_err());
    }
}
