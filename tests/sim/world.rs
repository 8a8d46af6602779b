//! All of it: machines, people, and the one loop that lets things happen to them in turn.

use std::{collections::VecDeque, time::Duration};

use super::{
    client::Client,
    ctx::{Ctx, MS},
    event::{Event, ToClient, ToNode},
    fault::Fault,
    network::Way,
    node::Life,
    oracle::Violation,
    plan::{Action, CALM, GONE, HEAL, Plan, WELL},
    plant::Plant,
};
use starling_cluster::decide::rejoin::Closed;

/// What the kernel keeps for a process that stands still; datagrams beyond are lost.
const SOCKET_BUFFER: usize = 20_000;

struct Machine {
    region: u8,
    skew: i64,
    life: Option<Life>,
    lives: u32,
    /// Nothing answers, not even "nobody is here".
    dark: bool,
    paused: bool,
    stalled: VecDeque<Event>,
}

/// Something that is broken now.
struct Trouble {
    fault: Fault,
    /// How often it had hurt when it began.
    before: u64,
    /// Something else was broken meanwhile, and may have been in its way.
    shared: bool,
}

/// See the module.
pub(super) struct World {
    pub(super) ctx: Ctx,
    plan: Plan,
    machines: Vec<Machine>,
    clients: Vec<Client>,
    troubles: Vec<Trouble>,
    pub(super) events: u64,
    over: bool,
}

impl World {
    pub(super) fn new(plan: Plan, plant: Option<Plant>) -> Self {
        let mut ctx = Ctx::new(&plan, plant);
        let machine = |node: &super::plan::NodePlan| Machine {
            region: node.region,
            skew: node.skew_us,
            life: None,
            lives: 0,
            dark: false,
            paused: false,
            stalled: VecDeque::new(),
        };
        let machines = plan.nodes.iter().map(machine).collect();
        let clients = plan.clients.iter().enumerate();
        let clients = clients.map(|(at, client)| Client::new(&ctx, at, client.clone())).collect();
        for (at, timed) in plan.actions.iter().enumerate() {
            ctx.at(timed.at * MS, Event::Act(at));
        }
        ctx.after(0, Event::Leases);
        ctx.at(HEAL * MS, Event::Heal);
        ctx.at((HEAL + WELL) * MS, Event::Check);
        ctx.at((HEAL + WELL + CALM) * MS, Event::Leave);
        ctx.at((HEAL + WELL + CALM + GONE) * MS, Event::End);
        let mut world =
            Self { ctx, plan, machines, clients, troubles: Vec::new(), events: 0, over: false };
        (0..world.machines.len()).for_each(|node| world.start(node));
        world
    }

    /// Lets the next thing happen. False if it is over, or something was wrong.
    pub(super) fn step(&mut self, trace: &mut Option<&mut dyn FnMut(String)>) -> bool {
        let Some(event) = self.ctx.pop() else { return false };
        self.events += 1;
        if let Some(trace) = trace {
            let json = serde_json::to_string(&event).unwrap_or_default();
            trace(format!("{:>9} {json}", self.ctx.now));
        }
        match event.way() {
            Some(way) => {
                if let Some(event) = self.ctx.arrive(way, event) {
                    self.deliver(event);
                }
            }
            None => self.deliver(event),
        }
        !self.over && self.ctx.oracle.violation().is_none()
    }

    pub(super) fn violation(&self) -> Option<Violation> {
        self.ctx.oracle.violation().cloned()
    }

    fn deliver(&mut self, event: Event) {
        if let Some((node, life)) = event.runs_on() {
            let machine = &mut self.machines[node];
            if machine.paused {
                if machine.stalled.len() < SOCKET_BUFFER || event.way().is_some() {
                    machine.stalled.push_back(event);
                }
                self.ctx.faults.hit(Fault::Pause);
                return;
            }
            let current = machine.life.as_ref().map(|life| life.number);
            if current.is_none() || life.is_some_and(|life| Some(life) != current) {
                return self.nobody(node, &event);
            }
        }
        self.happen(event);
    }

    /// A machine without the process that was meant says so, if it can.
    fn nobody(&mut self, node: usize, event: &Event) {
        if let Event::ToNode { seat, word, .. } = event
            && !matches!(word, ToNode::Bye | ToNode::Media { .. })
            && !self.machines[node].dark
        {
            let word = ToClient::Closed(Closed { code: 1006, ..Closed::default() });
            self.ctx.signal(Way::Down(*seat), Event::ToClient { node, seat: *seat, word });
        }
    }

