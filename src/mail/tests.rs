//! The outbox with a mail server that can refuse.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};

use super::*;
use crate::database::fresh;

/// A mail server that records received mails.
#[derive(Clone, Default)]
struct Server {
    answer: Arc<Mutex<&'static str>>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Listens on a free port, in a thread; answers its URL too.
    fn start(answer: &'static str) -> (Self, SecretString) {
        let server = Self::default();
        server.will_answer(answer);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap()).into();
        let twin = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let twin = twin.clone();
                std::thread::spawn(move || twin.converse(&stream.unwrap()));
            }
        });
        (server, url)
    }

    fn will_answer(&self, answer: &'static str) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// RFC 5321, as far as one sender needs it.
    fn converse(&self, stream: &TcpStream) -> Option<()> {
        let mut out = stream.try_clone().ok()?;
        let mut say = |line: &str| out.write_all(format!("{line}\r\n").as_bytes()).ok();
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        say("220 test")?;
        while let Some(Ok(line)) = lines.next() {
            if line != "DATA" {
                say(if line.starts_with("EHLO") { "250-test\r\n250 8BITMIME" } else { "250 fine" })?;
                continue;
            }
            say("354 go on")?;
            let mail: Vec<String> = lines.by_ref().map_while(Result::ok).take_while(|line| line != ".").collect();
            self.seen.lock().unwrap().push(mail.join("\n"));
            let answer = *self.answer.lock().unwrap();
            if answer.is_empty() {
                return stream.shutdown(std::net::Shutdown::Both).ok();
            }
            say(answer)?;
        }
        Some(())
    }
}

struct Fixture {
    directory: tempfile::TempDir,
    url: String,
    clock: Clock,
}

impl Fixture {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = fresh::url(directory.path()).await;
        Self { directory, url, clock: Clock::system() }
    }

    /// The outbox, opened again: what a restart does.
    async fn outbox(&self, smtp_url: Option<SecretString>, shown: bool) -> Outbox {
        let settings = Settings {
            smtp_url,
            from: "Site <no-reply@site.example>".to_owned(),
            templates: None,
            sender: Sender {
                app_name: "Notes".to_owned(),
                site: "https://site.example".to_owned(),
                pages: "https://site.example/auth".to_owned(),
                terms_url: None,
                privacy_url: None,
            },
            shown,
            send_mail: None,
        };
        let ring = SealRing::new([("k".to_owned(), [7; 32])]);
        Outbox::open(Database::open(&self.url).await.unwrap(), Arc::new(ring), self.clock.clone(), &settings).unwrap()
    }
}

fn reset() -> Occasion {
    let url = "https://site.example/auth/reset-password?token=secret-token".to_owned().into();
    Occasion::ResetPassword(Link { url, life: Duration::from_hours(1) })
}

#[tokio::test]
async fn a_mail_is_taken_once_and_forgotten() {
    let (fixture, (server, url)) = (Fixture::new().await, Server::start("250 taken"));
    let outbox = fixture.outbox(Some(url), true).await;
    outbox.put("ann@example.com", &reset()).await.unwrap();
    outbox.put_decoy("nobody@example.com", &reset()).await.unwrap();
    outbox.work().await.unwrap();
    outbox.work().await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].contains("To: ann@example.com") && seen[0].contains("text/html"), "{}", seen[0]);
    assert!(outbox.latest().await.unwrap().is_none(), "with a mail server there is no mailbox");
}

/// S-E-12 in the table of `docs/threats.md`.
#[tokio::test]
async fn a_refused_mail_is_tried_again_later_and_after_a_restart() {
    let fixture = Fixture::new().await;
    for trouble in ["451 later", "554 never", ""] {
        let (server, url) = Server::start(trouble);
        let outbox = fixture.outbox(Some(url.clone()), true).await;
        outbox.put("ann@example.com", &reset()).await.unwrap();
        outbox.work().await.unwrap();
        outbox.work().await.unwrap();
        assert_eq!(server.seen().len(), 1, "{trouble}: not again at once");
        fixture.clock.advance(Duration::from_secs(11));
        server.will_answer("250 taken");
        fixture.outbox(Some(url), true).await.work().await.unwrap();
        let seen = server.seen();
        assert_eq!(seen.len(), 2, "{trouble}");
        let id = |mail: &str| mail.lines().find(|line| line.starts_with("Message-ID")).map(str::to_owned);
        assert_eq!(id(&seen[0]), id(&seen[1]));
    }
}

#[tokio::test]
async fn a_server_that_is_down_fails_nobody_and_a_dead_link_is_not_sent() {
    let fixture = Fixture::new().await;
    let outbox = fixture.outbox(Some("smtp://127.0.0.1:1".to_owned().into()), true).await;
    outbox.put("ann@example.com", &reset()).await.unwrap();
    outbox.work().await.unwrap();
    fixture.clock.advance(Duration::from_hours(2));
    let (server, url) = Server::start("250 taken");
    fixture.outbox(Some(url), true).await.work().await.unwrap();
    assert!(server.seen().is_empty(), "its link would not work any more");
}

#[tokio::test]
async fn two_processes_do_not_send_one_mail_twice() {
    let (fixture, (server, url)) = (Fixture::new().await, Server::start("250 taken"));
    let (one, other) = (fixture.outbox(Some(url.clone()), true).await, fixture.outbox(Some(url), true).await);
    for _ in 0..8 {
        one.put("ann@example.com", &reset()).await.unwrap();
    }
    let (first, second) = futures_util::future::join(one.work(), other.work()).await;
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(server.seen().len(), 8);
}

#[tokio::test]
async fn without_a_server_mail_stays_and_only_development_shows_it() {
    let fixture = Fixture::new().await;
    let outbox = fixture.outbox(None, true).await;
    outbox.put("ann@example.com", &reset()).await.unwrap();
    fixture.clock.advance(Duration::from_secs(1));
    outbox.put("ann@example.com", &Occasion::PasswordChanged).await.unwrap();
    outbox.put_decoy("nobody@example.com", &reset()).await.unwrap();
    outbox.work().await.unwrap();
    let kinds: Vec<String> = outbox.latest().await.unwrap().unwrap().into_iter().map(|(row, _)| row.kind).collect();
    assert_eq!(kinds, ["password-changed", "reset-password"]);
    assert!(fixture.outbox(None, false).await.latest().await.unwrap().is_none(), "production");
}

#[tokio::test]
async fn the_database_holds_neither_address_nor_link_in_clear() {
    let fixture = Fixture::new().await;
    let outbox = fixture.outbox(None, true).await;
    outbox.put("ann@example.com", &reset()).await.unwrap();
    for file in std::fs::read_dir(fixture.directory.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for secret in ["ann@example.com", "secret-token"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "6.5.4: {secret}");
        }
    }
}
