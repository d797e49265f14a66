//! Writes log lines from a thread of its own, so that a slow or stalled reader of the log never blocks a request.
//!
//! Lines are collected in memory. The thread writes what has come together and then lets [`PAUSE`] pass before it looks again;
//! only the first line after a quiet time wakes it, because waking a thread costs more than the line. The number of lines that
//! wait is bounded. A line that does not fit, or that cannot be written because the output is closed or full, is dropped and
//! counted. As soon as writing works again, a line says how many are missing.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use tracing_subscriber::fmt::MakeWriter;

use crate::http::metrics::LOG_LINES_DROPPED;

/// Lines that may wait to be written, those that are just being written included; about 1 MB.
const LINES_MAX: usize = 4096;
/// Capacity of the buffers that is kept while nothing is logged, in bytes.
const BUFFER_KEPT: usize = 64 << 10;
/// Pause between two writes, and the longest time that a line waits for its write to begin.
const PAUSE: Duration = Duration::from_millis(5);
/// Pause before writing again to an output that is full (a pipe opened with `O_NONBLOCK`).
const RETRY_PAUSE: Duration = Duration::from_millis(10);
/// Longest wait of [`flush`].
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// The writer of this process.
static INSTALLED: OnceLock<LogWriter> = OnceLock::new();

/// Collects lines. Writing to it never fails, and waits for nothing but another line being copied.
#[derive(Clone)]
pub struct LogWriter(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    /// Notified when a line has come while the thread sleeps, and when somebody waits for the lines so far.
    arrived: Condvar,
    /// Notified when lines have been written or dropped.
    written: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    text: Vec<u8>,
    /// Lines in `text`.
    lines: usize,
    /// Lines that the thread has taken and not yet written or dropped.
    taken: usize,
    /// Whether the thread waits to be notified.
    is_asleep: bool,
    /// Whether somebody waits in [`flush`].
    is_urgent: bool,
}

/// Format of the line about dropped lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        metrics::counter!(LOG_LINES_DROPPED).increment(1);
    }

    fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.lines + waiting.taken >= LINES_MAX {
            drop(waiting);
            return self.count_dropped();
        }
        waiting.text.extend_from_slice(line);
        waiting.lines += 1;
        if waiting.is_asleep {
            waiting.is_asleep = false;
            drop(waiting);
            self.arrived.notify_all();
        }
    }

    /// Waits for lines and takes all of them; `text` is left behind as the buffer for the next ones.
    fn take(&self, text: &mut Vec<u8>) {
        text.clear();
        text.shrink_to(BUFFER_KEPT);
        let mut waiting = self.lock();
        waiting.taken = 0;
        self.written.notify_all();
        let pause = self.arrived.wait_timeout_while(waiting, PAUSE, |waiting| !waiting.is_urgent);
        waiting = pause.unwrap_or_else(PoisonError::into_inner).0;
        while waiting.lines == 0 {
            waiting.is_urgent = false;
            waiting.is_asleep = true;
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.is_asleep = false;
        waiting.is_urgent = false;
        waiting.taken = waiting.lines;
        waiting.lines = 0;
        std::mem::swap(text, &mut waiting.text);
    }
}

impl LogWriter {
    /// Starts the thread that writes to `output`.
    pub fn start(output: impl Write + Send + 'static, format: Format) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            written: Condvar::new(),
            dropped: AtomicU64::new(0),
        });
        let writer = Writer { output, format, shared: Arc::clone(&shared), reported: 0 };
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.run())?;
        Ok(Self(shared))
    }

    /// Makes this the writer of [`flush`] and [`dropped_lines`].
    pub fn install(&self) {
        // A second installation in one process happens in tests only.
        let _first = INSTALLED.set(self.clone());
    }

    fn flush(&self) {
        let mut waiting = self.0.lock();
        let until = Instant::now() + FLUSH_TIMEOUT;
        while waiting.lines + waiting.taken > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            waiting.is_urgent = true;
            self.0.arrived.notify_all();
            waiting = self.0.written.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Waits until the lines written so far have left the process, for half a second at most.
pub fn flush() {
    if let Some(writer) = INSTALLED.get() {
        writer.flush();
    }
}

/// Number of lines dropped since the start.
pub fn dropped_lines() -> u64 {
    INSTALLED.get().map_or(0, |writer| writer.0.dropped.load(Ordering::Relaxed))
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
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
    shared: Arc<Shared>,
    /// Dropped lines that are already reported in the log.
    reported: u64,
}

impl<W: Write> Writer<W> {
    fn run(mut self) {
        let mut text = Vec::new();
        loop {
            self.shared.take(&mut text);
            self.report();
            self.write_lines(&text);
            self.report();
        }
    }

    /// Writes a note about lines that were dropped since the last one. If that fails, the next one includes them.
    fn report(&mut self) {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        let missing = dropped.saturating_sub(self.reported);
        if missing > 0 && self.write(note(self.format, missing).as_bytes()).is_ok() {
            self.reported = dropped;
        }
    }

    /// Writes lines. One that cannot be written is dropped, and the next one is tried.
    fn write_lines(&mut self, mut text: &[u8]) {
        while let Err(rest) = self.write(text) {
            self.shared.count_dropped();
            let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
            text = rest.get(end..).unwrap_or_default();
        }
    }

    /// # Errors
    /// What could not be written, from where writing failed.
    fn write<'t>(&mut self, mut bytes: &'t [u8]) -> Result<(), &'t [u8]> {
        while !bytes.is_empty() {
            match self.output.write(bytes) {
                Ok(0) => return Err(bytes),
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY_PAUSE),
                Err(_) => return Err(bytes),
            }
        }
        // An output that has a buffer fails here; its lines cannot be told apart any more.
        self.output.flush().or(Ok(()))
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
        assert_eq!(writer.0.dropped.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn of_lines_that_are_written_together_only_those_that_fail_are_dropped() {
        /// Fails once it has taken as many bytes as it is told to.
        struct FailsAfter(usize, Output);
        impl Write for FailsAfter {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if self.0 == 0 {
                    self.0 = usize::MAX;
                    return Err(io::ErrorKind::StorageFull.into());
                }
                let taken = self.1.write(&bytes[..bytes.len().min(self.0)])?;
                self.0 -= taken;
                Ok(taken)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let output = Output::default();
        let shared = LogWriter::start(io::sink(), Format::Text).unwrap().0;
        let mut writer = Writer { output: FailsAfter(6, output.clone()), format: Format::Text, shared, reported: 0 };
        writer.write_lines(b"one\ntwo\nthree\n");
        assert_eq!(output.text.lock().unwrap().as_slice(), b"one\ntwthree\n");
        assert_eq!(writer.shared.dropped.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_line_after_a_quiet_time_is_written_without_a_flush() {
        let output = Output::default();
        let mut writer = LogWriter::start(output.clone(), Format::Text).unwrap();
        for line in ["one\n", "two\n"] {
            writer.write_all(line.as_bytes()).unwrap();
            let until = Instant::now() + Duration::from_secs(10);
            while !output.text.lock().unwrap().ends_with(line.as_bytes()) {
                assert!(Instant::now() < until);
                thread::yield_now();
            }
        }
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
        for _ in 0..LINES_MAX + 100 {
            writer.write_all(b"line\n").unwrap();
        }
        let dropped = writer.0.dropped.load(Ordering::Relaxed);
        assert!((99..=100).contains(&dropped), "{dropped}");
    }

    #[test]
    fn a_note_in_json_is_json() {
        let note: serde_json::Value = serde_json::from_str(&note(Format::Json, 7)).unwrap();
        assert_eq!(note["dropped"], 7);
    }
}
