//! Checks of the machine: free ports, and a writable data directory.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::{fs, io};

use crate::app::doctor::Check;
use crate::app::port_mark::is_marked;
use crate::app::startup;
use crate::config::Config;

/// `/proc/net/tcp` marks a listening socket like this.
#[cfg(target_os = "linux")]
const LISTENING: &str = "0A";

/// Whether the configured ports are free, or the site of this `DATA_DIR` already listens there.
pub fn ports(config: &Config) -> Vec<Check> {
    config.listeners().into_iter().map(|(setting, address)| port(setting, address, &config.data_dir)).collect()
}

fn port(setting: &str, address: SocketAddr, directory: &Path) -> Check {
    match TcpListener::bind(address) {
        Ok(_free) => Check::ok("ports", format!("{setting}={address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_marked(directory, address) => {
            Check::ok("ports", format!("{setting}={address} is in use by the running site"))
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let holder = holder_of(address.port()).map_or_else(String::new, |holder| format!(" by {holder}"));
            Check::failed("ports", format!("{setting}={address} is in use{holder}; stop it or choose another port"))
        }
        Err(error) => Check::failed("ports", format!("{setting}={address}: {error}")),
    }
}

/// The process that listens on a port, as `name (process 123)`, where the system tells.
#[cfg(target_os = "linux")]
fn holder_of(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        fs::read_to_string(table).ok()?.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            let (_, hex_port) = local.rsplit_once(':')?;
            let matches = *state == LISTENING && u16::from_str_radix(hex_port, 16) == Ok(port);
            matches.then(|| (*inode).to_owned())
        })
    })?;
    let socket = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let holds = |process: &Path| {
        let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|target| target == Path::new(&socket))
    };
    let is_number = |name: &std::ffi::OsStr| name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
    let numbered = processes.filter(|entry| is_number(&entry.file_name()));
    let process = numbered.map(|entry| entry.path()).find(|process| holds(process))?;
    Some(format!("{} (process {})", name_of(&process)?, process.file_name()?.to_string_lossy()))
}

/// The name of a process. `comm` is cut after 15 bytes; then that of its file is taken, unless it is another.
#[cfg(target_os = "linux")]
fn name_of(process: &Path) -> Option<String> {
    let comm = fs::read_to_string(process.join("comm")).ok()?;
    let comm = comm.trim();
    let file = fs::read_link(process.join("exe")).ok();
    let file = file.as_deref().and_then(Path::file_name).map(std::ffi::OsStr::to_string_lossy);
    let whole = file.as_deref().map(|name| name.trim_end_matches(" (deleted)")).filter(|name| name.starts_with(comm));
    Some(whole.unwrap_or(comm).to_owned())
}

#[cfg(not(target_os = "linux"))]
fn holder_of(_port: u16) -> Option<String> {
    None
}

/// Whether files can be written, and whether those that hold secrets are private.
pub fn data_directory(config: &Config) -> Vec<Check> {
    let directory = &config.data_dir;
    if let Err(error) = startup::data_directory(directory) {
        return vec![Check::failed("files", error.to_string())];
    }
    let readable_by_others = readable_by_others(directory);
    if readable_by_others.is_empty() {
        return vec![Check::ok(
            "files",
            format!("DATA_DIR={} can be written, its files are private", directory.display()),
        )];
    }
    let exposed = |file| Check::warning("files", format!("{file} in DATA_DIR can be read by other users: chmod 600"));
    readable_by_others.into_iter().map(exposed).collect()
}

/// Files of the data directory whose mode lets others read them.
#[cfg(unix)]
fn readable_by_others(directory: &Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o077 != 0))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[cfg(not(unix))]
fn readable_by_others(_directory: &Path) -> Vec<String> {
    Vec::new()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let holder = holder_of(port).unwrap();
        assert!(holder.ends_with(&format!("(process {})", std::process::id())), "{holder}");
        let file = std::env::current_exe().unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(holder.starts_with(name) || name.len() <= 15, "the name is cut: {holder}");
    }
}
