use serde_json::Value;

use super::{Answer, Api, blocking, wire};
use crate::{
    api::{
        LogFollowing,
        wire::{Command, ProblemDetails, Wish},
    },
    catalog::{DefinitionKind, Item, Reviewed},
    config::{self, EditError},
    home::HolderKind,
    server::ServerName,
    supervisor::Order,
};

impl Api {
    /// Returns all servers.
    pub fn servers(&self) -> wire::ServerList {
        let now = self.view.snapshot();
        let servers = now.servers.values().map(|entry| entry.wire(&self.view));
        wire::ServerList {
            instance: self.view.instance().to_owned(),
            revision: now.revision,
            servers: servers.collect(),
        }
    }

    /// Returns one server.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn server(&self, name: &str) -> Answer<wire::OneServer> {
        let now = self.view.snapshot();
        let entry = now.server(name).ok_or_else(|| none(name))?;
        Ok(wire::OneServer {
            instance: self.view.instance().to_owned(),
            revision: now.revision,
            server: entry.wire(&self.view),
        })
    }

    /// Returns what a server offers, with what is held.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn tools(&self, name: &str) -> Answer<wire::ToolList> {
        let now = self.view.snapshot();
        let entry = now.server(name).ok_or_else(|| none(name))?;
        let catalog = entry.catalog.as_deref();
        let of = |kind| {
            let section = catalog
                .into_iter()
                .flat_map(move |catalog| catalog.of(kind));
            section.map(definition).collect()
        };
        let instructions = catalog.and_then(Reviewed::instructions_seen);
        Ok(wire::ToolList {
            revision: now.revision,
            tools: of(DefinitionKind::Tool),
            prompts: of(DefinitionKind::Prompt),
            templates: of(DefinitionKind::Template),
            instructions: instructions.map(|(text, state)| wire::Instructions {
                state,
                definition: serde_json::from_slice(&text.raw).unwrap_or_default(),
            }),
        })
    }

    /// Returns the last `lines` lines of a server's log, oldest first.
    ///
    /// # Errors
    /// When there is no server of this name.
    pub fn logs(&self, name: &str, lines: usize) -> Answer<wire::LogLines> {
        let server = self.known(name)?;
        let lines = self.logs.of(&server).last(lines);
        Ok(wire::LogLines { lines })
    }

    /// Follows a server's log: its last `lines` lines first, then each one as it is written.
    ///
    /// # Errors
    /// When there is no server of this name.
    pub fn follow_log(&self, name: &str, lines: usize) -> Answer<LogFollowing> {
        let server = self.known(name)?;
        let follower = self.logs.of(&server).follow(lines);
        Ok(LogFollowing::new(follower, self.stop.clone()))
    }

    /// Adds a server to the file; returns when the view knows it.
    ///
    /// # Errors
    /// When the entry cannot be used, the name is taken, or the file cannot be written.
    pub async fn add_server(&self, new: wire::NewServer) -> Answer<wire::Written> {
        let server = self.check(&new.name, &new.entry)?;
        let (file, added) = (self.file.clone(), server.clone());
        self.edit(&server, move || file.add(&added, &new.entry))
            .await
    }

    /// Changes an entry by a merge patch (RFC 7386); returns when the view knows it.
    ///
    /// # Errors
    /// When what comes out cannot be used, there is no such entry, or the file cannot be written.
    pub async fn patch_server(&self, name: &str, patch: Value) -> Answer<wire::Written> {
        let server = self.known(name)?;
        let (file, read) = (self.file.clone(), server.clone());
        let entry = blocking(move || file.entry(&read)).await?;
        self.check(name, &config::merge(entry, &patch))?;
        let (file, patched) = (self.file.clone(), server.clone());
        self.edit(&server, move || file.patch(&patched, &patch))
            .await
    }

    /// Takes a server out of the file; returns when the view no longer has it.
    ///
    /// # Errors
    /// When there is no such entry, or the file cannot be written.
    pub async fn remove_server(&self, name: &str) -> Answer<wire::RemovedServer> {
        let server = self.known(name)?;
        let file = self.file.clone();
        blocking(move || file.remove(&server)).await?;
        let revision = self.supervisor.reload().await?;
        Ok(wire::RemovedServer { revision })
    }

    /// Asks something of a server.
    ///
    /// # Errors
    /// When it was not accepted.
    pub async fn wish(&self, name: &str, command: Command) -> Answer<wire::Accepted> {
        let server = named(name)?;
        let order = match command {
            Command::Connect => Order::Wish {
                server,
                wish: Wish::Connected,
            },
            Command::Disconnect => Order::Wish {
                server,
                wish: Wish::Disconnected,
            },
            Command::Restart => Order::Restart(server),
            Command::Quarantine => Order::Quarantine(server),
        };
        Ok(self.supervisor.order(order).await?)
    }

    /// Takes an approval from outside: where there is a window, the person at it confirms it first.
    ///
    /// # Errors
    /// When it is not what would be approved as things stand.
    pub async fn ask_to_approve(
        &self,
        name: &str,
        approval: wire::Approval,
    ) -> Answer<wire::Approved> {
        match self.facts.kind {
            HolderKind::Serve => Ok(wire::Approved::Accepted(
                self.approve(name, approval).await?,
            )),
            HolderKind::Desktop => {
                let command = self.confirmations.ask(named(name)?, approval).await?;
                Ok(wire::Approved::Pending(wire::Pending {
                    command: command.to_string(),
                    pending: "confirmation".to_owned(),
                }))
            }
        }
    }

    /// Approves what a server would run, what it offers, or both: a person's word in this process.
    ///
    /// # Errors
    /// When it is not what would be approved as things stand.
    pub async fn approve(&self, name: &str, approval: wire::Approval) -> Answer<wire::Accepted> {
        let order = Order::Approve {
            server: named(name)?,
            approval,
            command: None,
        };
        Ok(self.supervisor.order(order).await?)
    }

    /// Writes the file, and answers when the view knows it.
    async fn edit(
        &self,
        server: &ServerName,
        write: impl FnOnce() -> Result<(), EditError> + Send + 'static,
    ) -> Answer<wire::Written> {
        blocking(write).await?;
        let revision = self.supervisor.reload().await?;
        let shown = self.view.read(|now| {
            let entry = now.server(server.as_str())?;
            Some(entry.wire(&self.view))
        });
        match shown {
            Some(server) => Ok(wire::Written { revision, server }),
            // Somebody took it out again in the meantime.
            None => Err(none(server.as_str())),
        }
    }

    fn known(&self, name: &str) -> Answer<ServerName> {
        let name_of = |now: &crate::view::Snapshot| now.server(name).map(|it| it.name.clone());
        self.view.read(name_of).ok_or_else(|| none(name))
    }

    fn check(&self, name: &str, entry: &Value) -> Answer<ServerName> {
        let environment = |name: &str| std::env::var(name).ok();
        let checked = config::check_entry(self.file.path(), name, entry, &environment);
        match checked {
            Ok((server, _)) => Ok(server),
            Err(found) => Err(ProblemDetails::bad_entry(&found)),
        }
    }
}

/// Returns a definition with what a review made of it.
fn definition(item: &Item) -> wire::Tool {
    wire::Tool {
        name: item.definition.name.clone(),
        offered_as: item.offered_as.to_string(),
        state: item.state,
        definition: serde_json::from_slice(&item.definition.raw).unwrap_or_default(),
    }
}

fn none(name: &str) -> Box<ProblemDetails> {
    ProblemDetails::no_such_server(name)
}

fn named(name: &str) -> Answer<ServerName> {
    ServerName::new(name).map_err(|_| none(name))
}
