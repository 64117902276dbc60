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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        api::wire::DefinitionState,
        catalog::{Catalog, Definition},
        desired::Desire,
        metrics::Metrics,
        server::{Spec, Transport},
        view::Publisher,
    };

    /// Two pairs of a server and a tool that are offered under one name, hash and all.
    const TWINS: [(&str, &str); 2] = [("my server", "$?@{`"), ("my_server", "#(:+$")];

    /// Returns the offers of servers with these tools.
    fn offers(servers: &[(&str, Vec<String>)]) -> Arc<Offers> {
        let publisher = Publisher::new("test".into(), Metrics::new().view());
        let transport = Transport::Stdio {
            command: "x".into(),
            args: Vec::new(),
            cwd: None,
            env: Default::default(),
        };
        for (name, tools) in servers {
            let server: ServerName = name.parse().unwrap();
            let desire = Desire {
                spec: Some(Arc::new(Spec::new(transport.clone()))),
                approved: true,
                reviewed: true,
                ..Desire::new()
            };
            let tools = tools.iter().map(|tool| {
                let raw = serde_json::json!({"name": tool, "inputSchema": {}}).to_string();
                Arc::new(Definition::of_tool(raw.into()).unwrap())
            });
            let catalog = Catalog {
                tools: tools.collect(),
                ..Catalog::default()
            };
            let reviewed = Reviewed::new(name, 1, &catalog, |_, _, _| DefinitionState::Offered);
            publisher.update(|draft| {
                draft.desire(&server, Arc::new(desire), None);
                draft.catalog(&server, Arc::new(reviewed));
            });
        }
        Arc::clone(&publisher.view().snapshot().offers)
    }

    fn numbered(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("tool_{number}")).collect()
    }

    /// Returns the names in the list, each of which must lead to what is called so there.
    fn listed(offers: &Offers) -> BTreeSet<String> {
        let menu = offers.tools();
        let list: serde_json::Value = serde_json::from_slice(&menu.list.concat()).unwrap();
        let names = list["tools"].as_array().unwrap().iter();
        let names = names.map(|tool| tool["name"].as_str().unwrap().to_owned());
        let names: Vec<String> = names.collect();
        for name in &names {
            let route = menu.route(name).unwrap();
            assert_eq!(*route.item.offered_as, **name);
        }
        let all: BTreeSet<String> = names.iter().cloned().collect();
        assert_eq!(all.len(), names.len(), "a name is offered twice");
        all
    }

    #[test]
    fn few_and_many_tools_stand_in_one_list() {
        for counts in [
            [2, 3, 4],
            [300, 3, 0],
            [3, 300, 2],
            [300, 0, 301],
            [0, 0, 0],
        ] {
            let names = ["a", "b", "c"].into_iter();
            let servers: Vec<_> = names.zip(counts.map(numbered)).collect();
            let offers = offers(&servers);
            let expected = servers.iter().flat_map(|(server, tools)| {
                tools.iter().map(move |tool| format!("{server}__{tool}"))
            });
            assert_eq!(listed(&offers), expected.collect());
            for (server, tools) in &servers {
                for tool in tools {
                    let route = offers.tools().route(&format!("{server}__{tool}")).unwrap();
                    assert_eq!(route.server.as_str(), *server);
                    assert_eq!(route.item.definition.name, *tool);
                }
            }
            assert!(offers.tools().route("a__none").is_none());
        }
    }

    #[test]
    fn names_of_two_servers_that_meet_are_both_refused() {
        for counts in [[1, 1], [300, 1], [1, 300], [300, 300]] {
            let servers: Vec<_> = TWINS
                .iter()
                .zip(counts.map(numbered))
                .map(|((server, twin), mut tools)| {
                    tools.push((*twin).to_owned());
                    (*server, tools)
                })
                .collect();
            let offers = offers(&servers);
            let twin = crate::catalog::offered_name(TWINS[0].0, TWINS[0].1);
            assert_eq!(twin, crate::catalog::offered_name(TWINS[1].0, TWINS[1].1));
            assert!(offers.tools().route(&twin).is_none());
            let names = listed(&offers);
            assert!(!names.contains(&twin));
            assert_eq!(names.len(), counts.iter().sum::<usize>());
        }
    }
}
