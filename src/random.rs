//! Random texts that cannot be guessed, or that at least do not occur twice.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;

/// `N` random bytes in hexadecimal.
///
/// # Errors
/// The random generator of the system fails.
pub fn hex<const N: usize>() -> Result<String, Unspecified> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}
