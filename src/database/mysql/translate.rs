//! Portable statements in the words of MySQL.
//!
//! | portable | MySQL |
//! |---|---|
//! | `$1`, `$2`, `$1` | `?`, `?`, `?`, and the first argument once more |
//! | `insert … on conflict … do nothing` | `insert …`, where a duplicate key affects no row |
//! | `insert … on conflict (…) do update set a = $1` | `insert … on duplicate key update a = ?` |
//! | `delete … returning key, …` | `select key, … for update`, then `delete` by key |
//! | `delete … where x in (select … limit $1)` | `… in (select * from (select … limit ?) as picked)` |
//! | a column called `key` | `` `key` `` |

use crate::database::dialect::{NotPortable, Plan, Run};

/// Names of columns that are words of MySQL.
const RESERVED: [&str; 1] = ["key"];

/// The statement as MySQL runs it.
///
/// # Errors
/// It is not in the portable subset.
pub fn plan(statement: &str) -> Result<Plan, NotPortable> {
    let mut tokens = tokens(statement);
    let mut run = Run::Once;
    check_assignments(&tokens)?;
    match tokens.first().copied() {
        Some("insert") => {
            if let Some(at) = find(&tokens, &["on", "conflict"]) {
                let rest = tokens.split_off(at);
                run = on_conflict(&rest, &mut tokens)?;
            }
            if find(&tokens, &["returning"]).is_some() {
                return Err(NotPortable("insert … returning"));
            }
        }
        Some("update") if find(&tokens, &["returning"]).is_some() => return Err(NotPortable("update … returning")),
        Some("delete") => {
            tokens = wrap_subqueries(&tokens);
            if let Some(at) = find(&tokens, &["returning"]) {
                let columns = tokens.split_off(at);
                run = delete_returning(&columns, &mut tokens)?;
            }
        }
        _ => {}
    }
    let mut arguments = Vec::new();
    let words: Vec<String> = tokens.into_iter().map(|token| word(token, &mut arguments)).collect();
    Ok(Plan { text: words.concat(), arguments: arguments.into_iter().collect::<Option<_>>().ok_or(NO_NUMBER)?, run })
}

const NO_NUMBER: NotPortable = NotPortable("a placeholder is $ and a number from 1 on");

/// One token in the words of MySQL; collects the numbers of placeholders.
fn word(token: &str, arguments: &mut Vec<Option<usize>>) -> String {
    if let Some(number) = token.strip_prefix('$') {
        arguments.push(number.parse().ok().and_then(|number: usize| number.checked_sub(1)));
        return "?".to_owned();
    }
    if token.starts_with('\'') { token.to_owned() } else { token.split('.').map(quoted).collect::<Vec<_>>().join(".") }
}

fn quoted(name: &str) -> String {
    if RESERVED.contains(&name) { format!("`{name}`") } else { name.to_owned() }
}

/// Reads the clause `on conflict` and completes the statement before it.
fn on_conflict<'a>(rest: &[&'a str], statement: &mut Vec<&'a str>) -> Result<Run, NotPortable> {
    if find(rest, &["do", "nothing"]).is_some() {
        return Ok(Run::InsertUnlessExists);
    }
    let at = find(rest, &["do", "update", "set"]).ok_or(NotPortable("on conflict without do nothing or do update"))?;
    let set = end_of(rest, at, 3);
    if find(rest, &["where"]).is_some() {
        return Err(NotPortable("on conflict … do update … where"));
    }
    // MySQL and MariaDB have no common words for it that will last.
    if rest.iter().any(|token| token.starts_with("excluded.")) {
        return Err(NotPortable("excluded in on conflict: name the argument again"));
    }
    statement.push("on duplicate key update");
    statement.extend(rest.iter().skip(set));
    Ok(Run::Once)
}

/// Makes `delete from TABLE where …` a query for these columns that locks what it finds.
fn delete_returning<'a>(columns: &[&'a str], statement: &mut Vec<&'a str>) -> Result<Run, NotPortable> {
    let mut names = columns.iter().skip(1).copied().filter(|token| *token != " ");
    let key = names.next().ok_or(NotPortable("delete … returning without columns"))?;
    let table_at = end_of(statement, 0, 2);
    let mut rest = statement.split_off(table_at);
    rest.retain({
        let mut is_start = true;
        move |token| {
            is_start = is_start && *token == " ";
            !is_start
        }
    });
    let table = rest.first().copied().ok_or(NotPortable("delete without a table"))?;
    *statement = vec!["select"];
    statement.extend(columns.iter().skip(1));
    statement.push(" from ");
    statement.extend(rest);
    statement.push(" for update");
    let by_key = format!("delete from {} where {} in ", quoted(table), quoted(key));
    Ok(Run::DeleteSelected { by_key })
}

/// MySQL does not read a table that it is deleting from, nor with a limit, unless it reads all of it first.
fn wrap_subqueries<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    let mut wrapped = Vec::new();
    // Brackets that are open, and whether they are those of a subquery.
    let mut open = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "(" => {
                let is_subquery =
                    tokens.iter().skip(at.saturating_add(1)).find(|token| **token != " ") == Some(&"select");
                open.push(is_subquery);
                wrapped.push(if is_subquery { "(select * from (" } else { "(" });
            }
            ")" => wrapped.push(if open.pop() == Some(true) { ") as picked)" } else { ")" }),
            token => wrapped.push(token),
        }
    }
    wrapped
}

