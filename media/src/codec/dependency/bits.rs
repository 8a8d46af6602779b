//! Bits of a byte string, most significant first. Never knows what they mean.

/// Reads.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// From the first bit.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bits read so far.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Leaves out the next `n` bits.
    pub const fn skip(&mut self, n: usize) {
        self.at += n;
    }

    /// The next bit.
    pub fn flag(&mut self) -> Option<bool> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// The next `n` bits, at most 32. `None` past the end.
    pub fn bits(&mut self, n: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..n {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    /// A number below `n` in as few bits as it needs (AV1 specification §4.10.7, `ns(n)`).
    pub fn non_symmetric(&mut self, n: u32) -> Option<u32> {
        let width = u32::BITS - n.leading_zeros();
        let short = (1u32 << width) - n;
        let value = self.bits(width.checked_sub(1)?)?;
        if value < short {
            return Some(value);
        }
        Some((value << 1 | u32::from(self.flag()?)) - short)
    }
}

/// Writes.
#[derive(Debug)]
pub struct BitWriter<'a> {
    bytes: &'a mut Vec<u8>,
    /// Bits used of the last byte, 0 if all are.
    used: u32,
}

impl<'a> BitWriter<'a> {
    /// Appends.
    pub const fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes, used: 0 }
    }

    /// One bit.
    pub fn flag(&mut self, bit: bool) {
        if self.used == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (7 - self.used);
        }
        self.used = (self.used + 1) % 8;
    }

    /// The low `n` bits of `value`.
    pub fn bits(&mut self, value: u32, n: u32) {
        for bit in (0..n).rev() {
            self.flag(value >> bit & 1 == 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut bytes = Vec::new();
        let mut writer = BitWriter::new(&mut bytes);
        writer.flag(true);
        writer.bits(0b0110, 4);
        writer.bits(0xabc, 12);
        assert_eq!(bytes.len(), 3);
        let mut reader = BitReader::new(&bytes);
        assert_eq!(reader.flag(), Some(true));
        assert_eq!(reader.bits(4), Some(0b0110));
        assert_eq!(reader.bits(12), Some(0xabc));
        assert_eq!((reader.position(), reader.bits(7), reader.flag()), (17, Some(0), None));
    }

    #[test]
    fn small_numbers_take_fewer_bits() {
        // Of five: 0, 1 and 2 in two bits, 3 and 4 in three.
        for (byte, value, bits) in [
            (0b0000_0000, 0, 2),
            (0b0100_0000, 1, 2),
            (0b1000_0000, 2, 2),
            (0b1100_0000, 3, 3),
            (0b1110_0000, 4, 3),
        ] {
            let bytes = [byte];
            let mut reader = BitReader::new(&bytes);
            assert_eq!(reader.non_symmetric(5), Some(value));
            assert_eq!(reader.position(), bits);
        }
        assert_eq!(BitReader::new(&[]).non_symmetric(1), Some(0));
    }
}
