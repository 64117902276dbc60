//! What is wanted of every server, and why: the entries of the file, the person's reviews and the
//! person's wishes, brought together in one pure value that the supervisor owns.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    api::wire::{IdleReason, Problem, Wish},
    server::{ServerName, Spec},
    trust::LaunchId,
};

/// What is wanted of every server.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// The servers, by name.
    pub servers: BTreeMap<ServerName, Arc<Desire>>,
    /// Whether a person has paused all of them.
    pub paused: bool,
}

/// What is wanted of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desire {
    /// The entry: the last good one, if there ever was one.
    pub spec: Option<Arc<Spec>>,
    /// What is wrong with the entry as it stands in the file.
    pub problem: Option<Problem>,
    /// What would run.
    pub launch: Option<LaunchId>,
    /// Whether a person has approved the launch.
    pub approved: bool,
    /// Whether a person put the server in quarantine.
    pub suspended: bool,
    /// Whether a person has approved what it offers, or given their word for whatever it offers
    /// first.
    pub reviewed: bool,
    /// Whether the launch has connected before, so that nothing is left to download.
    pub proven: bool,
    /// What a person wants of it.
    pub wish: Wish,
    /// Grows with every restart asked for and every change of the entry that wants a new start.
    pub generation: u64,
}

/// What an actor is to aim at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aim {
    /// Be connected, by this spec; another generation wants a new start.
    Up {
        /// How.
        spec: Arc<Spec>,
        /// Whether the launch has connected before.
        proven: bool,
        /// Grows with every start asked for.
        generation: u64,
    },
    /// Rest.
    Rest(IdleReason),
    /// End.
    Stop,
}

impl Desire {
    /// A server that nobody has decided anything about yet.
    pub const fn new() -> Self {
        Self {
            spec: None,
            problem: None,
            launch: None,
            approved: false,
            suspended: false,
            reviewed: false,
            proven: false,
            wish: Wish::Connected,
            generation: 0,
        }
    }

    /// Returns why the server must not run, the strongest reason first; `None` if it shall.
    pub fn rest(&self, paused: bool) -> Option<IdleReason> {
        let Some(spec) = &self.spec else {
            return Some(IdleReason::Off);
        };
        if !spec.enabled {
            Some(IdleReason::Off)
        } else if spec.quarantined || self.suspended || !self.approved {
            Some(IdleReason::Quarantined)
        } else if paused {
            Some(IdleReason::Paused)
        } else if self.wish == Wish::Disconnected {
            Some(IdleReason::Disconnected)
        } else {
            None
        }
    }

    /// Returns whether clients must not see anything of it until a person has looked.
    pub fn in_quarantine(&self) -> bool {
        self.spec.as_ref().is_some_and(|spec| spec.quarantined)
            || self.suspended
            || !self.approved
            || !self.reviewed
    }

    /// Returns what the server's actor is to aim at.
    pub fn aim(&self, paused: bool) -> Aim {
        match (self.rest(paused), &self.spec) {
            (None, Some(spec)) => Aim::Up {
                spec: Arc::clone(spec),
                proven: self.proven,
                generation: self.generation,
            },
            (Some(why), _) => Aim::Rest(why),
            (None, None) => Aim::Rest(IdleReason::Off),
        }
    }
}

impl Default for Desire {
    fn default() -> Self {
        Self::new()
    }
}
