use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use imbl::OrdMap;

use super::{Entry, Places, Subject, subjects::Subjects};
use crate::{
    catalog::{DefinitionKind, Item, Large, Reviewed},
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
    /// The result of its list, in pieces: the many definitions of one server are a piece of their own,
    /// which is not copied.
    pub list: Vec<Bytes>,
    kind: DefinitionKind,
    routes: HashMap<Arc<str>, Option<(ServerName, Item)>, foldhash::fast::RandomState>,
    /// Servers with many definitions, which have tables of their own.
    large: Vec<(ServerName, Arc<Reviewed>)>,
}

/// Where a name leads.
#[derive(Debug, Clone, Copy)]
pub struct Route<'a> {
    /// The server.
    pub server: &'a ServerName,
    /// What it calls so.
    pub item: &'a Item,
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
        let mut menu = Self {
            list: Vec::new(),
            kind,
            routes: HashMap::default(),
            large: Vec::new(),
        };
        // What is not listed, or held, keeps its routes, so that a call can say why it is refused.
        for (server, entry) in servers {
            let Some(catalog) = &entry.catalog else {
                continue;
            };
            if catalog.of(kind).large().is_some() {
                menu.large.push((server.clone(), Arc::clone(catalog)));
                continue;
            }
            for item in catalog.of(kind) {
                // Two names that meet in one despite its hash are both refused.
                menu.routes
                    .entry(Arc::clone(&item.offered_as))
                    .and_modify(|taken| *taken = None)
                    .or_insert_with(|| Some((server.clone(), item.clone())));
            }
        }
        menu.refuse_twins();
        menu.list = menu.pieces(servers);
        menu
    }

    /// Refuses the names of servers with many definitions that meet those of another server.
    fn refuse_twins(&mut self) {
        let mut twins = Vec::new();
        for (server, catalog) in &self.large {
            let large = catalog.of(self.kind).large();
            for name in large.into_iter().flat_map(Large::hashed) {
                let mut others = self.large.iter().filter(|(other, _)| other != server);
                let met = others.any(|(_, other)| other.of(self.kind).offered_as(name).is_some());
                if met || self.routes.contains_key(name) {
                    twins.push(Arc::clone(name));
                }
            }
        }
        self.routes
            .extend(twins.into_iter().map(|name| (name, None)));
    }

    fn pieces(&self, servers: &OrdMap<ServerName, Arc<Entry>>) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        let start = format!(r#"{{"{}":["#, self.kind.list_member()).into_bytes();
        let (mut piece, mut first) = (start, true);
        let mut next = |piece: &mut Vec<u8>| {
            if !std::mem::replace(&mut first, false) {
                piece.push(b',');
            }
        };
        let refused = |name: &str| self.routes.get(name).is_some_and(Option::is_none);
        let listed = servers.values().filter(|entry| entry.is_listed());
        for section in listed
            .flat_map(|entry| &entry.catalog)
            .map(|it| it.of(self.kind))
        {
            if let Some(large) = section.large_list(refused) {
                if !large.is_empty() {
                    next(&mut piece);
                    pieces.push(std::mem::take(&mut piece).into());
                    pieces.push(large);
                }
                continue;
            }
            for item in section.offered().filter(|item| !refused(&item.offered_as)) {
                next(&mut piece);
                piece.extend_from_slice(&item.renamed(self.kind));
            }
        }
        piece.extend_from_slice(b"]}");
        pieces.push(piece.into());
        pieces
    }

    /// Returns where a name leads.
    pub fn route(&self, name: &str) -> Option<Route<'_>> {
        if let Some(route) = self.routes.get(name) {
            return route.as_ref().map(|(server, item)| Route { server, item });
        }
        let mut known = self.large.iter();
        known.find_map(|(server, catalog)| {
            let item = catalog.of(self.kind).offered_as(name)??;
            Some(Route { server, item })
        })
    }
}
