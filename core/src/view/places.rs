use std::{borrow::Cow, collections::HashMap, sync::Arc};

use bytes::Bytes;
use imbl::OrdMap;

use super::Entry;
use crate::{
    catalog::{DefinitionKind, Item, Template, URI_SCHEME, list_result, uri_prefix},
    server::ServerName,
};

/// The resources at the merged address: their lists, and which server a URI leads to.
///
/// A URI stays as it is where it leads to its server: by the lists, or by the most literal template
/// that matches. Where it would lead elsewhere or nowhere (two servers list the same URI, a tool
/// links to what no list has), it gets its server's prefix, and whoever asks for it by that leads
/// back. So what a server's texts say of its URIs stays true, and every link can be followed.
#[derive(Debug)]
pub struct Places {
    /// The result of `resources/list`.
    pub resources: Bytes,
    /// The result of `resources/templates/list`.
    pub templates: Bytes,
    listed: HashMap<Arc<str>, ServerName, foldhash::fast::RandomState>,
    /// The most literal first; of equals, by the server's name.
    matched: Vec<(Template, Arc<str>, ServerName)>,
    prefixes: HashMap<String, ServerName, foldhash::fast::RandomState>,
}

impl Places {
    pub(super) fn of(servers: &OrdMap<ServerName, Arc<Entry>>) -> Self {
        let mut places = Self {
            resources: Bytes::new(),
            templates: Bytes::new(),
            listed: HashMap::default(),
            matched: Vec::new(),
            prefixes: HashMap::default(),
        };
        // What is not listed keeps its places, so that a read can say why it is refused; but what
        // clients see comes first.
        let (listed, others): (Vec<_>, Vec<_>) =
            servers.iter().partition(|(_, entry)| entry.is_listed());
        for (server, entry) in listed.iter().chain(&others) {
            places.take(server, entry);
        }
        places
            .matched
            .sort_by_key(|(template, ..)| std::cmp::Reverse(template.specificity()));
        places.resources = places.list(DefinitionKind::Resource, &listed);
        places.templates = places.list(DefinitionKind::Template, &listed);
        places
    }

    fn take(&mut self, server: &ServerName, entry: &Entry) {
        self.prefixes
            .insert(uri_prefix(server.as_str()), server.clone());
        let Some(catalog) = &entry.catalog else {
            return;
        };
        for resource in &catalog.resources {
            self.listed
                .entry(Arc::clone(&resource.offered_as))
                .or_insert_with(|| server.clone());
        }
        for template in &catalog.templates {
            let name = Arc::clone(&template.offered_as);
            self.matched
                .push((Template::new(&name), name, server.clone()));
        }
    }

    fn list(&self, kind: DefinitionKind, listed: &[(&ServerName, &Arc<Entry>)]) -> Bytes {
        let named = |(server, item): (&ServerName, &Item)| {
            let name = match kind {
                DefinitionKind::Template => self.template_offered(server, &item.offered_as),
                DefinitionKind::Resource | DefinitionKind::Tool | DefinitionKind::Prompt => {
                    self.offered(server, &item.offered_as)
                }
            };
            item.called(kind, &name)
        };
        let offered = listed.iter().flat_map(|(server, entry)| {
            let catalogs = entry.catalog.iter();
            let offered = catalogs.flat_map(|catalog| catalog.of(kind).offered());
            offered.map(move |item| (*server, item))
        });
        list_result(kind, offered.map(named))
    }

    /// Returns the server that a URI leads to, and what that server calls it.
    pub fn route<'a>(&self, uri: &'a str) -> Option<(&ServerName, &'a str)> {
        if let Some((server, own)) = self.unprefixed(uri) {
            return Some((server, own));
        }
        Some((self.plainly(uri)?, uri))
    }

    /// Returns the server that a template is of, and what that server calls it.
    pub fn template<'a>(&self, template: &'a str) -> Option<(&ServerName, &'a str)> {
        if let Some((server, own)) = self.unprefixed(template) {
            return Some((server, own));
        }
        let mut known = self.matched.iter();
        let (_, _, server) = known.find(|(_, name, _)| **name == *template)?;
        Some((server, template))
    }

    /// Returns what a server's URI is called at this address.
    pub fn offered<'a>(&self, server: &ServerName, uri: &'a str) -> Cow<'a, str> {
        if self.unprefixed(uri).is_none() && self.plainly(uri) == Some(server) {
            return Cow::Borrowed(uri);
        }
        Cow::Owned(uri_prefix(server.as_str()) + uri)
    }

    fn template_offered<'a>(&self, server: &ServerName, template: &'a str) -> Cow<'a, str> {
        match self.template(template) {
            Some((first, own)) if first == server && own == template => Cow::Borrowed(template),
            Some(_) | None => Cow::Owned(uri_prefix(server.as_str()) + template),
        }
    }

    fn unprefixed<'a>(&self, uri: &'a str) -> Option<(&ServerName, &'a str)> {
        let end = uri.strip_prefix(URI_SCHEME)?.find('+')? + URI_SCHEME.len() + 1;
        let (prefix, own) = uri.split_at_checked(end)?;
        Some((self.prefixes.get(prefix)?, own))
    }

    fn plainly(&self, uri: &str) -> Option<&ServerName> {
        let by_template = || {
            let mut known = self.matched.iter();
            known
                .find(|(template, ..)| template.matches(uri))
                .map(|(_, _, server)| server)
        };
        self.listed.get(uri).or_else(by_template)
    }
}
