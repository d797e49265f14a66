//! Writes log lines from a thread of its own, so that a slow or stalled reader of the log never blocks a request.
//!
//! The queue is bounded. A line that does not fit, or that cannot be written because the output is closed or full, is dropped
//! and counted. As soon as writing works again, a line says how many are missing.

use std::io;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use crate::http::metrics::LOG_LINES_DROPPED;

/// Lines that may wait to be written; about 1 MB.
const QUEUE_LINES: usize = 4096;
/// Pause before writing again to an output that is full (a pipe opened with `O_NONBLOCK`).
const RETRY_PAUSE: Duration = Duration::from_millis(10);
/// Longest wait of [`flush`].
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// The writer of this process.
static INSTALLED: OnceLock<LogWriter> = OnceLock::new();

/// Puts lines into the queue. Writing to it never fails and never blocks.
#[derive(Clone)]
pub struct LogWriter {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

enum Message {
    Line(Vec<u8>),
    /// Answered when all lines before it are written or dropped.
    Flush(SyncSender<()>),
}

/// Format of the line about dropped lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

impl LogWriter {
    /// Starts the thread that writes to `output`.
    pub fn start(output: impl Write + Send + 'static, format: Format) -> io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE_LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = Writer { output, format, dropped: Arc::clone(&dropped), reported: 0 };
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.run(&lines))?;
        Ok(Self { queue, dropped })
    }

    /// Makes this the writer of [`flush`] and [`dropped_lines`].
    pub fn install(&self) {
        // A second installation in one process happens in tests only.
        let _first = INSTALLED.set(self.clone());
    }

    fn count_dropped(&self) {
        count(&self.dropped);
    }

    fn flush(&self) {
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        let (done, wait) = sync_channel(1);
        while self.queue.try_send(Message::Flush(done.clone())).is_err() {
            if Instant::now() >= deadline {
                return;
            }
            thread::sleep(RETRY_PAUSE);
        }
        let _timed_out = wait.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

fn count(dropped: &AtomicU64) {
    dropped.fetch_add(1, Ordering::Relaxed);
    metrics::counter!(LOG_LINES_DROPPED).increment(1);
}

/// Waits until the lines written so far have left the process, for half a second at most.
pub fn flush() {
    if let Some(writer) = INSTALLED.get() {
        writer.flush();
    }
}

/// Number of lines dropped since the start.
pub fn dropped_lines() -> u64 {
    INSTALLED.get().map_or(0, |writer| writer.dropped.load(Ordering::Relaxed))
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.count_dropped();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

struct Writer<W> {
    output: W,
    format: Format,
    dropped: Arc<AtomicU64>,
    /// Dropped lines that are already reported in the log.
    reported: u64,
}

impl<W: Write> Writer<W> {
    fn run(mut self, lines: &Receiver<Message>) {
        while let Ok(message) = lines.recv() {
            match message {
                Message::Line(line) => {
                    self.report();
                    if self.write(&line).is_err() {
                        count(&self.dropped);
                    }
                }
                Message::Flush(done) => {
                    self.report();
                    let _nobody_waits = done.send(());
                }
            }
        }
    }

    /// Writes a note about lines that were dropped since the last one. If that fails, the next one includes them.
    fn report(&mut self) {
        let dropped = self.dropped.load(Ordering::Relaxed);
        let missing = dropped.saturating_sub(self.reported);
        if missing > 0 && self.write(note(self.format, missing).as_bytes()).is_ok() {
            self.reported = dropped;
        }
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.output.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY_PAUSE),
                Err(error) => return Err(error),
            }
        }
        self.output.flush()
    }
}

fn note(format: Format, missing: u64) -> String {
    match format {
        Format::Text => format!(" WARN {missing} log lines were dropped: the output was full or closed\n"),
        Format::Json => format!(
            "{{\"level\":\"WARN\",\"message\":\"log lines were dropped: the output was full or closed\",\"dropped\":{missing}}}\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// An output that can be closed, and that takes three bytes at a time.
    #[derive(Clone, Default)]
    struct Output {
        is_closed: Arc<AtomicBool>,
        text: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.is_closed.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let taken = &bytes[..bytes.len().min(3)];
            self.text.lock().unwrap().extend_from_slice(taken);
            Ok(taken.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_reported_once() {
        let output = Output::default();
        let mut writer = LogWriter::start(output.clone(), Format::Text).unwrap();
        for (is_closed, line) in
            [(false, "one\n"), (true, "two\n"), (true, "three\n"), (false, "four\n"), (false, "five\n")]
        {
            output.is_closed.store(is_closed, Ordering::SeqCst);
            writer.write_all(line.as_bytes()).unwrap();
            LogWriter::flush(&writer);
        }
        let text = String::from_utf8(output.text.lock().unwrap().clone()).unwrap();
        let note = " WARN 2 log lines were dropped: the output was full or closed\n";
        assert_eq!(text, format!("one\n{note}four\nfive\n"));
        assert_eq!(writer.dropped.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn nobody_waits_for_an_output_that_hangs() {
        struct Hanging;
        impl Write for Hanging {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                thread::park();
                Err(io::ErrorKind::Interrupted.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writer = LogWriter::start(Hanging, Format::Json).unwrap();
        for _ in 0..QUEUE_LINES + 100 {
            writer.write_all(b"line\n").unwrap();
        }
        let dropped = writer.dropped.load(Ordering::Relaxed);
        assert!((99..=100).contains(&dropped), "{dropped}");
    }

    #[test]
    fn a_note_in_json_is_json() {
        let note: serde_json::Value = serde_json::from_str(&note(Format::Json, 7)).unwrap();
        assert_eq!(note["dropped"], 7);
    }
}