    fn happen(&mut self, event: Event) {
        let ctx = &mut self.ctx;
        match event {
            Event::Act(at) => self.act(at),
            Event::Heal => self.heal(),
            Event::Check => self.check(),
            Event::Leave => {
                ctx.oracle.end_calm(ctx.now);
                for client in &mut self.clients {
                    client.leave(ctx);
                }
            }
            Event::End => self.end(),
            Event::Tick { node, .. } => self.with(node, |life, ctx| life.tick(ctx)),
            Event::Poll { node, .. } => self.with(node, |life, ctx| life.watch(ctx)),
            Event::Frame { from, to, conn, frame } => {
                self.with(to, |life, ctx| life.on_frame(ctx, from, conn, frame));
            }
            Event::Retry { way } => {
                for event in ctx.retry(way) {
                    self.deliver(event);
                }
            }
            Event::DialTimeout { node, conn, .. } => {
                self.with(node, |life, ctx| life.on_dial_timeout(ctx, conn));
            }
            Event::Call { node, life, call } => {
                ctx.on_call(node, life, &super::node::name(node), call);
            }
            Event::Answer { node, answer, .. } => {
                self.with(node, |life, ctx| life.on_answer(ctx, answer));
            }
            Event::Watch { node, generation, index, .. } => {
                self.with(node, |life, ctx| life.on_watch(ctx, generation, index));
            }
            Event::Leases => ctx.on_leases(),
            Event::ToNode { node, seat, word, .. } => {
                self.with(node, |life, ctx| life.on_word(ctx, seat, word));
            }
            Event::ToClient { seat, word, .. } => {
                self.clients[seat.0].on_word(ctx, seat.1, word);
            }
            Event::ClientTick { client, at } => self.clients[client].tick(ctx, at),
            Event::Publish { client } => self.clients[client].publish(ctx),
            Event::Late { node, packet } => self.with(node, |life, ctx| life.on_late(ctx, &packet)),
        }
    }

    fn with(&mut self, node: usize, work: impl FnOnce(&mut Life, &mut Ctx)) {
        if let Some(life) = &mut self.machines[node].life {
            work(life, &mut self.ctx);
        }
    }

    fn start(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        if machine.life.is_some() {
            return;
        }
        machine.lives += 1;
        (machine.dark, machine.paused) = (false, false);
        machine.stalled.clear();
        self.ctx.lives[node] = Some(machine.lives);
        let (lives, region, skew) = (machine.lives, machine.region, machine.skew);
        machine.life = Some(Life::start(&mut self.ctx, node, lives, region, skew));
    }

    fn kill(&mut self, node: usize, fault: Fault) {
        let machine = &mut self.machines[node];
        let Some(life) = machine.life.take() else { return self.ctx.faults.idle(fault) };
        self.ctx.faults.hit(fault);
        self.ctx.lives[node] = None;
        machine.dark = fault == Fault::PowerLoss;
        machine.paused = false;
        machine.stalled.clear();
        for other in 0..self.ctx.lives.len() {
            self.ctx.oracle.link(self.ctx.now, node, other, false);
        }
        self.ctx.oracle.forget_rooms(node);
        if !machine.dark {
            for seat in life.open_seats() {
                let word = ToClient::Closed(Closed { code: 1006, ..Closed::default() });
                self.ctx.signal(Way::Down(seat), Event::ToClient { node, seat, word });
            }
        }
    }

    fn pause(&mut self, node: usize) {
        self.machines[node].paused = self.machines[node].life.is_some();
        if !self.machines[node].paused {
            self.ctx.faults.idle(Fault::Pause);
        }
    }

    fn resume(&mut self, node: usize) {
        if !std::mem::take(&mut self.machines[node].paused) {
            return;
        }
        self.ctx.oracle.unwell(self.ctx.now, node);
        let stalled = std::mem::take(&mut self.machines[node].stalled);
        for event in stalled {
            self.deliver(event);
        }
    }

    fn begin(&mut self, fault: Fault) {
        self.ctx.faults.plan(fault);
        let shared = !self.troubles.is_empty();
        self.troubles.iter_mut().for_each(|trouble| trouble.shared = true);
        self.troubles.push(Trouble { fault, before: self.ctx.faults.hits(fault), shared });
    }

