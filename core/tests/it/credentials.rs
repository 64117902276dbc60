//! Who may what: every cell of the table, and what comes before it.

use narthex_testkit::{
    core::{Core, Home},
    entry::Entry,
    session::{Raw, Session},
};
use reqwest::Method;
use serde_json::json;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    Stranger,
    Client,
    Control,
}

#[tokio::test]
async fn everybody_may_do_what_the_table_says_and_nothing_else() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let api = [
        (Method::GET, "/api/v1/servers"),
        (Method::GET, "/api/v1/servers/alpha"),
        (Method::GET, "/api/v1/servers/alpha/tools"),
        (Method::GET, "/api/v1/servers/alpha/logs"),
        (Method::GET, "/api/v1"),
        (Method::GET, "/api/v1/"),
        (Method::GET, "/api/v1/servers/"),
        (Method::GET, "/api/v1/no/such/thing"),
        (Method::PUT, "/api/v1/servers"),
        (Method::OPTIONS, "/api/v1/no/such/thing"),
        (Method::POST, "/api/v1/servers"),
        (Method::PATCH, "/api/v1/servers/alpha"),
        (Method::DELETE, "/api/v1/servers/alpha"),
        (Method::POST, "/api/v1/servers/alpha/connect"),
        (Method::POST, "/api/v1/servers/alpha/disconnect"),
        (Method::POST, "/api/v1/servers/alpha/restart"),
        (Method::POST, "/api/v1/servers/alpha/quarantine"),
        (Method::POST, "/api/v1/servers/alpha/approve"),
        (Method::POST, "/api/v1/pause"),
        (Method::POST, "/api/v1/resume"),
        (Method::GET, "/api/v1/events"),
        (Method::GET, "/metrics"),
    ];

    for (method, path) in api {
        for (who, status) in [(Who::Nobody, 401), (Who::Stranger, 401), (Who::Client, 403)] {
            let raw = ask(&core, who, method.clone(), path).await;
            assert_eq!(raw.status, status, "{method} {path} as {who:?}: {raw:?}");
            assert_problem(&raw);
        }
    }
    for path in ["/health", "/health/ready"] {
        for who in [Who::Nobody, Who::Stranger, Who::Client, Who::Control] {
            let raw = ask(&core, who, Method::GET, path).await;
            assert_eq!(raw.status, 200, "{path} as {who:?}: {raw:?}");
        }
    }
    for path in ["/mcp", "/mcp/s/alpha"] {
        for (who, status) in [
            (Who::Nobody, 401),
            (Who::Stranger, 401),
            (Who::Client, 200),
            (Who::Control, 403),
        ] {
            let raw = initialize(&core, who, path).await;
            assert_eq!(raw.status, status, "{path} as {who:?}: {raw:?}");
        }
    }
    for path in ["/api/v1/servers", "/api/v1/servers/alpha", "/metrics"] {
        let raw = ask(&core, Who::Control, Method::GET, path).await;
        assert_eq!(raw.status, 200, "{path}: {raw:?}");
    }
    for path in ["/api/v1", "/api/v1/", "/api/v1/servers/", "/api/v1/no"] {
        let raw = ask(&core, Who::Control, Method::GET, path).await;
        assert_eq!(raw.status, 404, "{path}: {raw:?}");
        assert_problem(&raw);
    }
    for (who, status) in [(Who::Nobody, 401), (Who::Client, 405), (Who::Control, 403)] {
        let raw = ask(&core, who, Method::PUT, "/mcp").await;
        assert_eq!(raw.status, status, "PUT /mcp as {who:?}: {raw:?}");
        assert_problem(&raw);
    }
    // The refused DELETE, PATCH and wishes have changed nothing.
    let server = core.server("alpha").await;
    assert!(server.is("connected"), "{server:?}");
}

#[tokio::test]
async fn what_cannot_be_read_is_a_problem_too() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let raw = core.get("/servers/alpha/logs?lines=x").await;
    assert_eq!(raw.status, 400, "{raw:?}");
    assert_problem(&raw);

    // A client may send 16 MB, and no more.
    let entry =
        |bytes: usize| json!({"name": "beta", "entry": {"command": 5, "x": "x".repeat(bytes)}});
    let raw = core.post("/servers", entry(15 << 20)).await;
    assert_eq!(raw.status, 422, "{raw:?}");
    let raw = core.post("/servers", entry(16 << 20)).await;
    assert_eq!(raw.status, 413, "{raw:?}");
    assert_problem(&raw);
}

#[tokio::test]
async fn the_web_ui_needs_no_credential() {
    let core = Home::new().start().await;

    for who in [Who::Nobody, Who::Stranger, Who::Client, Who::Control] {
        let raw = ask(&core, who, Method::GET, "/ui/").await;
        // 404 where it was not built.
        assert!(
            [200, 404].contains(&raw.status.as_u16()),
            "{who:?}: {raw:?}"
        );
    }
}

