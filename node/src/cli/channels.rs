//! `starling data-producers` and `starling data-consumers`: data channels, from both ends.

use clap::Subcommand;
use starling_client::{Client, Object};
use starling_proto::{
    DataConsumerId, DataProducerId, Id, TransportId,
    rest::{
        ChangeDataConsumer, ChangeDataProducer, CreateDataConsumer, CreateDataProducer,
        DataConsumerCreated, DataProducerCreated,
    },
    sctp::SctpStreamParameters,
};

use super::{
    done::Done,
    look::Look,
    objects::{self, Whose},
    output::{Failure, Line, or_dash},
    remote::Remote,
};

/// Data channels that peers send on.
#[derive(Debug, clap::Args)]
pub(super) struct DataProducers {
    #[command(subcommand)]
    verb: Sending,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Sending {
    /// Those of a peer.
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        look: Look,
    },
    /// What the node holds of one, or with `--stats` counts, as JSON.
    Get {
        #[command(flatten)]
        whose: Whose,
        /// The data producer.
        id: DataProducerId,
        /// Counts instead.
        #[arg(long)]
        stats: bool,
    },
    /// Begins one on a program's transport that carries data channels.
    Create {
        #[command(flatten)]
        whose: Whose,
        /// The transport.
        transport: TransportId,
        /// The SCTP stream on which messages will come; a direct transport has none.
        #[arg(long)]
        stream: Option<u16>,
        /// As of a data channel.
        #[arg(long, default_value = "")]
        label: String,
        /// As of a data channel.
        #[arg(long, default_value = "")]
        protocol: String,
    },
    /// Drops its messages until it is resumed.
    Pause {
        #[command(flatten)]
        whose: Whose,
        /// The data producer.
        id: DataProducerId,
    },
    /// Passes them on again.
    Resume {
        #[command(flatten)]
        whose: Whose,
        /// The data producer.
        id: DataProducerId,
    },
    /// Ends it.
    Close {
        #[command(flatten)]
        whose: Whose,
        /// The data producer.
        id: DataProducerId,
    },
}

/// Data channels that peers get.
#[derive(Debug, clap::Args)]
pub(super) struct DataConsumers {
    #[command(subcommand)]
    verb: Getting,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Getting {
    /// Those of a peer.
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        look: Look,
    },
    /// What the node holds of one, or with `--stats` counts, as JSON.
    Get {
        #[command(flatten)]
        whose: Whose,
        /// The data consumer.
        id: DataConsumerId,
        /// Counts instead.
        #[arg(long)]
        stats: bool,
    },
    /// Sends a data producer's messages, of whichever node, on a program's transport.
    Create {
        #[command(flatten)]
        whose: Whose,
        /// The transport.
        transport: TransportId,
        /// The data producer.
        of: DataProducerId,
        /// Begins when it is resumed.
        #[arg(long)]
        paused: bool,
        /// Subchannels that it is in.
        #[arg(long, value_delimiter = ',', value_name = "NUMBER,…")]
        subchannels: Vec<u16>,
    },
    /// It misses what comes until it is resumed.
    Pause {
        #[command(flatten)]
        whose: Whose,
        /// The data consumer.
        id: DataConsumerId,
    },
    /// It gets what comes again.
    Resume {
        #[command(flatten)]
        whose: Whose,
        /// The data consumer.
        id: DataConsumerId,
    },
    /// Changes the subchannels that it is in, and when its client is told that little waits.
    Set {
        #[command(flatten)]
        whose: Whose,
        /// The data consumer.
        id: DataConsumerId,
        /// Instead of those that it was in.
        #[arg(long, value_delimiter = ',', value_name = "NUMBER,…")]
        #[arg(required_unless_present = "low_threshold")]
        subchannels: Option<Vec<u16>>,
        /// Its client is told when no more bytes than these wait.
        #[arg(long, value_name = "BYTES")]
        low_threshold: Option<u32>,
    },
    /// Ends it.
    Close {
        #[command(flatten)]
        whose: Whose,
        /// The data consumer.
        id: DataConsumerId,
    },
}

impl Line for DataProducerCreated {
    const HEAD: &'static [&'static str] = &["data producer"];

    fn name(&self) -> String {
        self.data_producer_id.to_string()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.name()]
    }
}

impl Line for DataConsumerCreated {
    const HEAD: &'static [&'static str] = &["data consumer", "of", "stream", "label"];

    fn name(&self) -> String {
        self.data_consumer_id.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let stream = self.sctp_stream_parameters.as_ref().map(|it| it.stream_id.to_string());
        let of = self.data_producer_id.to_string();
        vec![self.name(), of, or_dash(stream.unwrap_or_default()), or_dash(self.label.as_str())]
    }
}

