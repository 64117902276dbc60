use narthex_core::{
    api::wire::{Condition, Server},
    client::Mirror,
};
use narthex_testkit::{gate::Gate, session::Session, upstream::Upstream};

use super::Here;

#[tokio::test]
async fn calls_are_counted_from_their_beginning_to_their_end() {
    let upstream = Upstream::start(&[]).await;
    let config = format!(
        r#"{{"mcpServers": {{"alpha": {{"url": "{}"}}}}}}"#,
        upstream.url()
    );
    let here = Here::trusted(&config).await;
    let mirror = Mirror::follow(here.core.client());
    let is_up = |server: &Server| server.condition == Condition::Connected;
    let mut present = mirror.present();
    let up = present.wait_for(|now| now.servers.get("alpha").is_some_and(|it| is_up(it)));
    assert_eq!(up.await.unwrap().connected_of_wanted(), (1, 1));
    let token = std::fs::read_to_string(here.home.path().join("client.token")).unwrap();
    let url = format!("http://{}/mcp", here.core.address());
    let session = Session::open(&url, Some(token.trim())).await;
    assert_eq!(here.core.calls_in_flight(), 0);

    let (first, second) = (Gate::open(), Gate::open());
    let calls = async {
        tokio::join!(
            session.call("alpha__hold", first.arguments()),
            session.call("alpha__hold", second.arguments())
        )
    };
    let look = async {
        let (one, other) = tokio::join!(first.arrived(), second.arrived());
        assert_eq!(here.core.calls_in_flight(), 2);
        one.let_through("go").await;
        other.let_through("go").await;
    };
    let ((one, other), ()) = tokio::join!(calls, look);

    assert!(one.is_ok() && other.is_ok());
    assert_eq!(here.core.calls_in_flight(), 0);
    here.end().await;
}
