//! What of a terminal session varies from run to run, and how it is written instead: `#` for a
//! number, `<id>`, `<token>` and the like for what is made up. Pure.

/// Fields of JSON and YAML whose numbers are small and vary all the same.
const VARYING: [&str; 12] = [
    "pid",
    "bytes",
    "packets",
    "retried",
    "moved",
    "total",
    "elapsedMs",
    "busy",
    "transports",
    "port",
    "packetsPerSecond",
    "expiresIn",
];

/// A session's text, line by line; with `all` every number varies.
pub(crate) fn mask(text: &str, all: bool) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(|line| line_of(line, all)).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

fn line_of(line: &str, all: bool) -> String {
    let indent = line.len() - line.trim_start().len();
    let field = line.trim_start().trim_start_matches("- ").split(':').next().unwrap_or_default();
    let field = field.trim_matches('"');
    let all = all || VARYING.contains(&field) || field.starts_with("ru");
    let words = line.split_whitespace().collect::<Vec<_>>();
    let mut out = Vec::new();
    for (at, word) in words.iter().enumerate() {
        // A cell may be empty where another time there is a number.
        if all && *word == "-" {
            out.push("#".to_owned());
            continue;
        }
        let unit =
            words.get(at + 1).is_some_and(|next| UNITS.contains(&next.trim_end_matches(',')));
        out.push(word_of(word, all || unit));
    }
    " ".repeat(indent) + &out.join(" ")
}

const UNITS: [&str; 8] = ["ms", "s", "kB", "MB", "kb/s", "Mb/s", "sent", "received"];

fn word_of(word: &str, all: bool) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._~-:+%".contains(c);
    let mut out = String::new();
    let mut rest = word;
    while !rest.is_empty() {
        let end = rest.find(|c| !fine(c)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        out += &part_of(part, all);
        let other = after.find(fine).unwrap_or(after.len());
        out += &after[..other];
        rest = &after[other..];
    }
    out
}

fn part_of(part: &str, all: bool) -> String {
    if let Some(what) = made_up(part) {
        return what.to_owned();
    }
    // `localhost:4443`, `"127.0.0.1:40000"`, a time of day.
    if part.contains(':') {
        let parts: Vec<_> = part.split(':').collect();
        let numbers = parts.iter().all(|it| is_number(it));
        let each = parts.iter().map(|it| part_of(it, all || numbers));
        return each.collect::<Vec<_>>().join(":");
    }
    // `6+2`: peers, and those that were just placed.
    if all && part.len() > 1 && part.split('+').all(is_number) {
        return "#".to_owned();
    }
    let (sign, bare) = match part.as_bytes().first() {
        Some(b'+' | b'-') if part.len() > 1 => part.split_at(1),
        _ => ("", part),
    };
    let (number, percent) = bare.strip_suffix('%').map_or((bare, ""), |number| (number, "%"));
    let long = number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit());
    let broken = number.contains('.') && is_number(number);
    if is_number(number) && (all || long || broken || !percent.is_empty()) {
        return format!("{}#{percent}", if all { "" } else { sign });
    }
    part.to_owned()
}

/// `12`, `1.5`, `1e-9`; no address and no release.
fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_ok()
}

fn made_up(text: &str) -> Option<&'static str> {
    let text = text.trim_end_matches(['.', ':']);
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let groups: Vec<_> = text.split('-').collect();
    let lengths: Vec<_> = groups.iter().map(|group| group.len()).collect();
    if lengths == [8, 4, 4, 4, 12] && groups.iter().all(|group| hex(group)) {
        return Some("<id>");
    }
    if text.starts_with("eyJ") && text.matches('.').count() == 2 {
        return Some("<token>");
    }
    let pairs: Vec<_> = text.split(':').collect();
    if pairs.len() >= 16 && pairs.iter().all(|pair| pair.len() == 2 && hex(pair)) {
        return Some("<fingerprint>");
    }
    // An event's: `<node>.<life of the node>.<number>`.
    let parts: Vec<_> = text.split('.').collect();
    if let [_, life, _] = parts[..]
        && life.len() == 16
        && is_number(life)
    {
        return Some("<event>");
    }
    if [20, 24].contains(&text.len()) && text.as_bytes()[10] == b'T' && text.ends_with('Z') {
        return Some("<time>");
    }
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    (letters + digits == text.len() && letters >= 2 && digits >= 2 && text.len() >= 20)
        .then_some("<secret>")
}

#[test]
fn what_varies_is_masked_and_nothing_else() {
    let masked = |text: &str| line_of(text, false);
    assert_eq!(
        masked("node-1   eu   up   0   7%   1.0 ms   http://localhost:44945"),
        "node-1 eu up 0 #% # ms http://localhost:#"
    );
    assert_eq!(masked("  \"incarnation\": 1796014072154429,"), "  \"incarnation\": #,");
    assert_eq!(masked("  \"maxPeers\": 50,"), "  \"maxPeers\": 50,");
    assert_eq!(masked("  \"pid\": 50,"), "  \"pid\": #,");
    assert_eq!(masked("0.1.0 127.0.0.1:44431 -80 +999"), "0.1.0 127.0.0.1:# -80 +999");
    assert_eq!(masked("\"0b7f8c1e-1111-4222-8333-444455556666\","), "\"<id>\",");
    assert_eq!(masked("at 2026-11-30T04:05:06.789Z 04:05:06.789"), "at <time> #:#:#");
    assert_eq!(masked("2026-11-30T04:05:06Z"), "<time>");
    assert_eq!(masked("producers/0b7f8c1e-1111-4222-8333-444455556666"), "producers/<id>");
    assert_eq!(masked("eyJ0eXAi.eyJyb29t.c2ln"), "<token>");
    assert_eq!(masked("token aB3dE6gH9jK2mN5pQ8sT1 used"), "token <secret> used");
    assert_eq!(masked("\"transportWideCc01\": 5,"), "\"transportWideCc01\": 5,");
    assert_eq!(masked("node-1.1796024216553248.6"), "<event>");
    assert_eq!(line_of("streams    4 of 4 flow   -", true), "streams # of # flow #");
    assert_eq!(mask("a\n\n\n", false), ["a"]);
}
