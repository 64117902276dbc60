//! A proxy that leads everything to one server, and tells what it was asked for.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A running proxy; it ends with this value.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts one that leads to `server`, whatever address it is asked for; without one it refuses.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(server: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(lead(stream, server, Arc::clone(&kept)));
            }
        });
        Self {
            address,
            heads,
            task,
        }
    }

    /// Returns where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the head of the first request of each connection, in lower case.
    pub fn heads(&self) -> Vec<String> {
        self.heads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn lead(mut stream: TcpStream, to: Option<SocketAddr>, heads: Arc<Mutex<Vec<String>>>) {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") {
            break end + 4;
        }
        match stream.read_buf(&mut read).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    let tunnel = head.starts_with("connect ");
    heads
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(head);
    let Some(to) = to else {
        // Whoever asked may have gone.
        let _ = stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            .await;
        return;
    };
    let Ok(mut behind) = TcpStream::connect(to).await else {
        return;
    };
    let begun = if tunnel {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await
    } else {
        // A server takes a whole address in place of a path (RFC 9112, 3.2.2).
        behind.write_all(&read).await
    };
    if begun.is_ok() {
        // Either side may go at any time.
        let _ = copy_bidirectional(&mut stream, &mut behind).await;
    }
}
