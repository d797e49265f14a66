//! Holds the structure: which room may use which, how long a file may be, which names mean nothing, and that the settings
//! are the documented ones. A new arrow between rooms is a line in [`MAY_USE`], to be seen in review.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Module → modules it may use. `app` and `main` wire everything and are not listed.
const MAY_USE: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("config", &[]),
    ("telemetry", &[]),
    ("keyfile", &[]),
    ("seal", &[]),
    ("database", &[]),
    ("recorded", &[]),
    ("http", &["database"]),
    ("throttle", &["http", "clock", "database"]),
    ("mail", &["http", "clock", "database", "seal"]),
    ("session", &["http", "clock", "database", "seal"]),
    ("fauna_tokens", &["http", "clock", "database", "recorded", "seal", "session"]),
    ("users", &["http", "clock", "recorded"]),
    ("comments", &["http", "clock", "fauna_tokens", "recorded", "session"]),
    ("account", &["http", "mail", "session", "throttle", "users"]),
    ("supertokens", &["http", "clock", "account", "fauna_tokens", "mail", "session", "throttle", "users"]),
    ("admin", &["http", "clock", "session", "supertokens", "users"]),
    ("pages", &["http", "clock", "account", "comments", "fauna_tokens", "session", "supertokens", "throttle", "users"]),
];

/// Longer files are two files.
const LINES_MAX: usize = 400;

/// Names that say nothing about what is inside.
const MEANINGLESS: &[&str] = &["utils", "util", "helpers", "common", "types", "prelude", "misc"];

/// Rows of the attack catalogue about refresh tokens, access tokens, cookies, input, passwords and mail.
const CATALOGUE: &[(&str, &[RangeInclusive<u32>])] = &[
    ("S-R-", &[1..=16, 18..=27]),
    ("S-J-", &[1..=11, 13..=19]),
    ("S-C-", &[1..=20, 22..=22, 30..=32]),
    ("S-I-", &[1..=13, 20..=21, 30..=34, 36..=37]),
    ("S-P-", &[1..=8, 10..=22, 30..=35]),
    ("S-E-", &[1..=12, 20..=23]),
];

#[test]
fn modules_use_only_the_modules_they_may() {
    let mut arrows = Vec::new();
    for file in files(Path::new("src"), &["rs"]) {
        let module = module_of(&file);
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            assert!(matches!(module.as_str(), "app" | "lib" | "main"), "{module} is not listed in MAY_USE");
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        for other in uses(&text) {
            if other != module && !allowed.contains(&other.as_str()) {
                arrows.push(format!("{} uses {other}, which {module} may not", file.display()));
            }
        }
    }
    assert!(arrows.is_empty(), "{arrows:#?}");
}

