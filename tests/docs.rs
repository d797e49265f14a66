//! Checks the documents: what they name exists, links lead somewhere, and code blocks are code that is tested.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn documents() -> Vec<PathBuf> {
    let markdown = |folder: &str| {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect::<Vec<_>>()
    };
    markdown(".").into_iter().chain(markdown("docs")).collect()
}

/// The text of a document without its code blocks.
fn prose(document: &Path) -> String {
    let text = fs::read_to_string(document).unwrap();
    let parts: Vec<&str> = text.split("```").step_by(2).collect();
    parts.join("\n")
}

/// The words in `backticks`.
fn quoted(text: &str) -> Vec<&str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// Code blocks with their language, indentation removed.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else { continue };
        let indent = line.len() - line.trim_start().len();
        let code = lines.by_ref().take_while(|line| line.trim() != "```");
        let code: Vec<&str> = code.map(|line| line.get(indent..).unwrap_or_default()).collect();
        blocks.push((language.to_owned(), code.join("\n")));
    }
    blocks
}

/// The text of all source files that documents may name.
fn source() -> String {
    fn read(folder: &Path, into: &mut String) {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if path.is_dir() && !path.ends_with("node_modules") {
                read(&path, into);
            } else if matches!(ending, "rs" | "html" | "js") {
                into.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut all = String::new();
    for folder in ["src", "crates", "examples", "tests"] {
        read(Path::new(folder), &mut all);
    }
    all
}

fn settings() -> BTreeSet<String> {
    let example = fs::read_to_string(".env.example").unwrap();
    let names = example.lines().filter_map(|line| line.trim_start_matches('#').split_once('='));
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || matches!(c, '0'..='9' | '_'));
    names.map(|(name, _)| name.to_owned()).filter(|name| is_name(name)).collect()
}

#[test]
fn the_paths_that_documents_name_exist() {
    let roots = [
        "src",
        "crates",
        "tests",
        "docs",
        "examples",
        "migrations",
        "templates",
        "static",
        "benches",
        ".ci",
        "deploy",
        ".github",
    ];
    let mut missing = Vec::new();
    for document in documents() {
        let text = prose(&document);
        let is_path = |word: &&str| {
            let first = word.split('/').next().unwrap();
            (roots.contains(&first) && word.contains('/'))
                || (word.split('.').next_back() == Some("md") && !word.contains(' '))
        };
        // What a reader of "Add a collection" makes is not there yet.
        let made = |word: &str| word.starts_with("src/bookmarks") || word.contains(['{', '*', '<']);
        for word in quoted(&text).into_iter().filter(is_path).filter(|word| !made(word)) {
            if !Path::new(word).exists() && !Path::new("docs").join(word).exists() {
                missing.push(format!("{} names {word}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = prose(&document);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.starts_with("http")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            let found = if anchor.is_empty() { file.exists() } else { headings(&file).contains(anchor) };
            if !found {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The anchors of the headings of a document, as GitHub makes them.
fn headings(document: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(document).unwrap_or_default();
    let titles = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |title: &str| {
        let title = title.to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    titles.map(anchor).collect()
}

#[test]
fn the_settings_that_documents_name_exist() {
    let (settings, source) = (settings(), source());
    let mut unknown = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let prose = prose(&document);
        let in_prose = quoted(&prose).into_iter().map(|word| word.split('=').next().unwrap().to_owned());
        let files = blocks(&text).into_iter().filter(|(language, _)| language == "ini");
        let in_blocks = files.flat_map(|(_, code)| code.lines().map(str::to_owned).collect::<Vec<_>>());
        let in_blocks = in_blocks.filter_map(|line| Some(line.split_once('=')?.0.to_owned()));
        for name in in_prose.filter(|word| is_setting(word)).chain(in_blocks) {
            // Constants and variables of tests are named by documents, too.
            if !settings.contains(&name) && !source.contains(&name) {
                unknown.push(format!("{} names {name}", document.display()));
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}

#[test]
fn every_setting_has_a_purpose() {
    let text = fs::read_to_string("docs/operations.md").unwrap();
    let named: BTreeSet<&str> = quoted(&text).into_iter().filter_map(|word| word.split('=').next()).collect();
    let missing: Vec<String> = settings().into_iter().filter(|name| !named.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "docs/operations.md does not name {missing:?}");
}

/// `UPPER_CASE` with an underscore.
fn is_setting(word: &str) -> bool {
    word.contains('_') && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn the_code_that_documents_name_exists() {
    let source = source();
    let mut unknown = Vec::new();
    for document in documents() {
        let prose = prose(&document);
        let names = quoted(&prose).into_iter().flat_map(|word| word.split("::"));
        let is_type = |name: &&str| {
            name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.chars().all(|c| c.is_ascii_alphanumeric())
                && name.chars().any(|c| c.is_ascii_lowercase())
                && name.chars().skip(1).any(|c| c.is_ascii_uppercase())
        };
        for name in names.filter(is_type).filter(|name| !OF_OTHERS.contains(name) && !source.contains(*name)) {
            unknown.push(format!("{} names {name}", document.display()));
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}

/// Names of SuperTokens' and Fauna's own code.
const OF_OTHERS: &[&str] = &[
    "AccessTokenSigningKeyTest",
    "AccessTokenTest",
    "RefreshSessionAPITest2_7",
    "UserIdMappingTest",
    "SessionRegenerateAPITest",
    "RegenerateTokenTest",
];

/// Rust in `docs/` is a quotation of an example or a test, which is compiled and run.
#[test]
fn rust_in_documents_is_quoted_from_tested_code() {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let source = plain(&source());
    for document in documents().into_iter().filter(|document| document.starts_with("docs")) {
        for (language, code) in blocks(&fs::read_to_string(&document).unwrap()) {
            let is_quoted = language != "rust" || source.contains(&plain(&code));
            assert!(is_quoted, "{}: nothing compiled says {code}", document.display());
        }
    }
}

#[test]
fn the_texts_under_troubleshooting_are_those_of_the_program() {
    let readme = fs::read_to_string("README.md").unwrap();
    let (_, section) = readme.split_once("## Troubleshooting").unwrap();
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() >= 5, "{rows:#?}");
    let source = source();
    for row in rows {
        let text = quoted(row)[..].first().copied().unwrap();
        assert!(source.contains(text), "nothing in the program says {text}");
    }
}

/// `sh` and `js` blocks are run by `tests/official/readme.test.js`, the steps of "Add …" by `tests/doors.rs`, and names in
/// `ini` blocks are checked above. Other Rust is a quotation of an example, which is compiled and tested.
#[test]
fn every_block_of_the_readme_is_run_by_a_test() {
    let readme = fs::read_to_string("README.md").unwrap();
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let source = plain(&source());
    for section in readme.split("\n## ") {
        let is_recipe = section.starts_with("Add a handler") || section.starts_with("Add a collection");
        for (language, code) in blocks(section) {
            match language.as_str() {
                "sh" | "js" | "ini" => {}
                "text" => assert!(code.contains("browser"), "only the picture is text: {code}"),
                "rust" if is_recipe => {}
                "rust" => assert!(source.contains(&plain(&code)), "no example says {code}"),
                other => assert!(other.is_empty(), "nothing runs blocks of {other}"),
            }
        }
    }
}

/// The entries of the menu of SuperTokens' documentation for FaunaDB, as the first column of our table names them.
const MENU: &[&str] = &[
    "Sign out",
    "Sign up form: about",
    "Sign up form: extra fields",
    "Sign up form: field validators",
    "Sign up form: embed in a page",
    "Sign up form: handling success",
    "Sign up form: terms of service and privacy links",
    "Sign in form: about",
    "Sign in form: field validators",
    "Sign in form: password managers",
    "Sign in form: embed in a page",
    "Sign in form: show sign in by default",
    "Reset password: about",
    "Reset password: e-mail",
    "Reset password: embed",
    "E-mail verification: about",
    "E-mail verification: e-mail",
    "E-mail verification: embed",
    "Sessions: about",
    "Sessions: cookie consent",
    "Sessions: new session",
    "Sessions: verification in an API",
    "Sessions: timeout",
    "Sessions: exists on the frontend",
    "Sessions: user information on the frontend",
    "Sessions: FaunaDB",
    "Styling: colours",
    "Styling: CSS",
    "Styling: themes",
    "Base path: website",
    "Base path: API",
    "Multi-tenancy: about",
    "Multi-tenancy: one login for many sub domains",
    "Multi-tenancy: one login per sub domain",
    "User pagination",
    "Share sessions across sub domains",
    "Anti CSRF",
    "JWT signing key rotation",
    "Access token blacklisting",
    "Error handling",
    "Core config: API keys",
    "Core config: tuning performance",
    "Core config: logging",
    "Core config: rename database tables",
    "Own frontend: sign-up",
    "Own frontend: sign-in",
    "Own frontend: reset",
    "Own backend: sign-up",
    "Own backend: sign-in",
    "Own backend: reset",
    "Next.js",
    "Vercel",
    "Netlify",
    "SDKs",
    "Compatibility table",
    "Migration: from an older version",
    "Migration: to",
    "Migration: away",
    "Migration: managed to self hosted",
    "Core with and without Docker",
    "MySQL",
    "PostgreSQL",
];

#[test]
fn every_entry_of_the_menu_has_an_answer() {
    let text = fs::read_to_string("docs/from-supertokens.md").unwrap();
    let (_, table) = text.split_once("## Every entry of the menu").unwrap();
    let table = table.split("\n## ").next().unwrap();
    let mut answered = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| entry")) {
        let (entries, answer) = row.trim_matches('|').split_once(" | ").unwrap();
        assert!(answer.trim().len() > 10 || answer.contains('`'), "{row}");
        let is_reasoned = !answer.trim().starts_with("no,") || answer.contains("because");
        assert!(is_reasoned, "a no without its reason: {row}");
        let (section, items) =
            entries.trim().split_once(": ").map_or((None, entries.trim()), |(one, rest)| (Some(one), rest));
        for item in items.split(", ") {
            answered.insert(section.map_or_else(|| item.to_owned(), |section| format!("{section}: {item}")));
        }
    }
    let missing: Vec<&&str> = MENU.iter().filter(|entry| !answered.contains(**entry)).collect();
    let unknown: Vec<&String> = answered.iter().filter(|entry| !MENU.contains(&entry.as_str())).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "missing {missing:?}, unknown {unknown:?}");
}
