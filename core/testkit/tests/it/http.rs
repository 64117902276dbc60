//! The scripted server over HTTP, and the client the core is tested with.

use narthex_testkit::{session::Session, upstream::Upstream};
use serde_json::{Value, json};

#[tokio::test]
async fn a_client_lists_calls_and_hears() {
    for args in [vec![], vec!["--sse"]] {
        let upstream =
            Upstream::start(&[&args[..], &["--tools", "3", "--page", "2"]].concat()).await;
        let session = Session::open(upstream.url(), None).await;
        let mut stream = session.listen().await;

        let names = session.names().await;
        let echoed = session.call("echo", json!({"text": "hi"})).await;
        let refused = session.call("refuse", json!({"kind": "odd"})).await;
        session.call("announce", json!({})).await;
        let heard: Value = serde_json::from_str(&stream.next().await.unwrap().data).unwrap();

        assert!(names.contains(&"echo".into()) && names.contains(&"tool_2".into()));
        assert_eq!(echoed.text(), "hi");
        assert_eq!(refused.error_kind(), "odd");
        assert_eq!(heard["method"], "notifications/tools/list_changed");
    }
}

#[tokio::test]
async fn progress_comes_on_the_stream_of_its_call() {
    let upstream = Upstream::start(&["--sse"]).await;
    let session = Session::open(upstream.url(), None).await;

    let params = json!({"name": "progress", "arguments": {"steps": 3, "ms": 1},
        "_meta": {"progressToken": "t"}});
    let answer = session.request("tools/call", params).await;

    assert_eq!(answer.text(), "done");
    let steps: Vec<&Value> = answer
        .before
        .iter()
        .map(|message| &message["params"]["progress"])
        .collect();
    assert_eq!(steps, [1, 2, 3]);
}

#[tokio::test]
async fn a_session_expires_and_ends() {
    let upstream = Upstream::start(&["--expire-after", "2"]).await;
    let session = Session::open(upstream.url(), None).await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

    assert_eq!(session.post(ping).await.status, 200);
    assert_eq!(session.post(ping).await.status, 404);

    let session = Session::open(upstream.url(), None).await;
    assert_eq!(session.delete().await.status, 200);
    assert_eq!(session.post(ping).await.status, 404);
    assert_eq!(
        Session::new(upstream.url(), None).post(ping).await.status,
        400
    );
}

#[tokio::test]
async fn it_speaks_bad_http() {
    let elsewhere = Upstream::start(&[]).await;
    for (args, status) in [
        (vec!["--http-html"], 200),
        (vec!["--http-status", "503"], 503),
        (vec!["--http-redirect", elsewhere.url()], 307),
    ] {
        let upstream = Upstream::start(&args).await;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let response = client.post(upstream.url()).body("{}").send().await.unwrap();
        assert_eq!(response.status(), status, "{args:?}");
        assert_eq!(upstream.requests().await, 1);
    }
    assert_eq!(elsewhere.requests().await, 0);
}
