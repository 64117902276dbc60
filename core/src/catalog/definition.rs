use std::{fmt, sync::Arc};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::mcp::json;

/// The most tools one server may define. Ten times the largest server known; more is an attack on
/// everybody's memory.
const TOOLS_MAX: usize = 20_000;

/// What one server offers, as it gave it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalog {
    /// The tools, in the server's order.
    pub tools: Vec<Arc<Definition>>,
    /// The server's instructions, if it gave any.
    pub instructions: Option<Arc<Definition>>,
}

/// One definition: raw JSON, never written again but for its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The name, decoded.
    pub name: String,
    /// The definition as the server gave it.
    pub raw: Bytes,
    /// The hash of all of it.
    pub hash: DefinitionHash,
    /// Whether the tool says that calling it again does no harm (`readOnlyHint`, `idempotentHint`).
    pub repeatable: bool,
}

/// The SHA-256 of a definition's canonical text: equal only if every member is, whatever the order
/// of the members.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DefinitionHash(pub [u8; 32]);

impl fmt::Debug for DefinitionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4]
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why a server's answer is no list of tools.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCatalog {
    /// The answer is malformed.
    #[error(transparent)]
    Json(#[from] json::Malformed),
    /// The answer has no list `tools`.
    #[error("the result has no list `tools`")]
    NoTools,
    /// There are too many.
    #[error("more than {TOOLS_MAX} tools")]
    TooMany,
    /// The next page is the page itself.
    #[error("the pages of the list go round in a circle")]
    Circle,
}

impl Catalog {
    /// Adds the tools of one page (the raw `result` of `tools/list`) and returns the next cursor,
    /// quotes and all.
    ///
    /// A tool without a usable name, or whose name came before, is left out and counted in
    /// `skipped`: one bad definition costs only itself.
    ///
    /// # Errors
    /// When the page is no list of tools.
    pub fn add_page(
        &mut self,
        result: &Bytes,
        skipped: &mut usize,
    ) -> Result<Option<Bytes>, InvalidCatalog> {
        if result.first() != Some(&b'{') {
            return Err(InvalidCatalog::NoTools);
        }
        let tools = json::member(result, 0, "tools")?.ok_or(InvalidCatalog::NoTools)?;
        if result[tools.start] != b'[' {
            return Err(InvalidCatalog::NoTools);
        }
        let mut names: std::collections::HashSet<String> =
            self.tools.iter().map(|tool| tool.name.clone()).collect();
        for element in json::elements(result, tools.start)? {
            match Definition::of_tool(result.slice(element)) {
                Some(tool) if names.insert(tool.name.clone()) => self.tools.push(Arc::new(tool)),
                Some(_) | None => *skipped += 1,
            }
            if self.tools.len() > TOOLS_MAX {
                return Err(InvalidCatalog::TooMany);
            }
        }
        let cursor = json::member(result, 0, "nextCursor")?.map(|range| result.slice(range));
        Ok(cursor.filter(|cursor| cursor.first() == Some(&b'"')))
    }
}

impl Definition {
    /// Reads a tool's definition; `None` where it is no object with one name.
    pub fn of_tool(raw: Bytes) -> Option<Self> {
        if raw.first() != Some(&b'{') {
            return None;
        }
        // The copy lets go of the page that the definition came in.
        let raw = Bytes::copy_from_slice(&raw);
        let name = json::member(&raw, 0, "name").ok()??;
        let name = json::decode(&raw[name])?.into_owned();
        let repeatable = ["readOnlyHint", "idempotentHint"]
            .into_iter()
            .any(|hint| annotation_holds(&raw, hint));
        Some(Self {
            hash: DefinitionHash::of(&raw),
            name,
            raw,
            repeatable,
        })
    }

    /// Makes a definition of a server's instructions (raw JSON text).
    pub fn of_instructions(raw: Bytes) -> Self {
        let raw = Bytes::copy_from_slice(&raw);
        Self {
            name: "instructions".to_owned(),
            hash: DefinitionHash::of(&raw),
            raw,
            repeatable: false,
        }
    }
}

fn annotation_holds(raw: &[u8], hint: &'static str) -> bool {
    let annotations = json::member(raw, 0, "annotations").ok().flatten();
    annotations.is_some_and(|range| {
        raw[range.start] == b'{'
            && json::member(raw, range.start, hint)
                .ok()
                .flatten()
                .is_some_and(|value| &raw[value] == b"true")
    })
}

impl DefinitionHash {
    fn of(raw: &[u8]) -> Self {
        let mut canonical = Vec::with_capacity(raw.len());
        if json::canonical(raw, &mut canonical).is_err() {
            // Definitions are cut out of scanned JSON; if one were malformed it would count as spelled.
            canonical.clear();
            canonical.extend_from_slice(raw);
        }
        Self(Sha256::digest(&canonical).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &'static str) -> (Catalog, usize, Option<Bytes>) {
        let (mut catalog, mut skipped) = (Catalog::default(), 0);
        let cursor = catalog
            .add_page(&Bytes::from_static(text.as_bytes()), &mut skipped)
            .unwrap();
        (catalog, skipped, cursor)
    }

    #[test]
    fn a_bad_definition_costs_only_itself() {
        let (catalog, skipped, cursor) = page(
            r#"{"tools":[{"name":"a"},7,{"title":"no name"},{"name":"a"},{"name":"b","x":1e400}],"nextCursor":"p2"}"#,
        );
        assert_eq!(
            catalog
                .tools
                .iter()
                .map(|tool| tool.name.as_str())
                .collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert_eq!(&catalog.tools[1].raw[..], br#"{"name":"b","x":1e400}"#);
        assert_eq!((skipped, cursor.as_deref()), (3, Some(&br#""p2""#[..])));
    }

    #[test]
    fn every_member_counts_for_the_hash() {
        let hash = |text: &str| {
            Definition::of_tool(Bytes::copy_from_slice(text.as_bytes()))
                .unwrap()
                .hash
        };
        let plain = hash(r#"{"name":"a","inputSchema":{"type":"object"}}"#);
        assert_eq!(
            plain,
            hash(r#"{"inputSchema":{ "type":"object"},"name":"a"}"#)
        );
        assert_ne!(
            plain,
            hash(r#"{"name":"a","inputSchema":{"type":"object","$defs":{}}}"#)
        );
        assert_ne!(
            plain,
            hash(
                r#"{"name":"a","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}"#
            )
        );
        assert_ne!(
            plain,
            hash(r#"{"name":"a","inputSchema":{"type":"object"},"anything":null}"#)
        );
    }

    #[test]
    fn hints_tell_what_may_be_repeated() {
        let repeatable = |text: &str| {
            Definition::of_tool(Bytes::copy_from_slice(text.as_bytes()))
                .unwrap()
                .repeatable
        };
        assert!(repeatable(
            r#"{"name":"a","annotations":{"idempotentHint":true}}"#
        ));
        assert!(!repeatable(
            r#"{"name":"a","annotations":{"readOnlyHint":"true"}}"#
        ));
        assert!(!repeatable(r#"{"name":"a","annotations":true}"#));
    }
}
