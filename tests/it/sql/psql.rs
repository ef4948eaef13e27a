//! The real psql, in front of a server that only writes down what it is sent.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};

/// Where one file ends and the next begins.
const MARK: &str = "select 'the next file'";
/// In a statement that psql is to be asked the data of a COPY for.
pub const COPY: &str = "copy_from_client";

/// What psql sends for each of these files.
pub fn sent(files: &[String]) -> Vec<Vec<String>> {
    let (_, sent) = run(files);
    let mut by_file = vec![Vec::new()];
    for text in sent {
        if text == MARK {
            by_file.push(Vec::new());
        } else {
            by_file.last_mut().unwrap().push(text);
        }
    }
    by_file.pop();
    assert_eq!(by_file.len(), files.len());
    by_file
}

/// What psql says of a file.
pub fn said(file: &str) -> String {
    let (output, _) = run(&[file.to_owned()]);
    String::from_utf8(output.stderr).unwrap()
}

fn run(files: &[String]) -> (Output, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut psql = Command::new("psql");
    psql.args(["-X", "-q", "-h", "127.0.0.1", "-p", &port, "-U", "u", "-d", "d"]);
    for (index, text) in files.iter().enumerate() {
        let path = folder.path().join(format!("{index}.sql"));
        fs::write(&path, text).unwrap();
        psql.arg("-f").arg(path).args(["-c", MARK]);
    }
    psql.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    psql.envs([("PGSSLMODE", "disable"), ("PGGSSENCMODE", "disable"), ("LC_ALL", "C.UTF-8")]);
    let server = std::thread::spawn(move || serve(&mut listener.accept().unwrap().0));
    let output = psql.output().unwrap();
    (output, server.join().unwrap())
}

/// Answers every statement as done (manual, chapter 55); what was sent.
fn serve(client: &mut TcpStream) -> Vec<String> {
    let startup = body(client);
    assert_eq!(startup[..4], 196_608_u32.to_be_bytes(), "version 3.0 of the protocol");
    let mut hello = message(b'R', &[0; 4]);
    for setting in
        ["server_version\x0015.0\0", "client_encoding\0UTF8\0", "standard_conforming_strings\0on\0"]
    {
        hello.extend(message(b'S', setting.as_bytes()));
    }
    hello.extend(message(b'Z', b"I"));
    client.write_all(&hello).unwrap();
    let mut sent = Vec::new();
    let mut kind = [0];
    while client.read_exact(&mut kind).is_ok() {
        let body = body(client);
        let done = [message(b'C', b"SET\0"), message(b'Z', b"I")].concat();
        match kind[0] {
            b'Q' => {
                let text = String::from_utf8(body[..body.len() - 1].to_vec()).unwrap();
                let wants_data = text.contains(COPY);
                sent.push(text);
                client.write_all(&if wants_data { message(b'G', &[0, 0, 1, 0, 0]) } else { done }).unwrap();
            }
            b'c' | b'f' => client.write_all(&done).unwrap(),
            b'X' => break,
            _ => {}
        }
    }
    sent
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind], &length[..], body].concat()
}

fn body(client: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    client.read_exact(&mut length).unwrap();
    let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - 4];
    client.read_exact(&mut body).unwrap();
    body
}
