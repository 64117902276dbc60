//! A scripted server over HTTP, in a process of its own.

use std::process::Stdio;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{binaries, http, http_legacy};

/// A running server; it ends with this value.
#[derive(Debug)]
pub struct Upstream {
    child: Child,
    url: String,
}

impl Upstream {
    /// Starts the scripted server over HTTP with `args` on a port that is free.
    pub async fn start(args: &[&str]) -> Self {
        let mut all = vec!["--http", "0"];
        all.extend(args);
        Self::run(&all).await
    }

    /// Starts the testkit's binary with `args`; it must say its address.
    ///
    /// # Panics
    /// When it does not.
    pub async fn run(args: &[&str]) -> Self {
        let mut child = Command::new(binaries::scripted_server())
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the scripted server can be started");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped"))
            .read_line(&mut line)
            .await
            .expect("its address can be read");
        let said: Value = serde_json::from_str(&line).expect("its address is JSON");
        let url = said["url"]
            .as_str()
            .expect("its address is text")
            .to_owned();
        Self { child, url }
    }

    /// Returns its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns where it listens.
    ///
    /// # Panics
    /// When its address names none.
    pub fn address(&self) -> std::net::SocketAddr {
        let authority = self.url.split('/').nth(2).expect("an address has a host");
        authority.parse().expect("it says where it listens")
    }

    /// Returns its process id.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it has not ended")
    }

    /// Has every stream of a server over HTTP+SSE ended.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn hang_up(&self) {
        let url = self.url.replace(http_legacy::PATH, http_legacy::HANG_UP);
        let sent = reqwest::Client::new().post(url).send().await;
        sent.expect("it answers");
    }

    /// Returns how many requests it has had.
    ///
    /// # Panics
    /// When it does not say.
    pub async fn requests(&self) -> usize {
        let url = self.url.replace("/mcp", http::REQUESTS);
        let response = reqwest::get(url).await.expect("it answers");
        let text = response.text().await.expect("it answers to the end");
        text.parse().expect("a number")
    }
}
