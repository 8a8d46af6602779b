//! The command line, in kubectl's manners. This file routes; each noun has its own.

mod bench;
mod channels;
mod completion;
mod config;
mod consumers;
mod context;
mod dev;
mod doctor;
mod done;
mod events;
mod links;
mod live;
mod load_test;
mod look;
mod matrix;
mod moves;
mod node;
mod nodes;
mod objects;
mod output;
mod peers;
mod pki;
mod placement;
mod record;
mod remote;
mod revocations;
mod rooms;
mod select;
mod sure;
mod token;
mod top;
mod trace;
mod tracks;
mod transports;
mod until;
mod webhooks;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::CompleteEnv;

use self::output::{Failure, Voice, failure::EXIT_CODES};

/// Starling: a clustered SFU for WebRTC.
#[derive(Debug, Parser)]
#[command(name = "starling", version, about, propagate_version = true)]
#[command(after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    voice: Voice,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a node.
    Node(node::NodeArgs),
    /// Runs a whole cluster in this process, to try it: no config, no etcd, no certificates.
    Dev(crate::dev::DevArgs),
    /// Lists, makes, places and deletes rooms.
    #[command(visible_alias = "room")]
    Rooms(rooms::Rooms),
    /// Lists and drains nodes.
    Nodes(nodes::Nodes),
    /// Lists links between nodes.
    #[command(visible_alias = "link")]
    Links(links::Links),
    /// Lists streams that nodes pull from each other.
    #[command(visible_alias = "pipe")]
    Pipes(links::Pipes),
    /// Lists and removes peers.
    #[command(visible_alias = "peer")]
    Peers(peers::Peers),
    /// Lists, begins, pauses and ends what peers send.
    #[command(visible_aliases = ["track", "producers"])]
    Tracks(tracks::Tracks),
    /// Lists, begins, pauses and ends what peers get.
    #[command(visible_alias = "consumer")]
    Consumers(consumers::Consumers),
    /// Lists, makes, connects and limits what peers' packets come and go by.
    #[command(visible_alias = "transport")]
    Transports(transports::Transports),
    /// Lists, begins, pauses and ends data channels that peers send on.
    #[command(visible_alias = "data-producer")]
    DataProducers(channels::DataProducers),
    /// Lists, begins, pauses and ends data channels that peers get.
    #[command(visible_alias = "data-consumer")]
    DataConsumers(channels::DataConsumers),
    /// Tells what happened in the cluster, or what happens.
    #[command(visible_alias = "event")]
    Events(events::Events),
    /// Shows what passes a peer's transports, tracks and consumers.
    Trace(trace::Trace),
    /// Lists, makes, tries and deletes webhooks.
    #[command(visible_alias = "webhook")]
    Webhooks(webhooks::Webhooks),
    /// Makes, reads and revokes tokens.
    #[command(visible_alias = "tokens")]
    Token(token::Token),
    /// Makes and renews the certificates of links between nodes.
    #[command(alias = "certs")]
    Pki(pki::Pki),
    /// Shows the cluster in a window, second by second.
    Top(top::Top),
    /// Looks for what is wrong, and says what mends it.
    Doctor(doctor::Doctor),
    /// Brings people into a room, and tells what they hear and see.
    LoadTest(load_test::LoadTest),
    /// Measures what forwarding costs on this machine.
    Bench(bench::Bench),
    /// Records a room's tracks into files.
    Record(record::Record),
    /// Checks and shows the settings of `starling node`.
    Config(config::ConfigArgs),
    /// Keeps servers and tokens under names.
    #[command(visible_alias = "contexts")]
    Context(context::ContextArgs),
    /// Makes a shell complete commands and names.
    Completion(completion::Completion),
    /// Writes manual pages.
    Man(completion::Man),
}

