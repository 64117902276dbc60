//! What passes through arrives byte for byte, but for what must change: ids, progress tokens, names,
//! the prefix of a URI, and line ends, which no line over stdio holds. In both directions, at both
//! addresses, and by every transport.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use fastrand::Rng;
use narthex_testkit::{
    core::Core,
    entry::Entry,
    gate::{Gate, HeldEnd},
    messy,
    session::Session,
    sse::SseStream,
    upstream::Upstream,
    verbatim,
};
use serde_json::json;
use tokio::{task::JoinSet, time::timeout};

/// How many requests are sent and answered.
const MESSAGES: u64 = 2000;

/// Long enough for any message on a machine that is busy with tests.
const SOON: Duration = Duration::from_secs(30);

/// Stands for an id that the other side is not known to have given yet.
const OWN: &str = "\u{1}";

/// The transports, and what makes a scripted server speak each; stdio where that is nothing. With
/// `own` each client has a connection of its own.
const TRANSPORTS: [(&str, Option<&[&str]>); 5] = [
    ("stdio", None),
    ("json", Some(&[])),
    ("sse", Some(&["--sse"])),
    ("legacy", Some(&["--legacy"])),
    ("own", None),
];

/// A server for each transport.
struct Servers {
    entries: Vec<(&'static str, Entry)>,
    folder: tempfile::TempDir,
    _upstreams: Vec<Upstream>,
}

impl Servers {
    /// Each records what it is sent; `more` are further arguments.
    async fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mut entries, mut upstreams) = (Vec::new(), Vec::new());
        for (name, transport) in TRANSPORTS {
            let record = record(&folder, name);
            let mut args = vec!["--full", name, "--record", record.to_str().unwrap()];
            args.extend(more);
            entries.push(match transport {
                None if name == "own" => (name, Entry::scripted(args).set("session", "per_client")),
                None => (name, Entry::scripted(args)),
                Some(transport) => {
                    args.extend(transport);
                    let upstream = Upstream::start(&args).await;
                    let entry = Entry::url(upstream.url());
                    upstreams.push(upstream);
                    (name, entry)
                }
            });
        }
        Self {
            entries,
            folder,
            _upstreams: upstreams,
        }
    }
}

