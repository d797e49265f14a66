//! W3C Trace Context: the trace that a query belongs to.

use std::fmt;

use reqwest::header::HeaderValue;

tokio::task_local! {
    static CURRENT: TraceParent;
}

/// A valid value of the header `traceparent`, and of `tracestate` if there is one, sent with the queries of
/// [`TraceParent::scope`].
#[derive(Clone)]
pub struct TraceParent {
    parent: HeaderValue,
    state: Option<HeaderValue>,
}

/// Lengths of the fields of version 00, in characters: version, trace id, parent id, flags.
const FIELDS: [usize; 4] = [2, 32, 16, 2];
/// Longer values are ignored, whatever their version.
const LENGTH_MAX: usize = 256;
/// A longer `tracestate` is left out; this much must be passed on (section 3.3.1.5 of the recommendation), in characters.
const STATE_LENGTH_MAX: usize = 512;
/// Members of a `tracestate` (section 3.3.1.1).
const STATE_MEMBERS_MAX: usize = 32;

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
        let parent = HeaderValue::from_str(&format!("00-{trace}-{parent}-{flags}")).ok()?;
        Some(Self { parent, state: None })
    }

    /// The same with the values of the headers `tracestate`, which are one list. One that is malformed or too long is left out.
    #[must_use]
    pub fn with_state<'a>(self, values: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut joined = Vec::new();
        for value in values {
            if !joined.is_empty() {
                joined.push(b',');
            }
            joined.extend_from_slice(value);
            if joined.len() > STATE_LENGTH_MAX {
                return self;
            }
        }
        let text = std::str::from_utf8(&joined).ok().filter(|text| is_state(text));
        Self { state: text.and_then(|text| HeaderValue::from_str(text).ok()), ..self }
    }

    /// The trace of the running task.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs `work` as a part of this trace. Tasks that it spawns are not part of it.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// The 32 hexadecimal digits that all requests of the trace have in common.
    pub fn trace_id(&self) -> &str {
        self.parent.to_str().ok().and_then(|parent| parent.split('-').nth(1)).unwrap_or_default()
    }

    /// The values of `traceparent` and `tracestate`.
    pub(crate) fn into_headers(self) -> (HeaderValue, Option<HeaderValue>) {
        (self.parent, self.state)
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parent.fmt(out)
    }
}

/// Whether this is a list of `key=value` with at least one member. Empty members are allowed between them.
fn is_state(text: &str) -> bool {
    let is_in_key = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let is_in_value = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'=';
    let members: Vec<&str> =
        text.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty()).collect();
    let is_member = |member: &&str| {
        let (key, value) = member.split_once('=').unwrap_or_default();
        !key.is_empty() && key.bytes().all(is_in_key) && !value.is_empty() && value.bytes().all(is_in_value)
    };
    (1..=STATE_MEMBERS_MAX).contains(&members.len()) && members.iter().all(is_member)
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
            assert_eq!(parsed.as_ref().map(|trace| trace.parent.to_str().unwrap()), expected, "{value}");
        }
        assert!(
            TraceParent::parse(format!("01{}-{}", VALID.strip_prefix("00").unwrap(), "x".repeat(300)).as_bytes())
                .is_none()
        );
    }

    #[test]
    fn a_state_is_passed_on_whole_or_not_at_all() {
        let trace = || TraceParent::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        let (longest, longer) = (format!("a={}", "x".repeat(510)), format!("a={}", "x".repeat(511)));
        let many = |count: usize| vec!["a=1"; count].join(",");
        for (values, expected) in [
            (&["rojo=00f067aa0ba902b7,t61@congo=a b"][..], Some("rojo=00f067aa0ba902b7,t61@congo=a b")),
            (&["a=1", "b=2"], Some("a=1,b=2")),
            (&["a=1, ,b=2"], Some("a=1, ,b=2")),
            (&[&longest], Some(longest.as_str())),
            (&[&many(32)], Some(&many(32))),
            (&[&longer], None),
            (&[&longest, "b=2"], None),
            (&[&many(33)], None),
            (&["a"], None),
            (&["a=1,A=2"], None),
            (&["a=1=2"], None),
            (&["a=\u{fc}"], None),
            (&["a=1\r\nx: y"], None),
            (&[""], None),
            (&[], None),
        ] {
            let (_, state) = trace().with_state(values.iter().map(|value| value.as_bytes())).into_headers();
            assert_eq!(state.as_ref().map(|state| state.to_str().unwrap()), expected, "{values:?}");
        }
    }
}
