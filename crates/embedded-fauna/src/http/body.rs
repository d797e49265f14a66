//! Reads the body of a request, whatever its content type says.

use actix_web::web::Payload;
use futures_util::StreamExt;

/// The largest body that is accepted.
const LIMIT: usize = 8 << 20;
/// How much of a larger one is read to keep the connection in step.
const DRAINED: usize = 64 << 20;

/// Why there is no body.
pub enum Refused {
    /// It is too large.
    TooLarge,
    /// It broke off.
    Broken,
}

/// The whole body.
///
/// # Errors
/// Where it is too large or breaks off.
pub async fn read(mut payload: Payload) -> Result<Vec<u8>, Refused> {
    let mut body = Vec::new();
    let mut length = 0_usize;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_broken| Refused::Broken)?;
        length = length.saturating_add(chunk.len());
        if length <= LIMIT {
            body.extend_from_slice(&chunk);
        } else if length > DRAINED {
            break;
        }
    }
    if length <= LIMIT { Ok(body) } else { Err(Refused::TooLarge) }
}
