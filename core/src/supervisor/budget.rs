use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::server::ServerName;

/// How often a panicked actor may be started again: OTP's intensity and period.
#[derive(Debug)]
pub struct RestartBudget {
    limit: usize,
    window: Duration,
    spent: BTreeMap<ServerName, VecDeque<Instant>>,
}

impl RestartBudget {
    /// Allows `limit` restarts within `window` for each server.
    pub const fn new(limit: usize, window: Duration) -> Self {
        Self {
            limit,
            window,
            spent: BTreeMap::new(),
        }
    }

    /// Spends one restart; `false` if none is left.
    pub fn spend(&mut self, server: &ServerName, now: Instant) -> bool {
        let spent = self.spent.entry(server.clone()).or_default();
        while spent
            .front()
            .is_some_and(|at| now.duration_since(*at) > self.window)
        {
            spent.pop_front();
        }
        if spent.len() == self.limit {
            return false;
        }
        spent.push_back(now);
        true
    }
}

impl Default for RestartBudget {
    /// Three panics a minute are a defect of ours that a fourth start does not mend.
    fn default() -> Self {
        Self::new(3, Duration::from_secs(60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_budget_comes_back_with_time() {
        let (server, start) = (ServerName::new("s").unwrap(), Instant::now());
        let mut budget = RestartBudget::new(2, Duration::from_secs(60));
        let mut spend = |seconds| budget.spend(&server, start + Duration::from_secs(seconds));
        assert_eq!(
            [0, 1, 2, 61, 62].map(&mut spend),
            [true, true, false, true, true]
        );
    }
}
