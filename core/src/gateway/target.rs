use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    Gateway,
    availability::{Availability, held},
    session::Scope,
};
use crate::{
    catalog::{Definition, DefinitionKind, Item},
    mcp::{Envelope, InvalidEnvelope, Refusal, json},
    server::ServerName,
    view::{Entry, Snapshot},
};

/// What a client asks a server for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// `tools/call`.
    Tool,
    /// `prompts/get`.
    Prompt,
    /// `resources/read`, and subscribing.
    Resource,
    /// `completion/complete`.
    Completion,
}

/// Where a request goes: all that was found out before it is sent.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) server: ServerName,
    /// The definition by which it is asked for. It is looked at again when it is sent.
    pub(super) definition: Option<(DefinitionKind, Arc<Definition>)>,
    /// Where what it is called stands, and what the server calls it, if that differs.
    pub(super) rename: Option<(Range<usize>, Bytes)>,
    /// How long it may take.
    pub(super) patience: Duration,
    /// What the server calls the resource, where it is one.
    pub(super) uri: Option<String>,
    /// Whether the server does what is asked at all.
    pub(super) served: bool,
    /// Whether the answer may hold URIs that are called otherwise here.
    pub(super) links: bool,
}

impl Target {
    /// Whether asking again does no harm.
    pub(super) fn repeatable(&self) -> bool {
        let definition = self.definition.as_ref();
        definition.is_none_or(|(_, definition)| definition.repeatable)
    }
}

/// What a request names.
enum Named {
    Of(DefinitionKind, Range<usize>),
    Uri(Range<usize>),
}

impl Gateway {
    /// Returns where a request goes.
    pub(super) fn target(
        &self,
        scope: &Scope,
        asked: Asked,
        envelope: &Envelope,
    ) -> Result<Target, Refusal> {
        let (named, range) = match named(asked, envelope)? {
            Named::Of(kind, range) => (Some(kind), range),
            Named::Uri(range) => (None, range),
        };
        let name = json::decode(&envelope.bytes()[range.clone()])
            .ok_or_else(|| invalid("the name is no text"))?;
        self.view.read(|now| {
            let mut target = match named {
                Some(DefinitionKind::Template) => template(now, scope, &name)?,
                Some(kind) => of_kind(now, scope, kind, &name)?,
                None => resource(now, scope, &name)?,
            };
            let own = target.uri.as_deref().or_else(|| {
                let definition = target.definition.as_ref();
                definition.map(|(_, definition)| definition.name.as_str())
            });
            target.rename = own.filter(|own| **own != *name).map(|own| {
                let quoted = serde_json::to_vec(own).expect("a text encodes");
                (range, Bytes::from(quoted))
            });
            if asked == Asked::Completion {
                let features = features(now, &target.server);
                target.served = features.is_none_or(|features| features.completions);
                target.links = false;
            }
            Ok(target)
        })
    }
}

fn named(asked: Asked, envelope: &Envelope) -> Result<Named, Refusal> {
    let member = |name, missing: &str| {
        let member = envelope.field(name).map_err(twice)?;
        member.ok_or_else(|| invalid(missing))
    };
    Ok(match asked {
        Asked::Tool => Named::Of(DefinitionKind::Tool, member("name", "no tool is named")?),
        Asked::Prompt => Named::Of(
            DefinitionKind::Prompt,
            member("name", "no prompt is named")?,
        ),
        Asked::Resource => Named::Uri(member("uri", "no resource is named")?),
        Asked::Completion => {
            let missing = "it is not said what is completed";
            let of = member("ref", missing)?;
            let kind = envelope.field_of(of.clone(), "type").map_err(twice)?;
            let kind = kind.and_then(|kind| json::decode(&envelope.bytes()[kind]));
            let (kind, key) = match kind.as_deref() {
                Some("ref/prompt") => (DefinitionKind::Prompt, "name"),
                Some("ref/resource") => (DefinitionKind::Template, "uri"),
                Some(_) | None => return Err(invalid(missing)),
            };
            let key = envelope.field_of(of, key).map_err(twice)?;
            Named::Of(kind, key.ok_or_else(|| invalid(missing))?)
        }
    })
}

/// Returns where the name of a definition leads, if clients may see it.
fn of_kind(
    now: &Snapshot,
    scope: &Scope,
    kind: DefinitionKind,
    name: &str,
) -> Result<Target, Refusal> {
    let (server, item) = match scope {
        Scope::All => {
            let menu = match kind {
                DefinitionKind::Tool => now.offers.tools(),
                DefinitionKind::Prompt | DefinitionKind::Template | DefinitionKind::Resource => {
                    now.offers.prompts()
                }
            };
            let route = menu.route(name).ok_or_else(|| unknown(kind, None))?;
            (route.server, route.item)
        }
        Scope::Server(server) => (server, own(now, server, kind, name)?),
    };
    let entry = available(now, server, kind)?;
    if !item.is_offered() {
        return Err(held(server.as_str(), kind, item.state));
    }
    Ok(target(entry, Some((kind, Arc::clone(&item.definition)))))
}