/// What was done, and how it is said.
const PAUSED: (&str, &str) = ("pause", "is paused");
const RESUMED: (&str, &str) = ("resume", "goes on");
const CLOSED: (&str, &str) = ("close", "is closed");

/// An end of a data channel.
#[derive(Clone, Copy, Debug)]
enum End {
    Producer,
    Consumer,
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run_producers(
    DataProducers { verb, remote }: DataProducers,
) -> Result<(), Failure> {
    let client = remote.client()?;
    match verb {
        Sending::List { whose: Whose { room, peer }, look } => {
            let fetch = async || Ok(client.peer(&room, &peer).await?.data_producers);
            look.all(remote.output, fetch).await
        }
        Sending::Get { whose, id, stats } => {
            objects::seen(&remote, &client, &whose, &Object::DataProducer(id), stats).await
        }
        Sending::Create { whose: Whose { room, peer }, transport, stream, label, protocol } => {
            let wish = CreateDataProducer {
                sctp_stream_parameters: stream.map(ordered),
                label,
                protocol,
                ..CreateDataProducer::default()
            };
            remote.show(&client.produce_data(&room, &peer, &transport, &wish).await?)
        }
        Sending::Pause { whose, id } => pause_producer(&remote, &client, &whose, &id, true).await,
        Sending::Resume { whose, id } => pause_producer(&remote, &client, &whose, &id, false).await,
        Sending::Close { whose, id } => {
            let of = Object::DataProducer(id.clone());
            client.close(&whose.room, &whose.peer, &of).await?;
            done(&remote, &whose, End::Producer, &id, CLOSED)
        }
    }
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run_consumers(
    DataConsumers { verb, remote }: DataConsumers,
) -> Result<(), Failure> {
    let client = remote.client()?;
    let change = async |whose: &Whose, id: &DataConsumerId, change, did| {
        client.change_data_consumer(&whose.room, &whose.peer, id, &change).await?;
        done(&remote, whose, End::Consumer, id, did)
    };
    let paused =
        |paused| ChangeDataConsumer { paused: Some(paused), ..ChangeDataConsumer::default() };
    match verb {
        Getting::List { whose: Whose { room, peer }, look } => {
            let fetch = async || Ok(client.peer(&room, &peer).await?.data_consumers);
            look.all(remote.output, fetch).await
        }
        Getting::Get { whose, id, stats } => {
            objects::seen(&remote, &client, &whose, &Object::DataConsumer(id), stats).await
        }
        Getting::Create { whose: Whose { room, peer }, transport, of, paused, subchannels } => {
            let wish = CreateDataConsumer {
                data_producer_id: of,
                ordered: None,
                max_packet_life_time: None,
                max_retransmits: None,
                subchannels,
                paused,
            };
            remote.show(&client.consume_data(&room, &peer, &transport, &wish).await?)
        }
        Getting::Pause { whose, id } => change(&whose, &id, paused(true), PAUSED).await,
        Getting::Resume { whose, id } => change(&whose, &id, paused(false), RESUMED).await,
        Getting::Set { whose, id, subchannels, low_threshold } => {
            let wish = ChangeDataConsumer {
                paused: None,
                subchannels,
                buffered_amount_low_threshold: low_threshold,
            };
            change(&whose, &id, wish, ("set", "is changed")).await
        }
        Getting::Close { whose, id } => {
            let of = Object::DataConsumer(id.clone());
            client.close(&whose.room, &whose.peer, &of).await?;
            done(&remote, &whose, End::Consumer, &id, CLOSED)
        }
    }
}

async fn pause_producer(
    remote: &Remote,
    client: &Client,
    whose: &Whose,
    id: &DataProducerId,
    paused: bool,
) -> Result<(), Failure> {
    let change = ChangeDataProducer { paused: Some(paused) };
    client.change_data_producer(&whose.room, &whose.peer, id, &change).await?;
    done(remote, whose, End::Producer, id, if paused { PAUSED } else { RESUMED })
}

fn done(
    remote: &Remote,
    Whose { room, peer }: &Whose,
    end: End,
    id: &impl Id,
    (did, word): (&'static str, &str),
) -> Result<(), Failure> {
    let (kind, what) = match end {
        End::Producer => ("dataProducer", "data producer"),
        End::Consumer => ("dataConsumer", "data consumer"),
    };
    let id = id.as_str();
    let to: [(_, &dyn ToString); 3] = [("room", room), ("peer", peer), (kind, &id)];
    remote.done(&Done::new(did, &to, format!("{what} {id} of {peer} {word}")))
}

/// Ordered and reliable, as data channels are by default.
const fn ordered(stream_id: u16) -> SctpStreamParameters {
    SctpStreamParameters {
        stream_id,
        ordered: Some(true),
        max_packet_life_time: None,
        max_retransmits: None,
    }
}