/// The tree of commands, for whoever documents or tests it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    // Before anything uses TLS: two libraries would else each want to choose one, and panic.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return ExitCode::FAILURE;
    }
    // Where a shell asks what could come next, that is all.
    CompleteEnv::with_factory(Cli::command).var(completion::VARIABLE).complete();
    let Cli { command, voice } = Cli::parse();
    voice.take();
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Node(args) => node::run(&args),
        Command::Dev(args) => dev::run(&args),
        Command::Rooms(args) => remote::block_on(rooms::run(args)),
        Command::Nodes(args) => remote::block_on(nodes::run(args)),
        Command::Links(args) => remote::block_on(links::run_links(args)),
        Command::Pipes(args) => remote::block_on(links::run_pipes(args)),
        Command::Peers(args) => remote::block_on(peers::run(args)),
        Command::Tracks(args) => remote::block_on(tracks::run(args)),
        Command::Consumers(args) => remote::block_on(consumers::run(args)),
        Command::Transports(args) => remote::block_on(transports::run(args)),
        Command::DataProducers(args) => remote::block_on(channels::run_producers(args)),
        Command::DataConsumers(args) => remote::block_on(channels::run_consumers(args)),
        Command::Events(args) => remote::block_on(events::run(args)),
        Command::Trace(args) => remote::block_on(trace::run(args)),
        Command::Webhooks(args) => remote::block_on(webhooks::run(args)),
        Command::Token(args) => remote::block_on(token::run(args)),
        Command::Pki(args) => pki::run(&args),
        Command::Top(args) => remote::block_on(top::run(args)),
        Command::Doctor(args) => doctor::run(&args),
        Command::LoadTest(args) => load_test::run(args),
        Command::Bench(args) => bench::run(&args),
        Command::Record(args) => remote::block_on(record::run(args)),
        Command::Config(args) => config::run(&args),
        Command::Context(args) => context::run(args),
        Command::Completion(args) => completion::run(&args),
        Command::Man(args) => completion::man(Cli::command(), &args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn documented_commands_are_read() {
        for line in [
            "starling node --config s.toml --rtc-port 7000 --announce 203.0.113.7",
            "starling dev --nodes 3 --port 4443",
            "starling rooms list -o json",
            "starling rooms get demo --server http://host:4443 --token x",
            "starling rooms create demo --region eu --max-peers 10",
            "starling rooms place demo --region eu --zone a",
            "starling rooms explain demo --region eu -o json",
            "starling rooms policy demo",
            "starling rooms policy demo --mode spread --region eu,us --node n1 --max-peers 9",
            "starling rooms policy demo --anywhere",
            "starling rooms pin demo n1 n2",
            "starling rooms unpin demo",
            "starling rooms move demo --to n2 --from n1",
            "starling rooms delete demo",
            "starling rooms delete demo --dry-run -o yaml",
            "starling rooms rm demo -y",
            "starling rooms list -l nodes=n1 --watch",
            "starling rooms get demo --watch=500ms -o jsonl",
            "starling nodes list -o wide -q",
            "starling nodes list --context prod -v",
            "starling context set prod --server https://a --token-file f",
            "starling context use prod",
            "starling context ls -o name",
            "starling context delete prod",
            "starling completion bash",
            "starling man --out man",
            "starling config check --config s.toml",
            "starling config print --effective --origin -o json",
            "starling config schema",
            "starling doctor --config s.toml --all -o json",
            "starling top --every 2s",
            "starling load-test --publishers 2 --subscribers 8 --expect loss<0.1%,p99<20ms",
            "starling record demo --peer ada --source video --out files --duration 10m",
            "starling nodes get n1",
            "starling nodes drain n1 --wait --deadline 30s",
            "starling nodes drain n1 --emergency",
            "starling nodes cordon n1",
            "starling nodes undrain n1",
            "starling nodes workers n1",
            "starling nodes router n1 demo",
            "starling links list --node n1 -o json",
            "starling pipes list demo --node n1",
            "starling pipes ls",
            "starling peers list demo",
            "starling peers get demo alice -o json",
            "starling peers inspect demo alice consumer c1 --stats",
            "starling peers move demo alice --to n2",
            "starling peers remove demo alice",
            "starling token create --room demo --peer alice --publish --subscribe --ttl 1h",
            "starling token create --room demo --peer a --kinds audio,video --sources camera --admin",
            "starling token create --room demo --peer a --no-join --admin --hidden --recorder",
            "starling token admin graphs --scope read --rooms demo,other",
            "starling nodes reload n1",
            "starling pki init --out certs",
            "starling pki issue --out certs n1 n2",
            "starling pki show -o json",
            "starling pki renew n1 --within 30",
            "starling certs issue --out certs n1 n2",
        ] {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
    }
}
