//! The texts of all mails, as Jinja templates: the built-in ones, or those in the directory that `MAIL_TEMPLATES` names.
//!
//! Each mail is a pair of files, `NAME.txt` (its first line is `Subject: …`) and `NAME.html`; the HTML files share
//! `layout.html`. A directory need not hold all of them, and may hold others to include. All mails are rendered once at
//! start, so that a mistake keeps the site from starting and not a mail from being written. Values are escaped in HTML.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use crate::mail::{Error, Occasion};

/// Variables of every template.
const VARIABLES: [&str; 6] = ["app_name", "terms_url", "privacy_url", "pages", "site", "address"];
/// Variables of mails with a link.
const LINK_VARIABLES: [&str; 2] = ["link", "life"];

/// Template of a mail, without file extension, and whether it has a link.
const MAILS: [(&str, bool); 8] = [
    ("reset-password", true),
    ("verify-email", true),
    ("confirm-email", true),
    ("sign-up", true),
    ("account-exists", false),
    ("email-changed", false),
    ("password-changed", false),
    ("account-deleted", false),
];

macro_rules! built_in {
    ($($file:literal),* $(,)?) => {
        [$(($file, include_str!(concat!("../../templates/mail/", $file)))),*]
    };
}

const BUILT_IN: [(&str, &str); 17] = built_in![
    "layout.html",
    "reset-password.txt",
    "reset-password.html",
    "verify-email.txt",
    "verify-email.html",
    "confirm-email.txt",
    "confirm-email.html",
    "sign-up.txt",
    "sign-up.html",
    "account-exists.txt",
    "account-exists.html",
    "email-changed.txt",
    "email-changed.html",
    "password-changed.txt",
    "password-changed.html",
    "account-deleted.txt",
    "account-deleted.html",
];

/// Parsed templates. The subject of `NAME.txt` is the template `NAME.subject`.
pub struct Templates(Environment<'static>);

/// Values of the variables. `link` and `life` are absent, and so undefined, in mails without a link.
#[derive(Serialize)]
pub struct Values<'a> {
    pub app_name: &'a str,
    /// Empty if not configured, like `privacy_url`.
    pub terms_url: &'a str,
    pub privacy_url: &'a str,
    /// Origin of the site's pages.
    pub site: &'a str,
    /// URL of the sign-in page.
    pub pages: &'a str,
    pub address: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<&'a str>,
    /// Lifetime of the link in words: `30 minutes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub life: Option<&'a str>,
}

pub struct Texts {
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl Templates {
    /// Reads and checks all templates.
    ///
    /// # Errors
    /// The directory or a file cannot be read, or a template is wrong; the message names the file.
    pub fn load(directory: Option<&Path>) -> Result<Self, Error> {
        let mut files: BTreeMap<String, String> =
            BUILT_IN.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
        if let Some(directory) = directory {
            files.extend(read(directory).map_err(|error| {
                Error::Setting(format!("MAIL_TEMPLATES: {} cannot be read: {error}", directory.display()))
            })?);
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (file, text) in files {
            let name = file.strip_suffix(".txt").filter(|name| MAILS.iter().any(|(mail, _)| mail == name));
            let body = match name {
                Some(name) => {
                    let (first, body) = text.split_once('\n').unwrap_or((&text, ""));
                    let subject = first.trim_end().strip_prefix("Subject:");
                    let subject = subject.ok_or_else(|| mistake(&file, "must begin with a line `Subject: …`"))?;
                    let added = environment.add_template_owned(format!("{name}.subject"), subject.trim().to_owned());
                    added.map_err(|error| mistake(&file, &error))?;
                    body.trim_start().to_owned()
                }
                None => text,
            };
            environment.add_template_owned(file.clone(), body).map_err(|error| mistake(&file, &error))?;
        }
        let templates = Self(environment);
        for (name, has_link) in MAILS {
            templates.check(name, has_link)?;
        }
        Ok(templates)
    }

    /// Renders the mail for an occasion.
    pub fn render(&self, occasion: &Occasion, values: &Values<'_>) -> Result<Texts, Error> {
        let render = |ending: &str| {
            let file = format!("{}.{ending}", occasion.name());
            self.0
                .get_template(&file)
                .and_then(|template| template.render(Serde(values)))
                .map_err(|error| mistake(&file, &error))
        };
        Ok(Texts { subject: render("subject")?, text: render("txt")?, html: render("html")? })
    }

    /// Renders a mail with sample values: all variables must be known, and a link must be shown.
    fn check(&self, name: &str, has_link: bool) -> Result<(), Error> {
        let sample = "sample-of-a-link";
        let values = Values {
            app_name: "",
            terms_url: "",
            privacy_url: "",
            site: "",
            pages: "",
            address: "",
            link: has_link.then_some(sample),
            life: has_link.then_some(""),
        };
        let known = || VARIABLES.into_iter().chain(if has_link { &LINK_VARIABLES[..] } else { &[] }.iter().copied());
        for ending in ["subject", "txt", "html"] {
            let file = format!("{name}.{}", if ending == "subject" { "txt" } else { ending });
            let template = self.0.get_template(&format!("{name}.{ending}")).map_err(|error| mistake(&file, &error))?;
            let mut unknown = template.undeclared_variables(false).into_iter();
            if let Some(variable) = unknown.find(|variable| known().all(|known| known != variable)) {
                let known = known().collect::<Vec<_>>().join(", ").replace(", address", " and address");
                return Err(mistake(&file, &format!("uses {{{{ {variable} }}}}; the variables here are {known}")));
            }
            let text = template.render(Serde(&values)).map_err(|error| mistake(&file, &error))?;
            if has_link && ending != "subject" && !text.contains(sample) {
                return Err(mistake(&file, "must show {{ link }}"));
            }
        }
        Ok(())
    }
}

/// All text and HTML files of a directory, by name.
fn read(directory: &Path) -> Result<Vec<(String, String)>, io::Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_template = path.extension().is_some_and(|extension| extension == "txt" || extension == "html");
        if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && is_template
        {
            files.push((name.to_owned(), fs::read_to_string(&path)?));
        }
    }
    Ok(files)
}

