//! What a scripted server is told to do, read from its arguments.

use std::{path::PathBuf, str::FromStr, time::Duration};

/// How a scripted server behaves.
#[derive(Debug, Clone)]
pub struct Script {
    /// What it calls itself in `initialize`.
    pub name: String,
    /// How many numbered tools it offers beside the built-in ones.
    pub tools: usize,
    /// How many tools stand on a page of the list.
    pub page: Option<usize>,
    /// What every tool's name begins with.
    pub prefix: String,
    /// Leaves the built-in tools out.
    pub bare: bool,
    /// A JSON array of definitions, read at every `tools/list`.
    pub definitions: Option<PathBuf>,
    /// Offers prompts, resources and all else beside tools; its URIs begin with this scheme.
    pub full: Option<String>,
    /// A JSON object with the results of list methods, sent to the letter.
    pub lists: Option<PathBuf>,
    /// `instructions` of the answer to `initialize`.
    pub instructions: Option<String>,
    /// A file to which every message received is appended.
    pub record: Option<PathBuf>,
    /// Text for the standard error, written at the start.
    pub stderr: Option<String>,
    /// How long it takes before it reads its first message.
    pub start_delay: Option<Duration>,
    /// Ends at once, with this code.
    pub exit_at_once: Option<u8>,
    /// Prints lines that are not JSON around every message.
    pub noise: bool,
    /// Reads `initialize` and never answers it.
    pub mute: bool,
    /// The method whose answers the misbehaviours below concern.
    pub at: String,
    /// Answers twice.
    pub answer_twice: bool,
    /// Answers under an id that nobody used.
    pub wrong_id: bool,
    /// Writes half a message, and nothing after it.
    pub half_line: bool,
    /// Answers with a line of at least this many bytes.
    pub long_line: Option<usize>,
    /// Leaves every call after this many unanswered.
    pub hang_after: Option<usize>,
    /// Ignores the end of its input, SIGTERM, SIGINT and SIGHUP.
    pub deaf: bool,
    /// Starts a daemon in a session of its own, and has it write its process id here.
    pub daemon: Option<PathBuf>,
    /// How many children it starts in the background.
    pub children: usize,
    /// Says that the list has changed whenever it gets SIGHUP.
    pub announce_on_hangup: bool,
    /// Serves Streamable HTTP instead of stdio.
    pub http: Option<HttpScript>,
}

/// How a scripted server behaves over HTTP.
#[derive(Debug, Clone, Default)]
pub struct HttpScript {
    /// The port of 127.0.0.1; 0 for any.
    pub port: u16,
    /// Speaks HTTP+SSE, the transport of 2024-11-05, instead.
    pub legacy: bool,
    /// Where it says that messages go, if not to itself.
    pub legacy_endpoint: Option<String>,
    /// Answers requests with an event stream instead of a JSON body.
    pub sse: bool,
    /// Answers everything with a redirect to this address.
    pub redirect: Option<String>,
    /// Answers everything with a page of HTML.
    pub html: bool,
    /// Answers everything with this status and an empty body.
    pub status: Option<u16>,
    /// Forgets a session after this many requests in it.
    pub expire_after: Option<usize>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            name: "scripted".into(),
            tools: 0,
            page: None,
            prefix: String::new(),
            bare: false,
            definitions: None,
            full: None,
            lists: None,
            instructions: None,
            record: None,
            stderr: None,
            start_delay: None,
            exit_at_once: None,
            noise: false,
            mute: false,
            at: "tools/call".into(),
            answer_twice: false,
            wrong_id: false,
            half_line: false,
            long_line: None,
            hang_after: None,
            deaf: false,
            daemon: None,
            children: 0,
            announce_on_hangup: false,
            http: None,
        }
    }
}

impl Script {
    /// Reads a script from the arguments of a command line, the program's name left out.
    ///
    /// # Errors
    /// When an argument is unknown or lacks its value; the error says which.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut script = Self::default();
        let mut http = HttpScript::default();
        let mut over_http = false;
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let mut value = || {
                args.next()
                    .ok_or_else(|| format!("`{arg}` lacks its value"))
            };
            match arg.as_str() {
                "--name" => script.name = value()?,
                "--tools" => script.tools = number(&value()?)?,
                "--page" => script.page = Some(number(&value()?)?),
                "--prefix" => script.prefix = value()?,
                "--bare" => script.bare = true,
                "--definitions" => script.definitions = Some(value()?.into()),
                "--lists" => script.lists = Some(value()?.into()),
                "--full" => script.full = Some(value()?),
                "--instructions" => script.instructions = Some(value()?),
                "--record" => script.record = Some(value()?.into()),
                "--stderr" => script.stderr = Some(value()?),
                "--start-delay" => {
                    script.start_delay = Some(Duration::from_millis(number(&value()?)?));
                }
                "--exit-at-once" => script.exit_at_once = Some(number(&value()?)?),
                "--noise" => script.noise = true,
                "--mute" => script.mute = true,
                "--at" => script.at = value()?,
                "--answer-twice" => script.answer_twice = true,
                "--wrong-id" => script.wrong_id = true,
                "--half-line" => script.half_line = true,
                "--long-line" => script.long_line = Some(number(&value()?)?),
                "--hang-after" => script.hang_after = Some(number(&value()?)?),
                "--deaf" => script.deaf = true,
                "--daemon" => script.daemon = Some(value()?.into()),
                "--children" => script.children = number(&value()?)?,
                "--announce-on-hangup" => script.announce_on_hangup = true,
                "--http" => {
                    over_http = true;
                    http.port = number(&value()?)?;
                }
                "--legacy" => http.legacy = true,
                "--legacy-endpoint" => http.legacy_endpoint = Some(value()?),
                "--sse" => http.sse = true,
                "--http-redirect" => http.redirect = Some(value()?),
                "--http-html" => http.html = true,
                "--http-status" => http.status = Some(number(&value()?)?),
                "--expire-after" => http.expire_after = Some(number(&value()?)?),
                _ => return Err(format!("unknown argument `{arg}`")),
            }
        }
        script.http = over_http.then_some(http);
        Ok(script)
    }
}

fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a number that fits"))
}
