use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;

use super::{Definition, DefinitionKind, Large};
use crate::{
    api::wire::DefinitionState,
    mcp::{json, splice},
    runtime::by_size,
};

/// The definitions of one kind in a reviewed catalog.
#[derive(Debug)]
pub struct Section {
    kind: DefinitionKind,
    items: Vec<Item>,
    by_key: HashMap<String, usize, foldhash::fast::RandomState>,
    fingerprint: u64,
    bytes: usize,
    own_list: OnceLock<Bytes>,
    large: Option<Large>,
}

/// A definition and what a person's review made of it.
#[derive(Debug, Clone)]
pub struct Item {
    /// The definition.
    pub definition: Arc<Definition>,
    /// The name it has at the merged address. What has a URI for a name keeps it, unless it leads
    /// elsewhere there.
    pub offered_as: Arc<str>,
    /// Whether clients see it.
    pub state: DefinitionState,
}

impl Section {
    /// Puts together what a review found.
    pub fn new(kind: DefinitionKind, items: Vec<Item>) -> Self {
        let by_key = items
            .iter()
            .enumerate()
            .map(|(place, item)| (item.definition.name.clone(), place))
            .collect();
        let fingerprint = items.iter().fold(1, |so_far: u64, item| {
            let hash = item.definition.hash.0.first_chunk::<8>();
            let hash = hash.map_or(0, |bytes| u64::from_le_bytes(*bytes));
            // An odd factor keeps every bit, and the order counts.
            so_far
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .wrapping_add(hash ^ item.state as u64)
        });
        Self {
            kind,
            by_key,
            fingerprint,
            bytes: items.iter().map(|item| item.definition.raw.len()).sum(),
            own_list: OnceLock::new(),
            large: Large::of(kind, &items),
            items,
        }
    }

    /// Returns the definition that the server calls `key`.
    pub fn get(&self, key: &str) -> Option<&Item> {
        self.by_key.get(key).map(|place| &self.items[*place])
    }

    /// Returns all of them, in the server's order.
    pub fn iter(&self) -> std::slice::Iter<'_, Item> {
        self.items.iter()
    }

    /// Returns how many there are.
    pub const fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns what clients see.
    pub fn offered(&self) -> impl Iterator<Item = &Item> {
        self.iter().filter(|item| item.is_offered())
    }

    /// Returns a number that changes whenever a definition or its state does.
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Returns the result of its list at the server's own address, names unchanged.
    pub fn own_list(&self) -> Bytes {
        let make = || {
            let offered = self.offered().map(|item| item.definition.raw.clone());
            list_result(self.kind, offered)
        };
        let made = self.own_list.get();
        made.unwrap_or_else(|| by_size(self.bytes, || self.own_list.get_or_init(make)))
            .clone()
    }

    /// Returns its part of a merged list, where it is put together apart.
    pub const fn large(&self) -> Option<&Large> {
        self.large.as_ref()
    }

    /// Returns its part of a merged list without what is `refused`; nothing where it is not put
    /// together apart.
    pub fn large_list(&self, refused: impl Fn(&str) -> bool) -> Option<Bytes> {
        let large = self.large.as_ref()?;
        Some(if large.hashed().iter().any(|name| refused(name)) {
            large.list_without(self.kind, &self.items, refused)
        } else {
            large.list().clone()
        })
    }

    /// Returns the definition that is offered under `name` at the merged address, where the section
    /// is put together apart: `Some(None)` where there are two.
    pub fn offered_as(&self, name: &str) -> Option<Option<&Item>> {
        let place = self.large.as_ref()?.place(name)?;
        Some(place.map(|place| &self.items[place]))
    }
}

impl<'a> IntoIterator for &'a Section {
    type Item = &'a Item;
    type IntoIter = std::slice::Iter<'a, Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Item {
    /// Whether clients see it.
    pub fn is_offered(&self) -> bool {
        self.state == DefinitionState::Offered
    }

    /// Returns the definition under the name it has at the merged address; all else as it was.
    pub fn renamed(&self, kind: DefinitionKind) -> Bytes {
        self.called(kind, &self.offered_as)
    }

    /// Returns the definition under another name; all else as it was.
    pub fn called(&self, kind: DefinitionKind, name: &str) -> Bytes {
        let raw = &self.definition.raw;
        if name == self.definition.name {
            return raw.clone();
        }
        let Ok(Some(range)) = json::member(raw, 0, kind.key()) else {
            return raw.clone();
        };
        let quoted = serde_json::to_vec(name).expect("a text encodes");
        splice(raw, &[(range, &quoted)]).into()
    }
}

/// Returns the result of a list with these definitions.
pub fn list_result(kind: DefinitionKind, definitions: impl Iterator<Item = Bytes>) -> Bytes {
    let mut result = format!(r#"{{"{}":["#, kind.list_member()).into_bytes();
    for (place, definition) in definitions.enumerate() {
        if place > 0 {
            result.push(b',');
        }
        result.extend_from_slice(&definition);
    }
    result.extend_from_slice(b"]}");
    result.into()
}
