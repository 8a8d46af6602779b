//! `starling top`: the cluster in a window, second by second. `state` decides, `view` draws, this
//! file asks the node and the keyboard.

mod state;
mod view;

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use ratatui::crossterm::event::{self, Event, KeyEventKind};
use starling_client::{Client, Error};
use starling_proto::RoomId;
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};

use self::state::{Snapshot, State, Step};
use super::{output::Failure, remote::Remote};
use crate::config::value;

/// Keys waiting to be taken: more than anybody types between two frames.
const KEYS: usize = 64;
/// Between two looks for a key, so that the thread ends soon after the window.
const KEY_WAIT: Duration = Duration::from_millis(100);

/// Shows nodes, rooms, pipes and links, and their rates, until `q`.
#[derive(Debug, clap::Args)]
pub(super) struct Top {
    /// Between two looks.
    #[arg(long, default_value = "1s", value_parser = time, value_name = "TIME")]
    every: Duration,
    #[command(flatten)]
    remote: Remote,
}

fn time(text: &str) -> Result<Duration, String> {
    let least = Duration::from_millis(200);
    let time = value::duration(text).filter(|time| *time >= least);
    time.ok_or_else(|| "write it as 1s or 500ms, at least 200ms".to_owned())
}

/// Does it.
///
/// # Errors
/// What the node said at first, and a window that is none.
pub(super) async fn run(top: Top) -> Result<(), Failure> {
    if !std::io::stdout().is_terminal() {
        let hint = "top needs a terminal; for programs: starling nodes list --watch -o jsonl";
        return Err(Failure::Usage(vec![hint.to_owned()]));
    }
    let client = top.remote.client()?;
    // What is wrong at once is told in the shell.
    let first = look(&client, None).await?;
    let (say, told) = mpsc::channel(1);
    let (want, wanted) = watch::channel(None);
    let looking = tokio::spawn(keep_looking(client.clone(), top.every, wanted, say));
    let mut terminal = ratatui::try_init().map_err(|error| Failure::Failed(error.to_string()))?;
    let shown = show(&mut terminal, State::new(client.server(), first), told, &want).await;
    ratatui::restore();
    looking.abort();
    shown.map_err(|error| Failure::Failed(error.to_string()))
}

/// Until `q`.
async fn show(
    terminal: &mut ratatui::DefaultTerminal,
    mut state: State,
    mut told: mpsc::Receiver<Result<Snapshot, Error>>,
    want: &watch::Sender<Option<RoomId>>,
) -> std::io::Result<()> {
    let mut keys = keyboard();
    loop {
        terminal.draw(|frame| view::draw(frame, &state))?;
        tokio::select! {
            Some(news) = told.recv() => match news {
                Ok(snapshot) => state.take(snapshot),
                Err(error) => state.fail(error.to_string()),
            },
            key = keys.recv() => match key.map_or(Step::Quit, |key| state.key(key)) {
                Step::Quit => return Ok(()),
                Step::Stay => drop(want.send(state.room().cloned())),
            },
        }
    }
}

/// Keys, and `None` where only the window changed its size. The thread ends when nobody listens.
fn keyboard() -> mpsc::Receiver<state::Key> {
    let (say, keys) = mpsc::channel(KEYS);
    std::thread::spawn(move || {
        while !say.is_closed() {
            let key = match event::poll(KEY_WAIT) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let key = match key {
                Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => state::Key::of(key),
                Ok(Event::Resize(..)) => state::Key::Other,
                Ok(_) => continue,
                Err(_) => return,
            };
            if say.blocking_send(key).is_err() {
                return;
            }
        }
    });
    keys
}

async fn keep_looking(
    client: Client,
    every: Duration,
    mut wanted: watch::Receiver<Option<RoomId>>,
    say: mpsc::Sender<Result<Snapshot, Error>>,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            changed = wanted.changed() => if changed.is_err() { return },
        }
        let room = wanted.borrow_and_update().clone();
        if say.send(look(&client, room.as_ref()).await).await.is_err() {
            return;
        }
    }
}

async fn look(client: &Client, room: Option<&RoomId>) -> Result<Snapshot, Error> {
    let (nodes, rooms, links, pipes) =
        tokio::try_join!(client.nodes(), client.rooms(), client.links(), client.pipes())?;
    let peers = match room {
        None => Vec::new(),
        Some(room) => match client.peers(room).await {
            Err(error) if error.is_missing() => Vec::new(),
            peers => peers?,
        },
    };
    let (links, pipes) = (links.links, pipes.pipes);
    Ok(Snapshot { at: Instant::now(), nodes, rooms, links, pipes, peers })
}
