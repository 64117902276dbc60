use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::time::Instant;

use super::{Status, View};
use crate::{
    api::wire::{self, Condition, TransportKind},
    catalog::{Reviewed, Tally},
    desired::Desire,
    server::{Cause, HttpFlavor, MASK, Phase, ServerName, Spec, Transport, Value},
    upstream::Endpoint,
};

/// All that is known of one server at one revision.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: ServerName,
    /// Tells an entry from an earlier one of the same name.
    pub incarnation: u64,
    /// What is wanted of it.
    pub desire: Arc<Desire>,
    /// Where its lifecycle is.
    pub phase: Phase<Endpoint>,
    /// What went wrong last, until it is connected.
    pub last_cause: Option<Arc<Cause>>,
    /// What it offers, as it was last seen.
    pub catalog: Option<Arc<Reviewed>>,
    /// The last line of its standard error while it is on its way up.
    pub last_line: Option<Arc<str>>,
    /// What holds for it.
    pub status: Status,
    /// Since when the condition holds.
    pub since: Instant,
    /// How much it offers.
    pub tally: Option<Tally>,
    encoded: Arc<OnceLock<Bytes>>,
}

/// The most that the log of events keeps of a catalog with each event, in the terms of
/// [`Catalog::weight`](crate::catalog::Catalog::weight): 1,024 of them are 64 MB.
const LOGGED_WEIGHT_MAX: usize = 64 * 1024;

/// What a change of an entry may touch.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// See [`Entry::desire`].
    pub desire: Arc<Desire>,
    /// See [`Entry::phase`].
    pub phase: Phase<Endpoint>,
    /// See [`Entry::catalog`].
    pub catalog: Option<Arc<Reviewed>>,
    /// See [`Entry::last_line`].
    pub last_line: Option<Arc<str>>,
}

impl Entry {
    /// Derives the entry that follows `before` from these facts.
    pub(super) fn derive(
        name: &ServerName,
        incarnation: u64,
        facts: Facts,
        paused: bool,
        before: Option<&Self>,
        now: Instant,
    ) -> Self {
        let Facts {
            desire,
            phase,
            catalog,
            last_line,
        } = facts;
        let last_cause = match &phase {
            Phase::Error { cause, .. } => Some(Arc::clone(cause)),
            Phase::Connected { .. } | Phase::Idle(_) | Phase::Stopped => None,
            Phase::Connecting { .. } | Phase::Disconnecting { .. } => {
                before.and_then(|entry| entry.last_cause.clone())
            }
        };
        let last_line = last_line.filter(|_| matches!(phase, Phase::Connecting { .. }));
        let status = Status::derive(
            &desire,
            paused,
            &phase,
            last_cause.as_deref(),
            catalog.as_deref(),
        );
        let since = match before {
            Some(before) if before.status.condition == status.condition => before.since,
            Some(_) | None => now,
        };
        let name = name.clone();
        let tally = catalog.as_ref().map(|catalog| catalog.tally());
        Self {
            name,
            incarnation,
            desire,
            phase,
            last_cause,
            catalog,
            last_line,
            status,
            since,
            tally,
            encoded: Arc::default(),
        }
    }

    /// Returns the entry as the log of events keeps it: all that is told of it, without its catalog
    /// where that is large. A server that changes its lists again and again must not fill the memory
    /// with what it offered before.
    pub(super) fn logged(self: &Arc<Self>) -> Arc<Self> {
        if self
            .tally
            .is_none_or(|tally| tally.weight <= LOGGED_WEIGHT_MAX)
        {
            return Arc::clone(self);
        }
        let Facts {
            desire,
            phase,
            last_line,
            ..
        } = self.facts();
        Arc::new(Self {
            name: self.name.clone(),
            incarnation: self.incarnation,
            desire,
            phase,
            last_cause: self.last_cause.clone(),
            catalog: None,
            last_line,
            status: self.status.clone(),
            since: self.since,
            tally: self.tally,
            encoded: Arc::clone(&self.encoded),
        })
    }

