//! Settings of a [`Client`](crate::Client).

use std::time::Duration;

use reqwest::Certificate;

use crate::Error;

/// Settings of a client. [`ClientOptions::default`] fits a FaunaDB node or an embedded endpoint on a local network.
///
/// ```
/// # use std::time::Duration;
/// # use fauna_client::{Client, ClientOptions};
/// let options = ClientOptions { timeout: Duration::from_secs(2), ..ClientOptions::default() };
/// let client = Client::with_options("http://127.0.0.1:8443", &options)?;
/// # Ok::<(), fauna_client::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Deadline of one query, including all retries and pauses.
    pub timeout: Duration,
    /// Deadline for opening a connection.
    pub connect_timeout: Duration,
    /// PEM of one or more certificate authorities that are trusted besides those of the operating system; for an endpoint with
    /// a certificate of a private authority.
    pub ca_certificates: Option<Vec<u8>>,
    /// How often a query is sent again if the endpoint cannot be reached or answers 410 or 429.
    pub retries: u32,
    /// How often a query is sent again after 409, which means that other transactions wrote the same document.
    pub contention_retries: u32,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(1),
            ca_certificates: None,
            retries: 2,
            contention_retries: 11,
        }
    }
}

impl ClientOptions {
    /// The certificates of [`Self::ca_certificates`]; a PEM without any certificate is an error.
    pub(crate) fn certificates(&self) -> Result<Vec<Certificate>, Error> {
        let Some(pem) = &self.ca_certificates else { return Ok(Vec::new()) };
        let found = Certificate::from_pem_bundle(pem)
            .map_err(|error| Error::Certificates(format!("the certificates cannot be read: {error}")))?;
        if found.is_empty() {
            return Err(Error::Certificates("contains no PEM certificate".to_owned()));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pem_without_a_certificate_is_refused() {
        for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let options = ClientOptions { ca_certificates: Some(pem.into()), ..ClientOptions::default() };
            let made = crate::Client::with_options("https://127.0.0.1:8443", &options);
            assert!(matches!(made, Err(Error::Certificates(_))), "{pem:?}");
        }
    }
}
