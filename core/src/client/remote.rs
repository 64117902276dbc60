mod events;
mod log;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use reqwest_eventsource::{EventSource, retry};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use url::Url;

pub use events::Received;

use super::{ClientError, find};
use crate::{
    api::wire::{
        Accepted, Approval, Approved, Client, ClientList, ClientToken, Command, LogLine, LogLines,
        NewClient, NewServer, OneServer, ProblemDetails, RemovedServer, ServerList, Settings,
        SettingsPatch, Status, ToolList, Written,
    },
    home::Home,
    server::Secret,
};

/// How long an answer may take. A change of the file is answered when the view knows it, which is
/// well below a second; a machine that swaps takes several.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long connecting to our own machine may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A core in another process.
#[derive(Debug, Clone)]
pub struct Remote {
    http: reqwest::Client,
    base: Url,
    token: Secret,
}

impl Remote {
    /// Attaches to the core at `address` with its control credential. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address is not on this machine's loopback.
    pub fn attach(address: SocketAddr, control_token: Secret) -> Result<Self, ClientError> {
        // A wish is one request, as a rule.
        let (http, base) = loopback(address, 0)?;
        Ok(Self {
            http,
            base,
            token: control_token,
        })
    }

    /// Attaches to the core that holds the home folder (`None`: the platform's folders).
    ///
    /// # Errors
    /// [`ClientError::NoCore`] when none does.
    pub fn find(home: Option<PathBuf>) -> Result<Self, ClientError> {
        let home = Home::locate(home)?;
        let address = find::address(&home)?;
        Self::attach(address, find::credential(home.control_token())?)
    }

    /// `GET /status`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get(&["status"]).await
    }

    /// `GET /servers`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn servers(&self) -> Result<ServerList, ClientError> {
        self.get(&["servers"]).await
    }

    /// `GET /servers/{name}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn server(&self, name: &str) -> Result<OneServer, ClientError> {
        self.get(&["servers", name]).await
    }

    /// `GET /servers/{name}/tools`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn tools(&self, name: &str) -> Result<ToolList, ClientError> {
        self.get(&["servers", name, "tools"]).await
    }

    /// `GET /servers/{name}/logs`: the last `lines` lines, oldest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn logs(&self, name: &str, lines: usize) -> Result<Vec<LogLine>, ClientError> {
        let request = self
            .request(Method::GET, &["servers", name, "logs"])
            .query(&[("lines", lines)]);
        let logs: LogLines = answer(request).await?;
        Ok(logs.lines)
    }

    /// `POST /servers`: writes an entry into the file.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add(&self, name: &str, entry: Value) -> Result<Written, ClientError> {
        let server = NewServer {
            name: name.to_owned(),
            entry,
        };
        self.send(Method::POST, &["servers"], &server).await
    }

    /// `PATCH /servers/{name}`: merges `patch` into the entry in the file.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn patch(&self, name: &str, patch: Value) -> Result<Written, ClientError> {
        self.send(Method::PATCH, &["servers", name], &patch).await
    }

    /// `DELETE /servers/{name}`: takes the entry out of the file.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove(&self, name: &str) -> Result<RemovedServer, ClientError> {
        answer(self.request(Method::DELETE, &["servers", name])).await
    }

    /// `POST /servers/{name}/connect` and its siblings.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn wish(&self, name: &str, command: Command) -> Result<Accepted, ClientError> {
        let path = ["servers", name, command.as_str()];
        self.send(Method::POST, &path, &json!({})).await
    }

    /// `POST /servers/{name}/approve`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn approve(&self, name: &str, approval: &Approval) -> Result<Approved, ClientError> {
        let request = self
            .request(Method::POST, &["servers", name, "approve"])
            .json(approval);
        let response = accepted(request).await?;
        if response.status() == StatusCode::ACCEPTED {
            Ok(Approved::Pending(response.json().await?))
        } else {
            Ok(Approved::Accepted(response.json().await?))
        }
    }

    /// `POST /pause`: all servers.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn pause(&self) -> Result<Accepted, ClientError> {
        self.send(Method::POST, &["pause"], &json!({})).await
    }

    /// `POST /resume`: all servers.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn resume(&self) -> Result<Accepted, ClientError> {
        self.send(Method::POST, &["resume"], &json!({})).await
    }

    /// `POST /hand-over`: has a core that was started for clients alone end.
    ///
    /// # Errors
    /// [`ClientError::Refused`] by one that a person started.
    pub async fn hand_over(&self) -> Result<(), ClientError> {
        accepted(self.request(Method::POST, &["hand-over"])).await?;
        Ok(())
    }

    /// `GET /clients`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn clients(&self) -> Result<Vec<Client>, ClientError> {
        let list: ClientList = self.get(&["clients"]).await?;
        Ok(list.clients)
    }

    /// `POST /clients`: the only time the token is shown.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add_client(&self, name: &str) -> Result<ClientToken, ClientError> {
        let client = NewClient {
            name: name.to_owned(),
        };
        self.send(Method::POST, &["clients"], &client).await
    }

    /// `DELETE /clients/{name}`: its token is refused from now on.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_client(&self, name: &str) -> Result<(), ClientError> {
        accepted(self.request(Method::DELETE, &["clients", name])).await?;
        Ok(())
    }

    /// `GET /settings`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn settings(&self) -> Result<Settings, ClientError> {
        self.get(&["settings"]).await
    }

    /// `PATCH /settings`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn change_settings(&self, patch: &SettingsPatch) -> Result<Settings, ClientError> {
        self.send(Method::PATCH, &["settings"], patch).await
    }

    /// Returns the address of the web UI, with the credential behind the `#`: that part is sent to
    /// nobody, and the page takes it away at once.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] where it was not built into the core.
    pub async fn ui(&self) -> Result<String, ClientError> {
        let mut address = self.base.clone();
        address.set_path("/ui/");
        accepted(self.http.get(address.clone()).timeout(ANSWER_TIMEOUT)).await?;
        address.set_fragment(Some(&format!("token={}", self.token.expose())));
        Ok(address.into())
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, ClientError> {
        answer(self.request(Method::GET, path)).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        answer(self.request(method, path).json(body)).await
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.stream(method, path).timeout(ANSWER_TIMEOUT)
    }

    /// A request whose answer may go on for as long as it likes.
    pub(super) fn stream(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.http
            .request(method, self.address(path))
            .bearer_auth(self.token.expose())
    }

    fn address(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("an http address has a path")
            .extend(["api", "v1"])
            .extend(path);
        url
    }
}

