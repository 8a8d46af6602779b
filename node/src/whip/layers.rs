//! Layers of the pictures that a player gets (draft-ietf-wish-whep §4.10.2): what there is to wish
//! for, and what a wish means. Simulcast's encodings are spatial layers, as mediasoup counts them.
//! Pure. Never does: ask for a layer.

use serde::Deserialize;
use serde_json::{Value, json};
use starling_actors::negotiation::ScalabilityMode;
use starling_proto::{Code, Refusal, rtp::ConsumerLayers};

/// A player's wish. Without any of the numbers: what bandwidth allows, as from the beginning.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Wish {
    /// Which m-line; the first with pictures if absent.
    media_id: Option<Line>,
    spatial_layer_id: Option<u8>,
    temporal_layer_id: Option<u8>,
    max_spatial_layer_id: Option<u8>,
    max_temporal_layer_id: Option<u8>,
    rid: Option<String>,
    encoding_id: Option<String>,
    max_width: Option<u32>,
    max_height: Option<u32>,
}

/// The index of an m-line, which the draft writes as a text.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Number(usize),
    Text(String),
}

impl Wish {
    /// The m-line that it is for.
    ///
    /// # Errors
    /// `bad_request`.
    pub(super) fn line(&self) -> Result<Option<usize>, Refusal> {
        match &self.media_id {
            None => Ok(None),
            Some(Line::Number(line)) => Ok(Some(*line)),
            Some(Line::Text(text)) => text.parse().map(Some).map_err(|_| {
                Refusal::new(Code::BadRequest, "'mediaId' is no index of an m-line")
                    .hint("count the m-lines of the offer from 0")
            }),
        }
    }

    /// The highest layers that it allows of those that there are: bandwidth may allow less.
    ///
    /// # Errors
    /// `bad_request` for a layer that there is not, or one that is named as ours are not.
    pub(super) fn layers(&self, of: ScalabilityMode) -> Result<ConsumerLayers, Refusal> {
        if self.rid.is_some() || self.encoding_id.is_some() {
            return Err(Refusal::new(Code::BadRequest, "layers have no RIDs here")
                .hint("encodings are counted by 'spatialLayerId', from the smallest"));
        }
        if self.max_width.is_some() || self.max_height.is_some() {
            return Err(Refusal::new(Code::BadRequest, "the node does not look into pictures")
                .hint("give 'maxSpatialLayerId' instead of 'maxWidth' and 'maxHeight'"));
        }
        let highest = |one: Option<u8>, most: Option<u8>, count: u8, what: &str| {
            let last = count.saturating_sub(1);
            match one {
                Some(one) if one > last => {
                    let message = format!("there is no {what} layer {one}");
                    Err(Refusal::new(Code::BadRequest, message)
                        .hint(format!("the highest is {last}; the event 'layers' lists them")))
                }
                one => Ok(one.unwrap_or(last).min(most.unwrap_or(last))),
            }
        };
        let (spatial, temporal) = (of.spatial_layers, of.temporal_layers);
        let spatial =
            highest(self.spatial_layer_id, self.max_spatial_layer_id, spatial, "spatial")?;
        let temporal =
            highest(self.temporal_layer_id, self.max_temporal_layer_id, temporal, "temporal")?;
        Ok(ConsumerLayers { spatial_layer: spatial, temporal_layer: Some(temporal) })
    }
}

/// The layers of an m-line for the event `layers`, the highest first, with the bitrates that the
/// producer's statistics (mediasoup's) have. The node receives what somebody on it gets: what it
/// does not receive has no bitrate, which the draft calls inactive.
pub(super) fn list(of: ScalabilityMode, stats: &Value) -> Value {
    let streams = stats.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut layers = Vec::new();
    for spatial in (0..of.spatial_layers).rev() {
        for temporal in (0..of.temporal_layers).rev() {
            let mut layer = json!({ "spatialLayerId": spatial, "temporalLayerId": temporal });
            if let Some(bitrate) = bitrate(streams, spatial, temporal) {
                layer["bitrate"] = bitrate.into();
            }
            layers.push(layer);
        }
    }
    Value::Array(layers)
}

