//! A server that falls silent, breaks off or says nonsense at one step: each ends in time, with what is known.

use std::time::{Duration, Instant};

use nexus::infra::smtp::{Outcome, Step};
use nexus::settings::SmtpTls;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{LONG, SHORT, client, mail, message, said, server, with_login};

/// What a server does when its script has ended.
#[derive(Debug, Clone, Copy)]
enum Then {
    Silent,
    Close,
    Say(&'static str),
    /// A byte now and then, and never the end of a line.
    Trickle,
}

/// The good answers, in their order: greeting, EHLO, MAIL, RCPT, DATA, message.
const GOOD: [&str; 6] =
    ["220 hi", "250-hi\r\n250 SIZE 9999999", "250 ok", "250 ok", "354 go on", "250 2.0.0 taken"];

/// A server that gives this many good answers to each client.
async fn start(good: usize, then: Then) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(act(stream, good, then));
        }
    });
    port
}

async fn act(stream: TcpStream, good: usize, then: Then) {
    let mut stream = BufReader::new(stream);
    for (index, answer) in GOOD.iter().take(good + 1).enumerate() {
        let read = match index {
            0 => true,
            5 => until(&mut stream, ".\r\n").await,
            _ => until(&mut stream, "").await,
        };
        if !read {
            return;
        }
        if index < good {
            stream.get_mut().write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
        }
    }
    match then {
        Then::Close => {}
        Then::Silent => {
            // Until the client goes.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        Then::Say(text) => {
            let _ = stream.get_mut().write_all(text.as_bytes()).await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        Then::Trickle => {
            while stream.get_mut().write_all(b"2").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Reads a line, or lines until this one; whether the client goes on.
async fn until(stream: &mut BufReader<TcpStream>, last: &str) -> bool {
    loop {
        let mut line = String::new();
        match stream.read_line(&mut line).await {
            Ok(count) if count > 0 && (last.is_empty() || line == last) => return true,
            Ok(count) if count > 0 => {}
            _ => return false,
        }
    }
}

/// The steps at which those answers are waited for.
const STEPS: [Step; 6] = [Step::Greeting, Step::Ehlo, Step::Mail, Step::Rcpt, Step::Data, Step::Accepted];

async fn outcome_after(good: usize, then: Then) -> (Outcome, Duration) {
    let port = start(good, then).await;
    let since = Instant::now();
    let outcome = client(server(port, SmtpTls::None), SHORT).send(&mail("bob@globex.example")).await;
    (outcome, since.elapsed())
}

#[tokio::test]
async fn a_server_that_falls_silent_at_any_step_ends_in_time() {
    for (good, step) in STEPS.into_iter().enumerate() {
        for then in [Then::Silent, Then::Trickle] {
            let (outcome, took) = outcome_after(good, then).await;
            assert_eq!(outcome.stop().map(|stop| stop.step), Some(step), "{outcome:?}");
            let expected = if step == Step::Accepted { "unknown" } else { "deferred" };
            assert_eq!(said(&outcome).0, expected, "{step} {then:?}");
            assert!(outcome.words().ends_with("no answer within 700 ms"), "{}", outcome.words());
            assert!(took < Duration::from_secs(20), "{step} took {took:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_closed_at_any_step_is_deferred_and_after_the_dot_unknown() {
    for (good, step) in STEPS.into_iter().enumerate() {
        let (outcome, _) = outcome_after(good, Then::Close).await;
        let expected = if step == Step::Accepted { "unknown" } else { "deferred" };
        let words = format!("{step}: the server closed the connection");
        assert_eq!(said(&outcome), (expected, words), "{step}");
    }
}

#[tokio::test]
async fn what_is_no_answer_says_so_at_once() {
    let (outcome, took) = outcome_after(0, Then::Say("HTTP/1.1 400 Bad Request")).await;
    assert_eq!(
        said(&outcome),
        ("deferred", "greeting: the answer is not SMTP: \"HTTP/1.1 400 Bad Request\"".to_owned())
    );
    assert!(took < SHORT.greeting, "its line has no end, and nobody waits for one");
    let endless: &'static str = Box::leak("250-more\r\n".repeat(1_000).into_boxed_str());
    let (outcome, _) = outcome_after(1, Then::Say(endless)).await;
    assert!(outcome.words().starts_with("EHLO: the answer is not SMTP"), "{}", outcome.words());
    let (outcome, _) = outcome_after(5, Then::Say("what?\r\n")).await;
    assert_eq!(said(&outcome).0, "unknown", "nonsense after the last dot says nothing of the message");
}

#[tokio::test]
async fn a_5xx_says_something_of_the_message_only_once_the_sender_was_taken() {
    for (good, step) in STEPS.into_iter().enumerate() {
        let (outcome, _) = outcome_after(good, Then::Say("550 5.7.1 no\r\n")).await;
        let expected = if step <= Step::Mail { "deferred" } else { "refused" };
        assert_eq!(said(&outcome), (expected, format!("{step}: 550 5.7.1 no")));
        let (outcome, _) = outcome_after(good, Then::Say("421 4.3.2 stopping\r\n")).await;
        assert_eq!(said(&outcome), ("deferred", format!("{step}: 421 4.3.2 stopping")));
        assert!(outcome.stop().unwrap().is_of_server());
        // A server that wants a login says nothing of the message either.
        let (outcome, _) = outcome_after(good, Then::Say("530 5.7.0 log in first\r\n")).await;
        assert_eq!(said(&outcome).0, "deferred", "{step}");
    }
    // A sender is the same for all messages; a size is not.
    let at = STEPS.iter().position(|step| *step == Step::Mail).unwrap();
    let (outcome, _) = outcome_after(at, Then::Say("552 5.3.4 too large\r\n")).await;
    assert_eq!(said(&outcome).0, "refused");
}

#[tokio::test]
async fn a_server_that_stops_reading_a_message_ends_in_time() {
    // It says 354, and reads no more.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::with_capacity(64, stream);
        for (index, answer) in GOOD.iter().take(5).enumerate() {
            if index > 0 {
                until(&mut stream, "").await;
            }
            stream.get_mut().write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let large = message("bob@globex.example", &"x\n".repeat(8_000_000));
    let outcome = client(server(port, SmtpTls::None), SHORT).send(&large).await;
    assert_eq!(said(&outcome), ("deferred", "message: no answer within 700 ms".to_owned()));
}

#[tokio::test]
async fn a_message_that_is_refused_while_it_goes_has_the_servers_words() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        for (index, answer) in GOOD.iter().take(5).enumerate() {
            if index > 0 {
                until(&mut stream, "").await;
            }
            stream.get_mut().write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
        }
        stream.get_mut().write_all(b"552 5.3.4 too large\r\n").await.unwrap();
        // Read what is on its way, so that closing does not take the answer back (RFC 1122, section 4.2.2.13).
        let mut sink = vec![0; 1 << 20];
        while stream.read(&mut sink).await.is_ok_and(|count| count > 0) {}
    });
    let large = message("bob@globex.example", &"x\n".repeat(100_000));
    let outcome = client(server(port, SmtpTls::None), LONG).send(&large).await;
    assert_eq!(said(&outcome).0, "refused", "{outcome:?}");
    assert!(outcome.words().ends_with("552 5.3.4 too large"), "{}", outcome.words());
}

#[tokio::test]
async fn no_password_is_in_what_is_known_of_a_server_that_repeats_it() {
    let port = start(
        1,
        Then::Say("250-hi\r\n250 AUTH PLAIN\r\n535 5.7.8 AGpvAGh1bnRlcjItc2VjcmV0 hunter2-secret\r\n"),
    )
    .await;
    let server = with_login(server(port, SmtpTls::None), "jo", "hunter2-secret");
    let outcome = client(server, SHORT).send(&mail("bob@globex.example")).await;
    assert_eq!(said(&outcome), ("deferred", "AUTH: 535 5.7.8 [hidden] [hidden]".to_owned()));
    assert!(!format!("{outcome:?}").contains("hunter2"));
}

#[tokio::test]
async fn an_address_of_other_letters_needs_a_server_that_takes_them() {
    let port = start(6, Then::Silent).await;
    let outcome = client(server(port, SmtpTls::None), SHORT).send(&mail("jörg@globex.example")).await;
    assert_eq!(said(&outcome).0, "refused");
    let port = start(6, Then::Silent).await;
    let outcome = client(server(port, SmtpTls::None), SHORT).send(&mail("bob@bücher.example")).await;
    assert!(matches!(outcome, Outcome::Sent(_)), "a domain has a form in ASCII: {outcome:?}");
}
