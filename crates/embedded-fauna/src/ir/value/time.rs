//! Times to the nanosecond and dates, over the range and in the text that Java gives them.

use std::fmt;

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Nanoseconds of a second.
const NANOS: i64 = 1_000_000_000;
/// The last year that a time or a date can have; the first is its negative.
const MAX_YEAR: i64 = 999_999_999;
/// The longest a time may lie before or after 1970, in seconds: Java's range of an `Instant`.
const RANGE: std::ops::RangeInclusive<i64> = -31_557_014_167_219_200..=31_556_889_864_403_199;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Seconds since 1970, rounded down.
    seconds: i64,
    nanos: i64,
}

impl Time {
    /// So many seconds and nanoseconds after 1970; `None` out of range.
    pub fn new(seconds: i64, nanos: i64) -> Option<Self> {
        let seconds = seconds.checked_add(nanos.div_euclid(NANOS))?;
        RANGE.contains(&seconds).then_some(Self { seconds, nanos: nanos.rem_euclid(NANOS) })
    }

    /// So many microseconds after 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self { seconds: micros.div_euclid(1_000_000), nanos: micros.rem_euclid(1_000_000) * 1000 }
    }

    /// Seconds since 1970, rounded down.
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after the second.
    pub const fn nanos(self) -> i64 {
        self.nanos
    }

    /// Microseconds since 1970, as far as they fit.
    pub const fn micros(self) -> i64 {
        self.seconds.saturating_mul(1_000_000).saturating_add(self.nanos / 1000)
    }

    /// The day it is on.
    pub const fn date(self) -> Date {
        Date(self.seconds.div_euclid(DAY))
    }

    pub const fn second_of_day(self) -> i64 {
        self.seconds.rem_euclid(DAY)
    }

    /// Reads ISO 8601 with `Z` or an offset: `2025-01-02T03:04:05.678Z`, `…+02:00`, `…+0200`.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_once(['T', 't'])?;
        let date = Date::parse(date)?;
        let offset_at = rest.find(['Z', 'z', '+', '-'])?;
        let (clock, offset) = rest.split_at_checked(offset_at)?;
        let (seconds, nanos) = parse_clock(clock)?;
        let offset = parse_offset(offset)?;
        Self::new(date.0.checked_mul(DAY)?.checked_add(seconds)?.checked_sub(offset)?, nanos)
    }
}

/// Two digits as a number below `limit`.
fn two_digits(text: &str, limit: i64) -> Option<i64> {
    let number = digits(text)?;
    (text.len() == 2 && number < limit).then_some(number)
}

/// Digits, and nothing but digits, as a number.
fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// `HH:MM[:SS[.fraction]]` as seconds and nanoseconds; 24:00 is the end of the day.
fn parse_clock(text: &str) -> Option<(i64, i64)> {
    let mut parts = text.splitn(3, ':');
    let hour = two_digits(parts.next()?, 25)?;
    let minute = two_digits(parts.next()?, 60)?;
    let (second, nanos) = match parts.next() {
        None => (0, 0),
        Some(second) => match second.split_once('.') {
            None => (two_digits(second, 60)?, 0),
            Some((second, "")) => (two_digits(second, 60)?, 0),
            Some((second, fraction)) => {
                let width = u32::try_from(9_usize.checked_sub(fraction.len())?).ok()?;
                (two_digits(second, 60)?, digits(fraction)? * 10_i64.pow(width))
            }
        },
    };
    let seconds = hour * 3600 + minute * 60 + second;
    (hour < 24 || seconds == DAY && nanos == 0).then_some((seconds, nanos))
}

