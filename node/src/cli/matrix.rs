//! `starling rooms matrix`: who gets what of whom.

use starling_proto::rest::{MatrixCell, RoomMatrix};

use super::{
    output::{self, Failure, Format, Line, note, or_dash},
    remote::Remote,
};

impl Line for MatrixCell {
    const HEAD: &'static [&'static str] =
        &["to", "from", "source", "layers", "score", "lost", "rate", "round trip", "node"];
    const WIDE: &'static [&'static str] = &["kind", "added ms"];

    fn name(&self) -> String {
        format!("{}/{}/{}", self.to, self.from, self.source)
    }

    fn cells(&self) -> Vec<String> {
        let layers = match (self.paused, self.spatial_layer, self.temporal_layer) {
            (true, ..) => "paused".to_owned(),
            (_, Some(-1), _) => "none yet".to_owned(),
            (_, Some(spatial), Some(temporal)) => format!("{spatial}:{temporal}"),
            (_, Some(layer), None) | (_, None, Some(layer)) => layer.to_string(),
            (_, None, None) => "-".to_owned(),
        };
        vec![
            self.to.to_string(),
            self.from.to_string(),
            self.source.clone(),
            layers,
            self.score.to_string(),
            format!("{:.1}%", self.lost * 100.0),
            format!("{} kb/s", self.bitrate / 1_000),
            format!("{:.1} ms", self.rtt_ms),
            self.node.to_string(),
        ]
    }

    fn wide(&self) -> Vec<String> {
        let kind = format!("{:?}", self.kind).to_lowercase();
        let added = self.added_ms.map(|ms| format!("{ms:.1}")).unwrap_or_default();
        vec![kind, or_dash(added)]
    }
}

/// Prints it.
///
/// # Errors
/// [`Failure::Failed`] if stdout cannot be written.
pub(super) fn show(remote: &Remote, matrix: &RoomMatrix) -> Result<(), Failure> {
    if !matches!(remote.output, Format::Table | Format::Wide | Format::Name) {
        return output::value(remote.output, &serde_json::json!(matrix));
    }
    remote.show_all(&matrix.cells)?;
    for node in &matrix.missing {
        note(&format!("{node} did not answer"));
    }
    if matrix.left_out > 0 {
        note(&format!("{} peers were not asked: there are too many", matrix.left_out));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cell(more: &serde_json::Value) -> String {
        let mut cell = json!({
            "to": "ben", "node": "n1", "from": "ada", "source": "camera", "kind": "video",
            "paused": false, "score": 9, "lost": 0.012, "bitrate": 912_345, "rttMs": 20.04
        });
        for (name, value) in more.as_object().unwrap() {
            cell[name] = value.clone();
        }
        serde_json::from_value::<MatrixCell>(cell).unwrap().cells().join("|")
    }

    #[test]
    fn a_cell_is_a_line_with_its_layers() {
        assert_eq!(
            cell(&json!({"spatialLayer": 2, "temporalLayer": 1})),
            "ben|ada|camera|2:1|9|1.2%|912 kb/s|20.0 ms|n1"
        );
        let layers = |more| cell(&more).split('|').nth(3).unwrap().to_owned();
        assert_eq!(layers(json!({"spatialLayer": -1})), "none yet");
        assert_eq!(layers(json!({"spatialLayer": 0, "paused": true})), "paused");
        assert_eq!(layers(json!({})), "-");
    }
}