    pub(super) fn facts(&self) -> Facts {
        Facts {
            desire: Arc::clone(&self.desire),
            phase: self.phase.clone(),
            catalog: self.catalog.clone(),
            last_line: self.last_line.clone(),
        }
    }

    /// Whether its condition is Connected.
    pub fn is_connected(&self) -> bool {
        self.status.condition == Condition::Connected
    }

    /// Whether a person wants it connected: approved, not off, not disconnected.
    pub fn is_wanted(&self) -> bool {
        self.status.condition.is_wanted(self.desire.wish)
    }

    /// Whether clients see its tools in lists.
    pub fn is_listed(&self) -> bool {
        match self.status.condition {
            Condition::Connected
            | Condition::Connecting
            | Condition::Retrying
            | Condition::Failed
            | Condition::SignInNeeded
            | Condition::Asleep => true,
            Condition::Disconnected
            | Condition::Off
            | Condition::InQuarantine
            | Condition::Paused
            | Condition::NotValid
            | Condition::Closing => false,
        }
    }

    /// Returns what the server is reached by, if it is connected.
    pub const fn endpoint(&self) -> Option<&Endpoint> {
        match &self.phase {
            Phase::Connected { endpoint, .. } => Some(endpoint),
            Phase::Idle(_)
            | Phase::Connecting { .. }
            | Phase::Disconnecting { .. }
            | Phase::Error { .. }
            | Phase::Stopped => None,
        }
    }

    /// Returns the server as REST and events carry it.
    pub fn wire(&self, view: &View) -> wire::Server {
        wire::Server {
            name: self.name.to_string(),
            condition: self.status.condition,
            sentence: self.status.sentence.clone(),
            action: self.status.action,
            transport: self.desire.spec.as_deref().map(transport_kind),
            phase: self.wire_phase(view),
            wish: self.desire.wish,
            error: self.wire_error(),
            launch: self.wire_launch(),
            epoch: self.tally.map(|tally| tally.epoch),
            tools: self.tool_counts(),
            since: view.time_of(self.since),
        }
    }

    /// Returns [`Self::wire`] as JSON, encoded once.
    pub fn encoded(&self, view: &View) -> &Bytes {
        self.encoded.get_or_init(|| {
            serde_json::to_vec(&self.wire(view))
                .expect("a server's status has no keys but strings")
                .into()
        })
    }

    fn tool_counts(&self) -> wire::ToolCounts {
        let Some(tally) = self.tally else {
            return wire::ToolCounts::default();
        };
        let held = if self.desire.in_quarantine() {
            tally.tools
        } else {
            tally.tools - tally.offered
        };
        let offered = if self.is_listed() { tally.offered } else { 0 };
        wire::ToolCounts { offered, held }
    }

    fn wire_error(&self) -> Option<wire::ServerError> {
        if let Some(problem) = &self.desire.problem {
            return Some(wire::ServerError {
                kind: "not_valid".to_owned(),
                message: problem.message.clone(),
                remedy: problem.remedy.clone(),
                at: Some(problem.clone()),
                last_lines: Vec::new(),
            });
        }
        self.last_cause.as_ref().map(|cause| wire::ServerError {
            kind: cause.kind.as_str().to_owned(),
            message: with_last_words(cause),
            remedy: cause.remedy.clone(),
            at: None,
            last_lines: cause.last_lines.clone(),
        })
    }

    fn wire_phase(&self, view: &View) -> wire::Phase {
        match &self.phase {
            Phase::Idle(why) => wire::Phase::Idle { why: *why },
            Phase::Connecting {
                attempt,
                stage,
                since,
            } => wire::Phase::Connecting {
                attempt: *attempt,
                stage: *stage,
                since: view.time_of(*since),
                last_line: self.last_line.as_ref().map(ToString::to_string),
            },
            Phase::Connected {
                endpoint, since, ..
            } => wire::Phase::Connected {
                since: view.time_of(*since),
                implementation: endpoint.introduction().implementation.clone(),
                protocol: endpoint.introduction().revision.to_string(),
            },
            Phase::Disconnecting { .. } => wire::Phase::Disconnecting,
            Phase::Error {
                failures, retry_at, ..
            } => wire::Phase::Error {
                attempt: *failures,
                retry_at: retry_at.map(|at| view.time_of(at)),
                gave_up: retry_at.is_none(),
            },
            Phase::Stopped => wire::Phase::Stopped,
        }
    }