#[test]
fn no_file_is_longer_than_a_reader_is_patient() {
    let mut long = Vec::new();
    for root in ["src", "tests", "benches", "static", "templates", "examples", "migrations"] {
        for file in files(Path::new(root), &["rs", "js", "css", "html", "sql", "sh"]) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            if lines > LINES_MAX {
                long.push(format!("{} has {lines} lines", file.display()));
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn names_mean_something() {
    for file in files(Path::new("src"), &["rs"]) {
        let named = file.iter().filter_map(|part| part.to_str()).map(|part| part.trim_end_matches(".rs"));
        for name in named {
            assert!(!MEANINGLESS.contains(&name), "{}", file.display());
        }
    }
}

#[test]
fn every_setting_is_documented_and_every_documented_setting_is_read() {
    let code: String =
        files(Path::new("src/config"), &["rs"]).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let read: BTreeSet<&str> = code.split("read.").skip(1).filter_map(first_argument).collect();
    let example = fs::read_to_string(".env.example").unwrap();
    let documented: BTreeSet<&str> = example
        .lines()
        .map(|line| line.trim_start_matches('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        .filter(|name| is_setting(name))
        .collect();
    assert_eq!(read, documented);
}

/// A row is held where a test names it, or where a list of tests says where or why not.
#[test]
fn every_row_of_the_catalogue_is_held_or_explained() {
    let read = |places: &[&str], endings: &[&str]| -> String {
        let all = places.iter().map(Path::new);
        let found =
            all.flat_map(|place| if place.is_file() { vec![place.to_path_buf()] } else { files(place, endings) });
        found.map(|file| fs::read_to_string(file).unwrap()).collect()
    };
    let lists = read(&["tests/session", "tests/site", "src"], &["rs", "md"]);
    for (kind, rows) in CATALOGUE {
        let named = rows_listed(&lists, kind);
        let missing: Vec<u32> = rows.iter().cloned().flatten().filter(|row| !named.contains(row)).collect();
        assert!(missing.is_empty(), "{kind}: nobody names {missing:?}");
    }
}

/// Every file that a list of tests names is there: what was moved is not looked for in vain.
#[test]
fn the_lists_of_tests_name_files_that_exist() {
    let mut missing = Vec::new();
    for folder in ["tests/site", "tests/session"] {
        let list = fs::read_to_string(Path::new(folder).join("README.md")).unwrap();
        for path in list.split('`').skip(1).step_by(2).map(Path::new) {
            let is_code = path.extension().is_some_and(|ending| ending == "rs");
            if is_code && !path.is_file() && !Path::new(folder).join(path).is_file() {
                missing.push(format!("{folder}/README.md names {}", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn rows_are_read_from_lists() {
    let rows = |found: BTreeSet<u32>| found.into_iter().collect::<Vec<_>>();
    assert_eq!(rows(rows_listed("S-X-01 … S-X-03, S-X-05 and S-Y-09; S-X-", "S-X-")), [1, 2, 3, 5]);
}

/// The numbers behind `S-X-`; `S-X-01 … S-X-03` names all between.
fn rows_listed(text: &str, kind: &str) -> BTreeSet<u32> {
    let mut named = BTreeSet::new();
    for (_, rest) in text.match_indices(kind).map(|(at, _)| text.split_at(at + kind.len())) {
        let Some(first) = rest.get(..2).and_then(|digits| digits.parse::<u32>().ok()) else { continue };
        let until = rest.get(2..).and_then(|rest| rest.strip_prefix(" … ")?.strip_prefix(kind)?.get(..2)?.parse().ok());
        named.extend(first..=until.unwrap_or(first));
    }
    named
}

/// The first argument of a call whose text begins after `read.`, if it is the name of a setting.
fn first_argument(call: &str) -> Option<&str> {
    let inside = call.split_once('(')?.1.trim_start();
    let name = inside.strip_prefix('"')?.split_once('"')?.0;
    is_setting(name).then_some(name)
}

/// `UPPER_CASE` words.
fn is_setting(name: &str) -> bool {
    name.len() > 2 && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// `src/session/store.rs` → `session`, `src/clock.rs` → `clock`.
fn module_of(file: &Path) -> String {
    let first = file.iter().nth(1).unwrap().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules that a file names with `crate::a` or `crate::{a, b::c}`.
fn uses(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let first_word = |rest: &str| -> String {
        rest.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    let mut named = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => named.extend(members(group).iter().map(|member| first_word(member))),
            None => _ = named.insert(first_word(rest)),
        }
    }
    named.remove("");
    named
}

/// The members of a group of imports whose text begins behind its `{`: split at commas outside inner braces.
fn members(group: &str) -> Vec<String> {
    let (mut depth, mut members) = (0, vec![String::new()]);
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => members.push(String::new()),
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                members.last_mut().unwrap().push(c);
            }
        }
    }
    members
}

#[test]
fn modules_are_read_from_single_and_grouped_imports() {
    let text = "use crate::a::B;\nuse crate::{\n    c, d::{E, F}, g,\n};\n// crate::h\nlet x = crate::i::j();";
    assert_eq!(uses(text).into_iter().collect::<Vec<_>>(), ["a", "c", "d", "g", "i"]);
}

/// All files below `root` with one of these endings.
fn files(root: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !matches!(name, "node_modules" | ".cache") {
            found.extend(files(&path, endings));
        } else if path.extension().is_some_and(|ending| endings.contains(&ending.to_str().unwrap())) {
            found.push(path);
        }
    }
    found.sort();
    found
}
