//! The description of the API: complete, kept in the repository, and true of every route.

use std::collections::BTreeSet;

use super::*;
use crate::http::openapi::operations::OPERATIONS;

/// Where it is kept for whoever generates a client.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

fn document() -> Value {
    serde_json::from_str(openapi::json()).unwrap()
}

/// Every operation, with its path and method.
fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    let items = document["paths"].as_object().unwrap().iter();
    items.flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        operations.map(move |(method, operation)| (format!("{method} {path}"), operation))
    })
}

#[test]
fn every_route_is_described_and_every_description_is_a_route() {
    let mut routes: Vec<Route> = admin_routes();
    routes.extend(peer_routes());
    routes.extend(object_routes());
    routes.extend(open_routes());
    routes.extend(broadcaster_routes());
    routes.extend(dev_routes());
    let named = |(path, methods, _): Route| methods.iter().map(move |it| format!("{it} {path}"));
    let served: BTreeSet<String> = routes.into_iter().flat_map(named).collect();
    let document = document();
    let described: BTreeSet<String> = operations(&document).map(|(name, _)| name).collect();
    assert_eq!(served, described);
    let listed: BTreeSet<String> =
        OPERATIONS.iter().map(|(method, path, ..)| format!("{method} {path}")).collect();
    assert_eq!(served, listed, "openapi/operations.rs");
}

#[test]
fn every_operation_has_a_name_an_example_and_its_list_of_errors() {
    let (document, mut names, mut wrong) = (document(), BTreeSet::new(), Vec::new());
    for (at, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap_or_default();
        if id.is_empty() || !names.insert(id.to_owned()) {
            wrong.push(format!("{at}: no name of its own: {id:?}"));
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] == "path" && parameter["example"].is_null() {
                wrong.push(format!("{at}: no example of {}", parameter["name"]));
            }
        }
        let bodies = operation["requestBody"]["content"].as_object().into_iter().flatten();
        if bodies.into_iter().any(|(_, content)| content["example"].is_null()) {
            wrong.push(format!("{at}: no example of its body"));
        }
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses {
            let contents = response["content"].as_object().into_iter().flatten();
            for (kind, content) in contents {
                if content["example"].is_null() && content["examples"].is_null() {
                    wrong.push(format!("{at}: no example of {status} {kind}"));
                }
            }
        }
        if operation["x-codes"].as_array().is_none_or(Vec::is_empty) {
            wrong.push(format!("{at}: no list of errors"));
        }
        if operation["summary"].is_null() && operation["description"].is_null() {
            wrong.push(format!("{at}: nobody says what it does"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(names.len() >= 90, "{}", names.len());
}

/// `make openapi` writes it.
#[test]
fn the_kept_description_is_the_one_that_is_served() {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(KEPT, format!("{}\n", openapi::json())).unwrap();
    }
    let kept = std::fs::read_to_string(KEPT).unwrap_or_default();
    let kept: Value = serde_json::from_str(&kept).unwrap_or_default();
    assert!(kept == document(), "docs/openapi.json is not what is served: run `make openapi`");
}
