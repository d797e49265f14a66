//! Prints times and dates as Java's `Formatter` does.

use super::number::padded;
use super::specifier::Specifier;
use crate::ir::{Date, Failure, Fault, Kind, Outcome, Position, Time, Value};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// The days of the week.
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Prints a time or a date; `None` if Java refuses the specifier. Fails if the value has no such part.
pub fn print(specifier: &Specifier, value: &Value, at: &Position) -> Outcome<Option<String>> {
    let (date, time) = match value {
        Value::Date(date) => (*date, None),
        Value::Time(time) => (time.date(), Some(*time)),
        other => return Err(Failure::expected(&[Kind::Date, Kind::Time], other.kind(), at.clone()).into()),
    };
    let Some(suffix) = specifier.conversion else {
        return Ok(Some(time.map_or_else(|| date.to_string(), |time| time.to_string())));
    };
    if Date::from_days(date.days()).is_none() {
        return Err(Fault::Internal("a date out of range".to_owned()).into());
    }
    if let (Some(time), 'N') = (time, suffix) {
        return Ok(Some(format!("{:09}", time.nanos())));
    }
    let Some(text) = time.and_then(|time| of_time(time, suffix)).or_else(|| of_date(date, suffix)) else {
        return Err(Failure::argument(at.clone(), format!("Invalid date/time suffix '{}'.", specifier.given)).into());
    };
    if specifier.precision.is_some() || !specifier.allows("-") {
        return Ok(None);
    }
    let text = if specifier.is_capital { text.to_uppercase() } else { text };
    Ok(Some(padded(text, specifier.width.unwrap_or(0), specifier.has('-'))))
}

/// The hour of a clock with twelve hours.
const fn twelve(hour: i64) -> i64 {
    if hour % 12 == 0 { 12 } else { hour % 12 }
}

/// A part of a time of day.
fn of_time(time: Time, suffix: char) -> Option<String> {
    let of_day = time.second_of_day();
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let half = if hour < 12 { "am" } else { "pm" };
    Some(match suffix {
        'H' => format!("{hour:02}"),
        'k' => hour.to_string(),
        'I' => format!("{:02}", twelve(hour)),
        'l' => twelve(hour).to_string(),
        'M' => format!("{minute:02}"),
        'S' => format!("{second:02}"),
        'L' => format!("{:03}", time.nanos() / 1_000_000),
        'p' => half.to_owned(),
        'z' => "+0000".to_owned(),
        'Z' => "Z".to_owned(),
        's' => time.seconds().to_string(),
        'Q' => (i128::from(time.seconds()) * 1000 + i128::from(time.nanos() / 1_000_000)).to_string(),
        'R' => format!("{hour:02}:{minute:02}"),
        'T' => format!("{hour:02}:{minute:02}:{second:02}"),
        'r' => format!("{:02}:{minute:02}:{second:02} {}", twelve(hour), half.to_uppercase()),
        'c' => {
            let date = time.date();
            let part = |suffix| of_date(date, suffix).unwrap_or_default();
            let clock = format!("{hour:02}:{minute:02}:{second:02}");
            format!("{} {} {} {clock} Z {}", part('a'), part('b'), part('d'), part('Y'))
        }
        _ => return None,
    })
}

/// A part of a date.
fn of_date(date: Date, suffix: char) -> Option<String> {
    let (year, month, day) = date.civil();
    let name = |names: &[&'static str], place: i64| {
        usize::try_from(place - 1).ok().and_then(|place| names.get(place).copied()).unwrap_or_default()
    };
    let short = |name: &str| name.chars().take(3).collect::<String>();
    Some(match suffix {
        'B' => name(&MONTHS, month).to_owned(),
        'b' | 'h' => short(name(&MONTHS, month)),
        'A' => name(&DAYS, date.weekday()).to_owned(),
        'a' => short(name(&DAYS, date.weekday())),
        'C' => format!("{:02}", year / 100),
        'y' => format!("{:02}", year % 100),
        'Y' => format!("{year:04}"),
        'm' => format!("{month:02}"),
        'd' => format!("{day:02}"),
        'e' => day.to_string(),
        'j' => format!("{:03}", date.day_of_year()),
        'D' => format!("{month:02}/{day:02}/{:02}", year % 100),
        'F' => format!("{year:04}-{month:02}-{day:02}"),
        _ => return None,
    })
}
