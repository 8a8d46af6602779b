//! Whether what dashboards and alerts ask for is there: every figure by its name and labels, and a
//! page for each alert.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use starling_actors::{Metric, MetricKind};

use super::list::all;

/// Labels that Prometheus, or the way it finds nodes, puts on everything.
const TARGET: [&str; 5] = ["job", "instance", "namespace", "pod", "cluster"];
/// What a run-book must answer.
const QUESTIONS: [&str; 3] = ["## What it means", "## How to look", "## What to do"];

fn house(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn files(folder: &str, kind: &str) -> Vec<(String, String)> {
    let mut all: Vec<_> =
        fs::read_dir(house(folder)).unwrap().map(|it| it.unwrap().path()).collect();
    all.retain(|path| path.extension().is_some_and(|ext| ext == kind));
    all.sort();
    all.into_iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Every name that can be asked for, with its labels.
fn known(all: &[Metric]) -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut known: BTreeMap<String, BTreeSet<_>> = BTreeMap::new();
    for metric in all {
        let name = match metric.kind {
            MetricKind::Histogram => format!("{}{}", metric.name, metric.suffix),
            MetricKind::Counter | MetricKind::Gauge => metric.name.to_owned(),
        };
        known.entry(name).or_default().extend(metric.labels.iter().map(|(label, _)| *label));
    }
    known
}

/// The figures that an expression names, each with the labels that it picks by.
fn asked(expression: &str) -> Vec<(String, Vec<String>)> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = rest.find("starling_") {
        let name: String = rest[at..].chars().take_while(|c| word(*c)).collect();
        rest = &rest[at + name.len()..];
        let picked = rest.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let matchers = picked.map_or("", |(inside, _)| inside).split(',');
        let label = |matcher: &str| {
            let label: String = matcher.trim().chars().take_while(|c| word(*c)).collect();
            (!label.is_empty()).then_some(label)
        };
        found.push((name, matchers.filter_map(label).collect()));
    }
    found
}

/// What of an expression is not there.
fn missing(expression: &str, known: &BTreeMap<String, BTreeSet<&'static str>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, labels) in asked(expression) {
        let Some(there) = known.get(&name) else {
            wrong.push(format!("there is no figure {name}"));
            continue;
        };
        for label in labels {
            if !there.contains(label.as_str()) && !TARGET.contains(&label.as_str()) {
                wrong.push(format!("{name} has no label {label}"));
            }
        }
    }
    wrong
}

/// All `expr` and `query` below a panel or variable.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| expressions(one, found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if ["expr", "query", "definition"].contains(&&**name) => {
                        found.push(text.clone());
                    }
                    other => expressions(other, found),
                }
            }
        }
        _ => {}
    }
}

/// An alert as its file has it: one field on each line.
#[derive(Debug, Default)]
struct Alert {
    name: String,
    fields: BTreeMap<String, String>,
}

fn alerts(text: &str) -> Vec<Alert> {
    let mut all: Vec<Alert> = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix("- alert: ") {
            all.push(Alert { name: name.to_owned(), fields: BTreeMap::new() });
        } else if let (Some((field, value)), Some(alert)) = (line.split_once(": "), all.last_mut())
        {
            alert.fields.insert(field.to_owned(), value.trim_matches('\'').to_owned());
        }
    }
    all
}

#[tokio::test]
async fn every_panel_asks_for_figures_that_there_are() {
    let all = all().await;
    let known = known(&all);
    let dashboards = files("deploy/grafana/dashboards", "json");
    let names: Vec<_> = dashboards.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["cluster", "network", "node", "quality"]);
    let mut wrong = Vec::new();
    for (name, text) in &dashboards {
        let dashboard: Value = serde_json::from_str(text).unwrap();
        assert_eq!(dashboard["uid"], format!("starling-{name}"));
        let panels = dashboard["panels"].as_array().unwrap();
        for panel in panels.iter().filter(|panel| panel["type"] != "row") {
            let mut found = Vec::new();
            expressions(panel, &mut found);
            let title = panel["title"].as_str().unwrap();
            assert!(!title.is_empty() && !found.is_empty(), "{name}: {panel}");
            assert!(
                panel["description"].as_str().is_some_and(|text| text.ends_with('.')),
                "{title}"
            );
            for expression in found {
                assert!(!asked(&expression).is_empty(), "{name}, {title}: {expression}");
                wrong
                    .extend(missing(&expression, &known).iter().map(|it| format!("{title}: {it}")));
            }
        }
        assert!(panels.len() >= 8, "{name}");
        let mut variables = Vec::new();
        expressions(&dashboard["templating"], &mut variables);
        for expression in variables {
            wrong.extend(missing(&expression, &known));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_alert_asks_for_figures_that_there_are_and_has_its_page() {
    let all = all().await;
    let known = known(&all);
    let mut wrong = Vec::new();
    let mut pages: BTreeMap<_, _> = files("docs/runbooks", "md").into_iter().collect();
    pages.remove("README");
    let text = fs::read_to_string(house("deploy/prometheus/rules.yaml")).unwrap();
    let alerts = alerts(&text);
    assert!(alerts.len() >= 20, "{}", alerts.len());
    for Alert { name, fields } in &alerts {
        for field in ["expr", "for", "severity", "summary", "description", "runbook_url"] {
            if fields.get(field).is_none_or(String::is_empty) {
                wrong.push(format!("{name}: no {field}"));
            }
        }
        let expression = fields.get("expr").map_or("", String::as_str);
        wrong.extend(missing(expression, &known).iter().map(|it| format!("{name}: {it}")));
        let page = fields["runbook_url"].rsplit('/').next().unwrap();
        let page = page.trim_end_matches(".md");
        match pages.remove(page) {
            None => wrong.push(format!("{name}: no page docs/runbooks/{page}.md of its own")),
            Some(text) => {
                let answers = |question: &&str| !text.contains(*question);
                let unanswered = QUESTIONS.iter().filter(|question| answers(question));
                wrong.extend(unanswered.map(|question| format!("{page}: no {question}")));
                if !text.starts_with(&format!("# {name}\n")) {
                    wrong.push(format!("{page}: is not headed {name}"));
                }
                // What it says to look at must be there, too.
                wrong.extend(missing(&text, &known).iter().map(|it| format!("{page}: {it}")));
            }
        }
    }
    wrong.extend(pages.keys().map(|page| format!("{page}: a page of no alert")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn figures_and_labels_are_found_in_an_expression() {
    let expression = "sum by (node) (rate(starling_a_total{class=\"audio\", job=~\"x\"}[5m])) \
                      / starling_b > on() starling_c{}";
    let of = |name: &str, labels: &[&str]| {
        (name.to_owned(), labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>())
    };
    let expected =
        [of("starling_a_total", &["class", "job"]), of("starling_b", &[]), of("starling_c", &[])];
    assert_eq!(asked(expression), expected);
    let known = BTreeMap::from([("starling_a_total".to_owned(), BTreeSet::from(["node"]))]);
    assert_eq!(
        missing(expression, &known),
        [
            "starling_a_total has no label class",
            "there is no figure starling_b",
            "there is no figure starling_c"
        ]
    );
}
