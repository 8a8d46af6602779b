//! Statistics and dumps asked of the worker, and given to whoever asked, with the names that only
//! the control plane knows.

use std::net::SocketAddr;

use serde_json::{Value, json};
use starling_media::{Command, ConsumerKey, ProducerKey, SocketId, TransportKey, command::StatsOf};
use tokio::sync::oneshot;

use super::{Look, PipeEnd, RouterState, StatsWish, Taker};
use crate::node::Reply;

/// Most questions without an answer; a plane answers in a turn, so more means it is stuck.
const MAX_PENDING_STATS: usize = 256;

/// Pipes of one core that a dump says everything of: two answers each, of those that may wait.
const MAX_PIPES_TOLD: usize = MAX_PENDING_STATS / 4;

/// Somebody waits for the worker's answer.
pub(super) struct Question {
    /// Of a pipe's transport nobody has said an id.
    of: Option<StatsWish>,
    dump: bool,
    reply: Reply<Value>,
}

impl RouterState {
    pub(super) fn look(&mut self, look: Look) {
        match look {
            Look::Stats { of, reply } => self.ask_stats(of, false, reply),
            Look::Dump { of, reply } => self.ask_stats(of, true, reply),
            Look::Layers(id, reply) => {
                let pipe = self.producers.get(&id).and_then(|producer| producer.pipe.as_ref());
                let _ = reply.send(Ok(pipe.map_or(0, |pipe| pipe.wanted)));
            }
            Look::DumpSelf(reply) => self.dump_self(reply),
            Look::Trace { of, types, reply } => drop(reply.send(self.trace(&of, types))),
            Look::Untrace(of) => self.untrace(of),
            Look::Await(stream) => {
                self.awaited.insert(stream);
            }
        }
    }

    fn ask_stats(&mut self, wish: StatsWish, dump: bool, reply: Reply<Value>) {
        let of = match &wish {
            StatsWish::Transport(id) => self.transports.get(id).map(|t| StatsOf::Transport(t.key)),
            StatsWish::Producer(id) => self.producers.get(id).map(|p| StatsOf::Producer(p.key)),
            StatsWish::Consumer(id) => self.consumers.get(id).map(|c| StatsOf::Consumer(c.key)),
        };
        let Some(of) = of else {
            let _ = reply.send(Ok(if dump { Value::Null } else { json!([]) }));
            return;
        };
        self.ask_plane(of, Question { of: Some(wish), dump, reply });
    }

    fn ask_plane(&mut self, of: StatsOf, question: Question) {
        let token = self.keys.token();
        if self.stats.len() >= MAX_PENDING_STATS {
            self.stats.pop_first();
        }
        let dump = question.dump;
        self.stats.insert(token, question);
        self.command(if dump {
            Command::Dump { token, of }
        } else {
            Command::CollectStats { token, of }
        });
    }

    pub(super) fn on_stats(&mut self, token: u64, mut stats: Value) {
        let Some(Question { of, dump, reply }) = self.stats.remove(&token) else { return };
        self.name(&mut stats);
        if let (true, Value::Object(fields)) = (dump, &mut stats) {
            let id = match &of {
                Some(StatsWish::Transport(id)) => json!(id),
                Some(StatsWish::Producer(id)) => json!(id),
                Some(StatsWish::Consumer(id)) => json!(id),
                None => Value::Null,
            };
            fields.insert("id".into(), id);
        } else if let Some(StatsWish::Transport(id)) = &of {
            for entry in stats.as_array_mut().into_iter().flatten() {
                entry["transportId"] = Value::String(id.to_string());
            }
        }
        let _ = reply.send(Ok(stats));
    }

