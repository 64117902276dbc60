//! The bridge, as the clients that start it see it: a process with two pipes.

use std::{
    fs::{self, File},
    net::Ipv4Addr,
    process::Stdio,
};

use axum::{
    Json, Router,
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
    routing::any,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    process::Command,
    sync::mpsc,
};

#[tokio::test]
async fn a_session_from_the_first_line_to_the_end_of_input() {
    let (deleted, mut was_deleted) = mpsc::channel(1);
    let handler = async move |method: Method, headers: HeaderMap, body: String| {
        if method == Method::DELETE {
            deleted
                .send(headers["mcp-session-id"].clone())
                .await
                .unwrap();
        }
        answer(&method, &serde_json::from_str(&body).unwrap_or_default())
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/mcp", any(handler));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    let home = tempfile::tempdir().unwrap();
    let holder = json!({"pid": 1, "kind": "serve", "address": address.to_string(), "since": "t"});
    fs::write(home.path().join("core.lock"), holder.to_string()).unwrap();
    fs::write(home.path().join("client.token"), "narthex_client_x\n").unwrap();
    let lock = File::open(home.path().join("core.lock")).unwrap();
    lock.lock().unwrap();

    let mut bridge = Command::new(env!("CARGO_BIN_EXE_narthex"))
        .args(["stdio", "--client", "Test", "--home"])
        .arg(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = bridge.stdin.take().unwrap();
    let mut output = BufReader::new(bridge.stdout.take().unwrap()).lines();

    input
        .write_all(
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{}}\n\
              {\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n\
              \n\
              not json\n\
              {\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\n",
        )
        .await
        .unwrap();
    let mut line = async || -> Value {
        serde_json::from_str(&output.next_line().await.unwrap().unwrap()).unwrap()
    };
    assert_eq!(line().await["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(line().await["error"]["code"], -32700);
    assert_eq!(
        line().await,
        json!({"jsonrpc": "2.0", "id": 2, "result": {}})
    );

    drop(input);
    assert_eq!(was_deleted.recv().await.unwrap(), "s1");
    assert_eq!(output.next_line().await.unwrap(), None);
    assert_eq!(bridge.wait().await.unwrap().code(), Some(0));
}

fn answer(method: &Method, message: &Value) -> Response {
    let result = match message["method"].as_str() {
        Some("initialize") => json!({"protocolVersion": "2025-11-25", "capabilities": {}}),
        Some("ping") => json!({}),
        Some(_) => return StatusCode::ACCEPTED.into_response(),
        None if *method == Method::DELETE => return StatusCode::OK.into_response(),
        None => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
    };
    let reply = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
    ([("mcp-session-id", "s1")], Json(reply)).into_response()
}
