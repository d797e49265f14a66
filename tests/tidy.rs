//! Checks the structure of the tree: which module may use which, how long files may be, which names mean nothing, that
//! every setting is documented, that every threat in `docs/threats.md` has a test or a reason, and that the text refers
//! to nothing outside the repository. A new arrow between modules is a line in [`MAY_USE`], to be seen in review.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Module → modules it may use. `app` and `main` know every module and are not listed.
const MAY_USE: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("config", &["http", "session", "users"]),
    ("telemetry", &["http"]),
    ("keyfile", &[]),
    ("random", &[]),
    ("seal", &[]),
    ("database", &[]),
    ("recorded", &[]),
    ("events", &["http", "clock"]),
    ("hooks", &[]),
    ("http", &["clock", "database"]),
    ("throttle", &["http", "clock", "database"]),
    ("mail", &["http", "clock", "database", "hooks", "random", "seal"]),
    ("session", &["http", "clock", "database", "events", "hooks", "seal"]),
    ("fauna_tokens", &["http", "clock", "database", "events", "recorded", "seal", "session"]),
    ("users", &["http", "clock", "hooks", "recorded"]),
    ("feature", &["http", "fauna_tokens", "throttle"]),
    ("comments", &["http", "clock", "fauna_tokens", "feature", "random", "recorded", "session", "throttle"]),
    ("account", &["http", "clock", "mail", "session", "throttle", "users"]),
    ("supertokens", &["http", "clock", "account", "fauna_tokens", "hooks", "mail", "session", "throttle", "users"]),
    ("admin", &["http", "clock", "session", "supertokens", "users", "throttle"]),
    (
        "pages",
        &[
            "http",
            "clock",
            "account",
            "comments",
            "events",
            "fauna_tokens",
            "random",
            "session",
            "supertokens",
            "throttle",
            "users",
        ],
    ),
    ("demo", &["http", "clock", "fauna_tokens", "pages", "random", "session", "supertokens"]),
];

/// The folders with code and tests.
const CODE: &[&str] = &["src", "crates", "tests", "benches", "static", "templates", "examples", "migrations"];

/// Longer files are two files.
const LINES_MAX: usize = 400;

/// Larger folders get subfolders by concern, except those whose files are a list by nature.
const FILES_MAX: usize = 15;
const LISTS: &[&str] = &["tests/site"]; // one file per subject

/// Names that say nothing about what is inside.
const MEANINGLESS: &[&str] = &["utils", "util", "helpers", "common", "types", "prelude", "misc"];

