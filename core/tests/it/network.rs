//! What lies between Narthex and a server at an address: TLS and proxies.

use std::net::SocketAddr;

use narthex_testkit::{
    core::{Core, Home},
    entry::Entry,
    proxy::Proxy,
    tls::Authority,
    upstream::Upstream,
    view::Server,
};
use serde_json::json;

/// The two transports: how the scripted server is told, where it listens, what the entry says.
const TRANSPORTS: [(&str, &str, &str); 2] =
    [("--sse", "/mcp", "http"), ("--legacy", "/sse", "sse")];

#[tokio::test]
async fn both_transports_speak_tls_with_whom_the_system_trusts() {
    let authority = Authority::new();
    for (arg, path, transport) in TRANSPORTS {
        let upstream = Upstream::start(&[arg]).await;
        let front = authority.before(upstream.address(), "localhost").await;
        let url = format!("https://localhost:{}{path}", front.address().port());
        let entry = Entry::url(&url).set("transport", transport);
        let core = Home::new()
            .with([("alpha", entry)])
            .env("SSL_CERT_FILE", &authority.file().to_string_lossy())
            .trusted()
            .start()
            .await;

        assert_echoes(&core).await;
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_told_with_what_helps() {
    let (trusted, other) = (Authority::new(), Authority::new());
    for (authority, name, why) in [
        (&other, "localhost", "nobody you trust has issued"),
        (&trusted, "elsewhere.test", "issued for another name"),
    ] {
        for (arg, path, transport) in TRANSPORTS {
            let upstream = Upstream::start(&[arg]).await;
            let front = authority.before(upstream.address(), name).await;
            let url = format!("https://localhost:{}{path}", front.address().port());
            let entry = Entry::url(&url).set("transport", transport);
            let home = Home::new().with([("alpha", entry)]);
            let home = home.env("SSL_CERT_FILE", &trusted.file().to_string_lossy());
            let core = home.trusted().start().await;

            let server = failed(&core).await;

            let error = server.error.unwrap();
            assert_eq!(error.kind, "certificate_not_trusted");
            assert!(error.message.contains(why), "{error:?}");
            assert!(error.remedy.contains("SSL_CERT_FILE"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_proxy_of_the_environment_leads_to_plain_addresses() {
    for (arg, path, transport) in TRANSPORTS {
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
            let upstream = Upstream::start(&[arg]).await;
            let proxy = Proxy::to(Some(upstream.address())).await;
            let entry = Entry::url(&format!("http://upstream.test{path}"));
            let core = behind(
                name,
                "me:secret@",
                &proxy,
                entry.set("transport", transport),
            );
            let core = core.trusted().start().await;

            assert_echoes(&core).await;

            for head in proxy.heads() {
                let whole = format!(" http://upstream.test{}", &path[..2]);
                assert!(head.contains(&whole) || head.contains("/message"), "{head}");
                // `me:secret`
                assert!(
                    head.contains("proxy-authorization: basic bwu6c2vjcmv0"),
                    "{head}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_proxy_of_the_environment_leads_to_secure_addresses_by_a_tunnel() {
    let authority = Authority::new();
    for (arg, path, transport) in TRANSPORTS {
        let upstream = Upstream::start(&[arg]).await;
        let front = authority.before(upstream.address(), "upstream.test").await;
        let proxy = Proxy::to(Some(front.address())).await;
        let entry = Entry::url(&format!("https://upstream.test{path}"));
        let entry = entry.set("headers", json!({"authorization": "Bearer mine"}));
        let entry = entry.set("transport", transport);
        let home = behind("HTTPS_PROXY", "", &proxy, entry);
        let home = home.env("SSL_CERT_FILE", &authority.file().to_string_lossy());
        let core = home.trusted().start().await;

        assert_echoes(&core).await;

        let heads = proxy.heads();
        assert!(!heads.is_empty());
        for head in heads {
            assert!(head.starts_with("connect upstream.test:443 "), "{head}");
            assert!(!head.contains("bearer mine"), "{head}");
        }
    }
}

#[tokio::test]
async fn an_address_on_this_machine_is_never_reached_through_a_proxy() {
    for (arg, _, transport) in TRANSPORTS {
        let upstream = Upstream::start(&[arg]).await;
        let proxy = Proxy::to(None).await;
        let entry = Entry::url(upstream.url()).set("transport", transport);
        let core = behind("ALL_PROXY", "", &proxy, entry);
        let core = core.trusted().start().await;

        assert_echoes(&core).await;

        assert_eq!(proxy.heads(), [""; 0]);
    }
}

#[tokio::test]
async fn what_needs_no_proxy_is_reached_without_one() {
    let proxy = Proxy::to(None).await;
    // A name that nobody has (RFC 6761): that it is not reached is no matter.
    let entry = Entry::url("http://a.none.invalid:9/mcp");
    let home = behind("ALL_PROXY", "", &proxy, entry).env("NO_PROXY", "example.com, none.invalid");
    let core = home.trusted().start().await;

    let server = failed(&core).await;

    assert_eq!(server.error_kind(), "unreachable");
    assert_eq!(proxy.heads(), [""; 0]);
}

#[tokio::test]
async fn a_proxy_that_does_not_let_through_is_told() {
    let refusing = Proxy::to(None).await;
    let gone: SocketAddr = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    for address in [refusing.address(), gone] {
        let home = Home::new().with([("alpha", Entry::url("https://upstream.test/mcp"))]);
        let home = home.env("HTTPS_PROXY", &format!("http://me:secret@{address}"));
        let core = home.trusted().start().await;

        let server = failed(&core).await;

        let error = server.error.unwrap();
        assert_eq!(error.kind, "unreachable");
        assert!(error.message.contains(&address.to_string()), "{error:?}");
        assert!(!error.message.contains("secret"), "{error:?}");
        assert!(error.remedy.contains("NO_PROXY"), "{error:?}");
    }
}

fn behind(name: &str, user: &str, proxy: &Proxy, entry: Entry) -> Home {
    let home = Home::new().with([("alpha", entry)]);
    home.env(name, &format!("http://{user}{}", proxy.address()))
}

async fn assert_echoes(core: &Core) {
    let connected = core.wait_until("alpha", |server| {
        assert!(server.error.is_none(), "{server:?}");
        server.is("connected")
    });
    connected.await;
    let session = core.session().await;
    let answer = session.call("alpha__echo", json!({"text": "through"}));
    assert_eq!(answer.await.text(), "through");
}

async fn failed(core: &Core) -> Server {
    let failed = core.wait_until("alpha", |server| server.error.is_some());
    failed.await
}
