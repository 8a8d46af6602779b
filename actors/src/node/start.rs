//! How a node comes up: sockets first, then actors, then the registry.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use starling_cluster::{
    decide::{life::Life, view::ClusterView},
    link::{LinkConfig, LinkEndpoint, LinkEvent},
};
use starling_media::negotiation::{default_media_codecs, router_capabilities};
use starling_proto::{
    link::VERSION_MIN,
    registry::{NodeLoad, NodeRecord, NodeState},
};
use tokio::sync::mpsc;

use super::{
    NodeConfig, Shared, StartError,
    actor::{NodeActor, NodeMsg, NodeTree},
    gauge::Gauge,
    joins::Waitlist,
};
use crate::{
    dtls::Certificate,
    fresh,
    registry_actor::{RegistryActor, RegistryArgs},
    worker::WorkerConfig,
    worker_actor::{WorkerActor, WorkerArgs},
};

/// What the node actor is made of.
pub(crate) struct NodeArgs {
    shared: Arc<Shared>,
    endpoint: LinkEndpoint,
    events: mpsc::Receiver<LinkEvent>,
    record: NodeRecord,
}

pub(super) async fn start(
    config: NodeConfig,
) -> Result<(ActorRef<NodeMsg>, Arc<Shared>), StartError> {
    check_media_ports(&config)?;
    let epoch = fresh::wall_us();
    let versions = (VERSION_MIN, config.link_protocol_max);
    let link =
        LinkConfig::new(config.id.clone(), epoch, config.link_listen, config.link_tls.clone());
    let link = LinkConfig { versions, ..link };
    let (endpoint, events) = LinkEndpoint::bind(link)
        .map_err(|error| StartError::Link { addr: config.link_listen, error: error.to_string() })?;
    let certificate = Certificate::generate();
    let capabilities = router_capabilities(&default_media_codecs())
        .expect("the default codecs are supported, which a test of negotiation shows");
    let record = NodeRecord {
        id: config.id.clone(),
        epoch,
        region: config.region.clone(),
        zone: config.zone.clone(),
        link_addr: config.link_announced.unwrap_or_else(|| endpoint.local_addr()),
        api_url: config.api_url.clone(),
        version: config.version.clone(),
        protocol: versions,
        state: NodeState::Up,
        cordoned: false,
        load: NodeLoad::default(),
        cost: None,
    };
    let shared = Arc::new(Shared::new(config, certificate, capabilities, epoch));
    let args = NodeArgs { shared: shared.clone(), endpoint, events, record };
    let (actor, _) = Actor::spawn(None, NodeActor, args)
        .await
        .map_err(|error| StartError::Tree(error.to_string()))?;
    Ok((actor, shared))
}

/// Workers bind inside the tree; a taken port is found here, where it has a name.
fn check_media_ports(config: &NodeConfig) -> Result<(), StartError> {
    if config.rtc_port == 0 {
        return Ok(());
    }
    for index in 0..config.workers {
        let port = port_of(config.rtc_port, index);
        for ip in &config.rtc_listen {
            std::net::UdpSocket::bind((*ip, port))
                .map_err(|error| StartError::Media { port, error })?;
            if config.rtc_tcp {
                crate::worker::check_tcp((*ip, port).into())
                    .map_err(|error| StartError::MediaTcp { port, error })?;
            }
        }
    }
    Ok(())
}

fn port_of(first: u16, index: usize) -> u16 {
    if first == 0 { 0 } else { first.saturating_add(u16::try_from(index).unwrap_or(u16::MAX)) }
}

pub(super) async fn assemble(
    myself: ActorRef<NodeMsg>,
    args: NodeArgs,
) -> Result<NodeTree, ActorProcessingErr> {
    let NodeArgs { shared, endpoint, mut events, record } = args;
    for index in 0..shared.config.workers.max(1) {
        let listen: Vec<IpAddr> = shared.config.rtc_listen.clone();
        let config = WorkerConfig {
            plain_ports: shared.config.rtc_plain_ports.clone(),
            tcp: shared.config.rtc_tcp,
            ..WorkerConfig::new(index, listen, port_of(shared.config.rtc_port, index))
        };
        let args = WorkerArgs { config, node: myself.clone() };
        let (actor, _) = Actor::spawn_linked(None, WorkerActor, args, myself.get_cell()).await?;
        let handle = ractor::call_t!(actor, crate::worker_actor::WorkerMsg::Handle, 1_000)?;
        shared.set_worker(index, handle, actor);
    }
    let registry = RegistryArgs { registry: shared.config.registry.clone(), node: myself.clone() };
    let (registry, _) =
        Actor::spawn_linked(None, RegistryActor, registry, myself.get_cell()).await?;
    let node = myself.clone();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if node.cast(NodeMsg::Link(event)).is_err() {
                return;
            }
        }
    });
    let mut state = NodeTree {
        life: Life::new(record.epoch),
        view: ClusterView::new(record),
        myself,
        shared,
        registry,
        endpoint,
        rooms: BTreeMap::new(),
        links: BTreeMap::new(),
        ended_links: BTreeMap::new(),
        waiting: Waitlist::default(),
        state: NodeState::Up,
        cordoned: false,
        drain: None,
        moves: BTreeMap::new(),
        registered: false,
        taken: None,
        record_written: None,
        gauge: Gauge::start(),
        telling: false,
        told_placed: None,
        sessions: 0,
        resumed: 0,
        refused: 0,
    };
    state.write_record();
    Ok(state)
}
