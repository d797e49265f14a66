//! One-time links, as documents in Fauna (design D13): what was mailed is a secret, what is stored is its hash.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;
use secrecy::SecretString;

use crate::fauna;
use crate::fauna::DocumentId;
use crate::users::Email;
use crate::users::Error;
use crate::users::NewPassword;
use crate::users::Users;
use crate::users::store::links;

pub use links::Kind as LinkKind;

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;

/// What a link did.
#[derive(Debug)]
pub struct Used {
    /// Whose account was changed.
    pub user: DocumentId,
    /// Its address before.
    pub email: Email,
}

/// What became of a new address.
#[derive(Debug)]
pub enum Confirmed {
    /// The account has it.
    Changed(Used),
    /// It has come to belong to somebody else.
    EmailTaken,
    /// There is no such link.
    InvalidLink,
}

impl Users {
    /// Makes a link for a user, to be sent to that address; its token works once and for so long.
    pub async fn make_link(
        &self,
        kind: LinkKind,
        user: &DocumentId,
        address: &Email,
        life: Duration,
    ) -> Result<SecretString, Error> {
        let mut bytes = [0; TOKEN_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_unspecified| Error::Hashing)?;
        let token = SecretString::from(BASE64_URL_SAFE_NO_PAD.encode(bytes));
        let hash = hash_of(token.expose_secret());
        let new = links::NewLink { hash: &hash, kind, user, address: address.as_str(), life };
        let _hash: String = self.fauna.query(&links::create(&self.collection, &new)).await?;
        Ok(token)
    }

    /// Costs as much as [`Users::make_link`] and allows nothing: for addresses without an account.
    pub async fn make_no_link(&self, address: &Email, life: Duration) -> Result<SecretString, Error> {
        self.make_link(LinkKind::Reset, &DocumentId::random()?, address, life).await
    }

    /// Sets a new password with a link; `None` where the link is unknown, used, expired, or of a former address.
    pub async fn reset_password(&self, token: &str, password: NewPassword) -> Result<Option<Used>, Error> {
        let password_hash = self.hasher.hash(password).await?;
        self.use_up(&links::reset_password(&hash_of(token), &password_hash)).await
    }

    /// Notes with a link that an address is its owner's.
    pub async fn verify_email(&self, token: &str) -> Result<Option<Used>, Error> {
        self.use_up(&links::verify_email(&hash_of(token))).await
    }

    /// Gives an account the address that a link was sent to.
    pub async fn confirm_email(&self, token: &str) -> Result<Confirmed, Error> {
        match self.use_up(&links::confirm_email(&hash_of(token))).await {
            Ok(Some(used)) => Ok(Confirmed::Changed(used)),
            Ok(None) => Ok(Confirmed::InvalidLink),
            Err(Error::Fauna(fauna::Error::NotUnique)) => Ok(Confirmed::EmailTaken),
            Err(error) => Err(error),
        }
    }

    /// Uses a link up.
    async fn use_up(&self, query: &fauna::fql::Expr) -> Result<Option<Used>, Error> {
        let used: Option<links::Used> = self.fauna.query(query).await?;
        used.map(|used| {
            let email = Email::parse(&used.email).ok_or(Error::Unreadable("email"))?;
            Ok(Used { user: used.id, email })
        })
        .transpose()
    }
}

/// What is stored of a token: SHA-256 in hexadecimal. The token has 256 random bits, so nothing slower is needed.
fn hash_of(token: &str) -> String {
    let hash = digest::digest(&digest::SHA256, token.as_bytes());
    hash.as_ref().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
