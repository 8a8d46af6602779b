//! `starling`: a node, a development cluster, and the command line for both.

fn main() -> std::process::ExitCode {
    starling_node::cli::main()
}
