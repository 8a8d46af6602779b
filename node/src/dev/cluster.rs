//! The nodes of a `starling dev` process, each on its own runtime. Never does: talk to a node but
//! through its doors.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc},
    thread,
    time::Duration,
};

use starling_cluster::{
    link::{DevCa, LinkTls},
    registry::memory::MemoryRegistry,
};
use starling_proto::{Code, NodeId, Refusal};
use tokio::runtime::{Builder, Handle, Runtime};

use super::DevArgs;
use crate::{
    config::Config,
    http::dev::{DevNode, DevNodes},
    run::{self, RunError, Surroundings},
};

/// Between the answer to a kill and the kill, so that the page that asked hears of it even if its
/// own node dies.
const LAST_WORD: Duration = Duration::from_millis(50);
/// Threads of a node's runtime: its tasks wait, its media has threads of its own.
const THREADS: usize = 2;
/// A port is free again when the killed node's tasks are dropped, which takes some milliseconds.
const START_TRIES: u32 = 20;
const START_PAUSE: Duration = Duration::from_millis(100);

/// Why the cluster did not start.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// A node.
    #[error("{0}: {1}")]
    Node(NodeId, RunError),
    /// A node, for reasons of its own.
    #[error("{0} ended while it started; the log says why")]
    Ended(NodeId),
    /// Threads.
    #[error("a runtime cannot be made: {0}")]
    Runtime(#[from] io::Error),
    /// Certificates.
    #[error("certificates cannot be made: {0}")]
    Certificates(String),
}

/// The process' nodes.
pub struct DevCluster {
    slots: Mutex<BTreeMap<NodeId, Slot>>,
    registry: MemoryRegistry,
    ca: DevCa,
    hosts: Vec<String>,
    /// Outlives the nodes: their leases end on it.
    main: Handle,
    this: Weak<DevCluster>,
}

struct Slot {
    config: Config,
    state: State,
}

enum State {
    Lives(Runtime),
    /// A kill or start is under way.
    Between,
    Dead,
}

impl DevCluster {
    /// Starts all nodes.
    ///
    /// # Errors
    /// [`DevError`] of the first that does not start.
    pub fn start(
        args: &DevArgs,
        configs: Vec<Config>,
        main: Handle,
    ) -> Result<Arc<Self>, DevError> {
        let ca = DevCa::new().map_err(|error| DevError::Certificates(error.to_string()))?;
        let slots = configs
            .into_iter()
            .map(|config| (config.id.clone(), Slot { config, state: State::Dead }));
        let cluster = Arc::new_cyclic(|this| Self {
            slots: Mutex::new(slots.collect()),
            registry: MemoryRegistry::new(),
            ca,
            hosts: args.hosts(),
            main,
            this: this.clone(),
        });
        let ids: Vec<_> = cluster.slots().keys().cloned().collect();
        for id in ids {
            let config = cluster.slots().get(&id).map(|slot| slot.config.clone());
            let Some(config) = config else { continue };
            let runtime = cluster.boot(&config)?;
            cluster.set(&id, State::Lives(runtime));
        }
        Ok(cluster)
    }

    /// Ends all nodes; links and leases do not matter any more.
    pub fn stop(&self) {
        for slot in self.slots().values_mut() {
            if let State::Lives(runtime) = std::mem::replace(&mut slot.state, State::Dead) {
                runtime.shutdown_background();
            }
        }
    }

    /// Starts a node on a runtime of its own, from a thread that may block.
    fn boot(&self, config: &Config) -> Result<Runtime, DevError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name(config.id.to_string())
            .enable_all()
            .build()?;
        let link_tls = LinkTls::ephemeral(&self.ca, &config.id)
            .map_err(|error| DevError::Certificates(error.to_string()))?;
        let registry = {
            let _main = self.main.enter();
            Arc::new(self.registry.for_node(config.id.clone()))
        };
        let dev = self.this.upgrade().map(|this| this as Arc<dyn DevNodes>);
        let around = Surroundings { registry, link_tls, dev, settings: None };
        let (config, id) = (config.clone(), config.id.clone());
        let (done, started) = mpsc::channel();
        runtime.spawn(async move {
            match run::start(&config, around).await {
                Ok(running) => {
                    let _ = done.send(Ok(()));
                    // Held, so that the listeners serve until the runtime ends.
                    std::future::pending::<()>().await;
                    drop(running);
                }
                Err(error) => drop(done.send(Err(error))),
            }
        });
        let failure = match started.recv() {
            Ok(Ok(())) => return Ok(runtime),
            Ok(Err(error)) => DevError::Node(id, error),
            Err(_) => DevError::Ended(id),
        };
        runtime.shutdown_background();
        Err(failure)
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<NodeId, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, id: &NodeId, state: State) {
        if let Some(slot) = self.slots().get_mut(id) {
            slot.state = state;
        }
    }

    /// Takes a node's state if it is what `want` accepts, and leaves `Between`.
    fn take(&self, id: &NodeId, want: fn(&State) -> bool) -> Result<(State, Config), Refusal> {
        let mut slots = self.slots();
        let slot = slots.get_mut(id).ok_or_else(|| {
            Refusal::new(Code::NodeNotFound, format!("this process has no node '{id}'"))
                .hint("GET /dev/nodes shows them")
        })?;
        if !want(&slot.state) {
            return Err(Refusal::new(Code::WrongState, format!("{id} is not in that state"))
                .hint("a node that lives can be killed, and a killed one started"));
        }
        Ok((std::mem::replace(&mut slot.state, State::Between), slot.config.clone()))
    }
}

impl DevNodes for DevCluster {
    fn nodes(&self) -> Vec<DevNode> {
        let slots = self.slots();
        let nodes = slots.iter().map(|(id, slot)| DevNode {
            id: id.clone(),
            url: slot.config.http.api_url.clone(),
            alive: matches!(slot.state, State::Lives(_)),
        });
        nodes.collect()
    }

    fn kill(&self, node: &NodeId) -> Result<(), Refusal> {
        let (state, _) = self.take(node, |state| matches!(state, State::Lives(_)))?;
        let State::Lives(runtime) = state else { return Ok(()) };
        let (registry, main, this, node) =
            (self.registry.clone(), self.main.clone(), self.this.clone(), node.clone());
        thread::spawn(move || {
            thread::sleep(LAST_WORD);
            // First out of the registry's reach, as a dead process is; its lease ends on our
            // runtime.
            let in_main = main.enter();
            registry.kill(&node);
            drop(in_main);
            runtime.shutdown_background();
            tracing::warn!(%node, "killed");
            if let Some(this) = this.upgrade() {
                this.set(&node, State::Dead);
            }
        });
        Ok(())
    }

    fn start(&self, node: &NodeId) -> Result<(), Refusal> {
        let (_, config) = self.take(node, |state| matches!(state, State::Dead))?;
        let Some(this) = self.this.upgrade() else { return Ok(()) };
        thread::spawn(move || {
            let mut state = State::Dead;
            for _ in 0..START_TRIES {
                match this.boot(&config) {
                    Ok(runtime) => {
                        state = State::Lives(runtime);
                        break;
                    }
                    Err(error) => tracing::debug!(%error, "not started yet"),
                }
                thread::sleep(START_PAUSE);
            }
            this.set(&config.id, state);
        });
        Ok(())
    }

    fn hosts(&self) -> Vec<String> {
        self.hosts.clone()
    }
}
