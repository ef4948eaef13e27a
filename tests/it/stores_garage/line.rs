//! The line to a Garage, which goes down at a chosen request.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::garage;
use crate::support::proxy::{forward, read_request};

/// What happens to the request at which the line goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// It is not done any more.
    Lost,
    /// It is done, and nobody hears of it.
    Done,
}

/// A line to both of Garage's endpoints.
pub struct Line {
    /// Where clients are to connect, for S3 and for the admin API.
    pub endpoint: String,
    passed: Arc<AtomicUsize>,
}

impl Line {
    /// A line that carries so many requests, and one more in half.
    pub fn of(requests: usize, last: Last) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let passed = Arc::new(AtomicUsize::new(0));
        let line = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            passed: Arc::clone(&passed),
        };
        // It ends with the test binary.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let passed = Arc::clone(&passed);
                std::thread::spawn(move || {
                    let _ = carry(client, requests, last, &passed);
                });
            }
        });
        line
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.passed.load(Ordering::SeqCst)
    }
}

fn carry(mut client: TcpStream, requests: usize, last: Last, passed: &AtomicUsize) -> io::Result<()> {
    let request = read_request(&mut client)?;
    let number = passed.fetch_add(1, Ordering::SeqCst);
    let garage = garage::shared();
    let is_admin = request.windows(4).take(16).any(|it| it == b"/v2/");
    let endpoint = if is_admin { &garage.admin_endpoint } else { &garage.s3_endpoint };
    let store: SocketAddr = endpoint.strip_prefix("http://").unwrap().parse().unwrap();
    if number < requests {
        client.write_all(&forward(&request, store)?)?;
    } else if number == requests && last == Last::Done {
        forward(&request, store)?;
    }
    client.shutdown(Shutdown::Both)
}
