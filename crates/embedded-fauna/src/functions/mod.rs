//! The functions of FQL v4 ("forms" on the wire), grouped as in FaunaDB.
//!
//! To add a form: write `fn it(context: &Context<'_>, call: &FormCall) -> Outcome<Value>` in the file of its group and a line in
//! that file's `FORMS`: the keys (the naming one first, the optional ones with `Key::optional`, lambdas with `Key::lambda`), what
//! it may do (`Form::pure`, `Form::read`, `Form::write`), and `.since(…)`/`.until(…)` where only some versions have it. Nothing else
//! has to change. A new group is a file and a line in [`forms`].
//!
//! Arguments are evaluated by asking for them, by their place among the keys: `call.required(context, 0, cast::integer)?`,
//! `call.optional(context, 1, cast::string)?`; ask in the order of the keys, so that of several failing ones the first is
//! reported. A failing argument is reported at its key (`call.at(0)`), a failing call at `call.position`.

mod arrays;
mod auth;
mod basic;
mod calls;
mod comparison;
mod conversions;
mod numbers;
mod objects;
mod reads;
mod refs;
mod selection;
mod sets;
mod strings;
mod time;
mod type_checks;
mod writes;

use std::sync::LazyLock;

use crate::evaluator::Forms;

/// The table of all forms, built on first use.
pub fn forms() -> &'static Forms {
    static FORMS: LazyLock<Forms> = LazyLock::new(|| {
        Forms::new(&[
            arrays::FORMS,
            arrays::reductions::FORMS,
            auth::FORMS,
            basic::FORMS,
            calls::FORMS,
            comparison::FORMS,
            conversions::FORMS,
            numbers::FORMS,
            numbers::arithmetic::FORMS,
            objects::FORMS,
            reads::FORMS,
            refs::FORMS,
            selection::FORMS,
            sets::FORMS,
            strings::FORMS,
            strings::casing::FORMS,
            strings::format::FORMS,
            strings::search::FORMS,
            time::FORMS,
            type_checks::FORMS,
            writes::FORMS,
        ])
    });
    &FORMS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The names in the first column of the table of functions in the README.
    fn documented() -> BTreeSet<&'static str> {
        let readme = include_str!("../../README.md");
        let (_, section) = readme.split_once("## Functions").unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.filter_map(|row| row.split(" |").next())
            .flat_map(|names| names.trim_end_matches('`').split("` `"))
            .collect()
    }

    /// Forms that the parser knows by itself: they are written `parts(object, ["name", …])`.
    fn special() -> impl Iterator<Item = &'static str> {
        let source = include_str!("../parser/forms.rs").split("#[cfg(test)]").next().unwrap();
        source.split("parts(object, [\"").skip(1).filter_map(|rest| rest.split('"').next())
    }

    #[test]
    fn the_readme_has_a_row_for_every_function() {
        let known: BTreeSet<&str> = forms().signatures.names().chain(special()).collect();
        assert!(known.len() > 150 && known.contains("let") && known.contains("select"), "{known:?}");
        let documented = documented();
        let [missing, unknown] = [known.difference(&documented), documented.difference(&known)].map(Vec::from_iter);
        assert!(missing.is_empty(), "not in the README: {missing:?}");
        assert!(unknown.is_empty(), "not in the code: {unknown:?}");
    }
}
