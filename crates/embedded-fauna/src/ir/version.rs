//! The API versions of FQL v4 and what came with each (`X-FaunaDB-API-Version`).

/// A version of the API; a later one compares greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApiVersion {
    V20,
    /// `2.1`, which a request without the header means.
    V21,
    /// `2.7`: collections and documents are no longer called classes and instances.
    V27,
    /// `2.12`, which a `@query` literal without `api_version` means.
    V212,
    /// `3`: `and`, `or` and `select` evaluate only what they need.
    V3,
    /// `4`: `current_identity`, `current_token`, `first`, `last`.
    V4,
    V5,
    Unstable,
}

impl ApiVersion {
    /// The version that `text` names.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "2.0" => Self::V20,
            "2.1" => Self::V21,
            "2.7" => Self::V27,
            "2.12" => Self::V212,
            "3" => Self::V3,
            "4" => Self::V4,
            "5" => Self::V5,
            "UNSTABLE" => Self::Unstable,
            _ => return None,
        })
    }

    /// Its name, as `@query` shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V20 => "2.0",
            Self::V21 => "2.1",
            Self::V27 => "2.7",
            Self::V212 => "2.12",
            Self::V3 => "3",
            Self::V4 => "4",
            Self::V5 => "5",
            Self::Unstable => "UNSTABLE",
        }
    }
}
