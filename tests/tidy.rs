//! Holds the structure: which room may use which, how long a file may be, which names mean nothing, and that the settings
//! are the documented ones. A new arrow between rooms is a line in [`MAY_USE`], to be seen in review.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Room → rooms it may use (`src/lib.rs` tells what they are). `app` and `main` wire everything and are not listed.
const MAY_USE: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("config", &[]),
    ("telemetry", &[]),
    ("keyfile", &[]),
    ("seal", &[]),
    ("problem", &[]),
    ("body", &[]),
    ("database", &[]),
    ("origin", &["problem"]),
    ("throttle", &["problem", "clock", "database"]),
    ("mail", &["problem", "clock", "database", "seal"]),
    ("fauna", &["problem", "clock"]),
    ("fauna_dev", &["clock", "fauna"]),
    ("session", &["problem", "clock", "database", "seal"]),
    ("fauna_tokens", &["problem", "clock", "database", "fauna", "seal", "session"]),
    ("users", &["problem", "clock", "fauna"]),
    ("comments", &["problem", "body", "clock", "fauna", "fauna_tokens", "session"]),
    ("recipe", &["problem"]),
    ("account", &["problem", "body", "fauna", "mail", "session", "throttle", "users"]),
    ("emailpassword", &["recipe", "problem", "clock", "fauna_tokens", "mail", "session", "throttle", "users"]),
    ("emailverification", &["recipe", "problem", "clock", "account", "fauna", "mail", "session", "throttle", "users"]),
    ("admin", &["problem", "clock", "emailpassword", "fauna", "session", "users"]),
    (
        "pages",
        &[
            "problem",
            "clock",
            "account",
            "comments",
            "emailpassword",
            "emailverification",
            "fauna_tokens",
            "session",
            "throttle",
            "users",
        ],
    ),
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
fn rooms_use_only_the_rooms_they_may() {
    let mut arrows = Vec::new();
    for file in files(Path::new("src"), &["rs"]) {
        let room = room_of(&file);
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == room) else {
            assert!(matches!(room.as_str(), "app" | "lib" | "main"), "{room} is not listed in MAY_USE");
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        for other in uses(&text) {
            if other != room && !allowed.contains(&other.as_str()) {
                arrows.push(format!("{} uses {other}, which {room} may not", file.display()));
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
    let lists = read(&["tests/session", "tests/site", "src/session", "src/origin.rs"], &["rs", "md"]);
    let tests = read(&["tests/site", "tests/session", "src"], &["rs"]);
    for (kind, rows) in CATALOGUE {
        let named = &rows_listed(&lists, kind) | &rows_tested(&tests, kind);
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
fn rows_are_read_from_lists_and_from_names_of_tests() {
    let rows = |found: BTreeSet<u32>| found.into_iter().collect::<Vec<_>>();
    assert_eq!(rows(rows_listed("S-X-01 … S-X-03, S-X-05 and S-Y-09; S-X-", "S-X-")), [1, 2, 3, 5]);
    let names = "fn s_x_01_to_03_a() fn s_x_10_11_and_15_b_99() fn s_y_07_and_s_x_30_c() fn s_x_none()";
    assert_eq!(rows(rows_tested(names, "S-X-")), [1, 2, 3, 10, 11, 15, 30]);
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

/// The numbers in names of tests: `s_x_01_to_03_…`, `s_x_10_11_and_15_…`.
fn rows_tested(code: &str, kind: &str) -> BTreeSet<u32> {
    let start = kind.to_lowercase().replace('-', "_");
    let mut named = BTreeSet::new();
    for (_, rest) in code.match_indices(&start).map(|(at, _)| code.split_at(at + start.len())) {
        let (mut last, mut is_range) = (0, false);
        for word in rest.split(|c: char| !c.is_ascii_alphanumeric()) {
            match (word, word.parse::<u32>()) {
                (_, Ok(row)) => {
                    named.extend(if is_range { last..=row } else { row..=row });
                    (last, is_range) = (row, false);
                }
                ("and", _) => {}
                ("to", _) => is_range = true,
                _ => break,
            }
        }
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
fn room_of(file: &Path) -> String {
    let first = file.iter().nth(1).unwrap().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms that a file names with `crate::`.
fn uses(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1).map(str::to_owned).collect::<Vec<_>>())
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect())
        .collect()
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
