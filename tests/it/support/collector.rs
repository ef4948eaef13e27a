//! A collector of traces: takes OTLP over HTTP, and decodes it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// How long spans may take to come.
const TIMEOUT: Duration = Duration::from_mins(1);

/// What it does with what it is sent.
#[derive(Debug, Clone, Copy)]
pub enum Answers {
    Takes,
    /// With this status.
    Refuses(u16),
    /// It never answers.
    Hangs,
}

/// What came: the head of the request, and its body.
type Received = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// It runs until the end of the process.
pub struct Collector {
    pub url: String,
    received: Received,
}

/// A span, as it came.
#[derive(Debug, Clone)]
pub struct Sent {
    pub span: Span,
    pub resource: Resource,
}

impl Collector {
    pub fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Received::default();
        let kept = Arc::clone(&received);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(socket.unwrap(), answers, &kept));
            }
        });
        Self { url, received }
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    /// All that came, heads and bodies, as it was.
    pub fn bytes(&self) -> Vec<u8> {
        self.received
            .lock()
            .unwrap()
            .iter()
            .flat_map(|(head, body)| [head.as_bytes(), body].concat())
            .collect()
    }

    /// The heads of all requests.
    pub fn heads(&self) -> Vec<String> {
        self.received.lock().unwrap().iter().map(|(head, _)| head.clone()).collect()
    }

    /// All spans that came.
    pub fn spans(&self) -> Vec<Sent> {
        let received = self.received.lock().unwrap();
        let requests =
            received.iter().map(|(_, body)| ExportTraceServiceRequest::decode(body.as_slice()).unwrap());
        let mut spans = Vec::new();
        for of in requests.flat_map(|request| request.resource_spans) {
            let resource = of.resource.clone().unwrap_or_default();
            for span in of.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                spans.push(Sent { span, resource: resource.clone() });
            }
        }
        spans
    }

    /// The spans of a trace, once the one that began it has come: a request's own span ends last.
    pub fn trace(&self, is_first: impl Fn(&Sent) -> bool) -> Vec<Sent> {
        let began = Instant::now();
        loop {
            let all = self.spans();
            if let Some(first) = all.iter().find(|sent| is_first(sent)) {
                let trace = first.span.trace_id.clone();
                return all.into_iter().filter(|sent| sent.span.trace_id == trace).collect();
            }
            assert!(began.elapsed() < TIMEOUT, "it did not come: {all:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Sent {
    /// An attribute, as text; empty where it is not there.
    pub fn attribute(&self, name: &str) -> String {
        text(&self.span.attributes, name)
    }

    /// An attribute of what sent it.
    pub fn of_resource(&self, name: &str) -> String {
        text(&self.resource.attributes, name)
    }
}

fn text(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|it| it.key == name).and_then(|it| it.value.clone());
    match found {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text,
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => number.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

/// Answers the requests of one connection.
fn serve(socket: TcpStream, answers: Answers, received: &Received) {
    let mut socket = BufReader::new(socket);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if socket.read_line(&mut head).unwrap_or_default() == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
        });
        let mut body = vec![0; length.unwrap_or_default()];
        socket.read_exact(&mut body).unwrap();
        received.lock().unwrap().push((head, body));
        let status = match answers {
            Answers::Takes => 200,
            Answers::Refuses(status) => status,
            Answers::Hangs => return std::thread::sleep(TIMEOUT),
        };
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        if socket.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
