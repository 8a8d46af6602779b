//! Draws the window. Decides nothing.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style, Stylize},
    text::Line as Text,
    widgets::{Cell, Row, Table, TableState, Tabs},
};

use super::state::{State, TABS, Tab};
use crate::cli::output::columns;

const KEYS: &str = "q quit  tab or 1-4 views  ↑↓ rows  enter look into a room  esc out";

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State) {
    let rows =
        [Constraint::Length(1), Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)];
    let [head, tabs, body, foot] = Layout::vertical(rows).areas(frame.area());
    frame.render_widget(Text::from(summary(state)).bold(), head);
    let titles = TABS.iter().enumerate().map(|(n, (_, name))| format!("{} {name}", n + 1));
    frame.render_widget(Tabs::new(titles).select(state.tab_index()), tabs);
    table(frame, body, state);
    match &state.failure {
        Some(why) => frame.render_widget(Text::from(why.clone()).fg(Color::Red), foot),
        None => frame.render_widget(Text::from(KEYS).dim(), foot),
    }
}

fn summary(state: &State) -> String {
    let now = state.now();
    let peers: u32 = now.nodes.iter().map(|node| node.load.peers).sum();
    let bits: u64 =
        now.nodes.iter().filter_map(|node| Some(node.cost.as_ref()?.bits_per_second)).sum();
    let packets: u64 = now
        .nodes
        .iter()
        .filter_map(|node| Some(u64::from(node.cost.as_ref()?.packets_per_second)))
        .sum();
    format!(
        "{}  {} nodes, {} rooms, {peers} peers, {} pipes, {packets} packets/s, {}",
        state.server,
        now.nodes.len(),
        now.rooms.len(),
        now.pipes.len(),
        rate(bits as f64)
    )
}

fn table(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let now = state.now();
    let (head, rows) = match (state.tab(), state.room()) {
        (Tab::Nodes, _) => nodes(state),
        (Tab::Rooms, Some(_)) => columns(&now.peers, false),
        (Tab::Rooms, None) => columns(&now.rooms, false),
        (Tab::Pipes, _) => columns(&now.pipes, false),
        (Tab::Links, _) => links(state),
    };
    let wide = |at: usize| rows.iter().filter_map(|row| Some(row.get(at)?.chars().count())).max();
    let widths = head.iter().enumerate().map(|(at, name)| {
        let width = wide(at).unwrap_or(0).max(name.chars().count());
        Constraint::Length(u16::try_from(width).unwrap_or(u16::MAX))
    });
    let widths: Vec<_> = widths.collect();
    let header = Row::new(head.iter().map(|name| name.to_uppercase())).style(Style::new().bold());
    let body = rows.into_iter().map(|cells| Row::new(cells.into_iter().map(cell)));
    let marked = Style::new().add_modifier(Modifier::REVERSED);
    let table =
        Table::new(body, widths).header(header).column_spacing(3).row_highlight_style(marked);
    let mut place = TableState::new().with_selected(state.selected);
    frame.render_stateful_widget(table, area, &mut place);
}

/// A node with what it costs.
fn nodes(state: &State) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let (mut head, mut rows) = columns(&state.now().nodes, false);
    // The URL and the release do not change while somebody looks.
    head.truncate(7);
    head.extend(["cpu", "packets/s", "rate"]);
    for (row, node) in rows.iter_mut().zip(&state.now().nodes) {
        row.truncate(7);
        match &node.cost {
            Some(cost) => row.extend([
                format!("{:.0}%", cost.cpu * 100.0),
                cost.packets_per_second.to_string(),
                rate(cost.bits_per_second as f64),
            ]),
            None => row.extend((0..3).map(|_| "-".to_owned())),
        }
    }
    (head, rows)
}

/// A link with its rates.
fn links(state: &State) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let (mut head, mut rows) = columns(&state.now().links, false);
    head.extend(["out now", "in now"]);
    for (row, link) in rows.iter_mut().zip(&state.now().links) {
        match state.rate(link) {
            Some((out, r#in)) => row.extend([rate(out), rate(r#in)]),
            None => row.extend(["-".to_owned(), "-".to_owned()]),
        }
    }
    (head, rows)
}

fn cell(text: String) -> Cell<'static> {
    let colour = match text.as_str() {
        "up" | "here" => Color::Green,
        "draining" | "cordoned" => Color::Yellow,
        "down" | "lost" | "unheard" => Color::Red,
        _ => Color::Reset,
    };
    Cell::from(text).style(Style::new().fg(colour))
}

fn rate(bits: f64) -> String {
    if bits < 1e6 { format!("{:.0} kb/s", bits / 1e3) } else { format!("{:.1} Mb/s", bits / 1e6) }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use ratatui::{Terminal, backend::TestBackend};

    use super::{
        super::state::{Key, tests::snapshot},
        *,
    };

    /// The window's lines, without what is empty at their ends.
    fn window(state: &State) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(140, 8)).unwrap();
        terminal.draw(|frame| draw(frame, state)).unwrap();
        let buffer = terminal.backend().buffer();
        let line = |y| (0..140).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..8).map(|y| line(y).trim_end().to_owned()).collect()
    }

    #[test]
    fn nodes_are_shown_with_their_rates() {
        let state = State::new("http://n1", snapshot(Instant::now(), 0));
        let lines = window(&state);
        assert_eq!(
            lines[0],
            "http://n1  2 nodes, 2 rooms, 7 peers, 1 pipes, 2400 packets/s, 8.0 Mb/s"
        );
        assert!(lines[1].contains("1 nodes") && lines[1].contains("4 links"), "{lines:?}");
        assert!(lines[2].starts_with("NODE   PLACE   STATE   PEERS   ROOMS   LOAD"), "{lines:?}");
        assert!(lines[3].starts_with("n1     eu      up      3       2       25%"), "{lines:?}");
        assert!(lines[4].ends_with("20%   1200        4.0 Mb/s"), "{lines:?}");
        assert!(lines[7].starts_with("q quit"), "{lines:?}");
    }

    #[test]
    fn a_room_is_looked_into_and_links_have_rates() {
        let begin = Instant::now();
        let mut state = State::new("http://n1", snapshot(begin, 0));
        state.key(Key::Tab(1));
        assert!(window(&state)[3].starts_with("demo    n1"));
        state.key(Key::Into);
        assert!(window(&state)[3].starts_with("ada    Ada    n1     here"));
        state.key(Key::Tab(3));
        state.take(snapshot(begin + Duration::from_secs(1), 125_000));
        assert!(window(&state)[3].ends_with("1.0 Mb/s   0 kb/s"));
        state.key(Key::Tab(2));
        assert!(window(&state)[3].contains("n1 > n2"));
    }

    #[test]
    fn a_failure_is_told_at_the_foot() {
        let mut state = State::new("http://n1", snapshot(Instant::now(), 0));
        state.fail("cannot connect to n1".into());
        assert_eq!(window(&state)[7], "cannot connect to n1");
    }
}
