//! A listener between the command line and a node that remembers what was asked. Everything goes on
//! as it is, so that nothing can be told that was not really asked.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// `GET /v1/rooms`, without queries.
type Asked = Arc<Mutex<BTreeSet<String>>>;

pub(crate) struct Tee {
    pub(crate) port: u16,
    asked: Asked,
}

impl Tee {
    /// To a port of this machine, until the test ends.
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tee = Self { port: listener.local_addr().unwrap().port(), asked: Asked::default() };
        let asked = tee.asked.clone();
        thread::spawn(move || {
            for client in listener.incoming().filter_map(Result::ok) {
                let asked = asked.clone();
                thread::spawn(move || pass(client, port, &asked));
            }
        });
        tee
    }

    pub(crate) fn asked(&self) -> BTreeSet<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// One connection has one request.
fn pass(mut client: TcpStream, port: u16, asked: &Asked) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head);
    let mut words = text.split(' ');
    let (method, url) = (words.next()?, words.next()?);
    let path = url.split('?').next()?;
    asked.lock().unwrap().insert(format!("{method} {path}"));
    let mut node = TcpStream::connect(("127.0.0.1", port)).ok()?;
    node.write_all(&head).ok()?;
    let (mut from, mut to) = (client.try_clone().ok()?, node.try_clone().ok()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut node, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    Some(())
}
