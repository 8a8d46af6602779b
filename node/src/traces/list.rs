//! `docs/traces.md`: every span and attribute there is, as the code has them.

use std::fs;

use starling_proto::span::names::{NOTES, SPANS};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/traces.md");
/// What stands above the tables; what follows them begins with the next heading.
const MARK: &str = "<!-- made by a test: UPDATE=1 cargo test -p starling-node every_span -->\n\n";
const NEXT: &str = "\n## ";

fn tables() -> String {
    let mut out =
        String::from("| span | on which node | from when to when |\n| --- | --- | --- |\n");
    for span in SPANS {
        out += &format!("| `{}` | {} | {} |\n", span.name, span.node, span.help);
    }
    out += "\n| attribute | what |\n| --- | --- |\n";
    let always = [
        ("starling.node", "The node that did it."),
        ("starling.room", "The room."),
        ("starling.peer", "Whose join it is a part of."),
    ];
    let notes = NOTES.iter().map(|note| (note.key, note.help));
    for (key, help) in always.into_iter().chain(notes) {
        out += &format!("| `{key}` | {help} |\n");
    }
    out
}

#[test]
fn the_documentation_has_every_span() {
    let page = fs::read_to_string(PAGE).unwrap();
    let (head, rest) = page.split_once(MARK).expect("the page has the mark");
    let (_, tail) = rest.split_once(NEXT).expect("something follows");
    let expected = format!("{head}{MARK}{}{NEXT}{tail}", tables());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(PAGE, &expected).unwrap();
    } else if page != expected {
        panic!("docs/traces.md is out of date; its tables must be:\n\n{}", tables());
    }
}
