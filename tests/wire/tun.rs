//! A TUN device in a network namespace. It ends with its file.
#![expect(unsafe_code, reason = "setns and TUNSETIFF have no safe door in std")]

use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    process::Command,
    thread,
};

/// What the kernel's device queues between two turns of ours: it must never be the bottleneck.
const QUEUE: &str = "4000";

/// One end of a wire.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// A file of /proc/PID/ns/net or /run/netns; none: our own.
    pub(crate) namespace: Option<String>,
    /// As `10.0.0.1/30`.
    pub(crate) address: String,
}

impl End {
    /// Reads `NAMESPACE,ADDRESS` with `-` for our own namespace.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (namespace, address) = text.split_once(',')?;
        let namespace = (namespace != "-").then(|| namespace.to_owned());
        Some(Self { namespace, address: address.to_owned() })
    }

    /// Makes the device there, up and with its address. Reads and writes are single IP packets and
    /// do not block.
    pub(crate) fn open(&self, name: &str, mtu: usize) -> Result<File, String> {
        // A thread of its own enters the namespace and ends with it.
        thread::scope(|scope| {
            let opening = scope.spawn(|| {
                if let Some(path) = &self.namespace {
                    enter(path).map_err(|error| format!("{path}: {error}"))?;
                }
                let file = create(name).map_err(|error| format!("TUN device {name}: {error}"))?;
                let mtu = mtu.to_string();
                ip(&["link", "set", name, "addrgenmode", "none"])?;
                ip(&["link", "set", name, "mtu", &mtu, "txqueuelen", QUEUE, "up"])?;
                ip(&["address", "add", &self.address, "dev", name])?;
                Ok(file)
            });
            opening.join().map_err(|_| "the thread that opens the device panicked".to_owned())?
        })
    }
}

fn ip(words: &[&str]) -> Result<(), String> {
    let done = Command::new("ip").args(words).output().map_err(|error| format!("ip: {error}"))?;
    let text = String::from_utf8_lossy(&done.stderr);
    if done.status.success() { Ok(()) } else { Err(format!("ip {words:?}: {}", text.trim())) }
}

fn enter(path: &str) -> io::Result<()> {
    let file = File::open(path)?;
    // SAFETY: takes a descriptor that outlives the call; changes the calling thread alone.
    let result = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn create(name: &str) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")?;
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru {
            ifru_flags: (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short,
        },
    };
    // The last byte stays 0.
    for (to, from) in request.ifr_name[..libc::IFNAMSIZ - 1].iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    // SAFETY: the descriptor is open, and `request` is what TUNSETIFF reads and writes.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    if result == 0 { Ok(file) } else { Err(io::Error::last_os_error()) }
}

/// Standard input as a file that is read without a buffer.
pub(crate) fn input() -> File {
    // SAFETY: descriptor 0 is open for the life of the process, and nobody else reads it.
    File::from(unsafe { OwnedFd::from_raw_fd(0) })
}
