//! The tokens of a session: their formats, their signatures and the keys that sign them.

pub mod access_token;
pub mod payload;
pub mod refresh_token;
pub mod signing_keys;
pub mod verified_cache;
