//! What a server says to the service manager that started it.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::api::ApiServer;
use crate::support::world::World;

/// The first message that begins with this line, and its other lines.
fn message(socket: &UnixDatagram, first: &str) -> Vec<String> {
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{first}: {error}"));
        let text = String::from_utf8_lossy(&buffer[..length]);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines[0] == first {
            return lines;
        }
    }
}

fn listens(socket: &UnixDatagram, name: &str) {
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let world = World::new();
    let mut command = world.command(&["-o", "id", "serve", "--bind", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", name).env("WATCHDOG_USEC", "200000");
    let server = ApiServer::of(command);
    assert_eq!(message(socket, "READY=1"), ["READY=1", "STATUS=ready"]);
    for _ in 0..3 {
        message(socket, "WATCHDOG=1");
    }
    server.signal(Signal::SIGHUP);
    let reloading = message(socket, "RELOADING=1");
    let now = reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap();
    assert!(now.parse::<u64>().unwrap() > 0);
    message(socket, "READY=1");
    server.signal(Signal::SIGTERM);
    message(socket, "STOPPING=1");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn a_service_manager_is_told_what_the_server_is_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    listens(&UnixDatagram::bind(&path).unwrap(), &path.display().to_string());
}

#[cfg(target_os = "linux")]
#[test]
fn its_socket_may_have_a_name_in_no_folder() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    let name = format!("nexus-test-{}", uuid::Uuid::new_v4().simple());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    listens(&socket, &format!("@{name}"));
}
