use std::collections::BTreeMap;

use tokio::sync::watch;

use crate::{
    desired::{Aim, Desired},
    server::ServerName,
};

/// A step towards what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Start the actor of this server.
    Spawn(ServerName),
    /// Give this actor another aim.
    Aim(ServerName, Aim),
    /// Have this actor end: nobody wants the server any more.
    Retire(ServerName),
}

/// Plans the steps from the actors that run to what is wanted. Pure; it waits for nobody, so that
/// 1,000 servers are planned in about a millisecond whatever they do.
pub fn plan(desired: &Desired, running: &BTreeMap<ServerName, watch::Sender<Aim>>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (server, desire) in &desired.servers {
        match running.get(server) {
            None => steps.push(Step::Spawn(server.clone())),
            Some(wanted) => {
                let aim = desire.aim(desired.paused);
                let now = wanted.borrow();
                if *now == Aim::Stop {
                    // On its way out; it is spawned afresh when it has ended.
                    continue;
                }
                if *now != aim {
                    steps.push(Step::Aim(server.clone(), aim));
                }
            }
        }
    }
    let retired = running.iter().filter(|(server, wanted)| {
        !desired.servers.contains_key(*server) && *wanted.borrow() != Aim::Stop
    });
    steps.extend(retired.map(|(server, _)| Step::Retire(server.clone())));
    steps
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{api::wire::IdleReason, desired::Desire};

    fn desired(names: &[&str]) -> Desired {
        let servers = names
            .iter()
            .map(|name| (ServerName::new(name).unwrap(), Arc::new(Desire::new())))
            .collect();
        Desired {
            servers,
            paused: false,
        }
    }

    fn running(aims: &[(&str, Aim)]) -> BTreeMap<ServerName, watch::Sender<Aim>> {
        aims.iter()
            .map(|(name, aim)| {
                (
                    ServerName::new(name).unwrap(),
                    watch::Sender::new(aim.clone()),
                )
            })
            .collect()
    }

    #[test]
    fn only_what_differs_is_touched() {
        let rest = Aim::Rest(IdleReason::Off);
        let running = running(&[
            ("a", rest.clone()),
            ("b", Aim::Rest(IdleReason::Paused)),
            ("d", rest.clone()),
        ]);
        let name = |name| ServerName::new(name).unwrap();
        assert_eq!(
            plan(&desired(&["a", "b", "c"]), &running),
            [
                Step::Aim(name("b"), rest),
                Step::Spawn(name("c")),
                Step::Retire(name("d"))
            ]
        );
    }

    #[test]
    fn one_on_its_way_out_is_left_to_end() {
        assert_eq!(
            plan(
                &desired(&["a"]),
                &running(&[("a", Aim::Stop), ("b", Aim::Stop)])
            ),
            []
        );
    }
}
