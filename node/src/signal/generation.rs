//! The two generations of mediasoup-demo's protocol that are in use: today's, which is ours, and
//! the one of its years in JavaScript, which most clones speak. They differ in field names and in
//! what is wrapped. There is no version on the wire: a client is known by how it makes its first
//! transport, and what is asked before that is answered for both. Pure. Never does: read a frame.

use serde_json::{Map, Value, json};

/// Which a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generation {
    /// Not seen yet.
    #[default]
    Unknown,
    /// Bare answers, `id` for every id, requests instead of notifications.
    Old,
    /// As in docs/signalling.md.
    New,
}

impl Generation {
    /// Looks at a request.
    pub fn learn(&mut self, method: &str, data: &Value) {
        if *self != Self::Unknown {
            return;
        }
        *self = match method {
            // The old one does not have it.
            "getRtcStatsUrl" => Self::New,
            "createWebRtcTransport" => {
                let flag = |key: &str| data.get(key).is_some_and(Value::is_boolean);
                let directed = data.pointer("/appData/direction").is_some();
                if !directed && (flag("producing") || flag("consuming")) {
                    Self::Old
                } else {
                    Self::New
                }
            }
            _ => Self::Unknown,
        };
    }

    /// The answer to `method` as this generation has it.
    pub fn answer(self, method: &str, data: Value) -> Value {
        match (self, method) {
            // The old client loads the answer itself as capabilities, the new one a field of it.
            (Self::Unknown, "getRouterRtpCapabilities") => {
                let bare = object(data.get("routerRtpCapabilities").cloned().unwrap_or_default());
                let mut both = object(data);
                both.extend(bare);
                Value::Object(both)
            }
            (Self::Unknown | Self::New, _) => data,
            (Self::Old, "getRouterRtpCapabilities") => bare(data, "routerRtpCapabilities"),
            (Self::Old, "restartIce") => bare(data, "iceParameters"),
            (Self::Old, "createWebRtcTransport") => renamed(data, &[("transportId", "id")]),
            (Self::Old, "produce") => renamed(data, &[("producerId", "id")]),
            (Self::Old, "produceData") => renamed(data, &[("dataProducerId", "id")]),
            (Self::Old, "join") => {
                let mut join = object(data);
                let peers = join.remove("peers").unwrap_or_default();
                let peers = peers.as_array().cloned().unwrap_or_default().into_iter();
                let old = |peer| renamed(peer, &[("peerId", "id")]);
                join.insert("peers".into(), peers.map(old).collect());
                Value::Object(join)
            }
            (Self::Old, stats) if stats.starts_with("get") && stats.ends_with("Stats") => {
                bare(data, "stats")
            }
            (Self::Old, _) => data,
        }
    }

