//! A person with a page: `ClientSession` decides, here sockets are opened, sources published and
//! ears kept open as it says.

use std::collections::BTreeMap;

use rand::Rng;
use starling_cluster::decide::rejoin::{ClientSession, End, Input, Output};
use starling_proto::{
    MediaKind, NodeId, ProducerId, RtpParameters, json::Json, roster::ProducerEntry, rtp::RtpType,
};

use super::{
    ctx::{Ctx, MS},
    event::{Event, Seat, ToClient, ToNode, VIDEO},
    fault::Fault,
    network::Way,
    node::{index_of, name},
    oracle::{Whereabouts, room},
    plan::ClientPlan,
};

/// How often each layer of each source sends a packet.
const PACE: u64 = 250 * MS;
/// Media that came within this comes: `decide::rejoin::pulse::FLOWS`.
const FLOWS: u64 = 500 * MS;
/// How long after a move all that the old seat received has come to the new one.
const SETTLED: u64 = 500 * MS;
/// Bytes of a word, and of each layer's packets: the last do not fit a path of 1,280 bytes.
const SIZES: [[u32; 3]; 2] = [[160, 0, 0], [400, 900, 1_250]];

/// See the module.
pub(super) struct Client {
    index: usize,
    plan: ClientPlan,
    session: ClientSession,
    /// Its sockets: the node, and which life of it.
    seats: BTreeMap<u32, (usize, u32)>,
    /// The seat it sends from, and since when.
    using: Option<(u32, u64)>,
    layer: u8,
    /// What it produces there.
    sources: BTreeMap<u8, ProducerId>,
    produced: u32,
    seq: u64,
    scheduled: Option<u64>,
    gone: bool,
}

impl Client {
    pub(super) fn new(ctx: &Ctx, index: usize, plan: ClientPlan) -> Self {
        Self {
            index,
            plan,
            session: ClientSession::new(ctx.instant()),
            seats: BTreeMap::new(),
            using: None,
            layer: 0,
            sources: BTreeMap::new(),
            produced: 0,
            seq: 0,
            scheduled: None,
            gone: false,
        }
    }

    pub(super) fn is_clone(&self) -> bool {
        self.plan.clone
    }

    /// The node it is on; none if it has gone.
    pub(super) fn node(&self) -> Option<usize> {
        self.seat().map(|(_, node)| node)
    }

    /// Its seat, and the node it is on.
    pub(super) fn seat(&self) -> Option<(Seat, usize)> {
        let (seat, _) = self.using.filter(|_| !self.gone)?;
        self.seats.get(&seat).map(|(node, _)| ((self.index, seat), *node))
    }

    /// It comes, through `node` first; a load balancer knows the others.
    pub(super) fn join(&mut self, ctx: &mut Ctx, node: usize) {
        let nodes = ctx.lives.len();
        let urls = (0..nodes).map(|at| name((node + at) % nodes).to_string()).collect();
        self.handle(ctx, Input::Start { urls });
        ctx.after(PACE, Event::Publish { client: self.index });
    }

    pub(super) fn leave(&mut self, ctx: &mut Ctx) {
        self.handle(ctx, Input::Leave);
    }

    /// It is gone without a word.
    pub(super) fn vanish(&mut self, ctx: &mut Ctx) {
        let here = self.using.is_some() && !self.gone && !self.session.is_over();
        if here {
            ctx.faults.hit(Fault::Vanishing)
        } else {
            ctx.faults.idle(Fault::Vanishing)
        };
        self.gone = true;
        let person = &mut ctx.oracle.people[self.index];
        person.at = Whereabouts::Left;
        person.seats.clear();
        person.sends.clear();
    }

    /// It watches another layer.
    pub(super) fn watch(&mut self, ctx: &mut Ctx, layer: u8) {
        self.layer = layer;
        ctx.oracle.people[self.index].layer = (layer, ctx.now);
        self.say(ctx, ToNode::Layer(layer));
    }

    /// It ends a source and starts it again.
    pub(super) fn republish(&mut self, ctx: &mut Ctx, source: u8) {
        let known = self.sources.get(&source).cloned();
        if let (Some(old), Some((seat, _)), false) = (known, self.using, self.gone) {
            self.say(ctx, ToNode::Close(old));
            self.produce(ctx, seat, source);
        }
    }

    /// Says something from the seat in use.
    fn say(&self, ctx: &mut Ctx, word: ToNode) {
        if let Some((seat, _)) = self.using {
            self.say_on(ctx, seat, word);
        }
    }

    fn say_on(&self, ctx: &mut Ctx, seat: u32, word: ToNode) {
        let Some((node, life)) = self.seats.get(&seat).copied() else { return };
        let seat: Seat = (self.index, seat);
        ctx.signal(Way::Up(seat), Event::ToNode { node, life, seat, word });
    }

    fn handle(&mut self, ctx: &mut Ctx, input: Input) {
        if self.gone {
            return;
        }
        let random = ctx.rng.random::<f64>();
        let outputs = self.session.handle(ctx.instant(), input, random);
        for output in outputs {
            self.carry_out(ctx, output);
        }
        let seated = self.session.seated().is_some();
        let person = &mut ctx.oracle.people[self.index];
        if !matches!(person.at, Whereabouts::Left | Whereabouts::Ended) {
            person.at = if seated { Whereabouts::In } else { Whereabouts::Coming };
        }
        let next = self.session.next().map(|at| ctx.micros(at));
        if next != self.scheduled {
            self.scheduled = next;
            if let Some(at) = next {
                ctx.at(at, Event::ClientTick { client: self.index, at });
            }
        }
    }

