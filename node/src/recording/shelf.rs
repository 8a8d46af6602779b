//! Where recordings are kept: a folder for each, with its files and `recording.json`, which says
//! what they are. Names are ours alone: nothing that a client says becomes a path.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, Signal, kill_process};
use starling_proto::{RecordingId, rest::RecordingInfo};

/// What a recording is described in, within its folder.
const INDEX: &str = "recording.json";

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Shelf(PathBuf);

impl Shelf {
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// A recording's folder.
    pub(super) fn folder(&self, id: &RecordingId) -> PathBuf {
        self.0.join(id.to_string())
    }

    /// Makes a folder for a new one.
    pub(super) fn make(&self, info: &RecordingInfo) -> io::Result<PathBuf> {
        let folder = self.folder(&info.id);
        fs::create_dir_all(&self.0)?;
        fs::create_dir(&folder)?;
        self.write(info)?;
        Ok(folder)
    }

    /// Writes down what it is. Whole or not at all: a reader may come at any moment.
    pub(super) fn write(&self, info: &RecordingInfo) -> io::Result<()> {
        let path = self.folder(&info.id).join(INDEX);
        let next = path.with_extension("next");
        let text = serde_json::to_vec_pretty(info).map_err(io::Error::other)?;
        fs::write(&next, text)?;
        fs::rename(next, path)
    }

    /// Removes all of it.
    pub(super) fn remove(&self, id: &RecordingId) -> io::Result<()> {
        fs::remove_dir_all(self.folder(id))
    }

    /// All that an earlier process left. What does not look like ours is left alone.
    pub(super) fn read(&self) -> Vec<RecordingInfo> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let known = entries.filter_map(|entry| {
            let text = fs::read(entry.path().join(INDEX)).ok()?;
            let info: RecordingInfo = serde_json::from_slice(&text).ok()?;
            (entry.file_name().to_str() == Some(info.id.to_string().as_str())).then_some(info)
        });
        known.filter(|info| is_ours(&info.id)).collect()
    }

    /// Has programs that outlived their node write the end of their files.
    pub(super) fn end_orphans(&self, id: &RecordingId) {
        let folder = self.folder(id).to_string_lossy().into_owned();
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        for process in all {
            let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
            if is_recorder(&words, &folder)
                && let Some(pid) = Pid::from_raw(pid)
            {
                let _ = kill_process(pid, Signal::INT);
            }
        }
    }
}

/// Whether a command line is that of a program which writes into a folder.
fn is_recorder(words: &[u8], folder: &str) -> bool {
    let mut words = words.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let program = words.next().unwrap_or_default();
    let ours = Path::new(program.as_ref()).file_name().is_some_and(|name| name == "ffmpeg");
    ours && words.any(|word| Path::new(word.as_ref()).parent() == Some(Path::new(folder)))
}

/// Ids are 32 hexadecimal digits. `..` would be an id, too.
pub(super) fn is_ours(id: &RecordingId) -> bool {
    let text = id.to_string();
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What is in a folder, in bytes.
pub(super) fn size(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn info(id: &str) -> RecordingInfo {
        serde_json::from_value(json!({
            "id": id, "node": "node-1", "room": "r", "maxSeconds": 60, "state": "recording",
            "startedAt": "2026-11-30T04:05:06.789Z", "bytes": 0, "files": []
        }))
        .unwrap()
    }

    #[test]
    fn what_was_written_is_read_again_and_what_is_not_ours_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().join("recordings"));
        assert!(shelf.read().is_empty(), "there is no folder yet");
        let one = info(&"a1".repeat(16));
        shelf.make(&one).unwrap();
        assert!(shelf.make(&one).is_err(), "nothing is written over");
        let stranger = folder.path().join("recordings/films");
        fs::create_dir(&stranger).unwrap();
        fs::write(stranger.join(INDEX), serde_json::to_vec(&info("films")).unwrap()).unwrap();
        fs::write(folder.path().join("recordings/note.txt"), "mine").unwrap();
        // One that says it is another.
        let liar = folder.path().join("recordings").join("b2".repeat(16));
        fs::create_dir(&liar).unwrap();
        fs::write(liar.join(INDEX), serde_json::to_vec(&one).unwrap()).unwrap();
        assert_eq!(shelf.read(), std::slice::from_ref(&one));
        assert!(size(&shelf.folder(&one.id)) > 0);
        shelf.remove(&one.id).unwrap();
        assert!(stranger.exists() && shelf.read().is_empty());
    }

    #[test]
    fn an_id_is_no_way_out_of_the_folder() {
        for id in ["..", ".", "x", &"g".repeat(32), &"a".repeat(33)] {
            assert!(!is_ours(&id.parse().unwrap()), "{id}");
        }
        assert!(is_ours(&"0f".repeat(16).parse().unwrap()));
    }

    #[test]
    fn a_program_is_known_by_what_it_writes() {
        let line = |words: &[&str]| words.join("\0").into_bytes();
        let ours = line(&["/usr/bin/ffmpeg", "-i", "/r/a/x.sdp", "/r/a/x.webm", ""]);
        assert!(is_recorder(&ours, "/r/a"));
        assert!(!is_recorder(&ours, "/r/b"));
        assert!(!is_recorder(&ours, "/r"));
        assert!(!is_recorder(&line(&["vi", "/r/a/x.sdp"]), "/r/a"));
        assert!(!is_recorder(b"", "/r/a"));
    }
}
