//! The admission hook, asked about programs that publish and play.

use std::time::Duration;

use super::*;
use crate::{
    config::{Admission, Config, Hooks},
    hooks::receiver::Receiver,
};

#[tokio::test]
async fn programs_are_asked_about_refused_and_lowered() {
    let mut receiver = Receiver::start().await;
    let base = config();
    let timeout = Duration::from_secs(5);
    let admission = Some(Admission { url: receiver.url(), timeout, open: false });
    let app = app_with(Config { hooks: Hooks { admission, ..base.hooks.clone() }, ..base }).await;
    let both = token(&app, "ann", true, true).await;
    for (path, said, offer, sentence) in [
        ("/whip/r", r#"{"admit":false,"reason":"no show today"}"#, CHROMIUM, "no show today"),
        ("/whip/r", r#"{"grants":{"publish":false}}"#, CHROMIUM, "may not publish here"),
        ("/whep/r", r#"{"grants":{"subscribe":false}}"#, &receiving(), "may not subscribe here"),
    ] {
        receiver.answer(200, said);
        let answer = post(&app, path, &both, offer).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "forbidden"), "{said}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(sentence), "{answer:?}");
        assert_eq!(receiver.next().await.event["peer"], "ann");
        assert!(peers(&app).await.is_empty());
    }
    receiver.answer(200, r#"{"grants":{"subscribe":false}}"#);
    location(&post(&app, "/whip/r", &both, CHROMIUM).await);
    assert_eq!(peers(&app).await, ["ann"]);
}
