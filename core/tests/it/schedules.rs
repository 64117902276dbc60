//! Two clients at a time on shared servers, and what servers ask and say because of them, in 1,000
//! random orders: no message reaches the wrong client, and where the wire cannot tell whose a
//! question is, that is what the server is told.
//!
//! A schedule is made of its seed alone. Four lanes run side by side; all their clients use the same
//! `alpha` (HTTP, shared) and `beta` (stdio, a connection for each client), and each lane has a
//! stdio server that just its two clients share, so that it is known what is in flight there.
//! `NARTHEX_SCHEDULES=17..18` runs the seed 17 alone.

use std::{collections::VecDeque, ops::Range, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use narthex_testkit::{
    core::Core,
    entry::Entry,
    gate::{Gate, Held, HeldEnd},
    session::{Raw, Session},
    sse::SseStream,
    upstream::Upstream,
};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::timeout,
};

const SCHEDULES: Range<u64> = 0..1000;
const LANES: u64 = 4;

/// What each client of a schedule does.
const ACTS: usize = 2;

/// Long enough for any message on a machine that is busy with tests.
const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_whatever_order_no_message_reaches_the_wrong_client() {
    let upstream = Upstream::start(&["--full", "alpha", "--sse"]).await;
    let own = Entry::scripted(["--full", "beta"]).set("session", "per_client");
    let mut servers = vec![
        ("alpha".to_owned(), Entry::url(upstream.url())),
        ("beta".to_owned(), own),
    ];
    for lane in 0..LANES {
        let name = format!("gamma{lane}");
        servers.push((name.clone(), Entry::scripted(["--full", &name])));
    }
    let named = servers
        .iter()
        .map(|(name, entry)| (name.as_str(), entry.clone()));
    let core = Arc::new(Core::trusted(named).await);

    let mut lanes = JoinSet::new();
    for number in 0..LANES {
        let core = Arc::clone(&core);
        lanes.spawn(async move {
            let mut lane = Lane::new(&core, number).await;
            for seed in seeds().filter(|seed| seed % LANES == number) {
                let run = AssertUnwindSafe(lane.run(seed)).catch_unwind();
                if let Err(panic) = run.await {
                    let what = panic.downcast_ref::<String>().cloned();
                    let what = what.or(panic.downcast_ref().map(|text: &&str| text.to_string()));
                    panic!("the schedule of seed {seed}: {}", what.unwrap_or_default());
                }
            }
            lane.nobody_waits().await;
        });
    }
    while let Some(done) = lanes.join_next().await {
        if let Err(error) = done {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

fn seeds() -> Range<u64> {
    let Ok(asked) = std::env::var("NARTHEX_SCHEDULES") else {
        return SCHEDULES;
    };
    let (from, to) = asked
        .split_once("..")
        .expect("NARTHEX_SCHEDULES is FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

/// Two clients, and what they share.
struct Lane {
    clients: [Client; 2],
    gate: Gate,
    servers: [Server; 3],
    /// The cancellations that the lane's own server has been sent.
    cancelled: u64,
}

/// A server as a schedule sees it.
#[derive(Clone, PartialEq)]
struct Server {
    name: String,
    tells: Tells,
}

/// By what it is known whose a message is.
#[derive(Clone, Copy, PartialEq)]
enum Tells {
    /// By the stream on which it comes.
    Stream,
    /// By the connection.
    Connection,
    /// By who has calls in flight, if that is one client alone.
    Flight,
}

/// What a client has begun and not ended.
struct Act {
    server: Server,
    call: Call,
    stage: Stage,
}

enum Stage {
    /// Its call is held at the gate.
    Held(Held),
    /// It was asked something.
    Asked(Value),
    /// It has answered with this; the server's tool is to say so.
    Answered(Value),
    /// The call ends by itself.
    Progressing,
}

impl Lane {
    async fn new(core: &Core, number: u64) -> Self {
        let server = |name: &str, tells| Server {
            name: name.to_owned(),
            tells,
        };
        Self {
            clients: [
                Client::new(core, 2 * number, "debug").await,
                Client::new(core, 2 * number + 1, "warning").await,
            ],
            gate: Gate::open(),
            servers: [
                server("alpha", Tells::Stream),
                server("beta", Tells::Connection),
                server(&format!("gamma{number}"), Tells::Flight),
            ],
            cancelled: 0,
        }
    }

    /// Runs the schedule of a seed to its end.
    async fn run(&mut self, seed: u64) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut acts: [Vec<Act>; 2] = [Vec::new(), Vec::new()];
        let mut left = [ACTS; 2];
        loop {
            let busy = |who: &usize| left[*who] > 0 || !acts[*who].is_empty();
            let Some(who) = rng.choice([0, 1].into_iter().filter(busy).collect::<Vec<_>>()) else {
                break;
            };
            if left[who] > 0 && (acts[who].is_empty() || rng.bool()) {
                left[who] -= 1;
                let others = acts[1 - who].iter().map(|act| &act.server);
                let shared = others.into_iter().any(|it| it.tells == Tells::Flight);
                let act = self.begin(who, shared, &mut rng).await;
                acts[who].extend(act);
            } else {
                let act = acts[who].swap_remove(rng.usize(0..acts[who].len()));
                let act = self.go_on(who, act, &mut rng).await;
                acts[who].extend(act);
            }
        }
        for client in &mut self.clients {
            client.hears_no_more();
        }
    }

    /// Begins something; returns what is left of it to be done. `shared`: the other client has a
    /// call in flight at the server that they share.
    async fn begin(&mut self, who: usize, shared: bool, rng: &mut fastrand::Rng) -> Option<Act> {
        let server = rng.choice(&self.servers).unwrap().clone();
        let doubtful = shared && server.tells == Tells::Flight;
        match rng.u8(0..10) {
            0..=3 => self.ask(who, server, doubtful, rng).await,
            4 | 5 => {
                let arguments = self.gate.arguments();
                let call = self.clients[who].call(&server, "hold", arguments, rng);
                let stage = Stage::Held(self.gate.arrived().await);
                Some(Act {
                    server,
                    call,
                    stage,
                })
            }
            6 => {
                let call = self.clients[who].call(&server, "progress", json!({"ms": 0}), rng);
                let stage = Stage::Progressing;
                let act = Act {
                    server,
                    call,
                    stage,
                };
                if act.server.tells == Tells::Flight {
                    // Else it would not be known whether it is in flight.
                    return self.go_on(who, act, rng).await;
                }
                Some(act)
            }
            7 | 8 => {
                self.log(who, &server, doubtful, rng).await;
                None
            }
            _ => {
                self.follow(who, &server, rng).await;
                None
            }
        }
    }

    /// Has the server ask the client something.
    async fn ask(
        &mut self,
        who: usize,
        server: Server,
        doubtful: bool,
        rng: &mut fastrand::Rng,
    ) -> Option<Act> {
        let client = &mut self.clients[who];
        let word = client.word();
        let (method, params) = match rng.u8(0..4) {
            0 => (
                "elicitation/create",
                json!({"message": word, "requestedSchema": {}}),
            ),
            1 => (
                "elicitation/create",
                json!({"mode": "url", "message": word, "url": "https://x", "elicitationId": "1"}),
            ),
            2 => (
                "sampling/createMessage",
                json!({"messages": [], "metadata": word}),
            ),
            _ => ("roots/list", json!({"_meta": {"word": word}})),
        };
        let arguments = json!({"method": method, "params": params});
        let call = client.call(&server, "ask", arguments, rng);
        let refusal = if method == "roots/list" && server.tells != Tells::Connection {
            Some("not_declared")
        } else if doubtful {
            Some("several_clients")
        } else {
            None
        };
        if let Some(kind) = refusal {
            let told = client.told(&call).await;
            assert_eq!(
                told["error"]["data"]["kind"], kind,
                "{method} at {}",
                server.name
            );
            return None;
        }
        let question =
            client.hears(|_, it| it["method"] == method && it.to_string().contains(&word));
        let question = question.await;
        if server.tells == Tells::Stream {
            let on = if call.streams {
                On::Call(call.number)
            } else {
                On::Own
            };
            assert_eq!(question.0, on, "{}", question.1);
        }
        let stage = Stage::Asked(question.1);
        Some(Act {
            server,
            call,
            stage,
        })
    }

    /// Has the server log something, for the client or for whoever listens.
    async fn log(&mut self, who: usize, server: &Server, doubtful: bool, rng: &mut fastrand::Rng) {
        let client = &mut self.clients[who];
        let word = client.word();
        // Where the wire does not tell whose it is, it is everybody's: then it has nobody's tag.
        let data = if doubtful { "everybody's" } else { &word };
        let level = rng.choice(["info", "error"]).unwrap();
        let call = client.call(server, "log", json!({"level": level, "data": data}), rng);
        let logged = |it: &Value| it["params"]["data"] == data;
        if level == "error" || client.level == "debug" {
            let (on, _) = client.hears(|_, it| logged(it)).await;
            let related = call.streams && !doubtful && server.tells == Tells::Stream;
            assert!(!related || on == On::Call(call.number));
        }
        let answer = client.ends(&call).await.expect("it is answered");
        assert_eq!(answer["result"]["content"][0]["text"], "logged");
        assert!(doubtful || !client.heard.iter().any(|(_, it)| logged(it)));
    }

    /// Follows a resource, and has one of the two touch it.
    async fn follow(&mut self, who: usize, server: &Server, rng: &mut fastrand::Rng) {
        let word = self.clients[who].word();
        let uri = json!(format!("{}://item/{word}", server.name));
        let client = &mut self.clients[who];
        client
            .done("resources/subscribe", json!({"uri": uri}))
            .await;
        // The server of a connection of its own knows of nobody else's.
        let toucher = match server.tells {
            Tells::Connection => who,
            Tells::Stream | Tells::Flight => rng.usize(0..2),
        };
        let touching = &mut self.clients[toucher];
        let call = touching.call(server, "touch", json!({"uri": uri}), rng);
        let touched = touching.ends(&call).await.expect("it is answered");
        assert_eq!(touched["result"]["content"][0]["text"], "true");
        let client = &mut self.clients[who];
        let updated = client.hears(|_, it| it["params"]["uri"] == uri).await;
        assert_eq!(
            (updated.0, &updated.1["method"]),
            (On::Own, &json!("notifications/resources/updated"))
        );
        client
            .done("resources/unsubscribe", json!({"uri": uri}))
            .await;
    }

    /// Goes on with what was begun; returns what is left of it to be done.
    async fn go_on(&mut self, who: usize, act: Act, rng: &mut fastrand::Rng) -> Option<Act> {
        let Act {
            server,
            call,
            stage,
        } = act;
        let client = &mut self.clients[who];
        match stage {
            Stage::Held(held) => {
                if rng.bool() {
                    let word = client.word();
                    held.let_through(&word).await;
                    let answer = client.ends(&call).await.expect("it is answered");
                    assert_eq!(answer["result"]["content"][0]["text"], word);
                } else {
                    client.gives_up(&call, rng).await;
                    assert_eq!(held.ended().await, HeldEnd::Cancelled);
                    self.cancelled(who, &server, rng).await;
                }
                None
            }
            Stage::Asked(question) => match rng.u8(0..4) {
                0 => {
                    client.gives_up(&call, rng).await;
                    self.cancelled(who, &server, rng).await;
                    None
                }
                1 => {
                    let error = json!({"code": -1, "message": client.word()});
                    client.answers(&question, json!({"error": error})).await;
                    let stage = Stage::Answered(json!({"error": error}));
                    self.answered(
                        who,
                        Act {
                            server,
                            call,
                            stage,
                        },
                        rng,
                    )
                    .await
                }
                _ => {
                    let result = json!({"action": "accept", "content": {"word": client.word()}});
                    client.answers(&question, json!({"result": result})).await;
                    let stage = Stage::Answered(json!({"result": result}));
                    self.answered(
                        who,
                        Act {
                            server,
                            call,
                            stage,
                        },
                        rng,
                    )
                    .await
                }
            },
            Stage::Answered(with) => {
                assert_eq!(client.told(&call).await, with);
                None
            }
            Stage::Progressing => {
                let answer = client.ends(&call).await.expect("it is answered");
                assert_eq!(answer["result"]["content"][0]["text"], "done");
                let own = |(on, it): &(On, Value)| {
                    *on == On::Call(call.number) && it["method"] == "notifications/progress"
                };
                let told: Vec<_> = client.heard.iter().filter(|it| own(it)).collect();
                assert_eq!(told.len(), if call.streams { 3 } else { 0 });
                for (_, progress) in told {
                    assert_eq!(progress["params"]["progressToken"], call.token);
                }
                client.heard.retain(|it| !own(it));
                None
            }
        }
    }

    /// A call whose question was answered ends by itself. Where it counts whether it has, it is
    /// waited for.
    async fn answered(&mut self, who: usize, act: Act, rng: &mut fastrand::Rng) -> Option<Act> {
        if act.server.tells != Tells::Flight {
            return Some(act);
        }
        Box::pin(self.go_on(who, act, rng)).await
    }

    /// Waits until the lane's own server knows that a call was given up: then the call is no longer
    /// in flight.
    async fn cancelled(&mut self, who: usize, server: &Server, rng: &mut fastrand::Rng) {
        if server.tells != Tells::Flight {
            return;
        }
        self.cancelled += 1;
        let client = &mut self.clients[who];
        loop {
            let call = client.call(server, "heard", json!({}), rng);
            let heard = client.told(&call).await;
            if heard["notifications/cancelled"] == self.cancelled {
                return;
            }
        }
    }

    /// Waits until no server waits for an answer.
    async fn nobody_waits(&self) {
        let session = &self.clients[0].session;
        for server in &self.servers {
            let waiting = async {
                loop {
                    let standing = format!("{}__standing", server.name);
                    let standing = session.call(&standing, json!({})).await;
                    let standing: Value = serde_json::from_str(standing.text()).unwrap();
                    if standing["waiting"] == 0 {
                        return;
                    }
                }
            };
            let done = timeout(SOON, waiting).await;
            done.unwrap_or_else(|_| panic!("{} waits", server.name));
        }
    }
}

/// A client, and all that it hears.
struct Client {
    session: Arc<Session>,
    /// What is in everything that concerns it, and in nothing that concerns others.
    tag: String,
    level: &'static str,
    inbox: mpsc::UnboundedReceiver<(On, Option<Value>)>,
    streams: mpsc::UnboundedSender<(On, Option<Value>)>,
    /// What it has heard and nobody has looked for yet.
    heard: VecDeque<(On, Value)>,
    ended: Vec<u64>,
    words: u64,
    calls: u64,
}

/// The stream on which a message came.
#[derive(Debug, Clone, Copy, PartialEq)]
enum On {
    /// The client's own.
    Own,
    /// That of its call of this number.
    Call(u64),
}

/// A call in flight.
struct Call {
    number: u64,
    id: Value,
    token: Value,
    /// Whether an event stream is taken for an answer.
    streams: bool,
    reading: AbortHandle,
}

impl Client {
    async fn new(core: &Core, number: u64, level: &'static str) -> Self {
        let all = json!({"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": {}});
        let session = Arc::new(core.session_able("/mcp", all).await);
        let (streams, inbox) = mpsc::unbounded_channel();
        let mut own = session.listen().await;
        let to = streams.clone();
        tokio::spawn(async move {
            while let Some(event) = own.next().await {
                if event.data.is_empty() {
                    continue;
                }
                let message = serde_json::from_str(&event.data).unwrap();
                if to.send((On::Own, Some(message))).is_err() {
                    return;
                }
            }
        });
        let mut client = Self {
            session,
            tag: format!("~{number}~"),
            level,
            inbox,
            streams,
            heard: VecDeque::new(),
            ended: Vec::new(),
            words: 0,
            calls: 0,
        };
        client
            .done("logging/setLevel", json!({"level": level}))
            .await;
        client
    }

    /// Returns a word that it alone uses, and never twice.
    fn word(&mut self) -> String {
        self.words += 1;
        format!("{}{}", self.tag, self.words)
    }

    /// Makes a request that is answered at once.
    async fn done(&mut self, method: &str, params: Value) {
        let answer = self.session.request(method, params).await;
        assert!(
            answer.is_ok() && answer.before.is_empty(),
            "{method}: {answer:?}"
        );
    }

    /// Calls a tool. Ids and tokens are those that other clients use, too.
    fn call(
        &mut self,
        server: &Server,
        tool: &str,
        arguments: Value,
        rng: &mut fastrand::Rng,
    ) -> Call {
        self.calls += 1;
        let number = self.calls;
        let spelled = |rng: &mut fastrand::Rng| {
            if rng.bool() {
                json!(number)
            } else {
                json!(number.to_string())
            }
        };
        let (id, token) = (spelled(rng), spelled(rng));
        let params = json!({
            "name": format!("{}__{tool}", server.name),
            "arguments": arguments,
            "_meta": {"progressToken": token},
        });
        let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        let streams = rng.u8(0..4) > 0;
        let (session, to) = (Arc::clone(&self.session), self.streams.clone());
        let reading = tokio::spawn(async move {
            let accept = if streams {
                "application/json, text/event-stream"
            } else {
                "application/json"
            };
            let response = session.send(body.to_string(), accept).await;
            let kind = &response.headers()["content-type"];
            let on = On::Call(number);
            if kind == "text/event-stream" {
                let mut events = SseStream::new(response);
                while let Some(event) = events.next().await {
                    if event.data.is_empty() {
                        continue;
                    }
                    let _ = to.send((on, Some(serde_json::from_str(&event.data).unwrap())));
                }
            } else {
                let _ = to.send((on, Some(Raw::read(response).await.json())));
            }
            let _ = to.send((on, None));
        });
        Call {
            number,
            id,
            token,
            streams,
            reading: reading.abort_handle(),
        }
    }

    /// Gives a call up: by saying so, or by going away, or, since it could come back to a stream, by
    /// both.
    async fn gives_up(&mut self, call: &Call, rng: &mut fastrand::Rng) {
        let goes_away = rng.bool();
        if goes_away {
            call.reading.abort();
        }
        if goes_away && !call.streams {
            return;
        }
        let params = json!({"requestId": call.id});
        self.session.notify("notifications/cancelled", params).await;
        if !goes_away {
            assert_eq!(self.ends(call).await, None, "it is not answered");
        }
    }

    /// Answers a question.
    async fn answers(&self, question: &Value, mut with: Value) {
        with["jsonrpc"] = json!("2.0");
        with["id"] = question["id"].clone();
        let taken = self.session.post(&with.to_string()).await;
        assert_eq!(taken.status, 202);
    }

    /// Returns the next message that is looked for; what comes beside it is kept.
    async fn hears(&mut self, looked_for: impl Fn(On, &Value) -> bool) -> (On, Value) {
        let found = self.heard.iter().position(|(on, it)| looked_for(*on, it));
        if let Some(message) = found.and_then(|place| self.heard.remove(place)) {
            return message;
        }
        loop {
            if let Some((on, message)) = self.next().await {
                if looked_for(on, &message) {
                    return (on, message);
                }
                self.heard.push_back((on, message));
            }
        }
    }

    /// Returns the answer to a call once its stream has ended; `None` where none came.
    async fn ends(&mut self, call: &Call) -> Option<Value> {
        while !self.ended.contains(&call.number) {
            if let Some(message) = self.next().await {
                self.heard.push_back(message);
            }
        }
        let answer = |(on, it): &(On, Value)| {
            *on == On::Call(call.number) && it["id"] == call.id && it.get("method").is_none()
        };
        let place = self.heard.iter().position(answer)?;
        self.heard.remove(place).map(|(_, message)| message)
    }

    /// Returns what the text of a call's result says.
    async fn told(&mut self, call: &Call) -> Value {
        let answer = self.ends(call).await.expect("it is answered");
        let text = answer["result"]["content"][0]["text"].as_str();
        serde_json::from_str(text.unwrap_or_else(|| panic!("no text: {answer}"))).unwrap()
    }

    /// Returns the next message, which is none of another client's, or takes note of an end.
    async fn next(&mut self) -> Option<(On, Value)> {
        let next = timeout(SOON, self.inbox.recv()).await;
        let (on, message) = next.expect("what is waited for comes").unwrap();
        let Some(message) = message else {
            if let On::Call(number) = on {
                self.ended.push(number);
            }
            return None;
        };
        self.is_mine(&message);
        Some((on, message))
    }

    fn is_mine(&self, message: &Value) {
        let text = message.to_string();
        let numbers = text.split('~').skip(1).step_by(2);
        for number in numbers {
            assert_eq!(format!("~{number}~"), self.tag, "another's: {text}");
        }
    }

    /// Looks at what it has heard that was not waited for: none of it is another's, and there are
    /// only log messages for everybody, and questions that were taken back.
    fn hears_no_more(&mut self) {
        while let Ok((_, message)) = self.inbox.try_recv() {
            if let Some(message) = message {
                self.is_mine(&message);
                self.heard.push_back((On::Own, message));
            }
        }
        for (on, message) in self.heard.drain(..) {
            let everybodys = message["params"]["data"] == "everybody's";
            assert!(everybodys, "nobody waited for {message} on {on:?}");
        }
        self.ended.clear();
    }
}