fn record(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_passes_through_arrives_as_it_was_written() {
    let servers = Servers::start(&[]).await;
    let core = Arc::new(Core::trusted(servers.entries.clone()).await);
    let mut ways = JoinSet::new();
    for (number, (name, _)) in servers.entries.iter().enumerate() {
        let (core, name) = (Arc::clone(&core), *name);
        let record = record(&servers.folder, name);
        ways.spawn(async move {
            let mut way = Way::new(&core, name, record).await;
            let all = 0..MESSAGES;
            for seed in all.filter(|seed| seed % 5 == number as u64) {
                way.pass(seed).await;
            }
        });
    }
    while let Some(done) = ways.join_next().await {
        if let Err(error) = done {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// A way to one server from both addresses.
struct Way {
    name: &'static str,
    addresses: [Address; 2],
    /// What the server was sent, from where it was read last.
    record: BufReader<std::fs::File>,
    /// Of that, the beginning of a line.
    line: String,
    /// Of that, what nobody has looked for yet.
    sent: Vec<String>,
}

struct Address {
    session: Session,
    own: SseStream,
    /// What names begin with.
    prefix: String,
}

/// What a request is about.
struct Asked {
    method: &'static str,
    /// The members of `params`, with what the client and the server call it.
    params: [Vec<String>; 2],
}

/// What the server says before its answer.
enum Says {
    Nothing,
    Progress,
    Log,
    Updated,
    Question,
}

impl Way {
    async fn new(core: &Core, name: &'static str, record: PathBuf) -> Self {
        let mut addresses = Vec::new();
        for (path, prefix) in [
            ("/mcp".to_owned(), format!("{name}__")),
            (format!("/mcp/s/{name}"), String::new()),
        ] {
            let session = core.session_able(&path, json!({"sampling": {}})).await;
            let own = session.listen().await;
            let watched = json!({"uri": format!("{name}://watched")});
            let followed = session.request("resources/subscribe", watched).await;
            assert!(followed.is_ok());
            addresses.push(Address {
                session,
                own,
                prefix,
            });
        }
        let record = std::fs::File::open(record).unwrap();
        Self {
            name,
            addresses: addresses.try_into().ok().unwrap(),
            record: BufReader::new(record),
            line: String::new(),
            sent: Vec::new(),
        }
    }

    /// Has one request pass through, and its answer, and what the server says in between.
    async fn pass(&mut self, seed: u64) {
        let about = format!("seed {seed}, {}", self.name);
        let mut rng = Rng::with_seed(seed);
        let at = rng.usize(0..2);
        let says = self.says(&mut rng);

        let said = self.said(&says, &mut rng);
        let member = rng.choice(["result", "error"]).unwrap();
        let answer = self.answer(member, seed, &mut rng);
        let question = matches!(says, Says::Question);
        let saying = json!({
            "text": said,
            "aside": self.name == "json" || matches!(says, Says::Updated),
            "wait": question.then_some("\"raw\\u0021\""),
        });
        let orders = if matches!(says, Says::Nothing) {
            json!({"answer": answer})
        } else {
            json!({"answer": answer, "say": [saying]})
        };

        let id = rng.choice(["7", "\"7\"", "\"\\u0037\"", "7.0", "-1e400", "\"\\ud800\""]);
        let id = id.unwrap();
        let token = rng
            .choice(["1", "\"1\"", "\"t\\u0021\"", "9007199254740993"])
            .unwrap();
        let asked = self.asked(at, &mut rng);
        let (unknown, meta) = (messy::value(&mut rng, 5), messy::value(&mut rng, 4));
        let seed_of_order = rng.u64(..);
        let message = |id: &str, params: &[String], token: &str| {
            let mut order = Rng::with_seed(seed_of_order);
            let mut meta = [
                format!(r#""u" : {meta}"#),
                format!(r#""{}":{orders}"#, verbatim::MEMBER),
                format!(r#""progressToken":{token}"#),
            ];
            order.shuffle(&mut meta);
            let mut params = params.to_vec();
            params.push(format!(r#""_meta":{{{}}}"#, meta.join(" ,\r\n\t")));
            params.push(format!(r#""y": {unknown}"#));
            order.shuffle(&mut params);
            let mut members = [
                r#""jsonrpc":"2.0""#.to_owned(),
                format!(r#""id":{id}"#),
                format!(r#""method" :"{}""#, asked.method),
                format!(r#""params":{{{}}}"#, params.join(",")),
                format!(r#""x":{unknown}"#),
            ];
            order.shuffle(&mut members);
            format!("{{{}}}\n", members.join(",\n"))
        };

        let sent = message(id, &asked.params[0], token);
        let Address { session, .. } = &self.addresses[at];
        let response = session
            .send(sent, "application/json, text/event-stream")
            .await;
        let kind = response.headers()["content-type"].clone();
        let mut heard = Vec::new();
        if kind == "text/event-stream" {
            let mut events = SseStream::new(response);
            while let Some(text) = timeout(SOON, events.text()).await.expect(&about) {
                if question && heard.is_empty() {
                    self.reply(at, &text, &said, &mut rng, &about).await;
                }
                heard.push(text);
            }
        } else {
            heard.push(response.text().await.unwrap());
        }

        // The request as it has arrived.
        let expected = message(OWN, &asked.params[1], OWN);
        let expected = expected.trim_end().replace(['\r', '\n'], " ");
        self.arrives(&expected, &about).await;
        if self.name == "own" {
            let (a, b) = (messy::value(&mut rng, 5), messy::value(&mut rng, 5));
            let changed = format!(
                r#"{{"x":{a},"method":"notifications/roots/list_changed", "jsonrpc":"2.0","params":{{"x":{b}}}}}"#
            );
            let taken = self.addresses[at].session.post(&changed).await;
            assert_eq!(taken.status, 202, "{about}");
            self.arrives(&changed, &about).await;
        }
        self.sent.clear();
        // The answer, and what came before it.
        let answer = answer.replace(verbatim::ID, id);
        assert_eq!(heard.pop().as_ref(), Some(&answer), "{about}");
        match says {
            Says::Nothing => assert!(heard.is_empty(), "{about}: {heard:?}"),
            Says::Progress | Says::Log => {
                assert_eq!(heard, [said.replace(verbatim::TOKEN, token)], "{about}");
            }
            Says::Question => assert_eq!(heard.len(), 1, "{about}"),
            Says::Updated => {
                assert!(heard.is_empty(), "{about}: {heard:?}");
                // On a connection of its own just the one client hears it.
                let all = self.addresses.iter_mut().enumerate();
                let hear = all.filter(|(other, _)| self.name != "own" || *other == at);
                for (_, address) in hear {
                    let update = timeout(SOON, address.own.text()).await.expect(&about);
                    assert_eq!(update.unwrap(), said, "{about}");
                }
            }
        }
    }

    fn says(&self, rng: &mut Rng) -> Says {
        match rng.u8(0..10) {
            // In one piece, an answer has no place for what belongs to it.
            0 | 1 if self.name != "json" => Says::Progress,
            2 | 3 if self.name != "json" => Says::Log,
            4 => Says::Updated,
            5 | 6 => Says::Question,
            _ => Says::Nothing,
        }
    }

    /// Returns what the server says.
    fn said(&self, says: &Says, rng: &mut Rng) -> String {
        let mut value = || messy::value(rng, 5);
        let (a, b) = (value(), value());
        let mut members = match says {
            Says::Nothing => return String::new(),
            Says::Progress => {
                let token = verbatim::TOKEN;
                vec![
                    r#""method":"notifications/progress""#.to_owned(),
                    format!(r#""params":{{"progress":1.0,"u":{a},"progressToken": {token}}}"#),
                ]
            }
            Says::Log => vec![
                r#""method":"notifications/message""#.to_owned(),
                format!(r#""params":{{"data":{a},"level":"error"}}"#),
            ],
            Says::Updated => vec![
                r#""method":"notifications/resources/updated""#.to_owned(),
                format!(r#""params":{{"u":{a},"uri":"{}://watched"}}"#, self.name),
            ],
            Says::Question => vec![
                r#""id":"raw\u0021""#.to_owned(),
                r#""method":"sampling/createMessage""#.to_owned(),
                format!(
                    r#""params":{{"messages":[{{"content":{{"type":"hologram","x":{a}}}}}],"_meta":{{"x":{b},"progressToken":"of\u0021 the server"}},"maxTokens":1.0}}"#
                ),
            ],
        };
        members.push(format!(r#""x":{b}"#));
        members.push(r#""jsonrpc":"2.0""#.to_owned());
        rng.shuffle(&mut members);
        format!("{{{}}}", members.join(", "))
    }

    /// Returns the answer of the server: of content that nobody knows, of any depth.
    fn answer(&self, member: &str, seed: u64, rng: &mut Rng) -> String {
        let (a, b, c) = (
            messy::value(rng, 5),
            messy::value(rng, 5),
            messy::object(rng, 5),
        );
        let a = if seed < 40 { messy::deep(200) } else { a };
        let value = match member {
            "error" => format!(r#"{{"code":-32050.0,"data":{a},"message":"m\/","x":{b}}}"#),
            _ => {
                let block = format!(r#"{{"type":"hologram","x":{a}}}"#);
                let list = rng.choice(["content", "contents", "messages"]).unwrap();
                format!(r#"{{"{list}":[{block}],"structuredContent":{c},"_meta":{c} ,"z":{b}}}"#)
            }
        };
        let mut members = [
            r#""jsonrpc":"2.0""#.to_owned(),
            format!(r#""id" :{}"#, verbatim::ID),
            format!(r#""{member}":  {value}"#),
            format!(r#""x":{b}"#),
        ];
        rng.shuffle(&mut members);
        format!("{{{}}}", members.join(","))
    }

    /// Returns what is asked for at an address.
    fn asked(&self, at: usize, rng: &mut Rng) -> Asked {
        let (value, object) = (messy::value(rng, 4), messy::object(rng, 5));
        // At the merged address a name is another, and spelled anew; else it stays as it is spelled.
        let name = |own: &str, rng: &mut Rng| {
            let escaped =
                |name: &str| format!(r#""\u{:04x}{}""#, u32::from(name.as_bytes()[0]), &name[1..]);
            let name = format!("{}{own}", self.addresses[at].prefix);
            let spelled = if rng.bool() {
                escaped(&name)
            } else {
                format!(r#""{name}""#)
            };
            let arrives = if at == 0 {
                format!(r#""{own}""#)
            } else {
                spelled.clone()
            };
            [spelled, arrives]
        };
        match rng.u8(0..5) {
            0 | 1 => Asked {
                method: "tools/call",
                params: name("echo", rng).map(|name| {
                    vec![
                        format!(r#""name": {name}"#),
                        format!(r#""arguments":{object}"#),
                    ]
                }),
            },
            2 => Asked {
                method: "prompts/get",
                params: name("greet", rng).map(|name| {
                    vec![
                        format!(r#""name":{name} "#),
                        format!(r#""arguments":{object}"#),
                    ]
                }),
            },
            3 => {
                let uri = format!(r#""uri":"{}:\/\/static""#, self.name);
                let params = vec![uri, format!(r#""u":{value}"#)];
                Asked {
                    method: "resources/read",
                    params: [params.clone(), params],
                }
            }
            _ => Asked {
                method: "completion/complete",
                params: name("greet", rng).map(|name| {
                    vec![
                        format!(r#""ref":{{"x":{value},"name":{name},"type":"ref/prompt"}}"#),
                        format!(r#""argument":{{"name":"who","value":"","x":{object}}}"#),
                    ]
                }),
            },
        }
    }

    /// Takes the server's question as it has come, says how far its client is, and answers it.
    async fn reply(&mut self, at: usize, question: &str, said: &str, rng: &mut Rng, about: &str) {
        let (id, token) = (r#""raw\u0021""#, r#""of\u0021 the server""#);
        let expected = said.replace(id, OWN).replace(token, OWN);
        let own = own_of(question, &expected).unwrap_or_else(|| {
            panic!("{about}: {question:?} instead of {expected:?}");
        });
        let (value, object) = (messy::value(rng, 5), messy::object(rng, 5));
        let member = rng.choice(["result", "error"]).unwrap();
        let progress = |token: &str| {
            format!(
                r#"{{"params":{{"progress":1e400,"progressToken" :{token},"u":{value}}},"jsonrpc":"2.0","method":"notifications/progress","x":{value}}}"#
            )
        };
        let answer = |id: &str| {
            format!(r#"{{"x":{value},"{member}":{object} ,"id" :{id},"jsonrpc":"2.0"}}"#)
        };
        for (message, expected) in [
            (progress(&own), progress(token)),
            (answer(&own), answer(id)),
        ] {
            let taken = self.addresses[at].session.post(&message).await;
            assert_eq!(taken.status, 202, "{about}");
            self.arrives(&expected, about).await;
        }
    }

    /// Waits until the server has been sent a message.
    async fn arrives(&mut self, expected: &str, about: &str) {
        let arrived = async {
            loop {
                let lines = self.sent.iter();
                let place = lines
                    .into_iter()
                    .position(|it| own_of(it, expected).is_some());
                if let Some(place) = place {
                    self.sent.remove(place);
                    return;
                }
                if self.record.read_line(&mut self.line).unwrap() == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                } else if self.line.ends_with('\n') {
                    let line = std::mem::take(&mut self.line);
                    self.sent.push(line.trim_end().to_owned());
                }
            }
        };
        if timeout(SOON, arrived).await.is_err() {
            panic!("{about}: there is no {expected:?} in {:#?}", self.sent);
        }
    }
}

/// Returns the id that stands in `text` wherever [`OWN`] stands in `expected`, if both are equal
/// otherwise.
fn own_of(text: &str, expected: &str) -> Option<String> {
    let mut pieces = expected.split(OWN);
    let mut rest = text.strip_prefix(pieces.next()?)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let own = &rest[..digits];
    for piece in pieces {
        rest = rest.strip_prefix(own)?.strip_prefix(piece)?;
    }
    (rest.is_empty() && own.is_empty() != expected.contains(OWN)).then(|| own.to_owned())
}

#[tokio::test]
async fn a_cancellation_is_passed_on_as_its_client_wrote_it() {
    let servers = Servers::start(&[]).await;
    let core = Core::trusted(servers.entries.clone()).await;
    for (name, _) in TRANSPORTS {
        let mut way = Way::new(&core, name, record(&servers.folder, name)).await;
        for seed in 0..10 {
            let mut rng = Rng::with_seed(seed);
            let (a, b) = (messy::value(&mut rng, 5), messy::value(&mut rng, 5));
            let cancelled = |id: &str| {
                format!(
                    r#"{{"method":"notifications/cancelled","x":{a} ,"params":{{"reason":{b},"requestId": {id}}},"jsonrpc":"2.0"}}"#
                )
            };
            let gate = Gate::open();
            let at = rng.usize(0..2);
            let Address {
                session, prefix, ..
            } = &way.addresses[at];
            let params = json!({"name": format!("{prefix}hold"), "arguments": gate.arguments()});
            let call =
                json!({"jsonrpc": "2.0", "id": "mine", "method": "tools/call", "params": params});
            let call = call.to_string();
            let (_, end) = tokio::join!(session.post(&call), async {
                let held = gate.arrived().await;
                let taken = session.post(&cancelled("\"mine\"")).await;
                assert_eq!(taken.status, 202);
                held.ended().await
            });
            assert_eq!(end, HeldEnd::Cancelled);
            way.arrives(&cancelled(OWN), &format!("seed {seed}, {name}"))
                .await;
        }
    }
}

/// The lists: method, member of the result, and the member that names a definition.
const LISTS: [(&str, &str, &str); 4] = [
    ("tools/list", "tools", "name"),
    ("prompts/list", "prompts", "name"),
    ("resources/list", "resources", "uri"),
    (
        "resources/templates/list",
        "resourceTemplates",
        "uriTemplate",
    ),
];

#[tokio::test]
async fn definitions_are_listed_as_their_servers_wrote_them() {
    const DEFINITIONS: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let lists = folder.path().join("lists");
    // What stands in it for the name is replaced below.
    let mut rng = Rng::with_seed(0);
    let definitions = LISTS.map(|(_, _, key)| {
        let all = (0..DEFINITIONS).map(|number| definition(key, number, &mut rng));
        all.collect::<Vec<_>>()
    });
    let own = |kind: usize, number: usize| match kind {
        0 | 1 => format!(r#""n\u005f{number}""#),
        2 => format!(r#""kit:\/\/{number}""#),
        _ => format!(r#""kit://{number}/{{id}}""#),
    };
    let listed = |kind: usize, name: &dyn Fn(usize) -> String| {
        let all = definitions[kind].iter().enumerate();
        let all = all.map(|(number, definition)| definition.replace(OWN, &name(number)));
        all.collect::<Vec<_>>().join(",")
    };
    let of_file = LISTS.iter().enumerate().map(|(kind, (method, member, _))| {
        let all = listed(kind, &|number| own(kind, number));
        format!(r#""{method}":{{"{member}" :[ {all} ]}}"#)
    });
    let of_file = of_file.collect::<Vec<_>>().join(",");
    std::fs::write(&lists, format!("{{{of_file}}}")).unwrap();
    let servers = Servers::start(&["--lists", lists.to_str().unwrap()]).await;
    let core = Core::trusted(servers.entries.clone()).await;

    let list = async |session: &Session, method: &str| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method}).to_string();
        session.post(&body).await.body
    };
    let expected = |member: &str, definitions: String| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"{member}":[{definitions}]}}}}"#)
    };
    for (name, _) in TRANSPORTS {
        let session = core.session_with(name).await;
        for (kind, (method, member, _)) in LISTS.into_iter().enumerate() {
            let all = listed(kind, &|number| own(kind, number));
            assert_eq!(
                list(&session, method).await,
                expected(member, all),
                "{name}"
            );
        }
    }
    let merged = core.session().await;
    for (kind, (method, member, _)) in LISTS.into_iter().enumerate() {
        // By the names of the servers; URIs lead to the first of those that have them.
        let all = ["json", "legacy", "own", "sse", "stdio"].map(|server| {
            listed(kind, &|number| match kind {
                0 | 1 => format!(r#""{server}__n_{number}""#),
                _ if server == "json" => own(kind, number),
                2 => format!(r#""narthex+{server}+kit://{number}""#),
                _ => format!(r#""narthex+{server}+kit://{number}/{{id}}""#),
            })
        });
        let all = expected(member, all.join(","));
        assert_eq!(list(&merged, method).await, all, "{method}");
    }
}

/// Returns a definition with [`OWN`] where what names it belongs.
fn definition(key: &str, number: usize, rng: &mut Rng) -> String {
    let value = |rng: &mut Rng| messy::value(rng, 5);
    let deep = if number == 0 {
        messy::deep(200)
    } else {
        value(rng)
    };
    let mut members = vec![
        format!(r#""{key}": {OWN}"#),
        r#""description":"d\u00e9\/""#.to_owned(),
        format!(r#""_meta":{{"x":{},"x":{}}}"#, value(rng), value(rng)),
        format!(
            r#""icons" :[{{"src":"data:,","sizes":["any"],"x":{}}}]"#,
            value(rng)
        ),
        format!(r#""x":{deep}"#),
    ];
    if key == "name" {
        let schema = format!(
            r##"{{"type":"object","$defs":{{"a":{{"minimum":1e400,"maximum":1.0}},"b":{}}},"properties":{{"a":{{"$ref":"#/$defs/a"}}}}}}"##,
            value(rng)
        );
        members.push(format!(r#""inputSchema":{schema}"#));
        members.push(format!(r#""outputSchema": {schema}"#));
        members.push(format!(
            r#""annotations":{{"readOnlyHint":true,"x":{}}}"#,
            value(rng)
        ));
        members.push(r#""arguments":[{"name":"who","required":false,"x":1.0}]"#.to_owned());
    }
    rng.shuffle(&mut members);
    format!("{{{}}}", members.join(" ,"))
}

#[tokio::test]
async fn uris_are_rewritten_and_nothing_beside_them() {
    let upstream = Upstream::start(&["--full", "kit", "--sse"]).await;
    let core = Core::trusted([
        ("alpha", Entry::scripted(["--full", "kit"])),
        ("beta", Entry::scripted(["--full", "kit"])),
        ("gamma", Entry::url(upstream.url())),
    ])
    .await;
    let session = core.session().await;
    let mut own = session.listen().await;
    for (server, prefix) in [
        ("alpha", ""),
        ("beta", "narthex+beta+"),
        ("gamma", "narthex+gamma+"),
    ] {
        let uri = format!("{prefix}kit://static");
        session
            .request("resources/subscribe", json!({"uri": uri}))
            .await
            .result();
        for seed in 0..50 {
            let mut rng = Rng::with_seed(seed);
            let mut value = || messy::value(&mut rng, 4);
            let (a, b, c) = (value(), value(), value());
            // However it is spelled; and what only looks like one stays.
            let message = |id: &str, uri: &str| {
                let link =
                    format!(r#"{{"x":{a} ,"type":"resource_link","uri" :{uri},"name":"n"}}"#);
                let embedded =
                    format!(r#"{{"resource":{{"text":{b},"uri":{uri}}},"type":"resource"}}"#);
                let text = r#"{"type":"text","text":"kit://static \"uri\":1.0"}"#;
                let blocks = format!("[{link}, {embedded},{text}]");
                let result = match seed % 3 {
                    0 => format!(
                        r#"{{"content":{blocks},"structuredContent":{{"uri":"kit://static"}},"z":{c}}}"#
                    ),
                    1 => format!(
                        r#"{{"z":{c},"messages":[{{"role":"user","content":{link}}},{{"content":{blocks}}}]}}"#
                    ),
                    _ => format!(r#"{{"contents":[{{"x":{b},"uri":{uri}}}],"z":{c}}}"#),
                };
                format!(r#"{{"x":{a},"result":{result},"id":{id},"jsonrpc":"2.0"}}"#)
            };
            let update = |uri: &str| {
                format!(
                    r#"{{"jsonrpc":"2.0","x":{a},"method":"notifications/resources/updated","params":{{"x":{b},"uri":{uri}}}}}"#
                )
            };
            let spelled = r#""kit:\/\/st\u0061tic""#;
            let orders = json!({
                "answer": message(verbatim::ID, spelled),
                "say": [{"text": update(spelled), "aside": true}],
            });
            let params = match seed % 3 {
                0 => {
                    json!({"name": format!("{server}__echo"), "_meta": {verbatim::MEMBER: orders}})
                }
                1 => {
                    json!({"name": format!("{server}__greet"), "_meta": {verbatim::MEMBER: orders}})
                }
                _ => json!({"uri": uri, "_meta": {verbatim::MEMBER: orders}}),
            };
            let method = ["tools/call", "prompts/get", "resources/read"][(seed % 3) as usize];
            let request = json!({"jsonrpc": "2.0", "id": "i", "method": method, "params": params});
            let answer = session.post(&request.to_string()).await;
            let offered = if prefix.is_empty() {
                spelled.to_owned()
            } else {
                json!(uri).to_string()
            };
            assert_eq!(
                answer.body,
                message("\"i\"", &offered),
                "{server}, seed {seed}"
            );
            let updated = timeout(SOON, own.text()).await.unwrap().unwrap();
            assert_eq!(
                updated,
                update(&json!(uri).to_string()),
                "{server}, seed {seed}"
            );
        }
    }
}
