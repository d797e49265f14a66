//! Compares an answer with a recorded one, in which names in angle brackets stand for what differs from run to run.

use serde_json::Value;

/// Whether a text is a timestamp as FaunaDB writes it.
pub fn is_time(text: &str) -> bool {
    let Some(rest) = text.strip_suffix('Z') else { return false };
    let (date, fraction) = rest.split_once('.').map_or((rest, "0"), |(date, fraction)| (date, fraction));
    let shape: String =
        date.chars().map(|character| if character.is_ascii_digit() { '0' } else { character }).collect();
    shape == "0000-00-00T00:00:00" && !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

/// JSON with arrays in arrays deeper than is read put as a text that counts them.
pub fn shallow(json: &str) -> String {
    let deep = "[".repeat(100);
    let is_data = |at: &usize| json.get(..*at).is_some_and(|head| !head.ends_with(['"', '[']));
    let Some(start) = json.match_indices(&deep).map(|(at, _)| at).find(is_data) else { return json.to_owned() };
    let (head, rest) = json.split_at(start);
    let open = rest.bytes().take_while(|byte| *byte == b'[').count();
    let tail = rest.trim_start_matches('[').strip_prefix(&"]".repeat(open));
    tail.map_or_else(|| json.to_owned(), |tail| format!("{head}\"{open} arrays\"{tail}"))
}

/// Whether an answer is what a placeholder stands for; `None` where there is no placeholder.
fn placeholder(wanted: &str, got: &Value) -> Option<bool> {
    let text = got.as_str();
    let longer = |than: usize| text.is_some_and(|text| text.chars().count() > than);
    Some(match wanted {
        "<any>" => true,
        "<ts>" => got.as_i64().is_some_and(|micros| micros > 100_000_000_000_000),
        "<time>" => text.is_some_and(is_time),
        "<date>" => text.is_some_and(|text| text.len() == 10 && is_time(&format!("{text}T00:00:00Z"))),
        "<id>" => {
            text.is_some_and(|text| (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
        }
        "<hash>" | "<secret>" => longer(20),
        "<gid>" => longer(8),
        _ if wanted.contains("<time>") => text.is_some_and(|text| matches_times(wanted, text)),
        _ => return None,
    })
}

/// Whether a text is the wanted one with timestamps in it.
fn matches_times(wanted: &str, got: &str) -> bool {
    let mut rest = got;
    for (place, part) in wanted.split("<time>").enumerate() {
        if place > 0 {
            let Some(end) = rest.find('Z').map(|end| end + 1) else { return false };
            let (time, after) = rest.split_at(end);
            if !is_time(time) {
                return false;
            }
            rest = after;
        }
        match rest.strip_prefix(part) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.is_empty()
}

/// Whether two doubles are the same but for how their texts are read: the last digit is not exact.
fn is_same_double(wanted: &Value, got: &Value) -> bool {
    let double = |value: &Value| if value.is_f64() { value.as_f64() } else { None };
    match (double(wanted), double(got)) {
        (Some(wanted), Some(got)) => (wanted - got).abs() <= wanted.abs() * f64::EPSILON,
        _ => false,
    }
}

/// The differences between an answer and the recorded one.
pub fn differences(wanted: &Value, got: &Value, at: &str) -> Vec<String> {
    if let Some(text) = wanted.as_str()
        && let Some(fits) = placeholder(text, got)
    {
        return if fits { Vec::new() } else { vec![format!("{at}: want {wanted}, got {got}")] };
    }
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            let mut found = Vec::new();
            for (key, value) in wanted {
                match got.get(key) {
                    Some(other) => found.extend(differences(value, other, &format!("{at}.{key}"))),
                    None => found.push(format!("{at}.{key}: missing (want {value})")),
                }
            }
            let more = got.iter().filter(|(key, _)| !wanted.contains_key(*key));
            found.extend(more.map(|(key, value)| format!("{at}.{key}: unexpected {value}")));
            found
        }
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => {
            let pairs = wanted.iter().zip(got).enumerate();
            pairs.flat_map(|(index, (wanted, got))| differences(wanted, got, &format!("{at}[{index}]"))).collect()
        }
        (wanted, got) if wanted == got || is_same_double(wanted, got) => Vec::new(),
        (wanted, got) => vec![format!("{at}: want {wanted}, got {got}")],
    }
}