    /// One is over. What did not hurt because another one was in its way is no omission.
    fn finish(&mut self, fault: Fault) {
        let found = self.troubles.iter().position(|trouble| trouble.fault == fault);
        let Some(trouble) = found.map(|at| self.troubles.remove(at)) else { return };
        if self.ctx.faults.hits(fault) == trouble.before && trouble.shared {
            self.ctx.faults.idle(fault);
        }
    }

    fn act(&mut self, at: usize) {
        let action = self.plan.actions[at].action.clone();
        let ctx = &mut self.ctx;
        match action {
            Action::Join { client, node } => {
                if self.clients[client].is_clone() {
                    ctx.faults.plan(Fault::Clone);
                    ctx.faults.hit(Fault::Clone);
                }
                self.clients[client].join(ctx, node);
            }
            Action::Leave { client } => self.clients[client].leave(ctx),
            Action::Layer { client, layer } => self.clients[client].watch(ctx, layer),
            Action::Republish { client, source } => self.clients[client].republish(ctx, source),
            Action::Vanish { client } => {
                ctx.faults.plan(Fault::Vanishing);
                self.clients[client].vanish(ctx);
            }
            Action::Drain { .. } | Action::Undrain { .. } | Action::Move { .. } => {
                self.act_on_seats(&action);
            }
            Action::ClockJump { node, by_us } => {
                ctx.faults.plan(Fault::ClockJump);
                ctx.faults.hit(Fault::ClockJump);
                self.machines[node].skew += by_us;
                self.with(node, |life, _| life.skew += by_us);
            }
            Action::Crash { .. }
            | Action::PowerLoss { .. }
            | Action::Restart { .. }
            | Action::Pause { .. }
            | Action::Resume { .. } => self.act_on_machine(&action),
            Action::EtcdDown
            | Action::EtcdUp
            | Action::EtcdSlow { .. }
            | Action::EtcdCut { .. }
            | Action::EtcdMend { .. }
            | Action::EtcdSave
            | Action::EtcdRestore
            | Action::EtcdWipe
            | Action::EtcdCompact => self.act_on_etcd(&action),
            _ => self.act_on_network(&action),
        }
    }

    fn act_on_seats(&mut self, action: &Action) {
        match *action {
            Action::Drain { node, within_ms, emergency } => {
                self.begin(Fault::Drain);
                let within = Duration::from_millis(within_ms);
                if self.machines[node].life.is_none() {
                    self.ctx.faults.idle(Fault::Drain);
                }
                self.with(node, |life, ctx| life.drain(ctx, within, emergency));
            }
            Action::Undrain { node } => {
                self.finish(Fault::Drain);
                self.with(node, |life, ctx| life.undrain(ctx));
            }
            Action::Move { client, node } => {
                self.ctx.faults.plan(Fault::Move);
                let from = self.clients[client].seat().filter(|(_, from)| *from != node);
                let told = from.is_some_and(|(seat, from)| {
                    let life = self.machines[from].life.as_mut();
                    life.is_some_and(|life| life.move_client(&mut self.ctx, seat, node))
                });
                match told {
                    true => self.ctx.faults.hit(Fault::Move),
                    false => self.ctx.faults.idle(Fault::Move),
                }
            }
            _ => {}
        }
    }

    fn act_on_machine(&mut self, action: &Action) {
        match *action {
            Action::Crash { node } => {
                self.begin(Fault::Crash);
                self.kill(node, Fault::Crash);
            }
            Action::PowerLoss { node } => {
                self.begin(Fault::PowerLoss);
                self.kill(node, Fault::PowerLoss);
            }
            Action::Restart { node } => {
                self.finish(Fault::Crash);
                self.start(node);
            }
            Action::Pause { node } => {
                self.begin(Fault::Pause);
                self.pause(node);
            }
            Action::Resume { node } => {
                self.finish(Fault::Pause);
                self.resume(node);
            }
            _ => {}
        }
    }

