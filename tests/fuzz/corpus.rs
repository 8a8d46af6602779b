//! Seeds as files: `corpus/<target>/<name>.bin`, made from valid packets and from inputs that once
//! made a target panic (`crash-*.bin`).

use std::{fs, io, path::PathBuf};

use crate::targets::Kind;

fn folder(kind: &Kind) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus")).join(kind.name)
}

/// All of a target's, in the order of their names.
pub(crate) fn load(kind: &Kind) -> io::Result<Vec<Vec<u8>>> {
    let mut paths: Vec<_> = fs::read_dir(folder(kind))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    paths.sort();
    paths.iter().map(fs::read).collect()
}

/// Writes what the target makes from valid packets.
pub(crate) fn write(kind: &Kind) -> io::Result<usize> {
    let folder = folder(kind);
    fs::create_dir_all(&folder)?;
    let seeds = (kind.seeds)();
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("valid-{number:02}.bin")), seed)?;
    }
    Ok(seeds.len())
}

/// Keeps an input that made the target panic; where.
pub(crate) fn keep(kind: &Kind, input: &[u8]) -> io::Result<PathBuf> {
    let sum = input.iter().fold(0xcbf2_9ce4_8422_2325u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let path = folder(kind).join(format!("crash-{sum:016x}.bin"));
    fs::create_dir_all(folder(kind))?;
    fs::write(&path, input)?;
    Ok(path)
}
