//! How often something took how long.

use super::exposition::{Exposition, seconds};
use core::time::Duration;

/// Counts of durations, by bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Histogram<const N: usize> {
    /// In whole seconds, the shortest first.
    bounds: [u64; N],
    /// Of each bound, the durations that are no longer than it, but longer than the bound before.
    counts: [u64; N],
    /// Of all durations, those beyond the last bound included.
    count: u64,
    sum: Duration,
}

impl<const N: usize> Histogram<N> {
    pub(super) fn new(bounds: [u64; N]) -> Self {
        Histogram { bounds, counts: [0; N], count: 0, sum: Duration::ZERO }
    }

    pub(super) fn observe(&mut self, duration: Duration) {
        self.count += 1;
        self.sum = self.sum.saturating_add(duration);
        let mut buckets = self.bounds.iter().zip(&mut self.counts);
        let fits = |bound: &u64| duration <= Duration::from_secs(*bound);
        if let Some((_, count)) = buckets.find(|(bound, _)| fits(bound)) {
            *count += 1;
        }
    }

    /// Writes its samples, each with this label.
    pub(super) fn write(&self, page: &mut Exposition, name: &str, label: (&str, &str)) {
        let (bucket, mut so_far) = (format!("{name}_bucket"), 0);
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            so_far += count;
            page.sample(&bucket, &[label, ("le", &bound.to_string())], so_far);
        }
        page.sample(&bucket, &[label, ("le", "+Inf")], self.count);
        page.sample(&format!("{name}_sum"), &[label], seconds(self.sum));
        page.sample(&format!("{name}_count"), &[label], self.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_counts_what_is_no_longer_than_its_bound() {
        let mut histogram = Histogram::new([1, 60]);
        for milliseconds in [0, 1000, 1001, 60_000, 60_001] {
            histogram.observe(Duration::from_millis(milliseconds));
        }
        let mut page = Exposition::default();
        histogram.write(&mut page, "t", ("a", "b"));
        assert_eq!(
            page.into_text(),
            "t_bucket{a=\"b\",le=\"1\"} 2\n\
             t_bucket{a=\"b\",le=\"60\"} 4\n\
             t_bucket{a=\"b\",le=\"+Inf\"} 5\n\
             t_sum{a=\"b\"} 122.002\n\
             t_count{a=\"b\"} 5\n"
        );
    }

    #[test]
    fn a_sum_that_is_too_long_stays_at_its_end() {
        let mut histogram = Histogram::new([1]);
        histogram.observe(Duration::MAX);
        histogram.observe(Duration::MAX);
        let mut page = Exposition::default();
        histogram.write(&mut page, "t", ("a", "b"));
        assert!(page.into_text().contains("t_count{a=\"b\"} 2\n"));
    }
}
