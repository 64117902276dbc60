use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use imbl::OrdMap;

use super::{Entry, Places, Subject, subjects::Subjects};
use crate::{
    catalog::{DefinitionKind, Item, list_result},
    server::ServerName,
};

/// What clients see at the merged address. What of it changes is replaced, and put together by the
/// first who asks.
#[derive(Debug, Default)]
pub struct Offers {
    generations: [u64; 3],
    servers: OrdMap<ServerName, Arc<Entry>>,
    tools: Arc<OnceLock<Menu>>,
    prompts: Arc<OnceLock<Menu>>,
    resources: Arc<OnceLock<Places>>,
}

/// A merged list of what has a name, and its routing table.
#[derive(Debug)]
pub struct Menu {
    /// The result of its list.
    pub list: Bytes,
    routes: HashMap<Arc<str>, Option<Route>, foldhash::fast::RandomState>,
}

/// Where a name leads.
#[derive(Debug, Clone)]
pub struct Route {
    /// The server.
    pub server: ServerName,
    /// What it calls so.
    pub item: Item,
}

impl Offers {
    /// Returns what follows when what clients see of `changed` has changed.
    pub(super) fn next(&self, changed: Subjects, servers: OrdMap<ServerName, Arc<Entry>>) -> Self {
        let mut generations = self.generations;
        for subject in Subject::ALL {
            generations[subject as usize] += u64::from(changed.contains(subject));
        }
        Self {
            generations,
            servers,
            tools: kept(&self.tools, changed.contains(Subject::Tools)),
            prompts: kept(&self.prompts, changed.contains(Subject::Prompts)),
            resources: kept(&self.resources, changed.contains(Subject::Resources)),
        }
    }

    /// Returns a number that grows with every change of what clients see of `subject`.
    pub const fn generation(&self, subject: Subject) -> u64 {
        self.generations[subject as usize]
    }

    /// Returns the tools.
    pub fn tools(&self) -> &Menu {
        self.tools
            .get_or_init(|| Menu::of(DefinitionKind::Tool, &self.servers))
    }

    /// Returns the prompts.
    pub fn prompts(&self) -> &Menu {
        self.prompts
            .get_or_init(|| Menu::of(DefinitionKind::Prompt, &self.servers))
    }

    /// Returns the resources and their templates.
    pub fn resources(&self) -> &Places {
        self.resources.get_or_init(|| Places::of(&self.servers))
    }
}

fn kept<T>(before: &Arc<OnceLock<T>>, changed: bool) -> Arc<OnceLock<T>> {
    if changed {
        Arc::default()
    } else {
        Arc::clone(before)
    }
}

impl Menu {
    fn of(kind: DefinitionKind, servers: &OrdMap<ServerName, Arc<Entry>>) -> Self {
        let mut routes: HashMap<Arc<str>, Option<Route>, _> = HashMap::default();
        for (server, entry) in servers {
            // What is not listed, or held, keeps its routes, so that a call can say why it is refused.
            for item in entry.catalog.iter().flat_map(|catalog| catalog.of(kind)) {
                let route = Route {
                    server: server.clone(),
                    item: item.clone(),
                };
                // Two names that meet in one despite its hash are both refused.
                routes
                    .entry(Arc::clone(&item.offered_as))
                    .and_modify(|taken| *taken = None)
                    .or_insert(Some(route));
            }
        }
        let listed = servers.values().filter(|entry| entry.is_listed());
        let catalogs = listed.flat_map(|entry| &entry.catalog);
        let offered = catalogs.flat_map(|catalog| catalog.of(kind).offered());
        let unique =
            offered.filter(|item| routes.get(&item.offered_as).is_some_and(Option::is_some));
        let list = list_result(kind, unique.map(|item| item.renamed(kind)));
        Self { list, routes }
    }

    /// Returns where a name leads.
    pub fn route(&self, name: &str) -> Option<&Route> {
        self.routes.get(name).and_then(Option::as_ref)
    }
}
