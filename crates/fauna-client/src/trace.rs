//! W3C Trace Context: the trace that a query belongs to.

use std::fmt;

use reqwest::header::HeaderValue;

tokio::task_local! {
    static CURRENT: TraceParent;
}

/// A valid value of the header `traceparent`, sent with the queries of [`TraceParent::scope`].
#[derive(Clone)]
pub struct TraceParent(HeaderValue);

/// Lengths of the fields of version 00, in characters: version, trace id, parent id, flags.
const FIELDS: [usize; 4] = [2, 32, 16, 2];
/// Longer values are ignored, whatever their version.
const LENGTH_MAX: usize = 256;

impl TraceParent {
    /// `None` if the value is not one that the recommendation (section 3.2.2) lets a receiver use: then there is no trace.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= LENGTH_MAX)?;
        let mut fields = text.split('-');
        let mut head = [""; 4];
        for (field, length) in head.iter_mut().zip(FIELDS) {
            *field = fields.next().filter(|field| field.len() == length && is_lower_hex(field))?;
        }
        let [version, trace, parent, flags] = head;
        let is_zero = |field: &str| field.bytes().all(|byte| byte == b'0');
        let may_have_more = version != "00";
        if version == "ff" || is_zero(trace) || is_zero(parent) || (fields.next().is_some() && !may_have_more) {
            return None;
        }
        // What a later version has added is not understood, and therefore not passed on.
        HeaderValue::from_str(&format!("00-{trace}-{parent}-{flags}")).ok().map(Self)
    }

    /// The trace of the running task.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs `work` as a part of this trace. Tasks that it spawns are not part of it.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    pub(crate) fn into_header(self) -> HeaderValue {
        self.0
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_values_are_no_trace() {
        const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for (value, expected) in [
            (VALID, Some(VALID)),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-will-be", Some(VALID)),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.x", None),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-", None),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", None),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", None),
            ("0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01", None),
            ("", None),
            ("ü", None),
        ] {
            let parsed = TraceParent::parse(value.as_bytes());
            assert_eq!(parsed.as_ref().map(|trace| trace.0.to_str().unwrap()), expected, "{value}");
        }
        assert!(
            TraceParent::parse(format!("01{}-{}", VALID.strip_prefix("00").unwrap(), "x".repeat(300)).as_bytes())
                .is_none()
        );
    }
}
