use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;

use super::{Definition, DefinitionKind};
use crate::mcp::json;

/// The most definitions of one kind that a server may have. Ten times the largest server known;
/// more is an attack on everybody's memory.
const DEFINITIONS_MAX: usize = 20_000;

/// A list on its way in, page by page.
#[derive(Debug)]
pub struct Listing {
    kind: DefinitionKind,
    definitions: Vec<Arc<Definition>>,
    keys: HashSet<String>,
    cursors: HashSet<Bytes>,
    skipped: usize,
}

/// Why a server's answer is no list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidList {
    /// The answer is malformed.
    #[error(transparent)]
    Json(#[from] json::Malformed),
    /// The answer has no list.
    #[error("the result has no list `{0}`")]
    NoList(&'static str),
    /// There are too many.
    #[error("more than {DEFINITIONS_MAX} {0}s")]
    TooMany(&'static str),
    /// A cursor comes a second time.
    #[error("the pages of the list go round in a circle")]
    Circle,
}

impl Listing {
    /// Begins a list of `kind`.
    pub fn new(kind: DefinitionKind) -> Self {
        Self {
            kind,
            definitions: Vec::new(),
            keys: HashSet::new(),
            cursors: HashSet::new(),
            skipped: 0,
        }
    }

    /// Adds what is on one page (the raw `result`) and returns the next cursor, quotes and all.
    ///
    /// A definition without a usable name, or whose name came before, is left out and counted: one
    /// bad definition costs only itself.
    ///
    /// # Errors
    /// When the page is no list of this kind.
    pub fn add_page(&mut self, result: &Bytes) -> Result<Option<Bytes>, InvalidList> {
        let name = self.kind.list_member();
        if result.first() != Some(&b'{') {
            return Err(InvalidList::NoList(name));
        }
        let list = json::member(result, 0, name)?.ok_or(InvalidList::NoList(name))?;
        if result[list.start] != b'[' {
            return Err(InvalidList::NoList(name));
        }
        for element in json::elements(result, list.start)? {
            match Definition::of(self.kind, result.slice(element)) {
                Some(definition) if self.keys.insert(definition.name.clone()) => {
                    self.definitions.push(Arc::new(definition));
                }
                Some(_) | None => self.skipped += 1,
            }
            if self.definitions.len() > DEFINITIONS_MAX {
                return Err(InvalidList::TooMany(self.kind.as_str()));
            }
        }
        let cursor = json::member(result, 0, "nextCursor")?.map(|range| result.slice(range));
        let cursor = cursor.filter(|cursor| cursor.first() == Some(&b'"'));
        if let Some(cursor) = &cursor
            && !self.cursors.insert(Bytes::copy_from_slice(cursor))
        {
            return Err(InvalidList::Circle);
        }
        Ok(cursor)
    }

    /// Returns what was listed, and how many definitions were left out.
    pub fn finish(self) -> (Vec<Arc<Definition>>, usize) {
        (self.definitions, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(listing: &mut Listing, text: &'static str) -> Result<Option<Bytes>, InvalidList> {
        listing.add_page(&Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_bad_definition_costs_only_itself() {
        let mut listing = Listing::new(DefinitionKind::Tool);
        let cursor = page(
            &mut listing,
            r#"{"tools":[{"name":"a"},7,{"title":"no name"},{"name":"a"},{"name":"b","x":1e400}],"nextCursor":"p2"}"#,
        )
        .unwrap();
        let (tools, skipped) = listing.finish();
        let names: Vec<_> = tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(&tools[1].raw[..], br#"{"name":"b","x":1e400}"#);
        assert_eq!((skipped, cursor.as_deref()), (3, Some(&br#""p2""#[..])));
    }

    #[test]
    fn each_kind_has_its_own_key_and_list() {
        for (kind, text) in [
            (DefinitionKind::Prompt, r#"{"prompts":[{"name":"k"}]}"#),
            (
                DefinitionKind::Template,
                r#"{"resourceTemplates":[{"uriTemplate":"k"}]}"#,
            ),
            (DefinitionKind::Resource, r#"{"resources":[{"uri":"k"}]}"#),
        ] {
            let mut listing = Listing::new(kind);
            assert_eq!(page(&mut listing, text), Ok(None));
            assert_eq!(listing.finish().0[0].name, "k");
        }
    }

    #[test]
    fn pages_that_go_round_in_a_circle_end() {
        let mut listing = Listing::new(DefinitionKind::Prompt);
        let first = page(&mut listing, r#"{"prompts":[],"nextCursor":"a"}"#);
        assert!(matches!(first, Ok(Some(_))));
        assert!(page(&mut listing, r#"{"prompts":[],"nextCursor":"b"}"#).is_ok());
        assert_eq!(
            page(&mut listing, r#"{"prompts":[],"nextCursor":"a"}"#),
            Err(InvalidList::Circle)
        );
    }
}