/// Returns what reaches a core on this machine's loopback, and its address.
///
/// A proxy of the environment would be asked for `127.0.0.1` too, so none is used. `idle_max` is how
/// many connections without a request are kept for the next one.
pub(super) fn loopback(
    address: SocketAddr,
    idle_max: usize,
) -> Result<(reqwest::Client, Url), ClientError> {
    if !address.ip().is_loopback() {
        return Err(ClientError::NotLoopback(address));
    }
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(idle_max)
        .build()?;
    let base = Url::parse(&format!("http://{address}")).expect("a socket's address makes a URL");
    Ok((http, base))
}

/// Opens a stream of events. Whoever reads it decides what becomes of one that breaks: the source's
/// own retry ends for good at the first status that is not 200, and sends `Last-Event-ID` twice.
fn open(request: RequestBuilder) -> EventSource {
    let mut source = EventSource::new(request).expect("a request without a body can be cloned");
    source.set_retry_policy(Box::new(retry::Never));
    source
}

async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, ClientError> {
    Ok(accepted(request).await?.json().await?)
}

/// Sends a request and turns an answer that is not a success into its error.
async fn accepted(request: RequestBuilder) -> Result<Response, ClientError> {
    let response = request.send().await?;
    if response.status().is_success() {
        return Ok(response);
    }
    Err(problem(response).await)
}

/// Reads the problem out of an answer; one without a body of ours still has its status.
pub(super) async fn problem(response: Response) -> ClientError {
    let status = response.status();
    let body = response.bytes().await.unwrap_or_default();
    let mut details = serde_json::from_slice(&body).unwrap_or_else(|_| {
        Box::new(ProblemDetails {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: format!("the core answered {status}"),
            remedy: String::new(),
            fields: Vec::new(),
        })
    });
    details.status = status.as_u16();
    ClientError::of(details)
}

#[cfg(test)]
mod tests;
