//! A DNS server that knows what a test tells it (RFC 1035, section 4), over UDP.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

/// The data of a name's records, by name and type.
type Records = HashMap<(String, u16), Vec<Vec<u8>>>;

const A: u16 = 1;
const MX: u16 = 15;
const TXT: u16 = 16;
const NO_SUCH_NAME: u16 = 3;

/// A running server. Its thread ends with the process.
pub struct DnsServer {
    address: SocketAddr,
    records: Arc<Mutex<Records>>,
}

impl DnsServer {
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let records = Arc::<Mutex<Records>>::default();
        let known = records.clone();
        thread::spawn(move || {
            let mut question = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                let answer = answer(&question[..length], &known.lock().unwrap());
                let _ = socket.send_to(&answer, from);
            }
        });
        Self { address, records }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    fn add(&mut self, name: &str, kind: u16, data: Vec<u8>) {
        self.records.lock().unwrap().entry((name.to_owned(), kind)).or_default().push(data);
    }

    pub fn a(&mut self, name: &str, ip: [u8; 4]) {
        self.add(name, A, ip.to_vec());
    }

    /// A text, in the pieces of 255 bytes that there may be.
    pub fn txt(&mut self, name: &str, text: &str) {
        let piece = |part: &[u8]| [&[u8::try_from(part.len()).unwrap()], part].concat();
        self.add(name, TXT, text.trim().as_bytes().chunks(255).flat_map(piece).collect());
    }

    pub fn mx(&mut self, name: &str, preference: u16, host: &str) {
        self.add(name, MX, [&preference.to_be_bytes()[..], &wire(host)].concat());
    }
}

fn wire(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let label = |label: &str| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat();
    labels.flat_map(label).chain([0]).collect()
}

fn answer(question: &[u8], records: &Records) -> Vec<u8> {
    let (mut at, mut labels) = (12, Vec::new());
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..end]).to_ascii_lowercase());
        at = end;
    }
    let name = labels.join(".");
    let kind = u16::from_be_bytes([question[at + 1], question[at + 2]]);
    let found = records.get(&(name.clone(), kind)).cloned().unwrap_or_default();
    let is_known = records.keys().any(|(known, _)| *known == name);
    // An answer, with authority, by one that recurses.
    let flags = 0x8580 | if is_known { 0 } else { NO_SUCH_NAME };
    let count = u16::try_from(found.len()).unwrap();
    let mut answer = question[..2].to_vec();
    for number in [flags, 1, count, 0, 0] {
        answer.extend(number.to_be_bytes());
    }
    answer.extend(&question[12..at + 5]);
    for data in found {
        // The name of the question, class IN, a minute.
        for number in [0xc00c, kind, 1, 0, 60, u16::try_from(data.len()).unwrap()] {
            answer.extend(number.to_be_bytes());
        }
        answer.extend(data);
    }
    answer
}
