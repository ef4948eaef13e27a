//! What is known of a message after it was handed to a stock server.

use std::cell::Cell;
use std::time::Duration;

use nexus::infra::smtp::{Enhanced, Outcome, Step};
use nexus::settings::SmtpTls;

use super::stock::StockServer;
use super::{LONG, SHORT, client, mail, message, said, server};

fn plain(stock: &StockServer) -> nexus::infra::smtp::SmtpClient {
    client(server(stock.port, SmtpTls::None), LONG)
}

#[tokio::test]
async fn a_message_arrives_as_it_was_written() {
    let mut stock = StockServer::plain();
    let outcome = plain(&stock).send(&mail("bob@globex.example")).await;
    assert_eq!(said(&outcome), ("sent", "250 taken".to_owned()));
    let taken = stock.taken();
    assert_eq!(
        (&taken["from"], &taken["to"][0]),
        (&"no-reply@acme.example".into(), &"bob@globex.example".into())
    );
    let content = taken["content"].as_str().unwrap();
    assert!(
        content.ends_with("\r\n\r\nHello,\r\n.\r\n..and a link: https://x.example/#token=abc\r\n"),
        "{content}"
    );
}

#[tokio::test]
async fn a_large_message_arrives_whole() {
    let mut stock = StockServer::plain();
    let line = ".all lines begin with a dot, and are many\n";
    let text = line.repeat(50_000);
    let outcome = plain(&stock).send(&message("bob@globex.example", &text)).await;
    assert!(matches!(outcome, Outcome::Sent(_)), "{outcome:?}");
    let content = stock.taken()["content"].as_str().unwrap().to_owned();
    let (_, body) = content.split_once("\r\n\r\n").unwrap();
    assert!(body == text.replace('\n', "\r\n"), "{} of {} bytes", body.len(), text.len());
}

#[tokio::test]
async fn greylisting_defers_a_message_and_the_next_try_is_taken() {
    let stock = StockServer::plain();
    let client = plain(&stock);
    let first = client.send(&mail("grey@globex.example")).await;
    assert_eq!(first.code(), Some(451), "{first:?}");
    assert_eq!(first.enhanced(), Some(Enhanced(4, 7, 1)));
    assert!(matches!(&first, Outcome::Deferred(stop) if stop.step == Step::Rcpt && !stop.is_of_server()));
    let second = client.send(&mail("grey@globex.example")).await;
    assert!(matches!(second, Outcome::Sent(_)), "{second:?}");
}

#[tokio::test]
async fn a_refusal_is_for_good_and_the_connection_is_used_for_the_next_message() {
    let mut stock = StockServer::plain();
    let client = plain(&stock);
    for (to, words) in [
        ("nobody@globex.example", "RCPT TO: 550 5.1.1 no such user"),
        ("relay@globex.example", "RCPT TO: 554 5.7.1 relay access denied"),
        ("spam@globex.example", "reply: 554 5.7.1 looks like spam"),
    ] {
        assert_eq!(said(&client.send(&mail(to)).await), ("refused", words.to_owned()), "{to}");
    }
    assert!(matches!(client.send(&mail("bob@globex.example")).await, Outcome::Sent(_)));
    assert_eq!(stock.taken()["to"][0], "bob@globex.example");
}

#[tokio::test]
async fn a_slow_server_is_waited_for() {
    let stock = StockServer::plain();
    let outcome = plain(&stock).send(&mail("slow@globex.example")).await;
    assert!(matches!(outcome, Outcome::Sent(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_connection_dropped_while_the_message_goes_defers_it() {
    let stock = StockServer::plain();
    let outcome = plain(&stock).send(&message("drop@globex.example", &"x\n".repeat(4_000_000))).await;
    // The server never saw the last dot.
    assert!(matches!(&outcome, Outcome::Deferred(stop) if stop.step == Step::Message), "{outcome:?}");
    assert_eq!(stock.end().len(), 0);
}

#[tokio::test]
async fn a_reply_lost_after_the_last_dot_leaves_it_unknown_and_nothing_is_sent_again() {
    let stock = StockServer::plain();
    let outcome = plain(&stock).send(&mail("lost@globex.example")).await;
    assert_eq!(said(&outcome), ("unknown", "reply: the server closed the connection".to_owned()));
    assert_eq!(stock.end().len(), 1, "the server has it, once");
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_it_was_idle_is_replaced() {
    let mut stock = StockServer::plain();
    let client = plain(&stock);
    for _ in 0..3 {
        let outcome = client.send(&mail("once@globex.example")).await;
        assert!(matches!(outcome, Outcome::Sent(_)), "{outcome:?}");
        stock.taken();
        // The server closes 20 ms after its answer; a client that looks later finds it closed.
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
}

#[tokio::test]
async fn what_is_to_be_recorded_is_recorded_before_the_message_goes_or_nothing_goes() {
    let mut stock = StockServer::plain();
    let client = plain(&stock);
    let calls = Cell::new(0);
    let record = async || {
        calls.set(calls.get() + 1);
        Err("the database is down")
    };
    let failed = client.send_recorded(&mail("bob@globex.example"), record).await;
    assert_eq!((failed.err(), calls.get()), (Some("the database is down"), 1));
    let refused = async || {
        calls.set(calls.get() + 1);
        Ok::<(), ()>(())
    };
    let outcome = client.send_recorded(&mail("nobody@globex.example"), refused).await.unwrap();
    assert!(matches!(outcome, Outcome::Refused(_)));
    assert_eq!(calls.get(), 1, "there is nothing to record of a message that never goes");
    let outcome = client.send(&mail("eve@globex.example")).await;
    assert!(matches!(outcome, Outcome::Sent(_)));
    assert_eq!(stock.taken()["to"][0], "eve@globex.example", "the first one was not sent");
}

#[tokio::test]
async fn several_at_once_share_a_few_connections() {
    let stock = StockServer::plain();
    let client = client(server(stock.port, SmtpTls::None), SHORT);
    let sent = (0..20).map(|number| {
        let client = client.clone();
        async move { client.send(&mail(&format!("bob{number}@globex.example"))).await }
    });
    let outcomes = futures_util::future::join_all(sent).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Sent(_))), "{outcomes:?}");
    drop(client);
    let mut to: Vec<String> =
        stock.end().iter().map(|taken| taken["to"][0].as_str().unwrap().to_owned()).collect();
    to.sort_unstable();
    to.dedup();
    assert_eq!(to.len(), 20, "each once");
}

#[tokio::test]
async fn a_name_without_an_address_and_a_port_without_a_server_defer_with_the_step() {
    let mut nowhere = server(9, SmtpTls::None);
    nowhere.host = "no-such-host.invalid".to_owned();
    let outcome = client(nowhere, SHORT).send(&mail("bob@globex.example")).await;
    assert!(matches!(&outcome, Outcome::Deferred(stop) if stop.step == Step::Lookup && stop.is_of_server()));
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let outcome = client(server(port, SmtpTls::None), SHORT).send(&mail("bob@globex.example")).await;
    assert_eq!(said(&outcome), ("deferred", "connect: connection refused".to_owned()));
}
