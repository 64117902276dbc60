use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use super::Supervisor;
use crate::{
    api::wire::{Problem, Wish},
    config::{self, Source},
    desired::Desire,
    runtime::by_size,
    server::{ServerName, Spec},
    trust::Ledger,
};

/// Where the configuration is, and whether it was ever read.
#[derive(Debug)]
pub struct FileState {
    path: PathBuf,
    read_once: bool,
}

impl FileState {
    /// Reads the configuration at `path`.
    pub const fn new(path: PathBuf) -> Self {
        Self {
            path,
            read_once: false,
        }
    }

    fn notice(&self, message: &str, remedy: &str) -> Problem {
        Problem {
            file: self.path.display().to_string(),
            line: None,
            column: None,
            server: None,
            field: None,
            message: message.to_owned(),
            remedy: remedy.to_owned(),
        }
    }
}

impl Supervisor {
    /// Reads the file and takes over what changed in it. What cannot be used costs only itself, and
    /// no wish is touched: those are not in the file.
    pub(super) fn reload(&mut self) {
        let environment = |name: &str| std::env::var(name).ok();
        let problems = match config::read(&self.file.path, &environment) {
            Source::Read(reading) => {
                self.take_over(reading.entries);
                self.settings.take(&reading.settings);
                self.file.read_once = true;
                reading.problems
            }
            Source::Broken(problem) => vec![problem],
            Source::Missing | Source::Empty if self.file.read_once => {
                let remedy = "Put the file back, or write {\"mcpServers\": {}} to have no servers.";
                vec![self.file.notice(
                    "the file is gone or empty; the last good one keeps running",
                    remedy,
                )]
            }
            Source::Missing | Source::Empty => Vec::new(),
        };
        for problem in &problems {
            tracing::warn!(
                line = problem.line,
                column = problem.column,
                server = problem.server,
                field = problem.field,
                message = problem.message,
                remedy = problem.remedy,
                "problem in the configuration"
            );
        }
        self.publisher.update(|draft| draft.problems(problems));
        self.reconcile();
    }

    fn take_over(&mut self, entries: BTreeMap<ServerName, Result<Spec, Problem>>) {
        let gone: BTreeSet<ServerName> = self
            .desired
            .servers
            .keys()
            .filter(|server| !entries.contains_key(*server))
            .cloned()
            .collect();
        let mut changed = Vec::new();
        for (server, entry) in entries {
            let before = self.desired.servers.get(&server);
            let next = self.desire_of(&server, before.map(Arc::as_ref), entry);
            if before.is_none_or(|before| **before != next) {
                let next = Arc::new(next);
                self.desired
                    .servers
                    .insert(server.clone(), Arc::clone(&next));
                changed.push((server, next));
            }
        }
        for server in &gone {
            self.desired.servers.remove(server);
        }
        // What a new one offered when it was last seen makes its list immediate.
        let mut known = BTreeMap::new();
        let shown = self.publisher.view().snapshot();
        for (server, _) in &changed {
            let ledger = self.ledgers.get(server);
            let ledger = ledger.filter(|_| shown.server(server.as_str()).is_none());
            let review = |ledger: &Ledger| by_size(ledger.weight(), || ledger.review(server));
            if let Some(reviewed) = ledger.and_then(review) {
                known.insert(server.clone(), reviewed);
            }
        }
        self.publisher.update(|draft| {
            for server in &gone {
                draft.remove(server);
            }
            for (server, desire) in changed {
                draft.desire(&server, desire, None);
                if let Some(known) = known.remove(&server) {
                    draft.catalog(&server, known);
                }
            }
        });
    }

    /// Returns what is wanted of a server by its entry as it stands, and by what was decided before.
    fn desire_of(
        &self,
        server: &ServerName,
        before: Option<&Desire>,
        entry: Result<Spec, Problem>,
    ) -> Desire {
        let base = before.cloned().unwrap_or_else(|| {
            let ledger = self.ledgers.get(server);
            let off = ledger.is_some_and(|ledger| ledger.disconnected);
            Desire {
                suspended: ledger.is_some_and(|ledger| ledger.suspended),
                reviewed: self.trust_config
                    || ledger.is_some_and(|ledger| ledger.reviewed || ledger.first_seen),
                wish: if off {
                    Wish::Disconnected
                } else {
                    Wish::Connected
                },
                ..Desire::new()
            }
        });
        let spec = match entry {
            Ok(spec) => spec,
            // The last good one keeps running, marked.
            Err(problem) => {
                return Desire {
                    problem: Some(problem),
                    ..base
                };
            }
        };
        if base.spec.as_deref() == Some(&spec) {
            return Desire {
                problem: None,
                ..base
            };
        }
        let launch = self.launch_key.id_of(&spec);
        let ledger = self.ledgers.get(server);
        let wants_new_start = base
            .spec
            .as_deref()
            .is_some_and(|before| spec.wants_new_start_after(before));
        Desire {
            approved: self.trust_config
                || ledger.is_some_and(|ledger| ledger.approved.contains(&launch)),
            proven: ledger.is_some_and(|ledger| ledger.proven.contains(&launch)),
            launch: Some(launch),
            generation: base.generation + u64::from(wants_new_start),
            spec: Some(Arc::new(spec)),
            problem: None,
            ..base
        }
    }
}
