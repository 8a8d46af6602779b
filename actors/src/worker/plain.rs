//! Ports of plain transports: RTP even, RTCP the next odd one (RFC 3550 §11). Only binds.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::atomic::{AtomicU32, Ordering},
};

use super::socket::Socket;

/// Pairs tried with ephemeral ports before giving up: each fails only if a neighbour port is taken.
const EPHEMERAL_TRIES: usize = 16;

/// Where plain transports listen.
#[derive(Debug)]
pub(crate) struct PlainPorts {
    ip: IpAddr,
    range: Option<RangeInclusive<u16>>,
    cursor: AtomicU32,
    buffer: usize,
}

impl PlainPorts {
    pub(crate) const fn new(ip: IpAddr, range: Option<RangeInclusive<u16>>, buffer: usize) -> Self {
        Self { ip, range, cursor: AtomicU32::new(0), buffer }
    }

    /// Binds a socket, and a second one for RTCP on the next port if wanted.
    ///
    /// # Errors
    /// `AddrInUse` if no port of the range is free.
    pub(crate) fn bind(&self, rtcp: bool) -> io::Result<(Socket, Option<Socket>)> {
        match &self.range {
            Some(range) => self.bind_in(range, rtcp),
            None => self.bind_anywhere(rtcp),
        }
    }

    /// Binds these ports and no others.
    ///
    /// # Errors
    /// `InvalidInput` for a port outside the range, `AddrInUse` for one that is taken.
    pub(crate) fn bind_these(
        &self,
        port: u16,
        rtcp: Option<u16>,
    ) -> io::Result<(Socket, Option<Socket>)> {
        let inside = |port: &u16| self.range.as_ref().is_none_or(|range| range.contains(port));
        let may = |port: u16| port != 0 && inside(&port);
        if !may(port) || !rtcp.is_none_or(may) || rtcp == Some(port) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let open = |port: u16| Socket::bind(SocketAddr::new(self.ip, port), self.buffer);
        Ok((open(port)?, rtcp.map(open).transpose()?))
    }

    /// Goes round the range, so that a port just released rests longest.
    fn bind_in(
        &self,
        range: &RangeInclusive<u16>,
        rtcp: bool,
    ) -> io::Result<(Socket, Option<Socket>)> {
        let first = u32::from(*range.start()).next_multiple_of(2);
        let last = u32::from(*range.end());
        let places = (last + 1).saturating_sub(first).div_ceil(2);
        let start = self.cursor.fetch_add(1, Ordering::Relaxed);
        let mut error = io::Error::from(io::ErrorKind::AddrInUse);
        for n in 0..places {
            let port = first + (start.wrapping_add(n) % places) * 2;
            if rtcp && port == last {
                continue;
            }
            match self.bind_at(port as u16, rtcp) {
                Ok(sockets) => {
                    self.cursor.store(start.wrapping_add(n + 1), Ordering::Relaxed);
                    return Ok(sockets);
                }
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => {}
                Err(e) => error = e,
            }
        }
        Err(error)
    }

    fn bind_anywhere(&self, rtcp: bool) -> io::Result<(Socket, Option<Socket>)> {
        let mut result = self.bind_at(0, rtcp);
        for _ in 1..EPHEMERAL_TRIES {
            if !matches!(&result, Err(e) if e.kind() == io::ErrorKind::AddrInUse) {
                break;
            }
            result = self.bind_at(0, rtcp);
        }
        result
    }

    fn bind_at(&self, port: u16, rtcp: bool) -> io::Result<(Socket, Option<Socket>)> {
        let first = Socket::bind(SocketAddr::new(self.ip, port), self.buffer)?;
        if !rtcp {
            return Ok((first, None));
        }
        let port = first.local_addr()?.port();
        let next = port.checked_add(1).ok_or(io::ErrorKind::AddrInUse)?;
        let second = Socket::bind(SocketAddr::new(self.ip, next), self.buffer)?;
        Ok((first, Some(second)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_gives_even_and_odd_pairs_until_it_is_full() {
        let free = Socket::bind("127.0.0.9:0".parse().unwrap(), 1 << 16).unwrap();
        let base = free.local_addr().unwrap().port() & !1;
        drop(free);
        let ports = PlainPorts::new([127, 0, 0, 9].into(), Some(base..=base + 3), 1 << 16);
        let (one, one_rtcp) = ports.bind(true).unwrap();
        let (two, two_rtcp) = ports.bind(true).unwrap();
        let port = |socket: &Socket| socket.local_addr().unwrap().port();
        let pair = |rtp: &Socket, rtcp: &Option<Socket>| {
            (port(rtp) % 2, port(rtcp.as_ref().unwrap()) - port(rtp))
        };
        assert_eq!(pair(&one, &one_rtcp), (0, 1));
        assert_eq!(pair(&two, &two_rtcp), (0, 1));
        assert_eq!(ports.bind(false).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let released = port(&two);
        drop((two, two_rtcp));
        assert_eq!(port(&ports.bind(true).unwrap().0), released);
    }

    #[test]
    fn ports_that_are_asked_for_are_had_or_refused() {
        let ip: IpAddr = [127, 0, 0, 8].into();
        let free = Socket::bind((ip, 0).into(), 1 << 16).unwrap();
        let base = free.local_addr().unwrap().port().max(2) - 1;
        drop(free);
        let ports = PlainPorts::new(ip, Some(base..=base + 7), 1 << 16);
        let port = |socket: &Socket| socket.local_addr().unwrap().port();
        // Not in order, and not neighbours.
        let (rtp, rtcp) = ports.bind_these(base + 5, Some(base + 2)).unwrap();
        assert_eq!((port(&rtp), port(&rtcp.unwrap())), (base + 5, base + 2));
        let kind = |port, rtcp| ports.bind_these(port, rtcp).unwrap_err().kind();
        assert_eq!(kind(base + 5, None), io::ErrorKind::AddrInUse);
        for (port, rtcp) in
            [(base + 8, None), (base, Some(base + 8)), (0, None), (base, Some(base))]
        {
            assert_eq!(kind(port, rtcp), io::ErrorKind::InvalidInput, "{port} {rtcp:?}");
        }
    }

    #[test]
    fn ephemeral_pairs_are_neighbours() {
        let ports = PlainPorts::new([127, 0, 0, 1].into(), None, 1 << 16);
        let (rtp, rtcp) = ports.bind(true).unwrap();
        let rtcp = rtcp.unwrap().local_addr().unwrap().port();
        assert_eq!(rtcp, rtp.local_addr().unwrap().port() + 1);
    }
}
