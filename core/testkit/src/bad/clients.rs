//! Clients that misbehave.

use futures_util::{StreamExt as _, stream};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::At;
use crate::session::Session;

/// How many sessions are opened at a time.
const AT_ONCE: usize = 2;

/// Sessions that a client opens and never uses.
#[derive(Debug)]
pub struct Sessions {
    /// Their ids, in the order in which they were opened.
    pub ids: Vec<String>,
}

impl Sessions {
    /// Opens `count` sessions.
    ///
    /// # Panics
    /// When one is refused.
    pub async fn open(at: &At, count: usize) -> Self {
        let (url, token) = (at.url(), &at.token);
        let http = reqwest::Client::new();
        let open = |_| {
            let mut session = Session::over(http.clone(), &url, Some(token));
            async move {
                session.begin().await;
                session.id().unwrap_or_default().to_owned()
            }
        };
        let ids = stream::iter(0..count).map(open).buffered(AT_ONCE).collect();
        Self { ids: ids.await }
    }
}

/// Connections on which half a request was sent.
#[derive(Debug)]
pub struct HalfRequests {
    /// The connections, open as far as this side goes.
    pub connections: Vec<TcpStream>,
}

impl HalfRequests {
    /// Sends half a request on each of `count` connections: of every other one the headers break
    /// off, of the rest the body.
    ///
    /// # Panics
    /// When the core takes no more connections.
    pub async fn send(at: &At, count: usize) -> Self {
        let At { address, token } = at;
        let mut connections = Vec::with_capacity(count);
        for number in 0..count {
            let connection = TcpStream::connect(address).await;
            let mut connection = connection.expect("the core takes connections");
            let head = format!(
                "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bea",
                address
            );
            let rest = format!(
                "rer {token}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{\"jsonrpc\":"
            );
            let half = if number % 2 == 0 { head } else { head + &rest };
            let sent = connection.write_all(half.as_bytes()).await;
            sent.expect("half a request can be sent");
            connections.push(connection);
        }
        Self { connections }
    }
}
