//! The watch over a simulated node's links: `Liveness` decides, here its probes, questions and
//! verdicts are carried out as `cluster::link::watch` and `actors/src/node/reach.rs` do.

use std::time::Duration;

use starling_cluster::decide::liveness::{Action, End, POLL, Verdict};
use starling_proto::{NodeId, link::LinkMessage};

use super::{Life, index_of, name};
use crate::sim::{
    ctx::Ctx,
    event::{Event, Frame},
};

impl Life {
    /// Looks at all links, and comes back.
    pub(in crate::sim) fn watch(&mut self, ctx: &mut Ctx) {
        let (node, life) = (self.index, self.number);
        ctx.after(POLL.as_micros() as u64, Event::Poll { node, life });
        if self.liveness.is_idle() {
            return;
        }
        let now = ctx.instant();
        for (node, link) in &self.links {
            self.liveness.sample(now, &name(*node), link.conn, link.sample);
        }
        for action in self.liveness.poll(now) {
            self.carry_out(ctx, action);
        }
    }

    fn carry_out(&mut self, ctx: &mut Ctx, action: Action) {
        match action {
            Action::Probe(node) => {
                let node = index_of(&node);
                if let Some(link) = self.links.get(&node) {
                    ctx.send(link.conn, self.index, node, Frame::Ping);
                }
            }
            Action::Ask { of, about, epoch } => {
                self.say(ctx, index_of(&of), LinkMessage::ReachWanted { node: about, epoch });
            }
            Action::End { node, link } => {
                let node = index_of(&node);
                if self.links.get(&node).is_some_and(|of| of.conn == link) {
                    ctx.send(link, self.index, node, Frame::Close);
                    self.link_down(ctx, node, End::Silent);
                }
            }
            Action::Changed { node, verdict, .. } => self.on_verdict(ctx, &node, verdict),
        }
    }

    /// What is believed of a node without a link has changed.
    fn on_verdict(&mut self, ctx: &mut Ctx, node: &NodeId, verdict: Verdict) {
        if self.links.contains_key(&index_of(node)) {
            return;
        }
        match verdict {
            Verdict::Link => {
                self.view.node_found(node);
                self.each_room(ctx, |room, desk| room.node_found(desk, node));
            }
            Verdict::Node => {
                self.view.link_down(node);
                self.each_room(ctx, |room, desk| room.node_lost(desk, node));
            }
        }
        self.retarget(ctx);
    }

    /// A node asks whether we reach another one.
    pub(super) fn reach_wanted(&mut self, ctx: &mut Ctx, by: usize, node: NodeId) {
        let (reach, probe) = self.liveness.asked(ctx.instant(), &node);
        if let Some((epoch, ago)) = reach {
            let ago_ms = u32::try_from(ago.as_millis()).unwrap_or(u32::MAX);
            self.say(ctx, by, LinkMessage::Reach { node, epoch, ago_ms });
        }
        if let Some(probe) = probe {
            self.carry_out(ctx, probe);
        }
    }

    /// A node says that it reaches another one.
    pub(super) fn reach(&mut self, ctx: &mut Ctx, node: &NodeId, epoch: u64, ago_ms: u32) {
        let ago = Duration::from_millis(ago_ms.into());
        if let Some(changed) = self.liveness.told(ctx.instant(), node, epoch, ago) {
            self.carry_out(ctx, changed);
        }
    }
}