    fn wire_launch(&self) -> Option<wire::Launch> {
        let (spec, id) = (self.desire.spec.as_ref()?, self.desire.launch.as_ref()?);
        let masked = |values: &std::collections::BTreeMap<String, Value>| {
            values
                .keys()
                .map(|name| (name.clone(), MASK.to_owned()))
                .collect()
        };
        let mut launch = wire::Launch {
            id: id.to_string(),
            approved: self.desire.approved && !self.desire.suspended,
            command: None,
            args: Vec::new(),
            cwd: None,
            env: Default::default(),
            url: None,
            headers: Default::default(),
        };
        let written = &spec.written;
        match &spec.transport {
            Transport::Stdio {
                command,
                args,
                cwd,
                env,
            } => {
                let shown = |(place, arg): (usize, &String)| {
                    written.args.get(&place).unwrap_or(arg).clone()
                };
                launch.command = Some(written.command.as_ref().unwrap_or(command).clone());
                launch.args = args.iter().enumerate().map(shown).collect();
                launch.cwd = written
                    .cwd
                    .clone()
                    .or_else(|| cwd.as_ref().map(|cwd| cwd.display().to_string()));
                launch.env = masked(env);
            }
            Transport::Http { url, headers, .. } => {
                launch.url = Some(masked_url(written.url.as_deref().unwrap_or(url.as_str())));
                launch.headers = masked(headers);
            }
        }
        Some(launch)
    }
}

/// The longest part of a server's last words that stands in a message, in characters.
const LAST_WORDS_CHARS_MAX: usize = 300;

/// Returns what happened, with the server's last words: for detail pages, which show them as its
/// own. Sentences and refusals go without them.
fn with_last_words(cause: &Cause) -> String {
    let Some(last) = cause.last_lines.last() else {
        return cause.message.clone();
    };
    let words: String = last.chars().take(LAST_WORDS_CHARS_MAX).collect();
    format!("{}; the last it said: {words}", cause.message)
}

/// Returns the address with the values of its query masked: tokens travel there. It need not be a
/// whole address: what a reference stands for is not in it.
fn masked_url(url: &str) -> String {
    let (address, fragment) = match url.split_once('#') {
        Some((address, fragment)) => (address, format!("#{fragment}")),
        None => (url, String::new()),
    };
    let Some((path, query)) = address.split_once('?') else {
        return url.to_owned();
    };
    let masked = |pair: &str| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        format!("{name}={MASK}")
    };
    let query: Vec<String> = query.split('&').map(masked).collect();
    format!("{path}?{}{fragment}", query.join("&"))
}

const fn transport_kind(spec: &Spec) -> TransportKind {
    match &spec.transport {
        Transport::Stdio { .. } => TransportKind::Stdio,
        Transport::Http {
            flavor: HttpFlavor::Sse,
            ..
        } => TransportKind::Sse,
        Transport::Http {
            flavor: HttpFlavor::Auto | HttpFlavor::Streamable,
            ..
        } => TransportKind::Http,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_a_query_are_masked() {
        for (url, shown) in [
            ("https://h/mcp", "https://h/mcp"),
            ("https://h/mcp#a", "https://h/mcp#a"),
            (
                "https://h/?a=1&b=2=3#c?d=4",
                "https://h/?a=••••&b=••••#c?d=4",
            ),
            (
                "${env:ORIGIN}/mcp?key=k-${env:KEY}",
                "${env:ORIGIN}/mcp?key=••••",
            ),
        ] {
            assert_eq!(masked_url(url), shown);
        }
    }
}
