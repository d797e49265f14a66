//! Times on pages: written in UTC by the server, rewritten in the reader's own time zone by `static/site.js`.

use std::fmt;

use serde::Serialize;
use time::OffsetDateTime;

use crate::clock::Timestamp;

/// A time as pages show it.
#[derive(Clone, Copy, Debug)]
pub struct DisplayTime(OffsetDateTime);

impl DisplayTime {
    /// As RFC 3339, for `<time datetime>` and for scripts.
    pub fn machine(&self) -> String {
        let (date, (hour, minute, second)) = (self.0.date(), self.0.to_hms());
        format!("{date}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// Time of day to the second.
    pub fn of_day(&self) -> String {
        let (hour, minute, second) = self.0.to_hms();
        format!("{hour:02}:{minute:02}:{second:02} UTC")
    }
}

impl From<Timestamp> for DisplayTime {
    /// The end of time, which some numbers lie beyond, is shown as its beginning.
    fn from(at: Timestamp) -> Self {
        Self(OffsetDateTime::from_unix_timestamp(at.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }
}

impl fmt::Display for DisplayTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, _) = self.0.to_hms();
        write!(out, "{} {} {}, {hour:02}:{minute:02} UTC", self.0.day(), self.0.month(), self.0.year())
    }
}

impl Serialize for DisplayTime {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.machine())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_scripts_read_the_same_moment() {
        let moment = DisplayTime::from(Timestamp::from_millis(1_795_412_904_321));
        assert_eq!(moment.to_string(), "23 November 2026, 05:48 UTC");
        assert_eq!(moment.machine(), "2026-11-23T05:48:24Z");
        assert_eq!(moment.of_day(), "05:48:24 UTC");
    }
}