    fn act_on_etcd(&mut self, action: &Action) {
        match *action {
            Action::EtcdDown => {
                self.begin(Fault::EtcdDown);
                self.ctx.etcd.set_down(true);
            }
            Action::EtcdUp => {
                self.finish(Fault::EtcdDown);
                self.ctx.etcd.set_down(false);
            }
            Action::EtcdSlow { slow } => {
                if slow {
                    self.begin(Fault::EtcdSlow)
                } else {
                    self.finish(Fault::EtcdSlow)
                };
                self.ctx.etcd.set_slow(slow);
            }
            Action::EtcdCut { node } => {
                self.begin(Fault::EtcdCut);
                self.ctx.etcd.cut(node, true);
            }
            Action::EtcdMend { node } => {
                self.finish(Fault::EtcdCut);
                self.ctx.etcd.cut(node, false);
            }
            Action::EtcdSave => self.ctx.etcd.save(),
            Action::EtcdRestore => {
                self.ctx.faults.plan(Fault::EtcdRestore);
                self.ctx.on_memory(Fault::EtcdRestore);
            }
            Action::EtcdWipe => {
                self.ctx.faults.plan(Fault::EtcdWipe);
                self.ctx.on_memory(Fault::EtcdWipe);
            }
            Action::EtcdCompact => {
                self.ctx.faults.plan(Fault::EtcdCompact);
                self.ctx.on_compaction();
            }
            _ => {}
        }
    }

    fn act_on_network(&mut self, action: &Action) {
        match *action {
            Action::Cut { from, to } => {
                self.begin(Fault::CutOneWay);
                self.ctx.net.cut(from, to, Fault::CutOneWay);
            }
            Action::Mend { from, to } => {
                self.finish(Fault::CutOneWay);
                self.ctx.net.mend(from, to, Fault::CutOneWay);
            }
            Action::Part { a, b } => {
                self.begin(Fault::CutBoth);
                self.ctx.net.cut(a, b, Fault::CutBoth);
                self.ctx.net.cut(b, a, Fault::CutBoth);
            }
            Action::Unite { a, b } => {
                self.finish(Fault::CutBoth);
                self.ctx.net.mend(a, b, Fault::CutBoth);
                self.ctx.net.mend(b, a, Fault::CutBoth);
            }
            Action::Isolate { node } => {
                self.begin(Fault::Isolation);
                self.ctx.net.isolate(node, true);
            }
            Action::Readmit { node } => {
                self.finish(Fault::Isolation);
                self.ctx.net.isolate(node, false);
            }
            Action::Weather { from, to, weather } => {
                weather.faults().into_iter().for_each(|fault| self.ctx.faults.plan(fault));
                let idle = self.ctx.net.weather(from, to, weather);
                idle.into_iter().for_each(|fault| self.ctx.faults.idle(fault));
            }
            Action::Slow { node, by_ms } => {
                if by_ms > 0 {
                    self.begin(Fault::Slowness)
                } else {
                    self.finish(Fault::Slowness)
                };
                self.ctx.net.slow(node, by_ms * MS);
            }
            Action::CutClient { client } => {
                self.ctx.faults.plan(Fault::ClientCut);
                match self.clients[client].node() {
                    Some(node) => self.ctx.net.cut_client(client, node, true),
                    None => self.ctx.faults.idle(Fault::ClientCut),
                }
            }
            Action::MendClient { client } => {
                (0..self.machines.len())
                    .for_each(|node| self.ctx.net.cut_client(client, node, false));
            }
            _ => {}
        }
    }

    /// Everything is mended at once.
    fn heal(&mut self) {
        let idle = self.ctx.net.heal();
        idle.into_iter().for_each(|fault| self.ctx.faults.idle(fault));
        self.ctx.etcd.heal();
        while let Some(fault) = self.troubles.last().map(|trouble| trouble.fault) {
            self.finish(fault);
        }
        for node in 0..self.machines.len() {
            self.resume(node);
            self.start(node);
            self.with(node, |life, ctx| life.undrain(ctx));
        }
    }

    fn check(&mut self) {
        let lives = self.machines.iter().filter_map(|machine| machine.life.as_ref());
        let views: Vec<_> = lives.flat_map(Life::views).collect();
        self.ctx.oracle.check_well(self.ctx.now, &views);
        self.ctx.oracle.calm = Some(self.ctx.now);
    }

    fn end(&mut self) {
        self.over = true;
        let lives = self.machines.iter().filter_map(|machine| machine.life.as_ref());
        let mut owned: Vec<_> = lives.flat_map(Life::owned).collect();
        let view = self.ctx.etcd.view();
        owned.extend(view.rooms.keys().map(|room| format!("etcd has {room}")));
        owned.extend(view.presence.keys().map(|(room, node)| format!("etcd has {room} on {node}")));
        self.ctx.oracle.check_gone(self.ctx.now, &owned);
    }
}
