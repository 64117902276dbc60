use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::timeout;

use super::{CallError, Connection, Reply, oddities::Oddity};
use crate::{
    api::wire::{Implementation, Stage},
    catalog::{Catalog, Definition, DefinitionKind, Features, Listing},
    mcp::{Outgoing, Revision, json},
    runtime::by_size,
    server::{Cause, CauseKind},
};

/// What a server said of itself in `initialize`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// The revision agreed on.
    pub revision: Revision,
    /// Its name and version. Written by the server.
    pub implementation: Option<Implementation>,
    /// Its instructions, as raw JSON text. Written by the server.
    pub instructions: Option<Bytes>,
    /// What it can do.
    pub features: Features,
}

/// The longest name or version that is kept of a server's own words, in characters.
const OWN_WORDS_CHARS_MAX: usize = 100;

/// Pages of a list that are read at most: with 50 tools a page, more than a server may define.
const PAGES_MAX: usize = 500;

/// How many times as long as to scan a page it takes to take it apart: each definition is hashed,
/// copied and named. Short ones take longest.
const DEFINITIONS_WEIGH: usize = 16;

/// What is declared on a connection that clients share: what one of them may be able to do, and
/// never roots, which are one client's folders.
const CAPABILITIES: &str = r#"{"sampling":{},"elicitation":{"form":{},"url":{}}}"#;

/// How long the lists beside that of the tools may take: a server that declares what it does not
/// answer for is used all the same.
const BESIDE_TIMEOUT: Duration = Duration::from_secs(10);

/// Initializes a connection and lists what the server offers. `reached` is told of the stages.
///
/// # Errors
/// When the server does not answer as MCP says.
pub async fn introduce(
    connection: &Connection,
    reached: impl Fn(Stage),
) -> Result<(Introduction, Arc<Catalog>), Cause> {
    reached(Stage::Initializing);
    let params = format!(
        r#"{{"protocolVersion":"{}","capabilities":{CAPABILITIES},"clientInfo":{{"name":"narthex","title":"Narthex","version":"{}"}}}}"#,
        Revision::LATEST,
        env!("CARGO_PKG_VERSION"),
    );
    let introduction = initialize(connection, &params).await?;
    reached(Stage::Listing);
    let catalog = list(connection, &introduction).await?;
    connection.listen();
    Ok((introduction, catalog))
}

/// Initializes a connection with `params`.
///
/// # Errors
/// When the server does not answer as MCP says.
pub(super) async fn initialize(
    connection: &Connection,
    params: &str,
) -> Result<Introduction, Cause> {
    let reply = connection
        .request(&Outgoing::new("initialize", params), None)
        .await
        .map_err(|error| cause(&error))?;
    let introduction = read(&reply)?;
    connection.agreed_on(introduction.revision);
    connection
        .notify("notifications/initialized", "{}")
        .await
        .map_err(|error| cause(&error))?;
    Ok(introduction)
}

/// Returns what a server is that did not answer in time.
pub fn too_slow(deadline: Duration) -> Cause {
    Cause::new(
        CauseKind::InitTimeout,
        format!(
            "it did not answer within {}",
            humantime::format_duration(deadline)
        ),
        "Look at its log; give it more time with \"initTimeout\" if it needs more.",
    )
}

/// Returns what a server is that forgets its sessions more often than they are begun anew for.
pub fn forgetful() -> Cause {
    cause(&CallError::SessionExpired)
}

/// Lists what the server offers, page by page, all kinds side by side.
///
/// A server is there for its tools: without that list there is none. A list of another kind that
/// cannot be had counts as empty.
///
/// # Errors
/// When the server does not answer as MCP says.
pub async fn list(
    connection: &Connection,
    introduction: &Introduction,
) -> Result<Arc<Catalog>, Cause> {
    let features = introduction.features;
    let tools = pages(connection, DefinitionKind::Tool, features.tools);
    let beside = |kind, has| async move {
        match timeout(BESIDE_TIMEOUT, pages(connection, kind, has)).await {
            Ok(Ok(listed)) => listed,
            Ok(Err(cause)) => {
                tracing::warn!(kind = kind.as_str(), cause = cause.message, "list left out");
                Vec::new()
            }
            Err(_) => {
                tracing::warn!(kind = kind.as_str(), "list left out: no answer in time");
                Vec::new()
            }
        }
    };
    let (tools, prompts, templates, resources) = tokio::join!(
        tools,
        beside(DefinitionKind::Prompt, features.prompts),
        beside(DefinitionKind::Template, features.resources),
        beside(DefinitionKind::Resource, features.resources),
    );
    let instructions = introduction.instructions.clone();
    Ok(Arc::new(Catalog {
        tools: tools?,
        prompts,
        templates,
        resources,
        instructions: instructions.map(Definition::of_instructions).map(Arc::new),
        features,
    }))
}