fn mistake(file: &str, why: &(impl std::fmt::Display + ?Sized)) -> Error {
    Error::Setting(format!("MAIL_TEMPLATES: {file}: {why}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mail::Link;

    fn values() -> Values<'static> {
        Values {
            app_name: "Notes & more",
            terms_url: "https://x.example/terms",
            privacy_url: "",
            site: "https://x.example",
            pages: "https://x.example/auth",
            address: "\"'><script>&@x.example",
            link: None,
            life: None,
        }
    }

    #[test]
    fn a_directory_replaces_the_files_it_holds() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        file("email-changed.txt", "Subject: Ahoy {{ app_name }}\n\nHello.\n{% include 'footer.txt' %}");
        file("footer.txt", "{{ site }}");
        let templates = Templates::load(Some(directory.path())).unwrap();
        let texts = templates.render(&Occasion::EmailChanged, &values()).unwrap();
        assert_eq!((texts.subject.as_str(), texts.text.as_str()), ("Ahoy Notes & more", "Hello.\nhttps://x.example"));
        assert!(texts.html.contains("<html"), "the built-in HTML");
    }

    #[test]
    fn values_are_never_markup_in_html() {
        let link = Link { url: String::new().into(), life: Duration::ZERO };
        let values = Values { link: Some("https://x.example/?a=1&b=2"), life: Some("1 hour"), ..values() };
        let texts = Templates::load(None).unwrap().render(&Occasion::VerifyEmail(link), &values).unwrap();
        assert!(texts.text.contains(values.address) && texts.text.contains("https://x.example/?a=1&b=2"));
        assert!(!texts.html.contains("<script>") && texts.html.contains("&lt;script&gt;"), "{}", texts.html);
        assert!(texts.html.contains("?a=1&amp;b=2") && texts.html.contains("Notes &amp; more"), "{}", texts.html);
        assert!(texts.text.contains("https://x.example/terms") && !texts.text.contains("Privacy"), "{}", texts.text);
    }

    #[test]
    fn a_bad_file_keeps_the_site_from_starting() {
        for (file, text, expected) in [
            ("reset-password.txt", "Hello {{ link }}", "must begin with a line"),
            ("reset-password.txt", "Subject: x\n\nno way", "must show {{ link }}"),
            ("verify-email.html", "<p>{{ link }}{{ oops }}", "{{ oops }}"),
            ("password-changed.html", "<p>{{ link }}", "site and address"),
            ("sign-up.html", "<p>{{ link }", "syntax error"),
            ("layout.html", "no block", "must show {{ link }}"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join(file), text).unwrap();
            let error = Templates::load(Some(directory.path())).err().unwrap().to_string();
            let names_file = error.contains(file) || file == "layout.html";
            assert!(names_file && error.contains(expected), "{error}");
        }
        assert!(Templates::load(Some(Path::new("no such directory"))).is_err());
    }
}