/// Returns where a template leads; a URI in the place of one is as good.
fn template(now: &Snapshot, scope: &Scope, name: &str) -> Result<Target, Refusal> {
    let kind = DefinitionKind::Template;
    let (server, own) = match scope {
        Scope::Server(server) => (server, name),
        Scope::All => {
            let Some(found) = now.offers.resources().template(name) else {
                return resource(now, scope, name);
            };
            found
        }
    };
    let entry = available(now, server, kind)?;
    let catalog = entry.catalog.as_ref();
    match catalog.and_then(|catalog| catalog.templates.get(own)) {
        Some(item) if !item.is_offered() => Err(held(server.as_str(), kind, item.state)),
        Some(item) => Ok(target(entry, Some((kind, Arc::clone(&item.definition))))),
        None => resource(now, scope, name),
    }
}

/// Returns where a URI leads.
fn resource(now: &Snapshot, scope: &Scope, uri: &str) -> Result<Target, Refusal> {
    let kind = DefinitionKind::Resource;
    let (server, own) = match scope {
        Scope::Server(server) => (server, uri),
        Scope::All => {
            let found = now.offers.resources().route(uri);
            found.ok_or_else(|| unknown(kind, None))?
        }
    };
    let entry = available(now, server, kind)?;
    Ok(Target {
        uri: Some(own.to_owned()),
        ..target(entry, None)
    })
}

fn target(entry: &Entry, definition: Option<(DefinitionKind, Arc<Definition>)>) -> Target {
    let spec = entry.desire.spec.as_ref();
    let catalog = entry.catalog.as_ref();
    Target {
        server: entry.name.clone(),
        definition,
        rename: None,
        patience: spec.map_or(Duration::ZERO, |spec| spec.call_timeout),
        uri: None,
        served: true,
        links: catalog.is_some_and(|catalog| catalog.features.resources),
    }
}

fn features(now: &Snapshot, server: &ServerName) -> Option<crate::catalog::Features> {
    let catalog = now.server(server.as_str())?.catalog.as_ref()?;
    Some(catalog.features)
}

fn available<'a>(
    now: &'a Snapshot,
    server: &ServerName,
    kind: DefinitionKind,
) -> Result<&'a Entry, Refusal> {
    let name = server.as_str();
    let entry = now.server(name).ok_or_else(|| unknown(kind, Some(name)))?;
    match Availability::of(entry, None) {
        Availability::Refused(refusal) => Err(refusal),
        Availability::Ready(_) | Availability::Coming => Ok(entry),
    }
}

/// Returns what a server calls `name`.
fn own<'a>(
    now: &'a Snapshot,
    server: &ServerName,
    kind: DefinitionKind,
    name: &str,
) -> Result<&'a Item, Refusal> {
    let entry = now.server(server.as_str());
    let catalog = entry.and_then(|entry| entry.catalog.as_ref());
    if let Some(item) = catalog.and_then(|catalog| catalog.of(kind).get(name)) {
        return Ok(item);
    }
    // Of a server that may not be seen, that comes first.
    Err(match entry.map(|entry| Availability::of(entry, None)) {
        Some(Availability::Refused(refusal)) => refusal,
        Some(Availability::Ready(_) | Availability::Coming) | None => {
            unknown(kind, Some(server.as_str()))
        }
    })
}

/// Returns what a client is told of a name that leads nowhere.
pub(super) fn unknown(kind: DefinitionKind, server: Option<&str>) -> Refusal {
    let (code, word, message, remedy) = match kind {
        DefinitionKind::Tool => (
            -32602,
            "unknown_tool",
            "no tool of this name is offered",
            "List the tools again: they may have changed.",
        ),
        DefinitionKind::Prompt => (
            -32602,
            "unknown_prompt",
            "no prompt of this name is offered",
            "List the prompts again: they may have changed.",
        ),
        DefinitionKind::Template | DefinitionKind::Resource => (
            -32002,
            "unknown_resource",
            "no server is known to have this resource",
            "List the resources again, or ask at the server's own address.",
        ),
    };
    let mut refusal = Refusal::of_message(code, word, message, remedy);
    refusal.server = server.map(ToOwned::to_owned);
    refusal
}

/// Returns what a client is told of params that cannot be used.
pub(super) fn invalid(message: &str) -> Refusal {
    let remedy = "Name what is asked for.";
    Refusal::of_message(-32602, "invalid_params", message, remedy)
}

/// Returns what a client is told of params that say something twice.
pub(super) fn twice(error: InvalidEnvelope) -> Refusal {
    invalid(&error.to_string())
}
