use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;

use super::{Definition, offered_name};
use crate::{
    api::wire::{DefinitionState, ToolCounts},
    mcp::{json, splice},
};

/// A server's catalog after the trust store has looked at it: what clients may see of it.
#[derive(Debug)]
pub struct Reviewed {
    /// Grows by one with every change of the catalog.
    pub epoch: u64,
    /// The tools, in the server's order.
    pub tools: Vec<ReviewedTool>,
    /// The server's instructions, if a person has approved them.
    pub instructions: Option<Arc<Definition>>,
    own_list: OnceLock<Bytes>,
    by_name: HashMap<String, usize, foldhash::fast::RandomState>,
}

/// A tool and what a person's review made of it.
#[derive(Debug, Clone)]
pub struct ReviewedTool {
    /// The tool.
    pub definition: Arc<Definition>,
    /// The name it has at the merged address.
    pub offered_as: Arc<str>,
    /// Whether clients see it.
    pub state: DefinitionState,
}

impl Reviewed {
    /// Puts together what a review found.
    pub fn new(
        server: &str,
        epoch: u64,
        tools: impl Iterator<Item = (Arc<Definition>, DefinitionState)>,
        instructions: Option<Arc<Definition>>,
    ) -> Self {
        let tools: Vec<_> = tools
            .map(|(definition, state)| ReviewedTool {
                offered_as: offered_name(server, &definition.name).into(),
                definition,
                state,
            })
            .collect();
        let by_name = tools
            .iter()
            .enumerate()
            .map(|(place, tool)| (tool.definition.name.clone(), place))
            .collect();
        Self {
            epoch,
            tools,
            instructions,
            own_list: OnceLock::new(),
            by_name,
        }
    }

    /// Returns the tool that the server calls `name`.
    pub fn tool(&self, name: &str) -> Option<&ReviewedTool> {
        self.by_name.get(name).map(|place| &self.tools[*place])
    }

    /// Returns the tools that clients see.
    pub fn offered(&self) -> impl Iterator<Item = &ReviewedTool> {
        self.tools
            .iter()
            .filter(|tool| tool.state == DefinitionState::Offered)
    }

    /// Returns how many tools clients see and how many are held.
    pub fn counts(&self) -> ToolCounts {
        let offered = self.offered().count();
        ToolCounts {
            offered,
            held: self.tools.len() - offered,
        }
    }

    /// Returns the result of `tools/list` at the server's own address, names unchanged.
    pub fn own_list(&self) -> Bytes {
        self.own_list
            .get_or_init(|| list_result(self.offered().map(|tool| tool.definition.raw.clone())))
            .clone()
    }
}

impl ReviewedTool {
    /// Returns the definition under the name it has at the merged address; all else as it was.
    pub fn renamed(&self) -> Bytes {
        let raw = &self.definition.raw;
        let Ok(Some(name)) = json::member(raw, 0, "name") else {
            return raw.clone();
        };
        let quoted = format!("\"{}\"", self.offered_as);
        splice(raw, &[(name, quoted.as_bytes())]).into()
    }
}

/// Returns the result of a `tools/list` with these definitions.
pub fn list_result(definitions: impl Iterator<Item = Bytes>) -> Bytes {
    let mut result = br#"{"tools":["#.to_vec();
    for (place, definition) in definitions.enumerate() {
        if place > 0 {
            result.push(b',');
        }
        result.extend_from_slice(&definition);
    }
    result.extend_from_slice(b"]}");
    result.into()
}
