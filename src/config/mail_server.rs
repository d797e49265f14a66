//! The URL of the mail server, and whether mail is encrypted on its way there.

use lettre::{AsyncSmtpTransport, Tokio1Executor};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

use super::Reader;
use super::session::is_local;

/// The query parameter of `SMTP_URL` that says what must be encrypted.
const TLS: &str = "tls";

/// A mail server and how to reach it.
#[derive(Clone, Debug)]
pub struct MailServer {
    /// In the form that lettre takes: `smtp:` without the parameter `tls` is not encrypted.
    pub url: SecretString,
    /// Whether mail may leave this machine unencrypted.
    pub is_open: bool,
}

impl MailServer {
    /// Reads `SMTP_URL`. Mail contains links that work like a password, so `smtp:` demands STARTTLS of every host but this one;
    /// `?tls=opportunistic` and `?tls=none` are for servers that do not have it.
    pub(super) fn read(read: &mut Reader<'_>) -> Option<Self> {
        let url = read.secret("SMTP_URL")?;
        let server = Self::parse(url.expose_secret());
        if server.is_none() {
            // Without the URL, which may contain a password.
            read.refuse(
                "SMTP_URL",
                "must be like smtps://user:password@host or smtp://user:password@host:587; a server without encryption needs \
                 ?tls=none at the end",
            );
        }
        server
    }

    fn parse(text: &str) -> Option<Self> {
        let mut url = Url::parse(text).ok()?;
        let asked: Vec<String> =
            url.query_pairs().filter(|(name, _)| name == TLS).map(|(_, value)| value.into()).collect();
        let is_here = is_local(url.host_str()?);
        let tls = match (url.scheme(), asked.as_slice()) {
            ("smtps", []) => None,
            ("smtp", []) => (!is_here).then_some("required"),
            ("smtp", [tls]) if tls == "none" => None,
            ("smtp", [tls]) if tls == "opportunistic" => Some("opportunistic"),
            ("smtp", [tls]) if tls == "required" => Some("required"),
            _ => return None,
        };
        let is_open = url.scheme() == "smtp" && tls != Some("required") && !is_here;
        url.set_query(tls.map(|tls| format!("{TLS}={tls}")).as_deref());
        AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str()).ok()?;
        Some(Self { url: String::from(url).into(), is_open })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, bool)> {
        MailServer::parse(text).map(|server| (server.url.expose_secret().to_owned(), server.is_open))
    }

    #[test]
    fn mail_leaves_this_machine_encrypted_unless_it_is_said_otherwise() {
        for (given, used, is_open) in [
            ("smtp://u:p%40@mail.example.com:587", "smtp://u:p%40@mail.example.com:587?tls=required", false),
            ("smtp://mail.example.com?tls=required", "smtp://mail.example.com?tls=required", false),
            ("smtp://mail.example.com/name", "smtp://mail.example.com/name?tls=required", false),
            ("smtps://u:p@mail.example.com", "smtps://u:p@mail.example.com", false),
            ("smtp://mail:1025?tls=none", "smtp://mail:1025", true),
            ("smtp://mail?tls=opportunistic", "smtp://mail?tls=opportunistic", true),
            ("smtp://localhost:2525", "smtp://localhost:2525", false),
            ("smtp://127.0.0.1:2525", "smtp://127.0.0.1:2525", false),
            ("smtp://[::1]:2525", "smtp://[::1]:2525", false),
            ("smtp://localhost?tls=required", "smtp://localhost?tls=required", false),
        ] {
            assert_eq!(parsed(given), Some((used.to_owned(), is_open)), "{given}");
        }
        for wrong in
            ["http://host", "smtp://host?tls=no", "smtp://host?tls=none&tls=required", "smtps://host?tls=none", "smtp:"]
        {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
