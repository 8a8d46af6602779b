//! The command line, in kubectl's manners. This file routes; each noun has its own.

mod dev;
mod links;
mod moves;
mod node;
mod nodes;
mod output;
mod peers;
mod pki;
mod placement;
mod remote;
mod rooms;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Starling: a clustered SFU for WebRTC.
#[derive(Debug, Parser)]
#[command(name = "starling", version, about, propagate_version = true)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 not found, \
                        4 denied, 5 node not reachable.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
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
    /// Makes room tokens.
    #[command(visible_alias = "tokens")]
    Token(token::Token),
    /// Makes and renews the certificates of links between nodes.
    #[command(alias = "certs")]
    Pki(pki::Pki),
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    // Before anything uses TLS: two libraries would else each want to choose one, and panic.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return ExitCode::FAILURE;
    }
    let result = match Cli::parse().command {
        Command::Node(args) => node::run(&args),
        Command::Dev(args) => dev::run(&args),
        Command::Rooms(args) => remote::block_on(rooms::run(args)),
        Command::Nodes(args) => remote::block_on(nodes::run(args)),
        Command::Links(args) => remote::block_on(links::run_links(args)),
        Command::Pipes(args) => remote::block_on(links::run_pipes(args)),
        Command::Peers(args) => remote::block_on(peers::run(args)),
        Command::Token(args) => remote::block_on(token::run(args)),
        Command::Pki(args) => pki::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

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
