//! Latencies in buckets that are 6 % wide, whatever their size: a run of any length needs the same memory.

use std::time::Duration;

/// Buckets per power of two.
const STEPS: usize = 16;
/// Powers of two of microseconds, up to more than an hour.
const POWERS: usize = 32;

#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    longest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; STEPS * POWERS], count: 0, longest: Duration::ZERO }
    }
}

impl Histogram {
    pub fn add(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(bucket(micros)) {
            *bucket += 1;
        }
        self.count += 1;
        self.longest = self.longest.max(latency);
    }

    pub fn merge(&mut self, other: &Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket += more;
        }
        self.count += other.count;
        self.longest = self.longest.max(other.longest);
    }

    pub const fn count(&self) -> u64 {
        self.count
    }

    pub const fn longest(&self) -> Duration {
        self.longest
    }

    /// The latency that so many in a thousand did not exceed, up to 6 % too high.
    pub fn at(&self, permille: u64) -> Duration {
        let wanted = self.count.saturating_mul(permille).div_ceil(1000);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted.max(1) {
                return Duration::from_micros(upper_bound(index)).min(self.longest);
            }
        }
        self.longest
    }
}

/// Below 16 µs each microsecond has a bucket; above, each power of two has sixteen.
fn bucket(micros: u64) -> usize {
    let power = usize::try_from(micros.checked_ilog2().unwrap_or(0)).unwrap_or(0).max(4) - 4;
    let step = usize::try_from(micros >> power).unwrap_or(usize::MAX);
    (power * STEPS).saturating_add(step).min(STEPS * POWERS - 1)
}

/// The largest number of microseconds in a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let power = (bucket / STEPS).saturating_sub(1);
    let step = bucket - power * STEPS;
    ((u64::try_from(step).unwrap_or(0) + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_in_a_bucket_not_much_larger() {
        for micros in (0..2000).chain((1..100).map(|n| n * 7_919_191)) {
            let upper = upper_bound(bucket(micros));
            assert!(upper >= micros && upper - micros <= micros / 15, "{micros} {upper}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_latencies() {
        let mut histogram = Histogram::default();
        for millis in 1..=1000 {
            histogram.add(Duration::from_millis(millis));
        }
        let near = |at: Duration, millis: f64| (at.as_secs_f64() * 1000.0 / millis - 1.0).abs() < 0.07;
        assert!(near(histogram.at(500), 500.0) && near(histogram.at(990), 990.0));
        assert_eq!(histogram.at(1000), histogram.longest());
    }
}
