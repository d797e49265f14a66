//! Retry policy: number of attempts by kind of failure, and the pauses between them.

use std::time::Duration;

use crate::{ClientOptions, Error};

/// First pause between two attempts; doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_millis(800);

/// Maximum number of attempts by kind of failure.
#[derive(Clone, Copy, Debug)]
pub struct Attempts {
    unavailable: u32,
    contended: u32,
}

/// Whether a query may be executed more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Once,
    Idempotent,
}

impl Attempts {
    pub fn new(options: &ClientOptions) -> Self {
        Self { unavailable: options.retries.saturating_add(1), contended: options.contention_retries.saturating_add(1) }
    }

    /// How often a query may be sent in all if an attempt failed like this.
    pub fn of(self, failure: &Error, effect: Effect) -> u32 {
        match (failure, effect) {
            (Error::Contended, _) => self.contended,
            (Error::Unavailable(_), _) | (Error::Unanswered(_), Effect::Idempotent) => self.unavailable,
            (
                Error::Unanswered(_)
                | Error::Unauthorized
                | Error::PermissionDenied(_)
                | Error::NotFound
                | Error::NotUnique
                | Error::AlreadyExists
                | Error::Aborted(_)
                | Error::TooLarge
                | Error::Refused { .. }
                | Error::AnswerTooLarge
                | Error::Protocol(_)
                | Error::DeclaredTwice(_)
                | Error::OtherIndex(_)
                | Error::Endpoint(_)
                | Error::Certificates(_),
                _,
            ) => 1,
        }
    }
}

/// The pause before the next attempt: exponential, with jitter between half and all of it, so that colliding clients spread out.
/// `fraction` is the random part, 0 to 255.
pub fn pause(tries: u32, fraction: u8) -> Duration {
    let whole = PAUSE.saturating_mul(1 << tries.min(8)).min(PAUSE_MAX);
    whole / 2 + whole.saturating_mul(u32::from(fraction)) / 510
}

/// 0 to 255; the middle if there is no randomness.
pub fn random_fraction() -> u8 {
    let mut byte = [127];
    if aws_lc_rs::rand::fill(&mut byte).is_err() {
        return 127;
    }
    let [fraction] = byte;
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_depend_on_the_failure_and_the_effect() {
        let limits = Attempts { unavailable: 3, contended: 12 };
        let unanswered = || Error::Unanswered("timeout".to_owned());
        for (failure, effect, expected) in [
            (Error::Contended, Effect::Once, 12),
            (Error::Contended, Effect::Idempotent, 12),
            (Error::Unavailable("refused".to_owned()), Effect::Once, 3),
            (unanswered(), Effect::Once, 1),
            (unanswered(), Effect::Idempotent, 3),
            (Error::NotUnique, Effect::Idempotent, 1),
            (Error::Unauthorized, Effect::Idempotent, 1),
        ] {
            assert_eq!(limits.of(&failure, effect), expected, "{failure} {effect:?}");
        }
    }

    #[test]
    fn options_set_the_number_of_attempts() {
        let options = ClientOptions { retries: 0, contention_retries: 4, ..ClientOptions::default() };
        let of = |failure: &Error| Attempts::new(&options).of(failure, Effect::Once);
        assert_eq!((of(&Error::Unavailable(String::new())), of(&Error::Contended)), (1, 5));
    }

    #[test]
    fn pauses_double_up_to_a_limit_with_jitter() {
        assert_eq!((pause(1, 0), pause(1, 255)), (PAUSE, PAUSE * 2));
        assert_eq!((pause(20, 0), pause(20, 255)), (PAUSE_MAX / 2, PAUSE_MAX));
    }
}
