use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{metrics::MessageMetrics, server::logs::Log};

/// What a server says that is of no use to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oddity {
    /// An answer under an id that nobody gave, or to what was answered or given up before.
    NobodyWaits,
    /// An answer that cannot be read.
    Unreadable,
    /// A message that stops in the middle.
    Unfinished,
    /// Definitions that can be offered under no name.
    LeftOut,
}

impl Oddity {
    const ALL: usize = 4;

    /// Returns the word that metrics carry.
    const fn as_str(self) -> &'static str {
        match self {
            Self::NobodyWaits => "nobody_waits",
            Self::Unreadable => "unreadable",
            Self::Unfinished => "unfinished",
            Self::LeftOut => "left_out",
        }
    }
}

/// Marks a server by what it says that is of no use: each time is counted, and the first, tenth,
/// hundredth and so on is told in its log, so that a flood leaves room there for what else is said.
#[derive(Debug, Default)]
pub(super) struct Oddities {
    counts: [AtomicU64; Oddity::ALL],
    told: OnceLock<(Log, MessageMetrics)>,
}

impl Oddities {
    /// Says where they are told and counted. The first word stands.
    pub(super) fn told_in(&self, log: Log, metrics: MessageMetrics) {
        // A connection is opened for one server.
        let _ = self.told.set((log, metrics));
    }

    /// Takes note of one. `what` says what happened, and holds no text of the server's.
    pub(super) fn note(&self, oddity: Oddity, what: fmt::Arguments<'_>) {
        let times = self.counts[oddity as usize].fetch_add(1, Ordering::Relaxed) + 1;
        let Some((log, metrics)) = self.told.get() else {
            return;
        };
        metrics.dropped(oddity.as_str());
        if times == 1 {
            log.core(&what.to_string());
        } else if is_power_of_ten(times) {
            log.core(&format!("{what} ({times} times by now)"));
        }
    }
}

const fn is_power_of_ten(mut number: u64) -> bool {
    while number >= 10 && number.is_multiple_of(10) {
        number /= 10;
    }
    number == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_flood_is_a_few_lines_of_the_log_and_all_of_the_count() {
        let (oddities, log, metrics) = (Oddities::default(), Log::default(), Metrics::new());
        oddities.told_in(log.clone(), metrics.messages("bad"));
        for _ in 0..12_345 {
            oddities.note(Oddity::NobodyWaits, format_args!("it answered nobody"));
        }
        oddities.note(Oddity::Unreadable, format_args!("it mumbled"));
        let lines: Vec<String> = log.last(100).into_iter().map(|line| line.line).collect();
        assert_eq!(
            lines,
            [
                "it answered nobody",
                "it answered nobody (10 times by now)",
                "it answered nobody (100 times by now)",
                "it answered nobody (1000 times by now)",
                "it answered nobody (10000 times by now)",
                "it mumbled",
            ]
        );
        let text = metrics.text(std::iter::empty());
        let counted = r#"narthex_messages_dropped_total{server="bad",reason="nobody_waits"} 12345"#;
        assert!(text.contains(counted), "{text}");
    }
}