/// MySQL assigns from left to right: what is assigned must not be read further right.
fn check_assignments(tokens: &[&str]) -> Result<(), NotPortable> {
    let Some(set) = find(tokens, &["set"]) else { return Ok(()) };
    let (mut depth, mut assigned, mut target) = (0_u32, Vec::new(), None);
    for token in tokens.iter().skip(end_of(tokens, set, 1)).filter(|token| **token != " ") {
        match *token {
            "where" if depth == 0 => break,
            "(" => depth = depth.saturating_add(1),
            ")" => depth = depth.saturating_sub(1),
            "," if depth == 0 => assigned.extend(target.take()),
            name if target.is_none() => target = Some(name),
            name if assigned.contains(&name.rsplit('.').next().unwrap_or(name)) => {
                return Err(NotPortable("a column is read after it was assigned"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Index of the first of these words, where they stand one after the other.
fn find(tokens: &[&str], words: &[&str]) -> Option<usize> {
    (0..tokens.len()).find(|&at| {
        let here = tokens.iter().skip(at).filter(|token| **token != " ");
        tokens.get(at) != Some(&" ") && here.take(words.len()).eq(words)
    })
}

/// The index after so many words, from this index on.
fn end_of(tokens: &[&str], from: usize, words: usize) -> usize {
    let mut left = words;
    let after = tokens.iter().enumerate().skip(from).find(|(_, token)| {
        if left == 0 {
            return true;
        }
        left = left.saturating_sub(usize::from(**token != " "));
        false
    });
    after.map_or(tokens.len(), |(at, _)| at)
}

/// Words with their dots and dollars, texts in quotes, other characters one by one, and one space for any number of them.
fn tokens(statement: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = statement.trim();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => rest.get(1..).and_then(|text| text.find('\'')).map_or(rest.len(), |end| end.saturating_add(2)),
            first if is_of_word(first) => rest.find(|next| !is_of_word(next)).unwrap_or(rest.len()),
            first if first.is_whitespace() => rest.find(|next: char| !next.is_whitespace()).unwrap_or(rest.len()),
            first => first.len_utf8(),
        };
        let Some((token, after)) = rest.split_at_checked(length) else { break };
        tokens.push(if first.is_whitespace() { " " } else { token });
        rest = after;
    }
    tokens
}

fn is_of_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '$')
}

#[cfg(test)]
mod tests {
    use super::plan;
    use crate::database::dialect::{Plan, Run};

    #[test]
    fn each_difference_is_put_into_the_words_of_mysql() {
        let deleted = |by_key: &str| Run::DeleteSelected { by_key: by_key.to_owned() };
        let table = [
            ("select 1", "select 1", vec![], Run::Once),
            ("select a from t where b = $2 and c = $1", "select a from t where b = ? and c = ?", vec![1, 0], Run::Once),
            (
                "update t set a = $1, b = $1 where c = '$2'",
                "update t set a = ?, b = ? where c = '$2'",
                vec![0, 0],
                Run::Once,
            ),
            ("select t.key\n   from t where key = $1", "select t.`key` from t where `key` = ?", vec![0], Run::Once),
            (
                "insert into t (key, b) values ($1, 0) on conflict (key) do nothing",
                "insert into t (`key`, b) values (?, 0) ",
                vec![0],
                Run::InsertUnlessExists,
            ),
            (
                "insert into t (a) values ($1)\n on conflict do nothing",
                "insert into t (a) values (?) ",
                vec![0],
                Run::InsertUnlessExists,
            ),
            (
                "insert into t (id, n) values ($1, $2) on conflict (id) do update set n = t.n + $2",
                "insert into t (id, n) values (?, ?) on duplicate key update n = t.n + ?",
                vec![0, 1, 1],
                Run::Once,
            ),
            (
                "delete from t where a = $1 returning id, b",
                "select id, b from t where a = ?  for update",
                vec![0],
                deleted("delete from t where id in "),
            ),
            (
                "delete from t where key in (select key from t where a < $1 order by a limit $2)",
                "delete from t where `key` in (select * from (select `key` from t where a < ? order by a limit ?) as picked)",
                vec![0, 1],
                Run::Once,
            ),
            (
                "delete from t where id in (select id from t limit $1) returning id",
                "select id from t where id in (select * from (select id from t limit ?) as picked)  for update",
                vec![0],
                deleted("delete from t where id in "),
            ),
        ];
        for (statement, text, arguments, run) in table {
            assert_eq!(plan(statement), Ok(Plan { text: text.to_owned(), arguments, run }), "{statement}");
        }
    }

    #[test]
    fn statements_that_mysql_would_run_differently_are_refused() {
        let refused = [
            "insert into t (a) values ($1) returning a",
            "update t set a = $1 returning a",
            "update t set a = $1, b = a where c = $2",
            "update t set a = a - 1, b = case when t.a < $1 then 0 else b end",
            "insert into t (a) values ($1) on conflict (a) do update set a = $1 where t.a > 1",
            "insert into t (a, b) values ($1, $2) on conflict (a) do update set b = excluded.b",
            "select a from t where b = $0",
            "select a from t where b = $x",
        ];
        for statement in refused {
            assert!(plan(statement).is_err(), "{statement}");
        }
        assert!(plan("update t set b = a, a = $1 where a = $2").is_ok());
    }
}
