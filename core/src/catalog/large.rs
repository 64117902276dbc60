use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use super::{DefinitionKind, Item, names::looks_hashed};

/// More definitions than this, or more text, are put together apart from those of other servers.
const DEFINITIONS_MAX: usize = 256;

/// See [`DEFINITIONS_MAX`]; in bytes.
const BYTES_MAX: usize = 64 * 1024;

/// The part of a merged list that one server's many definitions are, put together when they are
/// reviewed: whatever else changes later, nobody has to look at them again.
#[derive(Debug)]
pub struct Large {
    /// What clients see, joined by commas.
    list: Bytes,
    /// Where each offered name stands; `None` where two of the server meet in one.
    by_offered: HashMap<Arc<str>, Option<usize>, foldhash::fast::RandomState>,
    /// The names that may meet those of another server: a plain name is that of one server alone.
    hashed: Vec<Arc<str>>,
}

impl Large {
    /// Puts together what there is of `kind`; `None` where that is not much.
    pub(super) fn of(kind: DefinitionKind, items: &[Item]) -> Option<Self> {
        let named = matches!(kind, DefinitionKind::Tool | DefinitionKind::Prompt);
        let bytes = || items.iter().map(|item| item.definition.raw.len());
        if !named || items.len() <= DEFINITIONS_MAX && bytes().sum::<usize>() <= BYTES_MAX {
            return None;
        }
        let mut by_offered: HashMap<_, _, foldhash::fast::RandomState> = HashMap::default();
        by_offered.reserve(items.len());
        for (place, item) in items.iter().enumerate() {
            // Two names that meet in one despite its hash are both refused.
            by_offered
                .entry(Arc::clone(&item.offered_as))
                .and_modify(|taken| *taken = None)
                .or_insert(Some(place));
        }
        let hashed = by_offered.keys().filter(|name| looks_hashed(name));
        let mut large = Self {
            list: Bytes::new(),
            hashed: hashed.cloned().collect(),
            by_offered,
        };
        large.list = large.list_without(kind, items, |_| false);
        Some(large)
    }

    /// Returns what clients see, joined by commas.
    pub const fn list(&self) -> &Bytes {
        &self.list
    }

    /// Returns the same without what is `refused`.
    pub fn list_without(
        &self,
        kind: DefinitionKind,
        items: &[Item],
        refused: impl Fn(&str) -> bool,
    ) -> Bytes {
        let mut list = Vec::new();
        let offered = items.iter().filter(|item| item.is_offered());
        for item in
            offered.filter(|item| self.leads(&item.offered_as) && !refused(&item.offered_as))
        {
            if !list.is_empty() {
                list.push(b',');
            }
            list.extend_from_slice(&item.renamed(kind));
        }
        list.into()
    }

    /// Returns the place of the definition that is offered under `name`: `Some(None)` where there are
    /// two.
    pub(super) fn place(&self, name: &str) -> Option<Option<usize>> {
        self.by_offered.get(name).copied()
    }

    /// Returns the names that may meet those of another server.
    pub fn hashed(&self) -> &[Arc<str>] {
        &self.hashed
    }

    fn leads(&self, name: &str) -> bool {
        self.place(name).flatten().is_some()
    }
}
