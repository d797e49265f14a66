//! A mail server that cannot encrypt.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;

/// A server for one connection: its address, and the first word of each command that it gets.
pub fn server_without_tls() -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, commands) = mpsc::channel();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut answers = &stream;
        answers.write_all(b"220 mail\r\n").unwrap();
        for line in BufReader::new(&stream).lines().map_while(Result::ok) {
            sender.send(line.split(' ').next().unwrap_or_default().to_owned()).unwrap();
            answers.write_all(b"250-mail\r\n250 AUTH PLAIN LOGIN\r\n").unwrap();
        }
    });
    (address, commands)
}