    /// A request or notification of ours as this generation has it; nothing if it has no such.
    pub fn said(self, method: String, data: Value) -> Option<(String, Value)> {
        if self != Self::Old {
            return Some((method, data));
        }
        let data = match method.as_str() {
            "newPeer" => renamed(bare(data, "peer"), &[("peerId", "id")]),
            "newConsumer" => renamed(data, &[("consumerId", "id")]),
            "newDataConsumer" => renamed(data, &[("dataConsumerId", "id")]),
            "consumerLayersChanged" => {
                let layer = |key: &str| data["layers"].get(key).cloned().unwrap_or_default();
                json!({
                    "consumerId": data["consumerId"],
                    "spatialLayer": layer("spatialLayer"),
                    "temporalLayer": layer("temporalLayer"),
                })
            }
            "activeSpeaker" => json!({ "peerId": data.get("peerId") }),
            "peerClosed"
            | "peerDisplayNameChanged"
            | "consumerClosed"
            | "consumerPaused"
            | "consumerResumed"
            | "consumerScore"
            | "downlinkBwe"
            | "producerScore"
            | "dataConsumerClosed" => data,
            // It says aloud that it does not know anything else.
            _ => return None,
        };
        Some((method, data))
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// What was wrapped.
fn bare(data: Value, key: &str) -> Value {
    object(data).remove(key).unwrap_or_else(|| json!({}))
}

fn renamed(data: Value, names: &[(&str, &str)]) -> Value {
    let mut map = object(data);
    for (from, to) in names {
        if let Some(value) = map.remove(*from) {
            map.insert((*to).to_owned(), value);
        }
    }
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, data: Value) -> Generation {
        let mut generation = Generation::default();
        generation.learn(method, &data);
        generation
    }

    #[test]
    fn a_client_is_known_by_its_first_transport() {
        let old = json!({"forceTcp": false, "producing": true, "consuming": false});
        assert_eq!(of("createWebRtcTransport", old.clone()), Generation::Old);
        let new = json!({"forceTcp": false, "appData": {"direction": "producer"}});
        assert_eq!(of("createWebRtcTransport", new), Generation::New);
        assert_eq!(of("getRtcStatsUrl", json!({})), Generation::New);
        assert_eq!(of("getRouterRtpCapabilities", json!({})), Generation::Unknown);
        let mut generation = Generation::New;
        generation.learn("createWebRtcTransport", &old);
        assert_eq!(generation, Generation::New);
    }

    #[test]
    fn capabilities_asked_for_before_that_are_answered_for_both() {
        let answer = json!({"routerRtpCapabilities": {"codecs": [1], "headerExtensions": [2]}});
        let both = Generation::Unknown.answer("getRouterRtpCapabilities", answer.clone());
        assert_eq!(both["codecs"], json!([1]));
        assert_eq!(both["headerExtensions"], json!([2]));
        assert_eq!(both["routerRtpCapabilities"], answer["routerRtpCapabilities"]);
        assert_eq!(Generation::New.answer("getRouterRtpCapabilities", answer.clone()), answer);
    }

    #[test]
    fn the_old_generation_has_bare_answers_and_plain_ids() {
        let answer = |method: &str, data: Value| Generation::Old.answer(method, data);
        assert_eq!(
            answer("createWebRtcTransport", json!({"transportId": "t", "iceCandidates": []})),
            json!({"id": "t", "iceCandidates": []})
        );
        assert_eq!(answer("restartIce", json!({"iceParameters": {"a": 1}})), json!({"a": 1}));
        assert_eq!(answer("produce", json!({"producerId": "p"})), json!({"id": "p"}));
        assert_eq!(answer("getConsumerStats", json!({"stats": [1]})), json!([1]));
        let peers = json!({"peers": [{"peerId": "a", "displayName": "A", "device": {}}]});
        assert_eq!(
            answer("join", peers),
            json!({"peers": [{"id": "a", "displayName": "A", "device": {}}]})
        );
    }

    #[test]
    fn the_old_generation_is_told_in_its_own_words_and_of_nothing_else() {
        let said = |method: &str, data: Value| {
            Generation::Old.said(method.to_owned(), data).map(|(_, data)| data)
        };
        assert_eq!(
            said("newPeer", json!({"peer": {"peerId": "a", "displayName": "A"}})),
            Some(json!({"id": "a", "displayName": "A"}))
        );
        assert_eq!(
            said("newConsumer", json!({"consumerId": "c", "peerId": "a"})),
            Some(json!({"id": "c", "peerId": "a"}))
        );
        assert_eq!(
            said("consumerLayersChanged", json!({"consumerId": "c"})),
            Some(json!({"consumerId": "c", "spatialLayer": null, "temporalLayer": null}))
        );
        let layers = json!({"consumerId": "c", "layers": {"spatialLayer": 1, "temporalLayer": 2}});
        assert_eq!(
            said("consumerLayersChanged", layers),
            Some(json!({"consumerId": "c", "spatialLayer": 1, "temporalLayer": 2}))
        );
        assert_eq!(said("activeSpeaker", json!({})), Some(json!({"peerId": null})));
        let bwe = json!({"desiredBitrate": 3, "effectiveDesiredBitrate": 2, "availableBitrate": 1});
        assert_eq!(said("downlinkBwe", bwe.clone()), Some(bwe));
        assert_eq!(said("standbyChanged", json!({})), None);
        let data = json!({"peer": {"peerId": "a"}});
        let new = Generation::New.said("newPeer".into(), data.clone());
        assert_eq!(new, Some(("newPeer".into(), data)));
    }
}
