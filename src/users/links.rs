//! One-time links sent by mail, each used up in the transaction of the change that it allows.

use std::time::Duration;

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fauna_client as fauna;
use fauna_client::DocumentId;
use secrecy::ExposeSecret as _;
use secrecy::SecretString;

use crate::users::hasher::Verdict;
use crate::users::store::links::{ConsumedLink, CreatedLink, NewLink, PendingSignUp};
use crate::users::store::{NewUser, NewUserDocument, links};
use crate::users::{Email, Error, NewAccount, NewPassword, User, Users, is_password_hash};

/// Length of a token: 32 bytes in base64url, whose characters mail programs and forms leave unchanged.
const TOKEN_CHARS: usize = 43;

pub struct LinkToken(SecretString);

/// A new link, for the address of the account.
pub struct AccountLink {
    /// The stored address, which may differ in case from the submitted one.
    pub to: Email,
    pub token: LinkToken,
}

pub enum Verification {
    Created(AccountLink),
    Done,
    NoUser,
}

pub enum ChangeLink {
    /// The link, for the new address.
    Created(LinkToken),
    Taken,
    NoUser,
}

pub enum SignUpLink {
    Created(LinkToken),
    Taken,
}

pub enum SignUpCompletion {
    /// The account was created, with a verified address.
    Created(User),
    /// Not the password that was chosen at sign-up; the link still works.
    WrongPassword,
    /// The link is unknown, used or expired, or the address now has an account.
    InvalidLink,
}

#[derive(Debug)]
pub struct LinkedUser {
    pub user: DocumentId,
    pub email: Option<Email>,
}

pub enum EmailChange {
    Done(LinkedUser),
    /// Another user now has the address; the link still works if it becomes free.
    Taken,
    /// The link is unknown, used, expired or invalidated.
    InvalidLink,
}

impl LinkToken {
    pub fn random() -> Result<Self, Error> {
        let mut bytes = [0_u8; 32];
        rand::fill(&mut bytes).map_err(|error| fauna::Error::Unavailable(format!("no randomness: {error}")))?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes).into()))
    }

    fn parse(text: &str) -> Option<Self> {
        let is_ours = text.len() == TOKEN_CHARS && URL_SAFE_NO_PAD.decode(text).is_ok();
        is_ours.then(|| Self(text.into()))
    }

    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    pub fn hash(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.expose().as_bytes()))
    }
}

impl Users {
    /// A password reset link for the user of an address, if there is one; an earlier link stops working.
    pub async fn create_reset_link(&self, email: &Email, life: Duration) -> Result<Option<AccountLink>, Error> {
        let token = LinkToken::random()?;
        let link = NewLink { hash: &token.hash(), life };
        let query = links::create_reset_link(&self.layout, email.as_str(), &placeholder_id(email)?, &link);
        let offered: Option<CreatedLink> = self.fauna.query(&query).await?;
        let email = offered.and_then(|offered| offered.email);
        Ok(email.as_deref().and_then(Email::stored).map(|to| AccountLink { to, token }))
    }

    /// A link to verify the account's address; an earlier one stops working.
    pub async fn create_verification_link(&self, user: &DocumentId, life: Duration) -> Result<Verification, Error> {
        let token = LinkToken::random()?;
        let link = NewLink { hash: &token.hash(), life };
        let query = links::create_verification_link(&self.layout, user, &link);
        match self.fauna.query::<Option<CreatedLink>>(&query).await? {
            None => Ok(Verification::NoUser),
            // Without an address that mail could be sent to there is nothing to verify.
            Some(CreatedLink { email }) => Ok(email
                .as_deref()
                .and_then(Email::stored)
                .map_or(Verification::Done, |to| Verification::Created(AccountLink { to, token }))),
        }
    }

    /// A link that changes the account's address; an earlier one stops working.
    pub async fn create_change_link(&self, user: &DocumentId, to: &Email, life: Duration) -> Result<ChangeLink, Error> {
        let token = LinkToken::random()?;
        let link = NewLink { hash: &token.hash(), life };
        let query = links::create_change_link(&self.layout, user, to.as_str(), &link);
        match self.fauna.query::<Option<CreatedLink>>(&query).await? {
            None => Ok(ChangeLink::NoUser),
            Some(CreatedLink { email: None }) => Ok(ChangeLink::Taken),
            Some(CreatedLink { email: Some(_) }) => Ok(ChangeLink::Created(token)),
        }
    }

    /// A link that creates an account with that address and password.
    pub async fn create_sign_up_link(
        &self,
        new: &NewAccount,
        password: NewPassword,
        life: Duration,
    ) -> Result<SignUpLink, Error> {
        let hash = self.hasher.hash(password).await?;
        let token = LinkToken::random()?;
        let link = NewLink { hash: &token.hash(), life };
        let user = NewUser { name: &new.name, email: new.email.as_str(), hash: &hash, profile: &new.profile };
        let query = links::create_sign_up_link(&self.layout, &DocumentId::random()?, &user, &link);
        let is_free: bool = self.fauna.query(&query).await?;
        Ok(if is_free { SignUpLink::Created(token) } else { SignUpLink::Taken })
    }

