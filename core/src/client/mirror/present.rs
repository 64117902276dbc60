use std::{collections::BTreeMap, sync::Arc};

use crate::api::wire::{Condition, Problem, Server};

/// What a surface shows of a core.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Present {
    /// Names the run of the core; empty before the first fetch.
    pub instance: String,
    /// The last revision that was taken.
    pub revision: u64,
    /// The servers, by name.
    pub servers: BTreeMap<String, Arc<Server>>,
    /// Whether all servers are paused.
    pub paused: bool,
    /// How many clients have a session.
    pub clients: usize,
    /// What is wrong with the file.
    pub problems: Vec<Problem>,
    /// Whether the core can be asked; if not, all else is as it last was.
    pub reachable: bool,
}

impl Present {
    /// Returns how many servers are connected and how many are wanted to be, as the core counts
    /// them.
    pub fn connected_of_wanted(&self) -> (usize, usize) {
        let wanted = self.servers.values().filter(|server| server.is_wanted());
        wanted.fold((0, 0), |(connected, wanted), server| {
            let is_connected = server.condition == Condition::Connected;
            (connected + usize::from(is_connected), wanted + 1)
        })
    }
}
