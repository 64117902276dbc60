use std::time::Duration;

use crate::{
    api::wire::{Condition, DefinitionState},
    catalog::DefinitionKind,
    mcp::{Refusal, refusal::Fault},
    server::Spec,
    upstream::Endpoint,
    view::Entry,
};

/// The longest a call waits for a server that is coming back (INTERFACE: 10 s).
const WAIT_MAX: Duration = Duration::from_secs(10);

/// What becomes of a call to a server as it is.
#[derive(Debug)]
pub(super) enum Availability {
    /// It is sent.
    Ready(Endpoint),
    /// It waits.
    Coming,
    /// It is refused.
    Refused(Refusal),
}

impl Availability {
    /// Decides by the server's entry; `failed` is an endpoint that was found gone.
    pub(super) fn of(entry: &Entry, failed: Option<&Endpoint>) -> Self {
        let name = entry.name.as_str();
        let by_person = |kind, what: &str, remedy: String| {
            Self::Refused(Refusal::of_server(
                kind,
                Fault::Person,
                name,
                format!("server `{name}` {what}"),
                remedy,
            ))
        };
        match entry.status.condition {
            Condition::Connected => match entry.endpoint() {
                Some(endpoint) if failed != Some(endpoint) => Self::Ready(endpoint.clone()),
                Some(_) | None => Self::Coming,
            },
            Condition::Connecting | Condition::Retrying | Condition::Asleep => Self::Coming,
            Condition::Failed => Self::Refused(failed_refusal(entry)),
            Condition::SignInNeeded => {
                let remedy = "Sign in to it from Narthex, or put a token in its entry.";
                let message = format!("server `{name}` needs a sign-in");
                Self::Refused(Refusal::of_server(
                    "sign_in_needed",
                    Fault::Person,
                    name,
                    message,
                    remedy,
                ))
            }
            Condition::Disconnected => by_person(
                "disconnected",
                "is disconnected",
                format!("Connect it: narthex connect {name}"),
            ),
            Condition::Off => by_person(
                "off",
                "is switched off in narthex.json",
                "Set \"enabled\": true.".to_owned(),
            ),
            Condition::InQuarantine => by_person(
                "in_quarantine",
                "is in quarantine",
                format!("Review it: narthex approve {name}"),
            ),
            Condition::Paused => by_person(
                "paused",
                "is paused, as all servers are",
                "Resume them.".to_owned(),
            ),
            Condition::NotValid => by_person(
                "not_valid",
                "has an entry that cannot be used",
                "Correct it in narthex.json.".to_owned(),
            ),
            Condition::Closing => {
                let message = format!("server `{name}` is ending");
                Self::Refused(Refusal::of_server(
                    "closing",
                    Fault::Narthex,
                    name,
                    message,
                    "Try again later.",
                ))
            }
        }
    }
}

fn failed_refusal(entry: &Entry) -> Refusal {
    let name = entry.name.as_str();
    let (message, remedy) = entry.last_cause.as_ref().map_or_else(
        || (format!("server `{name}` failed"), String::new()),
        |cause| {
            (
                format!("server `{name}` failed: {}", cause.message),
                cause.remedy.clone(),
            )
        },
    );
    Refusal::of_server("failed", Fault::Server, name, message, remedy)
}

/// Returns how long a call waits for the server.
pub(super) fn wait_for(spec: &Spec) -> Duration {
    spec.init_timeout.unwrap_or(WAIT_MAX).min(WAIT_MAX)
}

/// Refuses a call that has waited long enough.
pub(super) fn not_back(name: &str, waited: Duration) -> Refusal {
    let message = format!(
        "server `{name}` was not connected within {}",
        humantime::format_duration(waited)
    );
    Refusal::of_server(
        "not_connected",
        Fault::Server,
        name,
        message,
        format!("See why: narthex logs {name}"),
    )
}

/// Refuses what a person has yet to review.
pub(super) fn held(server: &str, kind: DefinitionKind, state: DefinitionState) -> Refusal {
    let word = kind.as_str();
    let message = match state {
        DefinitionState::New => format!("server `{server}`: nobody has reviewed this {word} yet"),
        DefinitionState::Changed | DefinitionState::Offered => {
            format!("server `{server}` has changed this {word}, and nobody has reviewed it")
        }
    };
    Refusal::of_server(
        "held",
        Fault::Person,
        server,
        message,
        format!("Review it: narthex approve {server}"),
    )
}
