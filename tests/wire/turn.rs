//! The wire's loop: reads both devices and the orders, writes what is due.

use std::{
    fs::File,
    io::{self, Read, Write},
    time::Instant,
};

use serde_json::json;

use crate::{histogram::Histogram, order::Order, path::Path, report, settings::Settings, sys};

/// Packets read of a device before what is due is looked at.
const BATCH: usize = 64;
/// Longest IP packet.
const LONGEST: usize = 65_536;
/// A line longer than this is none of ours.
const LONGEST_LINE: usize = 4_096;

/// Both directions with their devices. `down` is from near to far.
pub(crate) struct Wire {
    near: File,
    far: File,
    input: File,
    line: Vec<u8>,
    began: Instant,
    down: Path<Vec<u8>>,
    up: Path<Vec<u8>>,
    /// Nanoseconds between when a packet was due and when it was written.
    late: Histogram,
    /// Packets a device did not take.
    refused: u64,
    buffer: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(near: File, far: File, input: File, seed: u64) -> Self {
        Self {
            near,
            far,
            input,
            line: Vec::new(),
            began: Instant::now(),
            down: Path::new(Settings::default(), seed),
            up: Path::new(Settings::default(), !seed),
            late: Histogram::default(),
            refused: 0,
            buffer: vec![0; LONGEST],
        }
    }

    /// Works until its input ends or says so.
    pub(crate) fn run(mut self) -> io::Result<()> {
        loop {
            let next = [self.down.next(), self.up.next()].into_iter().flatten().min();
            let now = self.now();
            let time = next.map(|next| next.saturating_sub(now));
            let [near, far, input] = sys::wait([&self.near, &self.far, &self.input], time);
            if near {
                self.take(true)?;
            }
            if far {
                self.take(false)?;
            }
            self.give()?;
            if input && !self.listen()? {
                return Ok(());
            }
        }
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    fn take(&mut self, down: bool) -> io::Result<()> {
        for _ in 0..BATCH {
            let device = if down { &mut self.near } else { &mut self.far };
            let len = match device.read(&mut self.buffer) {
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            let (now, packet) = (self.now(), self.buffer[..len].to_vec());
            let path = if down { &mut self.down } else { &mut self.up };
            path.arrive(now, packet, len);
        }
        Ok(())
    }

    fn give(&mut self) -> io::Result<()> {
        for down in [true, false] {
            loop {
                let now = self.now();
                let path = if down { &mut self.down } else { &mut self.up };
                let Some((due, packet)) = path.depart(now) else { break };
                let device = if down { &mut self.far } else { &mut self.near };
                // A packet the kernel does not want, as one of a kind that is switched off, is
                // no reason to end.
                self.refused += u64::from(device.write(&packet).is_err());
                self.late.add(self.now() - due);
            }
        }
        Ok(())
    }

    /// Reads orders; false when there are no more.
    fn listen(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 1_024];
        let len = self.input.read(&mut bytes)?;
        if len == 0 {
            return Ok(false);
        }
        for byte in &bytes[..len] {
            if *byte != b'\n' {
                self.line.push(*byte);
                self.line.truncate(LONGEST_LINE);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            if !self.obey(line.trim())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn obey(&mut self, line: &str) -> io::Result<bool> {
        if line.is_empty() {
            return Ok(true);
        }
        let now = self.now();
        let answer = match Order::parse(line, self.down.settings(), self.up.settings()) {
            Ok(Order::Change { down, up }) => {
                self.down.change(now, down);
                self.up.change(now, up);
                json!({"at_ms": report::millis(now)})
            }
            Ok(Order::Mark) => {
                self.down.mark();
                self.up.mark();
                self.late = Histogram::default();
                json!({"at_ms": report::millis(now)})
            }
            Ok(Order::Stats) => json!({
                "at_ms": report::millis(now),
                "down": report::path(&self.down, now),
                "up": report::path(&self.up, now),
                "late_us": report::micros(&self.late),
                "refused_packets": self.refused,
            }),
            Ok(Order::Quit) => return Ok(false),
            Err(why) => json!({"error": why}),
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
        Ok(true)
    }
}
