//! One mail: written from a template, sealed for the database, and in the form that mail servers take.

use lettre::Message;
use lettre::message::{Mailbox, MultiPart};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use crate::mail::store::Row;
use crate::mail::templates::{Templates, Values};
use crate::mail::{Error, Occasion};
use crate::seal::{CannotSeal, SealRing};

#[derive(Clone, Deserialize, Serialize)]
pub struct Mail {
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub link: Option<String>,
}

/// Name and addresses of the site, for mails.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Name of the application.
    pub app_name: String,
    /// Origin of the pages, like `https://example.com`.
    pub site: String,
    /// URL of the sign-in page; links in mails begin with it.
    pub pages: String,
    pub terms_url: Option<String>,
    pub privacy_url: Option<String>,
}

impl Mail {
    /// Renders the template of an occasion.
    pub fn write(templates: &Templates, sender: &Sender, to: &str, occasion: &Occasion) -> Result<Self, Error> {
        let link = occasion.link();
        let life = link.map(|link| duration_text(link.life.as_secs()));
        let values = Values {
            app_name: &sender.app_name,
            terms_url: sender.terms_url.as_deref().unwrap_or_default(),
            privacy_url: sender.privacy_url.as_deref().unwrap_or_default(),
            site: &sender.site,
            pages: &sender.pages,
            address: to,
            link: link.map(|link| link.url.expose_secret()),
            life: life.as_deref(),
        };
        let texts = templates.render(occasion, &values)?;
        Ok(Self {
            to: to.to_owned(),
            subject: texts.subject.replace(char::is_control, " "),
            text: texts.text,
            html: texts.html,
            link: link.map(|link| link.url.expose_secret().to_owned()),
        })
    }

    /// Sealed for the row of that id.
    pub fn seal(&self, ring: &SealRing, id: &str) -> Result<String, CannotSeal> {
        let text = serde_json::to_string(self).map_err(|_never| CannotSeal)?;
        ring.seal(&text, &place(id))
    }

    /// Opens the sealed mail of a row; `None` if no key opens it.
    pub fn open(ring: &SealRing, id: &str, sealed: &str) -> Option<Self> {
        let text = ring.open(sealed, &place(id)).ok()?;
        serde_json::from_str(text.expose_secret()).ok()
    }

    /// The message in RFC 5322 form, the same for every attempt. Fails if an address is not valid there.
    pub fn message(self, from: &Mailbox, row: &Row) -> Result<Message, lettre::error::Error> {
        let to = Mailbox::new(None, self.to.parse().map_err(|_form| lettre::error::Error::MissingTo)?);
        let sent_at = std::time::UNIX_EPOCH + crate::clock::Timestamp::from_millis(0).until(row.created_at);
        Message::builder()
            .from(from.clone())
            .to(to)
            .subject(self.subject)
            .date(sent_at)
            .message_id(Some(format!("<{}@{}>", row.id, from.email.domain())))
            .multipart(MultiPart::alternative_plain_html(self.text, self.html))
    }
}

fn place(id: &str) -> String {
    format!("mail {id}")
}

/// `30 minutes`, `1 hour`, `24 hours`.
fn duration_text(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..3600 => (seconds.div_ceil(60), "minute"),
        _ => (seconds / 3600, "hour"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Timestamp;
    use crate::mail::Link;

    fn mail(to: &str) -> Mail {
        let url = "https://site.example/auth/reset-password?token=abc&tenantId=public".to_owned().into();
        let occasion = Occasion::ResetPassword(Link { url, life: Duration::from_secs(3600) });
        let sender = Sender {
            app_name: "Notes".to_owned(),
            site: "https://site.example".to_owned(),
            pages: "https://site.example/auth".to_owned(),
            terms_url: None,
            privacy_url: None,
        };
        Mail::write(&Templates::load(None).unwrap(), &sender, to, &occasion).unwrap()
    }

    fn row() -> Row {
        Row {
            id: "0a".to_owned(),
            kind: "reset-password".to_owned(),
            sealed: String::new(),
            created_at: Timestamp::from_millis(1_893_456_000_000),
            attempts: 0,
            due_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn a_mail_says_what_it_is_about_in_text_and_html() {
        let mail = mail("ann@example.com");
        assert_eq!(mail.subject, "Reset your Notes password");
        assert!(mail.text.contains("https://site.example"), "{}", mail.text);
        assert!(mail.text.contains("?token=abc&tenantId=public"), "{}", mail.text);
        assert!(mail.html.contains("?token=abc&amp;tenantId=public"), "{}", mail.html);
        assert!(mail.text.contains("1 hour"), "{}", mail.text);
    }

    #[test]
    fn a_message_has_one_recipient_and_the_same_id_at_every_attempt() {
        let from: Mailbox = "Site <no-reply@site.example>".parse().unwrap();
        let text = |to: &str| String::from_utf8(mail(to).message(&from, &row()).unwrap().formatted()).unwrap();
        let message = text("ann@example.com");
        assert!(message.contains("To: ann@example.com\r\n"), "{message}");
        assert!(message.contains("Message-ID: <0a@site.example>\r\n"), "{message}");
        assert!(message.contains("Date: Tue, 01 Jan 2030 00:00:00 +0000\r\n"), "{message}");
        for odd in ["ann@example.com\r\nBcc: eve@example.com", "ann@example.com, eve@example.com", "", "ann"] {
            assert!(mail(odd).message(&from, &row()).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn what_is_sealed_for_one_row_does_not_open_in_another() {
        let ring = SealRing::new([("k".to_owned(), [7; 32])]);
        let sealed = mail("ann@example.com").seal(&ring, "1").unwrap();
        assert!(!sealed.contains("ann@example.com") && Mail::open(&ring, "2", &sealed).is_none());
        assert_eq!(Mail::open(&ring, "1", &sealed).unwrap().to, "ann@example.com");
    }

    #[test]
    fn spans_in_words() {
        for (seconds, words) in [(59, "1 minute"), (1800, "30 minutes"), (3600, "1 hour"), (86_400, "24 hours")] {
            assert_eq!(duration_text(seconds), words);
        }
    }
}