/// Texts that refer to documents outside the repository.
const OUTSIDE: &[&str] =
    &["design D", "design section", "security.md", "session.md", "emailpassword.md", "measured.md", "the catalogue"];

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
fn no_file_is_too_long() {
    let mut long = Vec::new();
    for root in CODE {
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
fn no_folder_is_too_full() {
    let mut count = BTreeMap::<PathBuf, usize>::new();
    for root in ["src", "tests", "crates", "examples"] {
        for file in files(Path::new(root), &["rs"]) {
            *count.entry(file.parent().unwrap().to_path_buf()).or_default() += 1;
        }
    }
    count.retain(|folder, files| *files > FILES_MAX && !LISTS.iter().any(|list| folder == Path::new(list)));
    assert!(count.is_empty(), "{count:#?}");
}

/// The compiler keeps dependencies out; this keeps out words that only make sense in one application.
#[test]
fn the_crates_do_not_know_the_application() {
    for root in ["crates/fauna-client", "crates/embedded-fauna"] {
        for file in files(Path::new(root), &["rs", "toml", "md"]) {
            let text = fs::read_to_string(&file).unwrap();
            for word in ["starter::", "actix-fauna-starter", "actix_fauna_starter", "path = \"../..\""] {
                assert!(!text.contains(word), "{} names {word}", file.display());
            }
            let neighbour = if root.ends_with("client") { "embedded_fauna::" } else { "fauna_client::" };
            let is_test = file.iter().any(|part| part == "tests");
            assert!(is_test || !text.contains(neighbour), "{} uses {neighbour}", file.display());
        }
    }
}

#[test]
fn names_mean_something() {
    for file in files(Path::new("src"), &["rs"]).into_iter().chain(files(Path::new("crates"), &["rs"])) {
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

/// `docs/threats.md`, row by row: identifier, and what its last column says.
fn threats() -> BTreeMap<String, String> {
    let table = fs::read_to_string("docs/threats.md").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| S-"));
    let mut threats = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [id, _threat, held] = cells[..] else { panic!("a row of threats.md has three columns: {row}") };
        assert!(threats.insert(id.to_owned(), held.to_owned()).is_none(), "{id} has two rows");
    }
    threats
}

#[test]
fn every_threat_has_a_test_or_a_reason() {
    for (id, held) in threats() {
        let excused = held.starts_with("By construction: ") || held.starts_with("Accepted: ");
        let tests: Vec<&str> =
            held.split('`').skip(1).step_by(2).filter(|path| path.split('.').next_back() == Some("rs")).collect();
        assert!(excused || !tests.is_empty(), "{id} names no test and gives no reason");
        for test in tests {
            assert!(Path::new(test).is_file(), "{id} names {test}, which does not exist");
        }
    }
}

#[test]
fn every_threat_that_code_names_is_in_the_list() {
    let threats = threats();
    for root in ["src", "tests", "crates"] {
        for file in files(Path::new(root), &["rs"]).into_iter().filter(|file| file != Path::new("tests/tidy.rs")) {
            for id in threat_ids(&fs::read_to_string(&file).unwrap()) {
                assert!(
                    threats.contains_key(&id),
                    "{} names {id}, which docs/threats.md does not list",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn nothing_refers_to_what_is_not_in_the_repository() {
    let mut found = Vec::new();
    for root in CODE {
        for file in files(Path::new(root), &["rs", "js", "css", "html", "sql", "sh", "md", "txt"]) {
            let excused = file == Path::new("tests/tidy.rs");
            let text = fs::read_to_string(&file).unwrap();
            let names = OUTSIDE.iter().filter(|name| text.contains(**name));
            found.extend(names.filter(|_| !excused).map(|name| format!("{}: {name}", file.display())));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn identifiers_of_threats_are_read() {
    let found = threat_ids("/// S-X-01 … S-X-03 and S-Y-09; S-X-, XS-Y-01");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["S-X-01", "S-X-03", "S-Y-09"]);
}

/// `S-`, a letter, `-` and two digits.
fn threat_ids(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let is_id = |word: &&str| {
        matches!(word.as_bytes(), [b'S', b'-', kind, b'-', tens, ones]
            if kind.is_ascii_uppercase() && tens.is_ascii_digit() && ones.is_ascii_digit())
    };
    words.filter(is_id).map(str::to_owned).collect()
}

/// The first argument of a call whose text begins after `read.`, if it is the name of a setting.
fn first_argument(call: &str) -> Option<&str> {
    let inside = call.split_once('(')?.1.trim_start();
    let name = inside.strip_prefix('"')?.split_once('"')?.0;
    is_setting(name).then_some(name)
}

/// The words in `UPPER_CASE`.
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
        if path.is_dir() && !matches!(name, "node_modules" | ".cache" | "target") {
            found.extend(files(&path, endings));
        } else if path.extension().is_some_and(|ending| endings.contains(&ending.to_str().unwrap())) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_migration_has_its_counterpart_for_mysql() {
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
        let files = entries.filter(|entry| entry.path().is_file());
        files.map(|entry| entry.file_name().into_string().unwrap()).collect()
    };
    assert_eq!(
        names("migrations"),
        names("migrations/mysql"),
        "the same table in the types of MySQL: text that is a key or searched for is varchar(191), other text is mediumtext"
    );
}
