//! The texts of all mails: ours, or those in the folder that `MAIL_TEMPLATES` names.
//!
//! Each mail is a pair of files, `NAME.txt` (its first line is `Subject: …`) and `NAME.html`. A folder need not hold all of
//! them. All are read and checked at start: a mistake keeps the site from starting, not a mail from arriving.

use std::path::Path;
use std::{fs, io};

use crate::mail::template::Template;
use crate::mail::{Error, Occasion};

/// What every mail says.
pub struct Templates {
    /// See [`Occasion::ResetPassword`].
    reset_password: Texts,
    /// See [`Occasion::VerifyEmail`].
    verify_email: Texts,
    /// See [`Occasion::ConfirmEmail`].
    confirm_email: Texts,
    /// See [`Occasion::SignUp`].
    sign_up: Texts,
    /// See [`Occasion::AccountExists`].
    account_exists: Texts,
    /// See [`Occasion::EmailChanged`].
    email_changed: Texts,
    /// See [`Occasion::PasswordChanged`].
    password_changed: Texts,
    /// See [`Occasion::AccountDeleted`].
    account_deleted: Texts,
}

/// What one mail says.
pub struct Texts {
    /// One line.
    pub subject: Template,
    /// Plain.
    pub text: Template,
    /// The same as HTML.
    pub html: Template,
}

/// The files of one mail.
struct Files {
    /// Without ending.
    name: &'static str,
    /// Our text.
    text: &'static str,
    /// Our HTML.
    html: &'static str,
    /// Whether it brings a link.
    with_link: bool,
}

/// Our own files of a mail.
macro_rules! ours {
    ($name:literal, $with_link:literal) => {
        Files {
            name: $name,
            text: include_str!(concat!("../../templates/mail/", $name, ".txt")),
            html: include_str!(concat!("../../templates/mail/", $name, ".html")),
            with_link: $with_link,
        }
    };
}

impl Templates {
    /// Reads ours, or in their place those of a folder.
    pub fn load(folder: Option<&Path>) -> Result<Self, Error> {
        if let Some(folder) = folder
            && !folder.is_dir()
        {
            return Err(Error::Setting(format!("MAIL_TEMPLATES: {} is not a folder", folder.display())));
        }
        Ok(Self {
            reset_password: ours!("reset-password", true).load(folder)?,
            verify_email: ours!("verify-email", true).load(folder)?,
            confirm_email: ours!("confirm-email", true).load(folder)?,
            sign_up: ours!("sign-up", true).load(folder)?,
            account_exists: ours!("account-exists", false).load(folder)?,
            email_changed: ours!("email-changed", false).load(folder)?,
            password_changed: ours!("password-changed", false).load(folder)?,
            account_deleted: ours!("account-deleted", false).load(folder)?,
        })
    }

    /// What is said on that occasion.
    pub fn of(&self, occasion: &Occasion) -> &Texts {
        match occasion {
            Occasion::ResetPassword(_) => &self.reset_password,
            Occasion::VerifyEmail(_) => &self.verify_email,
            Occasion::ConfirmEmail(_) => &self.confirm_email,
            Occasion::SignUp(_) => &self.sign_up,
            Occasion::AccountExists => &self.account_exists,
            Occasion::EmailChanged => &self.email_changed,
            Occasion::PasswordChanged => &self.password_changed,
            Occasion::AccountDeleted => &self.account_deleted,
        }
    }
}

impl Files {
    /// The texts of these files.
    fn load(&self, folder: Option<&Path>) -> Result<Texts, Error> {
        let text = self.read(folder, "txt", self.text)?;
        let html = self.read(folder, "html", self.html)?;
        let (first, body) = text.split_once('\n').unwrap_or((&text, ""));
        let subject = first
            .strip_prefix("Subject:")
            .ok_or_else(|| self.mistake("txt", "must begin with a line `Subject: …`"))?
            .trim();
        Ok(Texts {
            subject: Template::parse(subject, false).map_err(|why| self.mistake("txt", &why))?,
            text: self.parse("txt", body.trim_start())?,
            html: self.parse("html", &html)?,
        })
    }

    /// The file in the folder, or ours.
    fn read(&self, folder: Option<&Path>, ending: &str, ours: &str) -> Result<String, Error> {
        let Some(folder) = folder else { return Ok(ours.to_owned()) };
        match fs::read_to_string(folder.join(format!("{}.{ending}", self.name))) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(ours.to_owned()),
            Err(error) => Err(self.mistake(ending, &format!("cannot be read: {error}"))),
        }
    }

    /// A body, which shows the link if there is one.
    fn parse(&self, ending: &str, body: &str) -> Result<Template, Error> {
        let template = Template::parse(body, self.with_link).map_err(|why| self.mistake(ending, &why))?;
        if self.with_link && !template.has_link() {
            return Err(self.mistake(ending, "must show {{ link }}"));
        }
        Ok(template)
    }

    /// What is wrong with a file.
    fn mistake(&self, ending: &str, why: &str) -> Error {
        Error::Setting(format!("MAIL_TEMPLATES: {}.{ending} {why}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::template::Values;

    const VALUES: Values<'static> = Values { site: "s", address: "a", link: "", life: "" };

    #[test]
    fn a_folder_takes_the_place_of_the_files_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("email-changed.txt"), "Subject: Ahoy {{ address }}\n\nHello.\n").unwrap();
        let templates = Templates::load(Some(folder.path())).unwrap();
        let texts = templates.of(&Occasion::EmailChanged);
        assert_eq!((texts.subject.as_text(&VALUES), texts.text.as_text(&VALUES)), ("Ahoy a".into(), "Hello.\n".into()));
        assert!(texts.html.as_html(&VALUES).contains("<html"), "ours");
    }

    #[test]
    fn a_bad_file_keeps_the_site_from_starting() {
        for (file, text, mistake) in [
            ("reset-password.txt", "Hello {{ link }}", "must begin with a line"),
            ("reset-password.txt", "Subject: x\n\nno way", "must show {{ link }}"),
            ("verify-email.html", "<p>{{ link }}{{ oops }}", "{{ oops }}"),
            ("password-changed.html", "<p>{{ link }}", "site and address"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(file), text).unwrap();
            let error = Templates::load(Some(folder.path())).err().unwrap().to_string();
            assert!(error.contains(file) && error.contains(mistake), "{error}");
        }
        assert!(Templates::load(Some(Path::new("no such folder"))).is_err());
    }
}
