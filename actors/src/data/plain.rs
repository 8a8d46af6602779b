//! Data channels of a plain transport: SCTP as it comes and goes, without DTLS (mediasoup
//! `PlainTransport` with `enableSctp`). One task, gone when the transport is. Never checks where a
//! datagram comes from: the plane has.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use tokio::{sync::mpsc, time::sleep_until};

use super::{DataEvent, DataInbox, DataSession, Doorbell};

/// Datagrams that wait for the task: as many as of a DTLS session.
const MAX_INBOUND: usize = 256;

/// Sends a datagram; called on the task, must not block.
pub(crate) type Output = Box<dyn Fn(Bytes) + Send + Sync>;

/// Starts the task. Datagrams of the remote go into what is returned; dropping it ends the task.
pub(crate) fn spawn_plain(
    mut inbox: DataInbox,
    out: Output,
    events: impl Fn(DataEvent) + Send + Sync + 'static,
) -> mpsc::Sender<Vec<u8>> {
    let (input, mut inbound) = mpsc::channel::<Vec<u8>>(MAX_INBOUND);
    tokio::spawn(async move {
        let bell = Arc::new(Doorbell::default());
        let mut session = DataSession::new(Instant::now(), bell.clone());
        loop {
            let deadline = session.poll_timeout();
            tokio::select! {
                datagram = inbound.recv() => match datagram {
                    Some(datagram) => session.handle_datagram(Instant::now(), &datagram),
                    None => break,
                },
                Some(command) = inbox.recv() => session.handle_command(command),
                () = bell.heard() => {}
                () = sleep_until(deadline.unwrap_or_else(Instant::now).into()), if deadline.is_some() => {
                    session.handle_timeout(Instant::now());
                }
            }
            let now = Instant::now();
            session.pump(now);
            inbox.set_state(session.sctp_state());
            while let Some(datagrams) = session.poll_transmit(now) {
                datagrams.into_iter().for_each(&out);
            }
            while let Some(event) = session.poll_event() {
                events(event);
            }
        }
    });
    input
}
