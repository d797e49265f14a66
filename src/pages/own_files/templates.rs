//! Pages of a site of one's own, as Jinja templates with the data of the built-in pages.

use std::collections::BTreeMap;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::InvalidFile;

/// Pages that a template may replace, with their variables. `docs/operations.md` lists them.
const PAGES: [(&str, &[&str]); 9] = [
    ("auth.html", &["frame", "signing_up", "form", "ended", "notice"]),
    ("forgot.html", &["frame", "email", "mistake", "banner", "sent"]),
    ("reset.html", &["frame", "token", "mistake", "repetition", "banner"]),
    ("complete.html", &["frame", "token", "mistake", "banner"]),
    ("verify.html", &["frame", "token", "sent", "done", "has_draft", "banner"]),
    ("account.html", &["frame", "user", "profile", "joined_at", "verified", "devices", "refresh_minutes"]),
    (
        "settings.html",
        &["frame", "account", "notice", "banner", "profile", "password", "email", "typed_email", "delete"],
    ),
    ("cookies.html", &["frame", "access_minutes", "refresh_days", "refresh_path"]),
    (
        "home.html",
        &["frame", "panel", "comments", "after", "older", "ended", "unavailable", "form_key", "draft", "mistake"],
    ),
];

/// Parsed templates, those of pages and others to include or extend.
#[derive(Debug, Default)]
pub struct PageTemplates(Environment<'static>);

impl PageTemplates {
    /// # Errors
    /// A template has a mistake in its syntax, or one of a page uses a variable that this page does not have.
    pub fn parse(files: BTreeMap<String, String>) -> Result<Self, InvalidFile> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mistake = |file: &str, why: &dyn ToString| InvalidFile::new(&format!("templates/{file}"), why.to_string());
        for (file, text) in files {
            environment.add_template_owned(file.clone(), text).map_err(|error| mistake(&file, &error))?;
        }
        for (file, known) in PAGES {
            let Ok(template) = environment.get_template(file) else { continue };
            let used = template.undeclared_variables(false);
            if let Some(unknown) = used.iter().find(|used| !known.contains(&used.as_str())) {
                let why = format!("uses {{{{ {unknown} }}}}; the variables here are {}", known.join(", "));
                return Err(mistake(file, &why));
            }
        }
        Ok(Self(environment))
    }

    /// The page as its template renders it; `None` where there is no template, or it fails. A failure is logged, and the
    /// built-in page is shown instead.
    pub fn render(&self, file: &str, page: &impl Serialize) -> Option<String> {
        let template = self.0.get_template(file).ok()?;
        let rendered = template.render(Serde(page));
        rendered.inspect_err(|error| tracing::error!("STATIC_DIR: templates/{file}: {error:#}")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(file: &str, text: &str) -> Result<PageTemplates, InvalidFile> {
        PageTemplates::parse(BTreeMap::from([(file.to_owned(), text.to_owned())]))
    }

    #[test]
    fn a_mistake_is_found_at_start_with_the_name_of_its_file() {
        for (file, text, expected) in [
            ("auth.html", "{% if form.email }", "STATIC_DIR: templates/auth.html: syntax error"),
            ("parts/menu.html", "{{ x", "STATIC_DIR: templates/parts/menu.html: syntax error"),
            ("auth.html", "{{ oops }}", "uses {{ oops }}; the variables here are frame, signing_up"),
        ] {
            let error = parse(file, text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn values_are_never_markup() {
        #[derive(Serialize)]
        struct Page {
            email: &'static str,
        }
        let templates = parse("forgot.html", "<p>{{ email }}</p>").unwrap();
        let page = Page { email: "<script>" };
        assert_eq!(templates.render("forgot.html", &page).unwrap(), "<p>&lt;script&gt;</p>");
        assert_eq!(templates.render("auth.html", &page), None);
    }

    #[test]
    fn a_template_that_fails_gives_way_to_the_built_in_page() {
        #[derive(Serialize)]
        struct Page {}
        let templates = parse("forgot.html", "{{ email }}").unwrap();
        assert_eq!(templates.render("forgot.html", &Page {}), None);
    }
}
