use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};

/// Upper bounds in microseconds: from a snapshot's update to a call that takes minutes, a factor
/// of about three apart.
const BOUNDS_US: [u64; 16] = [
    1,
    3,
    10,
    30,
    100,
    300,
    1_000,
    3_000,
    10_000,
    30_000,
    100_000,
    300_000,
    1_000_000,
    10_000_000,
    60_000_000,
    300_000_000,
];

/// A histogram of durations that is observed without a lock: it stands on the path of every call.
#[derive(Clone, Default)]
pub struct Histogram {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// One count for each bound, and one for what is longer than all.
    counts: [AtomicU64; BOUNDS_US.len() + 1],
    sum_ns: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS_US.partition_point(|bound| *bound < us);
        self.inner.counts[place].fetch_add(1, Ordering::Relaxed);
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.inner.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// Returns the mean of all durations, where there is one.
    pub fn mean(&self) -> Option<Duration> {
        let counts = self.inner.counts.iter();
        let count: u64 = counts.map(|count| count.load(Ordering::Relaxed)).sum();
        let sum = self.inner.sum_ns.load(Ordering::Relaxed);
        sum.checked_div(count).map(Duration::from_nanos)
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Histogram")
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = BOUNDS_US
            .iter()
            .map(|us| Duration::from_micros(*us).as_secs_f64())
            .chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds
            .zip(&self.inner.counts)
            .map(|(bound, count)| (bound, count.load(Ordering::Relaxed)))
            .collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_nanos(self.inner.sum_ns.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text::encode, registry::Registry};

    use super::*;

    #[test]
    fn the_last_bucket_holds_everything_and_says_so() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(2));
        histogram.observe(Duration::from_secs(3600));
        let mut registry = Registry::default();
        registry.register("took", "How long it took", histogram.clone());

        let mut text = String::new();
        encode(&mut text, &registry).unwrap();

        let mean = Duration::from_millis(1_800_001);
        assert_eq!(histogram.mean(), Some(mean));
        assert_eq!(Histogram::default().mean(), None);
        let last = text.lines().rfind(|line| line.starts_with("took_bucket"));
        assert_eq!(last, Some("took_bucket{le=\"+Inf\"} 2"), "{text}");
        assert!(text.contains("took_bucket{le=\"0.003\"} 1\n"), "{text}");
    }
}
