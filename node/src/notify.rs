//! What systemd is told (sd_notify(3)): that the node serves, that it drains, that its workers
//! turn. Never does: anything where nobody asked to be told.

use std::{
    env, io,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    process,
    time::Duration,
};

use starling_actors::Node;

/// Tells that the node serves, and from now on that it is alive, if a watchdog waits for that.
pub(crate) fn serving(node: &Node) {
    tell("READY=1");
    let var = |name| env::var(name).ok();
    let asked = period(var("WATCHDOG_USEC"), var("WATCHDOG_PID"), process::id());
    let Some(period) = asked else { return };
    let node = node.clone();
    tokio::spawn(async move {
        let mut turns = tokio::time::interval(period);
        loop {
            turns.tick().await;
            // As `/livez` has it: a worker that does not turn is a reason to start anew.
            if node.alive() {
                tell("WATCHDOG=1");
            }
        }
    });
}

/// Tells that the node drains and will end by itself.
pub(crate) fn stopping() {
    tell("STOPPING=1");
}

fn tell(state: &str) {
    let Ok(name) = env::var("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&name, state) {
        tracing::warn!(%error, socket = name, "systemd was not told");
    }
}

/// One datagram; a name that begins with `@` is no path.
fn send(name: &str, state: &str) -> io::Result<()> {
    let to = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &to).map(drop)
}

/// How often a watchdog is told: three times in its period, because a late one is the end
/// (sd_watchdog_enabled(3) recommends twice). None if there is none, or it waits for another.
fn period(usec: Option<String>, of: Option<String>, pid: u32) -> Option<Duration> {
    let usec: u64 = usec?.parse().ok().filter(|usec| *usec > 0)?;
    let ours = of.is_none_or(|of| of.parse() == Ok(pid));
    ours.then(|| Duration::from_micros(usec / 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_is_told_three_times_in_its_period() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(period(some("30000000"), some("7"), 7), Some(Duration::from_secs(10)));
        assert_eq!(period(some("30000000"), None, 7), Some(Duration::from_secs(10)));
        assert_eq!(period(some("30000000"), some("8"), 7), None);
        assert_eq!(period(some("0"), None, 7), None);
        assert_eq!(period(None, None, 7), None);
    }

    #[test]
    fn a_state_reaches_a_socket_with_a_path_and_one_without() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let heard = UnixDatagram::bind(&path).unwrap();
        send(path.to_str().unwrap(), "READY=1").unwrap();
        let name = format!("starling-notify-{}", process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let also = UnixDatagram::bind_addr(&address).unwrap();
        send(&format!("@{name}"), "STOPPING=1").unwrap();
        for (socket, state) in [(heard, "READY=1"), (also, "STOPPING=1")] {
            let mut told = [0; 32];
            let n = socket.recv(&mut told).unwrap();
            assert_eq!(&told[..n], state.as_bytes());
        }
    }
}
