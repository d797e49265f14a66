//! Secrets that are generated at the first start and stored in files of the data directory.
//!
//! They save a developer or a small site from configuring keys, and differ between machines. The files are readable by their owner
//! only. Production mode refuses to start with generated keys unless the configuration permits it ([`crate::config`]).

use std::io::Write as _;
use std::path::Path;
use std::{fs, io};

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret as _;
use secrecy::SecretString;

/// The secret in the file `name`. If there is none, generates one from 32 random bytes (base64url) and stores it.
///
/// # Errors
/// The file can be neither read nor written.
pub fn kept_or_generated(directory: &Path, name: &str) -> Result<SecretString, io::Error> {
    if let Some(secret) = read(directory, name)? {
        return Ok(secret);
    }
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes).map_err(|_unspecified| io::Error::other("no random bytes to be had"))?;
    let secret = SecretString::from(URL_SAFE_NO_PAD.encode(bytes));
    keep(directory, name, &secret)?;
    Ok(secret)
}

/// The secret in the file `name`; `None` if the file does not exist or is empty.
///
/// # Errors
/// The file exists but cannot be read.
pub fn read(directory: &Path, name: &str) -> Result<Option<SecretString>, io::Error> {
    match fs::read_to_string(directory.join(name)) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()).map(SecretString::from)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the secret to the file `name`, mode 0600. It writes a temporary file and renames it, so that a crash leaves either the
/// old or the new secret.
///
/// # Errors
/// The file cannot be written.
pub fn keep(directory: &Path, name: &str, secret: &SecretString) -> Result<(), io::Error> {
    let beside = directory.join(format!("{name}.new"));
    let mut file = private().write(true).truncate(true).open(&beside)?;
    file.write_all(secret.expose_secret().as_bytes())?;
    file.sync_all()?;
    fs::rename(beside, directory.join(name))
}

/// Creates an empty file with mode 0600 unless it exists. SQLite keeps the mode of an existing file and gives it to its write-ahead
/// log.
///
/// # Errors
/// The file cannot be created.
pub fn make_private(path: &Path) -> Result<(), io::Error> {
    private().append(true).open(path).map(|_file| ())
}

/// Options that create a file with mode 0600 if it does not exist.
fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_secret_stays_and_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let first = kept_or_generated(directory.path(), "key").unwrap();
        let second = kept_or_generated(directory.path(), "key").unwrap();
        assert_eq!(first.expose_secret(), second.expose_secret());
        assert_eq!(first.expose_secret().len(), 43);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(directory.path().join("key")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn two_directories_have_two_secrets() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = kept_or_generated(one.path(), "key").unwrap();
        let second = kept_or_generated(two.path(), "key").unwrap();
        assert_ne!(first.expose_secret(), second.expose_secret());
    }
}
