//! Settings of the client for Fauna: a private certificate authority, the time-out, and retries.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use starter::app;
use starter::clock::Clock;
use starter::config::Config;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::world::World;

/// TLS in front of an endpoint, with a certificate of a new authority; the address, and the authority's certificate as PEM.
async fn behind_tls(endpoint: &str) -> (String, String) {
    let target = endpoint.trim_start_matches("http://").to_owned();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    actix_rt::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, target) = (acceptor.clone(), target.clone());
            actix_rt::spawn(async move {
                let (Ok(mut inside), Ok(mut plain)) = (acceptor.accept(stream).await, TcpStream::connect(target).await)
                else {
                    return;
                };
                let _closed = copy_bidirectional(&mut inside, &mut plain).await;
            });
        }
    });
    (format!("https://localhost:{port}"), pem)
}

#[actix_rt::test]
async fn a_node_with_a_certificate_of_a_private_authority_is_reached_with_its_file() {
    let fauna = World::start().await;
    let (endpoint, secret) = fauna.fauna_credentials();
    let (endpoint, pem) = behind_tls(&endpoint).await;
    let file = fauna.directory.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let node = [("FAUNA_ENDPOINT", endpoint.as_str()), ("FAUNA_SECRET", &secret)];
    let distrustful = World::with(&node).await;
    assert_eq!(distrustful.visitor().get("/ready").await.status, 503, "nobody vouches for the certificate");
    let refused = app::apply_schema(&distrustful.config()).await.err().unwrap().to_string();
    let told = format!("FAUNA_ENDPOINT={endpoint}: Fauna cannot be asked: the certificate is not valid: ");
    assert!(refused.starts_with(&told) && refused.len() > told.len(), "{refused}");
    let with_file = [&node[..], &[("FAUNA_CA_FILE", file.to_str().unwrap())]].concat();
    let site = World::with(&with_file).await;
    let ready = site.visitor().get("/ready").await;
    assert_eq!(ready.status, 200, "{}", ready.text);
    let ann = site.sign_up("ann@example.com").await;
    assert_eq!(ann.post("/api/comments", &json!({"text": "hello"})).await.status, 201);
}

#[actix_rt::test]
async fn a_file_of_authorities_that_cannot_be_used_is_named() {
    let world = World::start().await;
    let missing = |name: &str| (name == "FAUNA_CA_FILE").then(|| "/no/such/file.pem".to_owned());
    let refused = Config::from_lookup(&missing).unwrap_err().to_string();
    assert!(refused.contains("FAUNA_CA_FILE: /no/such/file.pem cannot be read"), "{refused}");
    let mut config = world.config();
    let (endpoint, secret) = world.fauna_credentials();
    config.fauna = starter::config::Fauna::Remote { endpoint, secret: secret.into() };
    config.fauna_client.ca_certificates = Some(b"no certificate".to_vec());
    let refused = app::start(config, Clock::system()).await.err().unwrap().to_string();
    assert_eq!(refused, "FAUNA_CA_FILE: contains no PEM certificate");
}

/// A Fauna that refuses every query with one status; the heads of the queries for the time, which only `/ready` and a start ask.
async fn refusing(status: &'static str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::clone(&heads);
    actix_rt::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut part = [0; 4096];
                match stream.read(&mut part).await {
                    Ok(read @ 1..) => request.extend_from_slice(&part[..read]),
                    Ok(_) | Err(_) => break,
                }
            }
            let text = String::from_utf8_lossy(&request).to_lowercase();
            if text.ends_with("{\"now\":null}") {
                seen.lock().unwrap().push(text);
            }
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _gone = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, heads)
}

#[actix_rt::test]
async fn time_out_and_retries_are_those_of_the_settings() {
    let numbers = [("FAUNA_TIMEOUT_MS", "7000"), ("FAUNA_RETRIES", "1"), ("FAUNA_CONTENTION_RETRIES", "4")];
    for (status, attempts) in [("410 Gone", 2), ("409 Conflict", 5)] {
        let (address, heads) = refusing(status).await;
        let endpoint = format!("http://{address}");
        let settings = [&numbers[..], &[("FAUNA_ENDPOINT", endpoint.as_str()), ("FAUNA_SECRET", "fnA")]].concat();
        let site = World::with(&settings).await;
        heads.lock().unwrap().clear();
        assert_eq!(site.visitor().get("/ready").await.status, 503);
        let heads = heads.lock().unwrap().clone();
        assert_eq!(heads.len(), attempts, "{status} {heads:?}");
        let timeout = heads[0].lines().find_map(|line| line.strip_prefix("x-query-timeout: ")).unwrap();
        assert!((5_000..=6_900).contains(&timeout.parse::<u32>().unwrap()), "{timeout}");
    }
}