async fn pages(
    connection: &Connection,
    kind: DefinitionKind,
    has: bool,
) -> Result<Vec<Arc<Definition>>, Cause> {
    let mut listing = Listing::new(kind);
    let mut params = "{}".to_owned();
    let (method, mut left) = (kind.list_method(), if has { PAGES_MAX } else { 0 });
    while left > 0 {
        left -= 1;
        let request = Outgoing::new(method, &params);
        let reply = connection
            .request(&request, None)
            .await
            .map_err(|error| cause(&error))?;
        if !reply.is_result {
            return Err(invalid(&format!("it answered {method} with an error")));
        }
        let page = reply.payload();
        let weight = page.len() * DEFINITIONS_WEIGH;
        let next = by_size(weight, || listing.add_page(&page));
        let next = next
            .map_err(|error| invalid(&format!("its answer to {method} cannot be read: {error}")))?;
        let Some(cursor) = next else {
            break;
        };
        if left == 0 {
            return Err(invalid(&format!("its answers to {method} have no end")));
        }
        params = format!(r#"{{"cursor":{}}}"#, String::from_utf8_lossy(&cursor));
    }
    let (listed, skipped) = listing.finish();
    if skipped > 0 {
        let kind = kind.as_str();
        let what = format_args!(
            "{skipped} of its {kind}s are left out: they have no usable name, or one that came before"
        );
        let signals = connection.signals();
        signals.oddities().note(Oddity::LeftOut, what);
    }
    Ok(listed)
}

fn read(reply: &Reply) -> Result<Introduction, Cause> {
    let payload = reply.payload();
    if !reply.is_result {
        return Err(Cause::new(
            CauseKind::InitializeRefused,
            "it refused to initialize",
            "Look at its log; it may need other arguments or a newer version.",
        ));
    }
    let member = |within: usize, name| json::member(&payload, within, name).ok().flatten();
    if payload.first() != Some(&b'{') {
        return Err(invalid("its answer to initialize is no object"));
    }
    let text = |range: Option<std::ops::Range<usize>>| {
        range.and_then(|range| json::decode(&payload[range]))
    };
    let version = text(member(0, "protocolVersion"))
        .ok_or_else(|| invalid("its answer to initialize names no revision"))?;
    let revision = Revision::of(&version).ok_or_else(|| {
        let known = Revision::ALL.map(Revision::as_str).join(", ");
        Cause::new(
            CauseKind::UnsupportedRevision,
            "it speaks a revision of MCP that Narthex does not",
            format!("Use a version of the server that speaks one of {known}."),
        )
    })?;
    let object =
        |range: Option<std::ops::Range<usize>>| range.filter(|range| payload[range.start] == b'{');
    let own_words = |text: Cow<'_, str>| text.chars().take(OWN_WORDS_CHARS_MAX).collect::<String>();
    let implementation = object(member(0, "serverInfo")).map(|info| Implementation {
        name: own_words(text(member(info.start, "name")).unwrap_or_default()),
        version: own_words(text(member(info.start, "version")).unwrap_or_default()),
    });
    let instructions = member(0, "instructions").filter(|range| payload[range.start] == b'"');
    Ok(Introduction {
        revision,
        implementation,
        instructions: instructions.map(|range| payload.slice(range)),
        features: object(member(0, "capabilities"))
            .map(|all| features(&payload, all.start))
            .unwrap_or_default(),
    })
}

/// Reads the `capabilities` that begin at `at`.
fn features(payload: &[u8], at: usize) -> Features {
    let has = |name| json::member(payload, at, name).ok().flatten();
    let subscribe = has("resources").filter(|resources| payload[resources.start] == b'{');
    let subscribe = subscribe.and_then(|resources| {
        let subscribe = json::member(payload, resources.start, "subscribe");
        subscribe.ok().flatten()
    });
    Features {
        tools: has("tools").is_some(),
        prompts: has("prompts").is_some(),
        resources: has("resources").is_some(),
        subscribe: subscribe.is_some_and(|subscribe| &payload[subscribe] == b"true"),
        completions: has("completions").is_some(),
        logging: has("logging").is_some(),
    }
}

fn invalid(message: &str) -> Cause {
    Cause::new(
        CauseKind::InvalidReply,
        message,
        "Check that the entry starts an MCP server; look at its log.",
    )
}

/// Returns why a connection is not to be had, from why a request on the way to it failed.
pub(super) fn cause(error: &CallError) -> Cause {
    let message = error.to_string();
    match error {
        CallError::NotConnected
        | CallError::ServerEnded
        | CallError::Revoked(_)
        | CallError::NotOpened(_)
        | CallError::NotReading
        | CallError::Busy { .. } => Cause::new(
            CauseKind::ConnectionLost,
            message,
            "Look at its log for the reason; then try again.",
        ),
        CallError::TimedOut => Cause::new(
            CauseKind::InitTimeout,
            message,
            "Give it more time with \"initTimeout\", or look at its log.",
        ),
        CallError::InvalidReply(_) => invalid(&message),
        CallError::TooLong => Cause::new(CauseKind::MessageTooLong, message, "Look at its log."),
        CallError::HttpStatus(_) => Cause::new(
            CauseKind::HttpStatus,
            message,
            "Check the address and the headers of the entry.",
        ),
        CallError::SessionExpired => Cause::new(
            CauseKind::SessionExpired,
            message,
            "Look at the server's log: it should keep a session that is in use.",
        ),
        CallError::Overloaded { retry_after, .. } => Cause {
            retry_after: *retry_after,
            ..Cause::new(
                CauseKind::HttpStatus,
                message,
                "Wait; it is tried again by itself, not before the server says.",
            )
        },
        CallError::Redirected => Cause::new(
            CauseKind::Redirected,
            message,
            "Put the address it redirects to in the entry, if you trust it.",
        ),
        CallError::SignInNeeded => Cause::new(
            CauseKind::SignInNeeded,
            message,
            "Put a token in \"headers\" of the entry.",
        ),
        CallError::NotMcp => Cause::new(
            CauseKind::NotMcp,
            message,
            "Check the address: an MCP endpoint often ends in /mcp.",
        ),
        CallError::Unreachable => Cause::new(
            CauseKind::Unreachable,
            message,
            "Check that the server runs and that the address is right.",
        ),
        CallError::Proxy(_) => Cause::new(
            CauseKind::Unreachable,
            message,
            "Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY; name what needs none in NO_PROXY.",
        ),
        CallError::Untrusted(_) => Cause::new(
            CauseKind::Untrusted,
            message,
            "If you trust who issued it, add their certificate to those of your system, or start \
             Narthex with SSL_CERT_FILE naming a file that holds it.",
        ),
    }
}
