use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use imbl::OrdMap;

use super::Entry;
use crate::{
    catalog::{ReviewedTool, list_result},
    server::ServerName,
};

/// What clients see at the merged address. It is replaced when that changes, and put together by
/// the first who asks.
#[derive(Debug)]
pub struct Offers {
    /// Grows with every change of what clients see.
    pub generation: u64,
    servers: OrdMap<ServerName, Arc<Entry>>,
    built: OnceLock<Built>,
}

/// The merged list and its routing table.
#[derive(Debug)]
pub struct Built {
    /// The result of `tools/list`.
    pub list: Bytes,
    routes: HashMap<Arc<str>, Option<Route>, foldhash::fast::RandomState>,
}

/// Where a name leads.
#[derive(Debug, Clone)]
pub struct Route {
    /// The server.
    pub server: ServerName,
    /// Its tool.
    pub tool: ReviewedTool,
}

impl Offers {
    pub(super) const fn new(generation: u64, servers: OrdMap<ServerName, Arc<Entry>>) -> Self {
        Self {
            generation,
            servers,
            built: OnceLock::new(),
        }
    }

    /// Returns the merged list and its routing table.
    pub fn built(&self) -> &Built {
        self.built.get_or_init(|| Built::of(&self.servers))
    }
}

impl Built {
    fn of(servers: &OrdMap<ServerName, Arc<Entry>>) -> Self {
        let mut routes: HashMap<Arc<str>, Option<Route>, _> = HashMap::default();
        for (server, entry) in servers {
            // What is not listed, or held, keeps its routes, so that a call can say why it is refused.
            for tool in entry.catalog.iter().flat_map(|catalog| &catalog.tools) {
                let route = Route {
                    server: server.clone(),
                    tool: tool.clone(),
                };
                // Two tools that meet in one name despite its hash are both refused.
                routes
                    .entry(Arc::clone(&tool.offered_as))
                    .and_modify(|taken| *taken = None)
                    .or_insert(Some(route));
            }
        }
        let listed = servers.values().filter(|entry| entry.is_listed());
        let offered =
            listed.flat_map(|entry| entry.catalog.iter().flat_map(|catalog| catalog.offered()));
        let unique =
            offered.filter(|tool| routes.get(&tool.offered_as).is_some_and(Option::is_some));
        let list = list_result(unique.map(ReviewedTool::renamed));
        Self { list, routes }
    }

    /// Returns where a name leads.
    pub fn route(&self, name: &str) -> Option<&Route> {
        self.routes.get(name).and_then(Option::as_ref)
    }
}
