//! The access log in JSON. Every request has such a line, and `tracing-subscriber` would take three times as long to write it.

use std::cell::RefCell;
use std::fmt;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;
use tracing::Event;
use tracing::field::{Field, Visit};
use tracing_subscriber::fmt::format::Writer;

const SECOND: StaticFormatDescription = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");

thread_local! {
    /// The latest second that was written, since 1970, and its text: most lines have the same as the one before.
    static WRITTEN_SECOND: RefCell<(u64, String)> = RefCell::default();
}

/// Writes an event as `tracing-subscriber` would with flattened fields and without spans.
pub fn write(writer: &mut Writer<'_>, event: &Event<'_>) -> fmt::Result {
    writer.write_str("{\"timestamp\":\"")?;
    write_now(writer)?;
    let (level, target) = (event.metadata().level(), event.metadata().target());
    write!(writer, "\",\"level\":\"{level}\"")?;
    let mut fields = Fields { writer, outcome: Ok(()) };
    event.record(&mut fields);
    fields.outcome?;
    writer.write_str(",\"target\":")?;
    write_text(writer, format_args!("{target}"))?;
    writer.write_str("}\n")
}

/// Writes the time as RFC 3339 with microseconds.
fn write_now(writer: &mut Writer<'_>) -> fmt::Result {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WRITTEN_SECOND.with_borrow_mut(|(written, text)| {
        if *written != now.as_secs() {
            let second =
                i64::try_from(now.as_secs()).ok().and_then(|second| OffsetDateTime::from_unix_timestamp(second).ok());
            *text = second.and_then(|second| second.format(SECOND).ok()).unwrap_or_default();
            *written = now.as_secs();
        }
        writer.write_str(text)
    })?;
    write!(writer, ".{:06}Z", now.subsec_micros())
}

struct Fields<'w, 'a> {
    writer: &'w mut Writer<'a>,
    outcome: fmt::Result,
}

impl Fields<'_, '_> {
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.outcome.is_ok() {
            self.outcome = write!(self.writer, ",\"{}\":", field.name()).and_then(|()| value(self.writer));
        }
    }
}

impl Visit for Fields<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, |writer| write_text(writer, format_args!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, |writer| write_text(writer, format_args!("{value}")));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |writer| write!(writer, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, |writer| write!(writer, "{value}"));
    }
}

/// Writes a JSON string.
fn write_text(writer: &mut Writer<'_>, text: fmt::Arguments<'_>) -> fmt::Result {
    writer.write_char('"')?;
    Escaped(writer).write_fmt(text)?;
    writer.write_char('"')
}

/// Writes the inside of a JSON string.
struct Escaped<'w, 'a>(&'w mut Writer<'a>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_plain = |byte| byte >= b' ' && byte != b'"' && byte != b'\\';
        if text.bytes().all(is_plain) {
            return self.0.write_str(text);
        }
        let quoted = serde_json::to_string(text).map_err(|_never| fmt::Error)?;
        let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        self.0.write_str(inside.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing_subscriber::fmt::format::JsonFields;

    use crate::telemetry::Lines;

    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Output {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The line that an event with this target becomes.
    fn line(log: impl FnOnce()) -> Value {
        let output = Output::default();
        let writer = output.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(JsonFields::new())
            .event_format(Lines::new())
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let line = output.0.lock().unwrap().clone();
        serde_json::from_slice(&line).unwrap()
    }

    #[test]
    fn a_line_is_the_one_that_the_library_writes() {
        macro_rules! log {
            ($target:literal) => {
                || {
                    let (id, method, route) = (tracing::field::display("00ff"), "QUO\"TE", "/a/{b:\\d+}");
                    tracing::info!(target: $target, id, method, route, status = 200_u16, negative = -1, yes = true, "answered");
                }
            };
        }
        let (mut ours, mut theirs) = (line(log!("access")), line(log!("other")));
        for line in [&mut ours, &mut theirs] {
            let line = line.as_object_mut().unwrap();
            assert_eq!(line.remove("timestamp").unwrap().as_str().unwrap().len(), "2026-11-28T00:00:00.000000Z".len());
            line.remove("target");
        }
        let names = |line: &Value| line.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!((&ours, names(&ours)), (&theirs, names(&theirs)));
    }
}
