//! Servers and moments for tests.

use std::{collections::BTreeMap, sync::Arc};

use narthex_core::{
    api::wire::{
        Action, Condition, IdleReason, Launch, Phase, Server, ToolCounts, TransportKind, Wish,
    },
    client::Present,
};

/// A server of which a condition and the help for it are told.
pub(crate) fn server(name: &str, condition: Condition, action: Option<Action>) -> Server {
    let is_approved = condition != Condition::InQuarantine || action == Some(Action::Review);
    Server {
        name: name.to_owned(),
        condition,
        sentence: String::new(),
        action,
        transport: Some(TransportKind::Stdio),
        phase: Phase::Idle {
            why: IdleReason::Asleep,
        },
        wish: if condition == Condition::Disconnected {
            Wish::Disconnected
        } else {
            Wish::Connected
        },
        error: None,
        launch: Some(Launch {
            id: "launch".to_owned(),
            approved: is_approved,
            command: Some("server".to_owned()),
            args: Vec::new(),
            cwd: None,
            env: BTreeMap::new(),
            url: None,
            headers: BTreeMap::new(),
        }),
        epoch: Some(1),
        tools: ToolCounts::default(),
        since: "2026-11-27T12:00:00.000Z".to_owned(),
    }
}

/// A moment with these servers.
pub(crate) fn present(servers: impl IntoIterator<Item = Server>) -> Present {
    let servers = servers
        .into_iter()
        .map(|server| (server.name.clone(), Arc::new(server)))
        .collect();
    Present {
        instance: "instance".to_owned(),
        revision: 1,
        servers,
        paused: false,
        clients: 0,
        problems: Vec::new(),
        reachable: true,
    }
}
