//! WHEP's extensions: layers are chosen, and events are told.

use futures::StreamExt;
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::http::router;

/// A room with a publisher of simulcast and a player: the path of the player's session, and what
/// its `Link` headers name.
async fn playing(app: &App) -> (String, Vec<String>) {
    let ann = token(app, "ann", true, false).await;
    post(app, "/whip/r", &ann, CHROMIUM).await;
    let bob = token(app, "bob", false, true).await;
    let made = post(app, "/whep/r", &bob, &receiving()).await;
    let links = made.headers.get_all("link").iter().map(|link| link.to_str().unwrap().to_owned());
    let links = links.collect();
    (location(&made), links)
}

async fn choose(app: &App, path: &str, wish: Value) -> Answer {
    let headers = [("content-type", "application/json")];
    ask(app, "POST", &format!("{path}/layer"), &headers, wish.to_string()).await
}

#[tokio::test]
async fn a_player_is_told_of_both_extensions_and_a_publisher_of_none() {
    let app = app().await;
    let (path, links) = playing(&app).await;
    let url = format!("http://127.0.0.1:0{path}");
    let events = "active,inactive,layers,reconnect,viewercount";
    assert_eq!(
        links,
        [
            format!("<{url}/layer>; rel=\"urn:ietf:params:whep:ext:core:layer\""),
            format!(
                "<{url}/events>; rel=\"urn:ietf:params:whep:ext:core:server-sent-events\"; \
                 events=\"{events}\""
            ),
        ]
    );
    let eve = token(&app, "eve", true, false).await;
    let published = post(&app, "/whip/r", &eve, CHROMIUM).await;
    assert!(!published.headers.contains_key("link"), "{published:?}");
}

#[tokio::test]
async fn layers_are_chosen_for_pictures_that_have_them() {
    let app = app().await;
    let (path, _) = playing(&app).await;
    for (wish, status) in [
        (json!({}), 200),
        (json!({"spatialLayerId": 0}), 200),
        (json!({"mediaId": "1", "spatialLayerId": 2, "temporalLayerId": 0}), 200),
        (json!({"mediaId": "1", "maxSpatialLayerId": 7}), 200),
        (json!({"spatialLayerId": 3}), 400),
        (json!({"mediaId": "0", "spatialLayerId": 0}), 400),
        (json!({"mediaId": "7"}), 400),
        (json!({"mediaId": "video"}), 400),
        (json!({"spatialLayerId": -1}), 400),
        (json!({"rid": "h"}), 400),
    ] {
        let answer = choose(&app, &path, wish.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{wish} {answer:?}");
        if status == 400 {
            assert_eq!(answer.code(), "bad_request", "{wish}");
        }
    }
    let wish = json!({"spatialLayerId": 0});
    let nowhere = choose(&app, "/whep/r/0123456789abcdef", wish.clone()).await;
    assert_eq!(nowhere.code(), "session_not_found");
    assert_eq!(choose(&app, &path.replace("/r/", "/x/"), wish).await.code(), "session_not_found");
}

#[tokio::test]
async fn layers_that_are_chosen_are_what_the_consumer_prefers() {
    let app = app().await;
    let (path, _) = playing(&app).await;
    let (room, bob) = ("r".parse().unwrap(), "bob".parse().unwrap());
    let preferred = async || {
        let mut all = Vec::new();
        for consumer in app.node.objects(&room, &bob).await.unwrap().consumers {
            let of = starling_actors::Inspected::Consumer(consumer.id);
            let dump = app.node.inspect(&room, &bob, of, true).await.unwrap();
            let layer = |name: &str| dump[format!("preferred{name}Layer")].as_u64();
            all.extend(layer("Spatial").zip(layer("Temporal")));
        }
        all
    };
    let wish = json!({"spatialLayerId": 1, "temporalLayerId": 0});
    assert_eq!(choose(&app, &path, wish).await.status, 200);
    for _ in 0..300 {
        if preferred().await == [(1, 0)] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", preferred().await);
}

/// Reads an event stream until it has so many events.
async fn events(app: &App, path: &str, count: usize) -> Vec<(String, Value)> {
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    let answer = router(app, Side::Whole).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.into_body().into_data_stream();
    let mut text = String::new();
    let read = async {
        while text.matches("\n\n").count() < count {
            text += std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(5), read).await.unwrap();
    let event = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        (field("event: ").to_owned(), serde_json::from_str(field("data: ")).unwrap())
    };
    text.split_terminator("\n\n").map(event).collect()
}

fn stream_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{answer:?}");
    let url = answer.headers["location"].to_str().unwrap();
    url[url.find("/whep/").unwrap()..].to_owned()
}

#[tokio::test]
async fn a_player_is_told_how_things_stand_and_of_what_it_asked_for_alone() {
    let app = app().await;
    let (path, _) = playing(&app).await;
    let open = async |wanted: &str| {
        let headers = [("content-type", "application/json")];
        ask(&app, "POST", &format!("{path}/events"), &headers, wanted.to_owned()).await
    };
    let all = stream_of(&open("").await);
    let told = events(&app, &all, 3).await;
    assert_eq!(told[0], ("active".into(), json!({})));
    assert_eq!(told[1].0, "layers");
    let layers = told[1].1["1"].as_array().unwrap();
    let spatial: Vec<_> = layers.iter().map(|layer| layer["spatialLayerId"].clone()).collect();
    assert_eq!(spatial, [2, 1, 0]);
    assert_eq!(told[2], ("viewercount".into(), json!({"viewercount": 1})));
    let some = stream_of(&open("[\"viewercount\", \"inactive\"]").await);
    let told = events(&app, &some, 1).await;
    assert_eq!(told[0].0, "viewercount");
    assert_eq!(open("{}").await.code(), "bad_request");
    assert_eq!(ask(&app, "DELETE", &all, &[], "").await.status, 204);
    assert_eq!(ask(&app, "GET", &all, &[], "").await.code(), "session_not_found");
    assert_eq!(ask(&app, "DELETE", &path, &[], "").await.status, 200);
    assert_eq!(ask(&app, "GET", &some, &[], "").await.code(), "session_not_found");
}

#[tokio::test]
async fn viewers_are_counted_as_they_come_and_go() {
    let app = app().await;
    let (path, _) = playing(&app).await;
    let eve = token(&app, "eve", false, true).await;
    let other = location(&post(&app, "/whep/r", &eve, &receiving()).await);
    let wanted = "[\"viewercount\"]";
    let headers = [("content-type", "application/json")];
    let made = ask(&app, "POST", &format!("{path}/events"), &headers, wanted).await;
    let stream = stream_of(&made);
    let leave = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        ask(&app, "DELETE", &other, &[], "").await;
    };
    let (told, ()) = tokio::join!(events(&app, &stream, 2), leave);
    let counts: Vec<_> = told.iter().map(|(_, data)| data["viewercount"].clone()).collect();
    assert_eq!(counts, [2, 1]);
}
