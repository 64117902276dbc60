//! Connections on which nothing happens for a while: they cost little, and nobody notices.

use std::time::Duration;

use narthex_testkit::{
    core::{Core, Home, PATIENCE},
    entry::Entry,
    peer::{Peer, text},
    session::Session,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

#[tokio::test]
async fn a_connection_at_rest_is_served_as_before() {
    let (_peer, core) = connected().await;
    let session = core.session().await;
    let mut wire = Wire::open(&core, &session).await;
    wire.post(PING).await;
    assert!(wire.answer().await.contains(r#""result":{}"#));
    wire.rests(&core, 1).await;

    // A head in two halves, and a body beyond any buffer.
    let large = format!(
        r#"{{"jsonrpc":"2.0","id":2,"method":"ping","params":{{"x":"{}"}}}}"#,
        "x".repeat(100_000)
    );
    for (times, body) in [(2, PING), (3, large.as_str())] {
        let request = wire.request("POST", body);
        let (half, rest) = request.split_at(20);
        wire.write(half).await;
        tokio::task::yield_now().await;
        wire.write(rest).await;
        let answer = wire.answer().await;
        assert!(answer.contains(r#""result":{}"#), "{answer}");
        wire.rests(&core, times).await;
    }
    // What is no request is told so, as on any connection.
    wire.write("nonsense\r\n\r\n").await;
    assert!(wire.head().await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn a_stream_at_rest_tells_what_comes_and_ends_in_order() {
    let (peer, core) = connected().await;
    let standing = peer.asked("GET").await.stream();
    let session = core.session_with("alpha").await;
    let subscribe = json!({"uri": "x://y"});
    session
        .request("resources/subscribe", subscribe)
        .await
        .result();
    let mut wire = Wire::open(&core, &session).await;
    wire.path = "/mcp/s/alpha";
    wire.write(&wire.request("GET", "")).await;
    assert!(wire.head().await.starts_with("HTTP/1.1 200 "));
    wire.rests(&core, 1).await;

    // Several at once, one of them beyond what is written at once.
    let updated = |text: &str| {
        let params = json!({"uri": "x://y", "text": text});
        let message = json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": params});
        format!("data: {message}\n\n")
    };
    let large = "x".repeat(40_000);
    standing.write(updated("one") + &updated(&large) + &updated("three"));
    let mut heard = String::new();
    while !heard.contains("three") {
        heard += &wire.chunk().await.unwrap();
    }
    let at = |text: &str| heard.find(&format!("\"{text}\"")).unwrap();
    assert!(at("one") < at(&large) && at(&large) < at("three"));

    // The next request waits for the stream's end, and is taken then.
    wire.post(PING).await;
    standing.write(updated("four"));
    assert!(wire.chunk().await.unwrap().contains("four"));
    assert_eq!(session.delete().await.status, 204);
    while wire.chunk().await.is_some() {}
    let answer = wire.answer().await;
    assert!(answer.contains("session_not_found"), "{answer}");
}

#[tokio::test]
async fn an_answer_comes_on_a_stream_at_rest_and_the_connection_stays_good() {
    let (peer, core) = connected().await;
    peer.take("tools/call");
    let session = core.session().await;
    let mut wire = Wire::open(&core, &session).await;
    let params = json!({"name": "alpha__call", "_meta": {"progressToken": 7}});
    let call = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params});
    wire.post(&call.to_string()).await;
    let call = peer.asked("tools/call").await;
    let token = call.seen.message["params"]["_meta"]["progressToken"].clone();
    let answer = call.with(&text("whole"));
    let rest = call.stream();
    let step = json!({"progressToken": token, "progress": 1});
    let step = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": step});
    rest.write(format!("data: {step}\n\n"));
    assert!(wire.head().await.contains("text/event-stream"));
    wire.rests(&core, 1).await;

    rest.write(format!("data: {answer}\n\n"));
    let mut heard = String::new();
    while let Some(chunk) = wire.chunk().await {
        heard += &chunk;
    }
    assert!(heard.contains("notifications/progress"), "{heard}");
    let last = heard.rsplit("data: ").next().unwrap();
    let last: Value = serde_json::from_str(last.trim()).unwrap();
    assert_eq!(last["id"], 5);
    assert_eq!(last["result"]["content"][0]["text"], "whole");
    wire.post(PING).await;
    assert!(wire.answer().await.contains(r#""result":{}"#));
}

#[tokio::test]
async fn a_client_that_goes_while_its_stream_rests_is_missed() {
    let (_peer, core) = connected().await;
    let session = core.session().await;
    let mut wire = Wire::open(&core, &session).await;
    wire.write(&wire.request("GET", "")).await;
    wire.head().await;
    wire.rests(&core, 1).await;
    wire.stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let end = wire.stream.read_to_end(&mut rest);
    timeout(PATIENCE, end)
        .await
        .expect("the core ends it")
        .unwrap();
    assert!(
        !String::from_utf8_lossy(&rest).contains("0\r\n\r\n"),
        "it was not the answer's end"
    );

    // So does one without a stream.
    let mut wire = Wire::open(&core, &session).await;
    wire.post(PING).await;
    wire.answer().await;
    wire.rests(&core, 1).await;
    wire.stream.shutdown().await.unwrap();
    let end = wire.stream.read_to_end(&mut rest);
    timeout(PATIENCE, end)
        .await
        .expect("the core ends it")
        .unwrap();
}

async fn connected() -> (Peer, Core) {
    let peer = Peer::start().await;
    peer.take("GET");
    let home = Home::new().with([("alpha", Entry::url(peer.url()))]);
    let core = home.trusted().env("NARTHEX_LOG", "debug").start().await;
    core.wait_until("alpha", |server| server.is("connected"))
        .await;
    (peer, core)
}

/// One connection of a client, byte by byte.
struct Wire {
    stream: TcpStream,
    core: String,
    token: String,
    session: String,
    path: &'static str,
    /// Read, and not asked for yet.
    read: Vec<u8>,
}

impl Wire {
    async fn open(core: &Core, session: &Session) -> Self {
        Self {
            stream: TcpStream::connect(core.address()).await.unwrap(),
            core: core.address().to_owned(),
            token: core.home.token("client"),
            session: session.id().unwrap().to_owned(),
            path: "/mcp",
            read: Vec::new(),
        }
    }

    fn request(&self, method: &str, body: &str) -> String {
        let Self {
            core,
            token,
            session,
            path,
            ..
        } = self;
        let length = body.len();
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {core}\r\nauthorization: Bearer {token}\r\nmcp-session-id: {session}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    }

    async fn post(&mut self, body: &str) {
        self.write(&self.request("POST", body)).await;
    }

    async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Waits until the core keeps nothing but the socket, for this many times.
    async fn rests(&self, core: &Core, times: usize) {
        let port = self.stream.local_addr().unwrap().port();
        let said = format!("connection at rest port={port}");
        let resting = async {
            while core.stderr().matches(&said).count() < times {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, resting).await.expect("it comes to rest");
    }

    /// Returns what stands before the next `end`, with it.
    async fn until(&mut self, end: &[u8]) -> String {
        loop {
            let found = self.read.windows(end.len()).position(|it| it == end);
            if let Some(at) = found {
                let taken: Vec<u8> = self.read.drain(..at + end.len()).collect();
                return String::from_utf8(taken).unwrap();
            }
            self.more().await;
        }
    }

    async fn more(&mut self) {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
        let count = read.expect("something comes").unwrap();
        assert!(
            count > 0,
            "it ended after {:?}",
            String::from_utf8_lossy(&self.read)
        );
    }

    async fn exactly(&mut self, count: usize) -> String {
        while self.read.len() < count {
            self.more().await;
        }
        String::from_utf8(self.read.drain(..count).collect()).unwrap()
    }

    async fn head(&mut self) -> String {
        self.until(b"\r\n\r\n").await
    }

    /// Returns the next chunk; nothing at the end.
    async fn chunk(&mut self) -> Option<String> {
        let length = self.until(b"\r\n").await;
        let length = usize::from_str_radix(length.trim(), 16).unwrap();
        let data = self.exactly(length).await;
        assert_eq!(self.exactly(2).await, "\r\n");
        (length > 0).then_some(data)
    }

    /// Returns an answer that is no stream.
    async fn answer(&mut self) -> String {
        let head = self.head().await;
        let length = head
            .split("content-length: ")
            .nth(1)
            .unwrap_or_else(|| panic!("{head}"));
        let length = length.split("\r\n").next().unwrap().parse().unwrap();
        self.exactly(length).await
    }
}