    /// RT8: what is on this core, and what its plane counts and holds of pipes.
    fn dump_self(&mut self, reply: Reply<Value>) {
        let mut dump = json!({
            "workerIndex": self.args.worker.index(),
            "transportIds": self.transports.keys().collect::<Vec<_>>(),
        });
        let mut pipes = Vec::new();
        for (way, mut told, key) in self.pipes().into_iter().take(MAX_PIPES_TOLD) {
            let [stats, held] = [false, true].map(|dump| {
                let (reply, answer) = oneshot::channel();
                self.ask_plane(StatsOf::Transport(key), Question { of: None, dump, reply });
                answer
            });
            pipes.push(async move {
                let stats = stats.await.ok().and_then(Result::ok).unwrap_or_default();
                told["stats"] = stats.get(0).cloned().unwrap_or_default();
                told["transport"] = held.await.ok().and_then(Result::ok).unwrap_or_default();
                (way, told)
            });
        }
        tokio::spawn(async move {
            let told = futures::future::join_all(pipes).await;
            for way in ["pulled", "served"] {
                let these = told.iter().filter(|(of, _)| *of == way).map(|(_, told)| told.clone());
                dump[way] = these.collect();
            }
            let _ = reply.send(Ok(dump));
        });
    }

    /// Which way, to or from where, and the plane's transport.
    fn pipes(&self) -> Vec<(&'static str, Value, TransportKey)> {
        let pulled = self.producers.iter().filter_map(|(id, producer)| {
            let pipe = producer.pipe.as_ref()?;
            let from = match &pipe.end {
                PipeEnd::Flow(_, link) => json!({ "node": link.node() }),
                PipeEnd::Source(..) => json!({ "core": "another" }),
                PipeEnd::Taker => return None,
            };
            Some(("pulled", json!({ "producerId": id, "from": from }), pipe.transport))
        });
        let served = self.served.iter().map(|(taker, served)| {
            let to = match taker {
                Taker::Node(node, flow) => json!({ "node": node, "flow": flow.0 }),
                Taker::Core(_) => json!({ "core": "another" }),
            };
            ("served", to, served.pipe.transport)
        });
        pulled.chain(served).collect()
    }

    /// Puts ids in the place of the plane's keys, and addresses in that of its sockets.
    fn name(&self, value: &mut Value) {
        match value {
            Value::Array(all) => all.iter_mut().for_each(|value| self.name(value)),
            Value::Object(fields) => {
                let key = |name: &str| fields.get(name).and_then(Value::as_u64);
                let id = if let Some(key) = key("$producer") {
                    Some(json!(self.producer_ids.get(&ProducerKey(key))))
                } else {
                    key("$consumer").map(|key| json!(self.consumer_ids.get(&ConsumerKey(key))))
                };
                if let Some(id) = id {
                    *value = id;
                    return;
                }
                if let Some(socket) = fields.remove("$socket").and_then(|socket| socket.as_u64()) {
                    let v6 = fields["remoteIp"].as_str().is_some_and(|ip| ip.contains(':'));
                    if let Some(local) = self.local_addr(socket, v6) {
                        // mediasoup still sends the address under its old name too.
                        fields.insert("localAddress".into(), json!(local.ip()));
                        fields.insert("localIp".into(), json!(local.ip()));
                        fields.insert("localPort".into(), local.port().into());
                    }
                }
                fields.values_mut().for_each(|value| self.name(value));
            }
            _ => {}
        }
    }

    /// Address of a socket of the worker, or of a plain transport here.
    fn local_addr(&self, socket: u64, v6: bool) -> Option<SocketAddr> {
        // Streams come to the address of the UDP socket of their family.
        let tcp = socket >= u64::from(SocketId::FIRST_TCP);
        let shared = self.args.worker.local_addrs();
        let plain = self.transports.values().filter_map(|it| it.sockets.as_ref());
        let plain = plain.flat_map(|it| std::iter::once(it.rtp).chain(it.rtcp));
        let is = |id: SocketId| u64::from(id.0) == socket;
        let own = shared.iter().find(|(id, addr)| is(*id) || (tcp && addr.is_ipv6() == v6));
        own.map(|(_, addr)| *addr)
            .or_else(|| plain.filter(|(id, _)| is(*id)).map(|(_, addr)| addr).next())
    }
}
