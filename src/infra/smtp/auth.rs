//! Logging in: PLAIN (RFC 4616), else LOGIN, which some servers offer alone.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Login;
use super::dialogue::Dialogue;
use super::outcome::Why;
use super::reply::Reply;
use crate::kernel::ExposeSecret;

/// The server asks for more (RFC 4954, section 4).
const CONTINUE: u16 = 334;

/// Logs in by the first way that both know.
pub(super) async fn log_in(
    dialogue: &mut Dialogue,
    login: &Login,
    offered: &[String],
    limit: Duration,
) -> Result<Reply, Why> {
    let offers = |way: &str| offered.iter().any(|word| word.eq_ignore_ascii_case(way));
    let password = login.password.expose_secret();
    if offers("PLAIN") {
        let plain = Zeroizing::new(format!("\0{}\0{password}", login.user));
        let encoded = Zeroizing::new(STANDARD.encode(plain.as_bytes()));
        let command = Zeroizing::new(format!("AUTH PLAIN {}", *encoded));
        return good(dialogue.command(&command, limit).await?);
    }
    if !offers("LOGIN") {
        return Err(Why::NoMechanism(offered.to_vec()));
    }
    let mut reply = dialogue.command("AUTH LOGIN", limit).await?;
    for part in [login.user.as_str(), password] {
        if reply.code != CONTINUE {
            break;
        }
        let encoded = Zeroizing::new(STANDARD.encode(part));
        reply = dialogue.command(&encoded, limit).await?;
    }
    good(reply)
}

/// An answer that lets us in: 2yz. One that asks for more after all was said does not.
fn good(reply: Reply) -> Result<Reply, Why> {
    if reply.code / 100 == 2 { Ok(reply) } else { Err(Why::Reply(reply)) }
}