/// `Z`, `+HH:MM`, `+HH:MM:SS` or `+HHMM` as seconds east.
fn parse_offset(text: &str) -> Option<i64> {
    if text == "Z" || text == "z" {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let rest = text.get(1..)?;
    let seconds = if rest.contains(':') {
        let mut parts = rest.split(':');
        let hours = two_digits(parts.next()?, 19)?;
        let minutes = two_digits(parts.next()?, 60)?;
        let seconds = parts.next().map_or(Some(0), |part| two_digits(part, 60))?;
        parts.next().is_none().then_some(hours * 3600 + minutes * 60 + seconds)?
    } else {
        let (hours, minutes) = rest.split_at_checked(2)?;
        two_digits(hours, 19)? * 3600 + two_digits(minutes, 60)? * 60
    };
    (seconds <= 18 * 3600).then_some(sign * seconds)
}

impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.second_of_day();
        write!(out, "{}T{:02}:{:02}:{:02}", self.date(), second / 3600, second / 60 % 60, second % 60)?;
        match self.nanos {
            0 => {}
            nanos if nanos % 1_000_000 == 0 => write!(out, ".{:03}", nanos / 1_000_000)?,
            nanos if nanos % 1000 == 0 => write!(out, ".{:06}", nanos / 1000)?,
            nanos => write!(out, ".{nanos:09}")?,
        }
        write!(out, "Z")
    }
}

/// A day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i64);

impl Date {
    /// So many days after 1970-01-01; `None` out of range.
    pub fn from_days(days: i64) -> Option<Self> {
        (-365_243_219_162..=365_241_780_471).contains(&days).then_some(Self(days))
    }

    pub const fn days(self) -> i64 {
        self.0
    }

    pub const fn midnight(self) -> Time {
        Time { seconds: self.0 * DAY, nanos: 0 }
    }

    /// The date with this year, month and day; `None` if there is no such day.
    pub fn from_civil(year: i64, month: i64, day: i64) -> Option<Self> {
        if !(1..=12).contains(&month) || !(1..=month_length(year, month)).contains(&day) || year.abs() > MAX_YEAR {
            return None;
        }
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Some(Self(era * 146_097 + day_of_era - 719_468))
    }

    /// Year, month and day.
    pub const fn civil(self) -> (i64, i64, i64) {
        let shifted = self.0 + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
        (year, month, day)
    }

    /// The day of the week, Monday being 1.
    pub const fn weekday(self) -> i64 {
        (self.0 + 3).rem_euclid(7) + 1
    }

    /// The day of the year, the first being 1.
    pub fn day_of_year(self) -> i64 {
        let (year, _, _) = self.civil();
        Self::from_civil(year, 1, 1).map_or(1, |first| self.0 - first.0 + 1)
    }

    /// Reads `2025-01-02`; years of more than four digits carry a sign.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, unsigned) = match text.strip_prefix(['+', '-']) {
            Some(rest) => (Some(text.starts_with('-')), rest),
            None => (None, text),
        };
        let mut parts = unsigned.splitn(3, '-');
        let year = parts.next()?;
        let month = two_digits(parts.next()?, 13)?;
        let day = two_digits(parts.next()?, 32)?;
        let fits = match sign {
            None => year.len() == 4,
            Some(true) => (4..=10).contains(&year.len()),
            Some(false) => (5..=10).contains(&year.len()),
        };
        let value = digits(year)?;
        let value = if sign == Some(true) { -value } else { value };
        (fits && !(sign == Some(true) && value == 0)).then(|| Self::from_civil(value, month, day))?
    }
}

const fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        match year {
            10_000.. => write!(out, "+{year}")?,
            0..10_000 => write!(out, "{year:04}")?,
            _ => write!(out, "-{:04}", year.unsigned_abs())?,
        }
        write!(out, "-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back_as_it_was() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2025-01-02T03:04:05.678Z",
            "1969-12-31T23:59:59.999999999Z",
            "-0001-02-28T00:00:00.000001Z",
        ] {
            assert_eq!(Time::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Time::parse("2025-01-02T03:04:05+02:00").unwrap().to_string(), "2025-01-02T01:04:05Z");
        assert_eq!(Time::parse("2025-01-02T03:04").map(|time| time.to_string()), None);
        assert_eq!(Time::parse("2024-02-29T24:00:00Z").unwrap().to_string(), "2024-03-01T00:00:00Z");
        assert_eq!(Time::parse("2024-02-29T24:00:01Z"), None);
        assert_eq!(Date::parse("2025-02-29"), None);
        assert_eq!(Date::parse("2024-03-01").map(|date| (date.weekday(), date.day_of_year())), Some((5, 61)));
        assert_eq!(Date::parse("+12025-02-28").unwrap().to_string(), "+12025-02-28");
    }
}
