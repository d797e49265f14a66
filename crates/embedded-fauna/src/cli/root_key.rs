//! Finding or generating the root key.

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Write, stdout};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

/// Name of the generated key's file in the data directory.
const FILE: &str = "embedded-fauna-root-key";
const VARIABLE: &str = "EMBEDDED_FAUNA_ROOT_KEY";

/// The root key of this run.
pub struct RootKey {
    pub secret: SecretString,
    /// File of a key that was generated in this run.
    generated: Option<PathBuf>,
}

impl RootKey {
    /// Prints a key that has just been generated to standard output. Later starts do not show it again.
    ///
    /// # Errors
    /// Those of standard output.
    pub fn announce(&self) -> Result<()> {
        let Some(file) = &self.generated else { return Ok(()) };
        writeln!(stdout(), "root key (also in {}): {}", file.display(), self.secret.expose_secret())
    }
}

/// The key in `file`, else in the environment, else in the data directory, where one is generated at the first start.
///
/// # Errors
/// If a file cannot be read or written, or if the key is empty or contains a colon, which separates the scope in Fauna's secrets.
pub fn find(directory: &Path, file: Option<&Path>) -> Result<RootKey> {
    let kept = directory.join(FILE);
    let (text, generated) = match (file, std::env::var(VARIABLE)) {
        (Some(file), _) => (read(file)?, None),
        (None, Ok(text)) => (text, None),
        (None, Err(_)) if kept.exists() => (read(&kept)?, None),
        (None, Err(_)) => {
            let text = random()?;
            create_private(&kept)?.write_all(text.as_bytes())?;
            (text, Some(kept))
        }
    };
    let text = text.trim();
    if text.is_empty() || text.contains(':') || text.contains(char::is_whitespace) {
        let text = "the root key must not be empty and must not contain a colon or white space";
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    Ok(RootKey { secret: SecretString::from(text), generated })
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file)
        .map_err(|error| Error::other(format!("cannot read the root key {}: {error}", file.display())))
}

/// A key of 256 random bits, in base64url.
fn random() -> Result<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_unspecified| Error::other("the operating system provides no randomness"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Creates a file that only its owner can read (mode 0600); it must not exist.
///
/// # Errors
/// Those of the file system.
pub fn create_private(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