/// Of a layer with those below it: of its own stream in simulcast, else of its part of the only
/// one.
fn bitrate(streams: &[Value], spatial: u8, temporal: u8) -> Option<u64> {
    let index = |stream: &Value| stream["encodingIdx"].as_u64();
    let (stream, spatial) = match streams {
        [only] if index(only) == Some(0) && has_layers(only) => (only, spatial),
        _ => (streams.iter().find(|stream| index(stream) == Some(spatial.into()))?, 0),
    };
    let by_layer = stream["bitrateByLayer"].get(format!("{spatial}.{temporal}"));
    let whole = || (!has_layers(stream)).then_some(&stream["bitrate"]);
    by_layer.or_else(whole)?.as_u64().filter(|bitrate| *bitrate > 0)
}

fn has_layers(stream: &Value) -> bool {
    stream["bitrateByLayer"].as_object().is_some_and(|layers| !layers.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(text: &str) -> ScalabilityMode {
        ScalabilityMode::parse(Some(text))
    }

    fn chosen(wish: Value, of: &str) -> Result<(u8, Option<u8>), String> {
        let wish: Wish = serde_json::from_value(wish).map_err(|error| error.to_string())?;
        let layers = wish.layers(mode(of)).map_err(|refusal| refusal.message)?;
        Ok((layers.spatial_layer, layers.temporal_layer))
    }

    #[test]
    fn a_wish_is_the_highest_that_it_allows_and_none_is_all() {
        assert_eq!(chosen(json!({}), "L3T2"), Ok((2, Some(1))));
        assert_eq!(chosen(json!({"spatialLayerId": 1}), "L3T2"), Ok((1, Some(1))));
        let wish = json!({"spatialLayerId": 2, "maxSpatialLayerId": 1, "temporalLayerId": 0});
        assert_eq!(chosen(wish, "L3T2"), Ok((1, Some(0))));
        let wish = json!({"maxSpatialLayerId": 9, "maxTemporalLayerId": 9});
        assert_eq!(chosen(wish, "L3T2"), Ok((2, Some(1))));
        assert_eq!(chosen(json!({}), "none"), Ok((0, Some(0))));
    }

    #[test]
    fn a_layer_that_there_is_not_is_refused() {
        assert_eq!(
            chosen(json!({"spatialLayerId": 3}), "L3T2"),
            Err("there is no spatial layer 3".into())
        );
        assert!(chosen(json!({"temporalLayerId": 2}), "L3T2").is_err());
        for unknown in [json!({"rid": "h"}), json!({"encodingId": "1"}), json!({"maxWidth": 640})] {
            assert!(chosen(unknown.clone(), "L3T2").is_err(), "{unknown}");
        }
    }

    #[test]
    fn an_m_line_is_a_number_or_a_text_with_one() {
        let line = |wish: Value| serde_json::from_value::<Wish>(wish).unwrap().line();
        assert_eq!(line(json!({})), Ok(None));
        assert_eq!(line(json!({"mediaId": "1"})), Ok(Some(1)));
        assert_eq!(line(json!({"mediaId": 1})), Ok(Some(1)));
        assert_eq!(line(json!({"mediaId": "video"})).unwrap_err().code, Code::BadRequest);
    }

    #[test]
    fn layers_of_simulcast_have_the_bitrates_of_their_streams() {
        let stats = json!([
            {"encodingIdx": 0, "bitrate": 90, "bitrateByLayer": {"0.0": 60, "0.1": 90}},
            {"encodingIdx": 2, "bitrate": 900, "bitrateByLayer": {}},
        ]);
        assert_eq!(
            list(mode("L3T2"), &stats),
            json!([
                {"spatialLayerId": 2, "temporalLayerId": 1, "bitrate": 900},
                {"spatialLayerId": 2, "temporalLayerId": 0, "bitrate": 900},
                {"spatialLayerId": 1, "temporalLayerId": 1},
                {"spatialLayerId": 1, "temporalLayerId": 0},
                {"spatialLayerId": 0, "temporalLayerId": 1, "bitrate": 90},
                {"spatialLayerId": 0, "temporalLayerId": 0, "bitrate": 60},
            ])
        );
    }

    #[test]
    fn layers_inside_one_stream_have_the_bitrates_of_their_parts() {
        let by_layer = json!({"0.0": 10, "1.0": 30});
        let stats = json!([{"encodingIdx": 0, "bitrate": 30, "bitrateByLayer": by_layer}]);
        assert_eq!(
            list(mode("L2T1"), &stats),
            json!([
                {"spatialLayerId": 1, "temporalLayerId": 0, "bitrate": 30},
                {"spatialLayerId": 0, "temporalLayerId": 0, "bitrate": 10},
            ])
        );
        assert_eq!(list(mode("L1T1"), &Value::Null)[0].get("bitrate"), None);
    }
}