    /// Creates the account of a link, given the password that was chosen at sign-up. Link and password are both required, so
    /// that an attacker who signs up with another user's address gets no access to the account that the recipient creates.
    pub async fn complete_sign_up(&self, token: &str, password: &SecretString) -> Result<SignUpCompletion, Error> {
        let Some(token) = LinkToken::parse(token) else { return Ok(SignUpCompletion::InvalidLink) };
        let chosen: Option<PendingSignUp> = self.fauna.query_idempotent(&links::sign_up_link(&token.hash())).await?;
        let Some(PendingSignUp { name, email, password_hash }) = chosen else {
            return Ok(SignUpCompletion::InvalidLink);
        };
        if self.hasher.verify(password, Some(&password_hash)).await? == Verdict::Wrong {
            return Ok(SignUpCompletion::WrongPassword);
        }
        match self.fauna.query::<Option<NewUserDocument>>(&links::complete_sign_up(&self.layout, &token.hash())).await {
            Ok(Some(made)) => {
                Ok(SignUpCompletion::Created(User { email_verified: true, ..made.into_user(stored(&email)?, &name) }))
            }
            Ok(None) | Err(fauna::Error::NotUnique) => Ok(SignUpCompletion::InvalidLink),
            Err(error) => Err(error.into()),
        }
    }

    pub async fn reset_link(&self, token: &str) -> Result<Option<DocumentId>, Error> {
        let Some(token) = LinkToken::parse(token) else { return Ok(None) };
        Ok(self.fauna.query_idempotent(&links::reset_link(&self.layout, &token.hash())).await?)
    }

    /// Sets a new password with a link, which also verifies the address. `None` if the link does not work.
    pub async fn reset_password(
        &self,
        token: &str,
        user: &DocumentId,
        password: NewPassword,
    ) -> Result<Option<LinkedUser>, Error> {
        let Some(token) = LinkToken::parse(token) else { return Ok(None) };
        let hash = self.hasher.hash(password).await?;
        match self.fauna.query::<Option<ConsumedLink>>(&links::reset_password(&self.layout, &token.hash(), &hash)).await
        {
            // The hash is unique, so its presence shows that an earlier attempt was committed and used the link.
            Err(lost @ fauna::Error::Unanswered(_)) => {
                let is_done = is_password_hash(user.as_str(), &hash);
                if !matches!(self.fauna.query_idempotent(&is_done).await, Ok(true)) {
                    return Err(Error::Unsettled { hash, source: lost });
                }
                let contact = self.contact(user).await?;
                Ok(contact.map(|contact| LinkedUser { user: user.clone(), email: contact.email }))
            }
            consumed => Ok(consumed?.map(linked_user)),
        }
    }

    /// Verifies an address with a link and returns its user. `None` if the link does not work.
    pub async fn verify_email(&self, token: &str) -> Result<Option<DocumentId>, Error> {
        let Some(token) = LinkToken::parse(token) else { return Ok(None) };
        Ok(self.fauna.query(&links::verify(&self.layout, &token.hash())).await?)
    }

    /// Changes the address of an account with a link.
    pub async fn change_email(&self, token: &str) -> Result<EmailChange, Error> {
        let Some(token) = LinkToken::parse(token) else { return Ok(EmailChange::InvalidLink) };
        match self.fauna.query::<Option<ConsumedLink>>(&links::change_email(&self.layout, &token.hash())).await {
            Ok(Some(consumed)) => Ok(EmailChange::Done(linked_user(consumed))),
            Ok(None) => Ok(EmailChange::InvalidLink),
            Err(fauna::Error::NotUnique) => Ok(EmailChange::Taken),
            Err(error) => Err(error.into()),
        }
    }
}

/// A user id that stands in for an address without an account, always the same for one address, so that timing is equal.
fn placeholder_id(email: &Email) -> Result<DocumentId, Error> {
    let digest = digest::digest(&digest::SHA256, email.as_str().as_bytes());
    let bits = digest.as_ref().iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    DocumentId::parse(&(bits >> 2).to_string()).ok_or(Error::Unreadable("id"))
}

fn linked_user(consumed: ConsumedLink) -> LinkedUser {
    LinkedUser { email: consumed.email.as_deref().and_then(Email::stored), user: consumed.id }
}

fn stored(email: &str) -> Result<Email, Error> {
    Email::parse(email).ok_or(Error::Unreadable("email"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S-E-06 in the table of `docs/threats.md`.
    #[test]
    fn only_what_has_the_form_of_a_token_is_looked_up() {
        let token = LinkToken::random().unwrap();
        assert_eq!(LinkToken::parse(token.expose()).unwrap().hash(), token.hash());
        let short = token.expose().get(1..).unwrap().to_owned();
        for text in ["", " ", "null", "undefined", &short, &format!("{}=", token.expose()), &"+".repeat(43)] {
            assert!(LinkToken::parse(text).is_none(), "{text:?}");
        }
        assert!(!token.hash().contains(token.expose()));
    }
}
