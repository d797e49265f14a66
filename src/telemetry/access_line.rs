//! The access log in JSON. Every request has such a line, and `tracing-subscriber` would take three times as long to write it.

use std::fmt;

use tracing::Event;
use tracing::field::{Field, Visit};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime as _;
use tracing_subscriber::fmt::time::SystemTime;

/// Writes an event as `tracing-subscriber` would with flattened fields and without spans.
pub fn write(writer: &mut Writer<'_>, event: &Event<'_>) -> fmt::Result {
    writer.write_str("{\"timestamp\":\"")?;
    SystemTime.format_time(writer)?;
    let (level, target) = (event.metadata().level(), event.metadata().target());
    write!(writer, "\",\"level\":\"{level}\"")?;
    let mut fields = Fields { writer, outcome: Ok(()) };
    event.record(&mut fields);
    fields.outcome?;
    writer.write_str(",\"target\":")?;
    write_text(writer, target)?;
    writer.write_str("}\n")
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
        self.field(field, |writer| write_text(writer, &format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, |writer| write_text(writer, value));
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
fn write_text(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    let is_plain = |byte| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        writer.write_char('"')?;
        writer.write_str(text)?;
        return writer.write_char('"');
    }
    writer.write_str(&serde_json::to_string(text).map_err(|_never| fmt::Error)?)
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