    fn carry_out(&mut self, ctx: &mut Ctx, output: Output) {
        match output {
            Output::Connect { seat, url, ticket } => {
                let node: NodeId = url.parse().expect("URLs here are names of nodes");
                let node = index_of(&node);
                self.seats.insert(seat, (node, ctx.lives[node].unwrap_or(0)));
                ctx.oracle.people[self.index].seats.insert(seat, Default::default());
                let resumes = ticket.and_then(|ticket| ticket.parse().ok());
                let (room, peer) = (room(self.plan.room), self.plan.name.clone());
                self.say_on(ctx, seat, ToNode::Open { room, peer, resumes });
            }
            Output::Use { seat } => {
                self.using = Some((seat, ctx.now));
                self.say(ctx, ToNode::Layer(self.layer));
                (0..self.plan.sources).for_each(|source| self.produce(ctx, seat, source));
            }
            Output::Ask { seat } => {
                self.say_on(ctx, seat, ToNode::Ask);
                let ear = ctx.oracle.people[self.index].seats.get(&seat);
                if ear.is_some_and(|ear| ear.last > 0 && ear.last + FLOWS >= ctx.now) {
                    self.handle(ctx, Input::Media { seat });
                }
            }
            Output::Drop { seat } => {
                self.say_on(ctx, seat, ToNode::Bye);
                self.close(ctx, seat);
            }
            Output::End { why } => {
                let left = why == End::Left;
                let at = if left { Whereabouts::Left } else { Whereabouts::Ended };
                ctx.oracle.people[self.index].at = at;
            }
        }
    }

    fn close(&mut self, ctx: &mut Ctx, seat: u32) {
        self.seats.remove(&seat);
        ctx.oracle.people[self.index].seats.remove(&seat);
        if self.using.is_some_and(|(using, _)| using == seat) {
            self.using = None;
            self.sources.clear();
            ctx.oracle.people[self.index].sends.clear();
        }
    }

    fn produce(&mut self, ctx: &mut Ctx, seat: u32, source: u8) {
        self.produced += 1;
        let kind = if source == 0 { "-a-" } else { VIDEO };
        let id = format!("c{}{kind}{}", self.index, self.produced);
        let id: ProducerId = id.parse().expect("letters, digits and hyphens");
        self.sources.insert(source, id.clone());
        ctx.oracle.people[self.index].sends.insert(source, (id.clone(), ctx.now));
        let entry = ProducerEntry {
            id,
            kind: if source == 0 { MediaKind::Audio } else { MediaKind::Video },
            rtp_type: RtpType::Simulcast,
            source: format!("source-{source}"),
            paused: false,
            consumable: Json(RtpParameters::default()),
            app_data: Json(serde_json::Value::Null),
        };
        self.say_on(ctx, seat, ToNode::Produce(Box::new(entry)));
    }

    /// A packet of each layer.
    pub(super) fn publish(&mut self, ctx: &mut Ctx) {
        if self.gone || self.session.is_over() {
            return;
        }
        ctx.after(PACE, Event::Publish { client: self.index });
        let Some((seat, since)) = self.using else { return };
        if ctx.now >= since + SETTLED {
            self.handle(ctx, Input::Settled { seat });
        }
        let Some((node, life)) = self.seats.get(&seat).copied() else { return };
        let seat: Seat = (self.index, seat);
        for (source, producer) in self.sources.clone() {
            let sizes = SIZES[usize::from(source > 0)];
            for (layer, size) in (0..).zip(sizes).filter(|(_, size)| *size > 0) {
                self.seq += 1;
                let (producer, seq) = (producer.clone(), self.seq);
                let word = ToNode::Media { producer, source, layer, seq, size };
                ctx.cast(seat, node, Event::ToNode { node, life, seat, word });
            }
        }
    }

    pub(super) fn tick(&mut self, ctx: &mut Ctx, at: u64) {
        if self.scheduled == Some(at) {
            self.scheduled = None;
            self.handle(ctx, Input::Tick);
        }
    }

    /// A node says something.
    pub(super) fn on_word(&mut self, ctx: &mut Ctx, seat: u32, word: ToClient) {
        let Some((node, _)) = self.seats.get(&seat).copied() else { return };
        self.handle(ctx, Input::Heard { seat });
        match word {
            ToClient::Opened => {
                self.handle(ctx, Input::Opened { seat });
                self.say_on(ctx, seat, ToNode::Join);
            }
            ToClient::Joined(offer) => {
                self.handle(ctx, Input::Joined { seat, url: name(node).to_string(), offer });
            }
            ToClient::Offered(offer) => self.handle(ctx, Input::Offered { seat, offer }),
            ToClient::MoveTo { nodes, within_ms } => {
                self.handle(ctx, Input::MoveTo { seat, nodes, within_ms });
            }
            ToClient::Answer => {}
            ToClient::Closed(closed) => {
                self.close(ctx, seat);
                self.handle(ctx, Input::Closed { seat, closed });
            }
        }
    }
}
