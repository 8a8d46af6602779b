//! What a node does when it learns that its life is over, as `actors/src/node/reach.rs` has it.

use starling_cluster::decide::liveness::End;

use super::Life;
use crate::sim::{ctx::Ctx, event::Frame};

impl Life {
    /// Its sessions end, and it begins another life.
    pub(super) fn on_over(&mut self, ctx: &mut Ctx, epoch: u64) {
        if !self.span.end(epoch) {
            return;
        }
        self.each_room(ctx, |room, desk| room.fail(desk));
        for room in std::mem::take(&mut self.rooms).into_keys() {
            self.room_down(ctx, &room);
            self.registrar.presence(ctx, &room, None);
        }
        self.renew(ctx);
    }

    /// Not while the registry is away: it alone knows whether another process has begun one.
    pub(super) fn renew(&mut self, ctx: &mut Ctx) {
        if !self.span.is_over() || !self.view.available || self.view.is_succeeded() {
            return;
        }
        let epoch = self.span.renew(ctx.wall(self.skew));
        self.view.renew(epoch);
        let links: Vec<_> = self.links.iter().map(|(node, link)| (*node, link.conn)).collect();
        for (node, conn) in links {
            ctx.send(conn, self.index, node, Frame::Close);
            self.link_down(ctx, node, End::Ours);
        }
        self.registrar.record(ctx, self.view.own().clone());
    }
}
