//! Ids of our own choice: a document whose id was chosen before it is made can be found again when the answer was lost.

use crate::fauna::Error;

/// A new document id: 62 random bits as decimal text, which is how Fauna writes its 64-bit ids.
pub fn random_id() -> Result<String, Error> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|error| Error::Unavailable(format!("no randomness: {error}")))?;
    Ok((u64::from_be_bytes(bytes) >> 2).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_fit_into_what_fauna_takes() {
        let (one, other) = (random_id().unwrap(), random_id().unwrap());
        assert!(one != other && one.parse::<i64>().unwrap() >= 0);
    }
}
