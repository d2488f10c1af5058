//! How much somebody may ask: so much at once, and then so often.

use std::time::{Duration, Instant};

/// A limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// So much at once …
    pub(super) burst: u32,
    /// … and after that one so often; whole milliseconds.
    pub(super) refill: Duration,
}

/// What is left of it.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    left: u32,
    since: Instant,
}

impl Bucket {
    pub(super) fn full(rate: Rate, now: Instant) -> Bucket {
        Bucket {
            rate,
            left: rate.burst,
            since: now,
        }
    }

    /// Takes one; else how long until there is one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let Rate { burst, refill } = self.rate;
        let passed = now.saturating_duration_since(self.since);
        let fresh = u32::try_from(passed.as_millis() / refill.as_millis()).unwrap_or(burst);
        if fresh >= burst - self.left {
            *self = Bucket::full(self.rate, now);
        } else {
            self.left += fresh;
            self.since += refill * fresh;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err((self.since + refill).saturating_duration_since(now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_one_a_refill() {
        let refill = Duration::from_millis(200);
        let rate = Rate { burst: 30, refill };
        let start = Instant::now();
        let mut bucket = Bucket::full(rate, start);
        let taken =
            |bucket: &mut Bucket, at| (0..1_000).filter(|_| bucket.take(at).is_ok()).count();
        assert_eq!(taken(&mut bucket, start), 30);
        assert_eq!(bucket.take(start), Err(refill));
        assert_eq!(taken(&mut bucket, start + refill), 1);
        assert_eq!(taken(&mut bucket, start + refill * 4), 3);
        assert_eq!(taken(&mut bucket, start + refill * 1_000), 30);
    }
}
