use std::{fmt, sync::Arc};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{DefinitionKind, Features};
use crate::mcp::json;

/// What one server offers, as it gave it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalog {
    /// The tools, in the server's order.
    pub tools: Vec<Arc<Definition>>,
    /// The prompts, in the server's order.
    pub prompts: Vec<Arc<Definition>>,
    /// The templates of resources, in the server's order.
    pub templates: Vec<Arc<Definition>>,
    /// The resources, in the server's order. They are no part of what a person approves.
    pub resources: Vec<Arc<Definition>>,
    /// The server's instructions, if it gave any.
    pub instructions: Option<Arc<Definition>>,
    /// What it said it can do.
    pub features: Features,
}

/// What a definition takes beside its text: a name to be offered, hashed and found, some allocations.
/// About as long as it takes to scan so many bytes.
const DEFINITION_BYTES: usize = 512;

/// One definition: raw JSON, never written again but for its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The name, decoded: of a resource its URI, of a template the template.
    pub name: String,
    /// The definition as the server gave it.
    pub raw: Bytes,
    /// The hash of all of it.
    pub hash: DefinitionHash,
    /// Whether asking for it again does no harm: a tool says so (`readOnlyHint`, `idempotentHint`),
    /// of all else it holds.
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

impl Catalog {
    /// Returns the definitions of one kind.
    pub const fn of(&self, kind: DefinitionKind) -> &Vec<Arc<Definition>> {
        match kind {
            DefinitionKind::Tool => &self.tools,
            DefinitionKind::Prompt => &self.prompts,
            DefinitionKind::Template => &self.templates,
            DefinitionKind::Resource => &self.resources,
        }
    }

    /// Returns how much work it is to look at all of it, as the bytes of text that take as long to
    /// scan. For [`crate::runtime::by_size`].
    pub fn weight(&self) -> usize {
        let kinds = DefinitionKind::ALL.into_iter();
        let all = kinds.flat_map(|kind| self.of(kind));
        all.map(|definition| definition.raw.len() + DEFINITION_BYTES)
            .sum()
    }

    /// Returns the definitions of one kind, to be changed.
    pub const fn of_mut(&mut self, kind: DefinitionKind) -> &mut Vec<Arc<Definition>> {
        match kind {
            DefinitionKind::Tool => &mut self.tools,
            DefinitionKind::Prompt => &mut self.prompts,
            DefinitionKind::Template => &mut self.templates,
            DefinitionKind::Resource => &mut self.resources,
        }
    }
}

impl Definition {
    /// Reads a definition; `None` where it is no object with one name.
    pub fn of(kind: DefinitionKind, raw: Bytes) -> Option<Self> {
        if raw.first() != Some(&b'{') {
            return None;
        }
        // The copy lets go of the page that the definition came in.
        let raw = Bytes::copy_from_slice(&raw);
        let name = json::member(&raw, 0, kind.key()).ok()??;
        let name = json::decode(&raw[name])?.into_owned();
        let hinted = ["readOnlyHint", "idempotentHint"];
        let repeatable = kind != DefinitionKind::Tool
            || hinted.into_iter().any(|hint| annotation_holds(&raw, hint));
        Some(Self {
            hash: DefinitionHash::of(&raw),
            name,
            raw,
            repeatable,
        })
    }

    /// Reads a tool's definition; `None` where it is no object with one name.
    pub fn of_tool(raw: Bytes) -> Option<Self> {
        Self::of(DefinitionKind::Tool, raw)
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