#[tokio::test]
async fn a_credential_in_the_address_is_none() {
    let core = Home::new().start().await;
    let token = core.home.token("control");

    for name in ["token", "access_token", "authorization"] {
        let path = format!("/api/v1/servers?{name}={token}");
        let raw = ask(&core, Who::Nobody, Method::GET, &path).await;
        assert_eq!(raw.status, 401, "{path}: {raw:?}");
    }
}

#[tokio::test]
async fn a_foreign_host_or_origin_is_refused_before_anything_else() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let port = core.address().rsplit_once(':').unwrap().1.to_owned();
    let foreign = [
        ("host", "evil.example".to_owned()),
        ("host", format!("evil.example:{port}")),
        ("host", format!("127.0.0.1.evil.example:{port}")),
        ("host", "192.0.2.1".to_owned()),
        ("origin", "https://evil.example".to_owned()),
        ("origin", format!("http://evil.example:{port}")),
        ("origin", "http://127.0.0.1:1".to_owned()),
        ("origin", "null".to_owned()),
    ];

    for (header, value) in &foreign {
        for path in [
            "/health",
            "/api/v1/servers",
            "/mcp",
            "/metrics",
            "/ui/",
            "/nothing",
        ] {
            for who in [Who::Nobody, Who::Client, Who::Control] {
                let request = authorized(&core, who, Method::GET, path).header(*header, value);
                let raw = core.send(request).await;
                assert_eq!(
                    raw.status, 403,
                    "{header}: {value} at {path} as {who:?}: {raw:?}"
                );
            }
        }
    }
    for (header, value) in [
        ("host", core.address().to_owned()),
        ("host", format!("localhost:{port}")),
        ("origin", format!("http://{}", core.address())),
    ] {
        let request = authorized(&core, Who::Control, Method::GET, "/api/v1/servers");
        let raw = core.send(request.header(header, &value)).await;
        assert_eq!(raw.status, 200, "{header}: {value}: {raw:?}");
    }
}

#[tokio::test]
async fn without_client_auth_mcp_needs_no_credential_and_takes_no_control_credential() {
    let core = Home::new()
        .with([("alpha", Entry::scripted([]))])
        .trusted()
        .arg("--no-client-auth")
        .start()
        .await;
    core.wait_until("alpha", |server| server.is("connected"))
        .await;

    let session = Session::open(&core.url("/mcp"), None).await;
    let control = initialize(&core, Who::Control, "/mcp").await;
    let api = ask(&core, Who::Nobody, Method::GET, "/api/v1/servers").await;

    assert_eq!(
        session
            .call("alpha__echo", json!({"text": "x"}))
            .await
            .text(),
        "x"
    );
    assert_eq!(control.status, 403, "{control:?}");
    assert_eq!(api.status, 401);
    assert!(!core.stderr().is_empty(), "it is said in the log");
}

#[tokio::test]
async fn without_client_auth_only_loopback_is_served() {
    let refused = Home::new()
        .arg("--no-client-auth")
        .arg("--listen")
        .arg("0.0.0.0:0")
        .try_start()
        .await;

    let (_, refused) = refused.expect_err("it listens on every address");
    assert_ne!(refused.code, Some(0), "{refused:?}");
}

#[tokio::test]
async fn a_session_belongs_to_the_client_that_opened_it() {
    let core = Core::trusted([("alpha", Entry::scripted([]))]).await;
    let session = core.session().await;

    let request = core
        .request(Method::POST, "/mcp")
        .header("mcp-session-id", session.id().unwrap())
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    let raw = core.send(request).await;

    assert_eq!(raw.status, 401, "a session's id is no credential: {raw:?}");
}

fn authorized(core: &Core, who: Who, method: Method, path: &str) -> reqwest::RequestBuilder {
    let request = core.request(method, path);
    match who {
        Who::Nobody => request,
        Who::Stranger => request.bearer_auth(format!("narthex_control_{}", "A".repeat(43))),
        Who::Client => request.bearer_auth(core.home.token("client")),
        Who::Control => request.bearer_auth(core.home.token("control")),
    }
}

async fn ask(core: &Core, who: Who, method: Method, path: &str) -> Raw {
    core.send(authorized(core, who, method, path)).await
}

async fn initialize(core: &Core, who: Who, path: &str) -> Raw {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}}});
    let request = authorized(core, who, Method::POST, path)
        .header("accept", "application/json, text/event-stream")
        .json(&body);
    core.send(request).await
}

#[track_caller]
fn assert_problem(raw: &Raw) {
    assert_eq!(
        raw.header("content-type"),
        "application/problem+json",
        "{raw:?}"
    );
    let problem = raw.json();
    assert_eq!(problem["status"], raw.status.as_u16(), "{problem}");
    for field in ["type", "title", "detail", "remedy"] {
        assert!(problem[field].is_string(), "{field} in {problem}");
    }
}
