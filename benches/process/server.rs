//! The binary as a process of its own, with one worker and its log in a file.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

/// Key of the administration API.
pub const ADMIN_KEY: &str = "0123456789abcdef0123456789abcdef";

pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// Time from the start of the process until it accepted a connection and answered.
    pub started_in: Duration,
}

impl Server {
    /// Starts a binary with its data in `data` and waits for its first response.
    pub async fn start(binary: &str, data: &Path) -> Self {
        std::fs::create_dir_all(data).unwrap();
        let log = File::create(data.join("log")).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let began = Instant::now();
        let kept = std::env::vars().filter(|(name, _)| name.starts_with("LD_") || name.starts_with("MALLOC_"));
        let child = Command::new(binary)
            .env_clear()
            .envs(kept)
            .current_dir(data)
            .env("LISTEN", address.to_string())
            .env("EMBEDDED_FAUNA_LISTEN", "127.0.0.1:0")
            .env("WORKERS", "1")
            .env("INSECURE_NO_THROTTLE", "true")
            .env("DEMO", "false")
            .env("ADMIN_API_KEY", ADMIN_KEY)
            .env("LOG_FORMAT", "json")
            .env("DATA_DIR", data)
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        reqwest::get(format!("http://{address}/health")).await.unwrap().error_for_status().unwrap();
        Self { child, address, started_in: began.elapsed() }
    }

    /// Memory in use, in MiB.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
