//! Errors of the connection: no answer of Fauna arrived.

use std::error::Error as StdError;
use std::io;

use crate::Error;

/// Prefix of the TLS library's errors about a certificate.
const CERTIFICATE: &str = "invalid peer certificate: ";
/// Prefix of the HTTP client's error that contains those of name resolution.
const DNS: &str = "dns error";

/// Classifies a transport error: only a failed connection attempt proves that the query was not executed. The text is the cause,
/// which is the last of several errors, and contains neither the address nor anything that was sent.
pub fn transport_error(failure: reqwest::Error) -> Error {
    let failure = failure.without_url();
    let cause = cause(&failure);
    if failure.is_connect() { Error::Unavailable(cause) } else { Error::Unanswered(cause) }
}

fn cause(failure: &reqwest::Error) -> String {
    let errors: Vec<&(dyn StdError + 'static)> =
        std::iter::successors(failure.source(), |&error| error.source()).collect();
    let last = errors.last().map_or_else(|| failure.to_string(), ToString::to_string);
    let is_refused = |error: &&(dyn StdError + 'static)| {
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    if failure.is_timeout() {
        return if failure.is_connect() { "no connection in time" } else { "no answer in time" }.to_owned();
    }
    if errors.iter().any(is_refused) {
        return "connection refused: nothing listens there".to_owned();
    }
    if errors.iter().any(|error| error.to_string().starts_with(DNS)) {
        return format!("the name of the host is not resolved: {last}");
    }
    match last.split_once(CERTIFICATE) {
        Some((_, why)) => format!("the certificate is not valid: {why}"),
        None => last,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::{AsApp, Client, fql};

    /// The error of a query at this endpoint.
    async fn asked(endpoint: &str) -> Error {
        let client = Client::new(endpoint, Duration::from_millis(1500)).unwrap();
        let app = AsApp::new(&client, "fnSecret".to_owned().into());
        app.query::<String>(&fql::now()).await.unwrap_err()
    }

    #[tokio::test]
    async fn the_cause_of_a_failed_connection_is_told_and_nothing_else() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let refused = asked(&format!("http://user:hunter2@{free}")).await.to_string();
        assert_eq!(refused, "Fauna cannot be asked: connection refused: nothing listens there");
        let unknown = asked("http://no-such-host.invalid:8443").await.to_string();
        let told = "Fauna cannot be asked: the name of the host is not resolved: ";
        assert!(unknown.starts_with(told) && unknown.len() > told.len(), "{unknown}");
    }

    #[tokio::test]
    async fn a_connection_that_breaks_or_stays_silent_is_told_as_such() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _asked = stream.read(&mut [0; 4096]).await;
                let _half = stream.write_all(b"HTTP/1.1 200").await;
            }
        });
        let broken = asked(&endpoint).await;
        assert!(matches!(&broken, Error::Unanswered(why) if why.contains("closed")), "{broken}");
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let late = asked(&format!("http://{}", silent.local_addr().unwrap())).await.to_string();
        assert_eq!(late, "Fauna did not answer: no answer in time");
    }
}
