//! CRC-32 of ITU-T V.42, as STUN's FINGERPRINT uses it (RFC 8489 §14.7).

const TABLE: [u32; 256] = table();

/// Of `bytes`.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| (sum >> 8) ^ TABLE[usize::from(sum as u8 ^ byte)])
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    #[test]
    fn check_value_is_the_standards() {
        assert_eq!(super::crc32(b"123456789"), 0xcbf4_3926);
    }
}
