//! Sessions: proof that a request comes from a signed-in person, as SuperTokens' frontends expect it.
//!
//! A session is a row; an access token is a signed statement about it that lives for minutes; a refresh token is exchanged
//! for a new pair. Deleting the row ends the session: whoever looks into the database sees it at once, everybody else when
//! the access token ends. Refusals are answered here ([`Answers`]), tokens reach the client through [`attach`] only, and
//! every failure of SQL or of the [`Companion`] leaves the client's tokens as they are. This room knows nothing of Fauna,
//! and nothing of users but an id.
//!
//! Who comes from SuperTokens' Node SDK finds its functions under these names:
//!
//! | there | here |
//! |---|---|
//! | `createNewSession` | [`Sessions::create`], [`Sessions::create_with`] |
//! | `createNewSessionWithoutRequestResponse`, `attachToRequestResponse` | [`Sessions::issue`], [`Sessions::attach`] |
//! | `getSession`, `verifySession` | [`SignedIn`], [`MaybeSignedIn`], [`SignedInNow`] as parameters; [`Sessions::get_session`] |
//! | `getSessionWithoutRequestResponse` | [`Sessions::session_of`] |
//! | `refreshSession` | [`Sessions::refresh`] |
//! | `refreshSessionWithoutRequestResponse` | [`Sessions::refresh_with`] |
//! | `revokeSession`, `revokeMultipleSessions` | [`Sessions::revoke`], [`Sessions::revoke_multiple`], [`SignedIn::revoke`] |
//! | `revokeAllSessionsForUser` | [`Sessions::revoke_all`] |
//! | `getAllSessionHandlesForUser` | [`Sessions::list`] |
//! | `getSessionInformation`, `getTimeCreated`, `getExpiry`, `getSessionDataFromDatabase` | [`Sessions::info`], [`SignedIn::info`] |
//! | `updateSessionDataInDatabase` | [`Sessions::update_data`], [`SignedIn::update_data`] |
//! | `mergeIntoAccessTokenPayload`, `regenerateAccessToken` | [`Sessions::merge_into_payload`], [`SignedIn::merge_payload`] |
//! | `getAccessTokenPayload` | [`SignedIn::access_token_payload`], [`SignedIn::payload`] |
//! | `getAccessToken`, `getAllSessionTokensDangerously` | [`HandOut`], where there is no request |
//! | `fetchAndSetClaim`, `setClaimValue`, `getClaimValue`, `removeClaim` | the same on [`Sessions`] and [`SignedIn`], without `get` |
//! | `assertClaims`, `validateClaimsForSessionHandle` | [`SignedIn::assert_claims`], [`Sessions::validate_claims`] |
//! | `createJWT`, `getJWKS` | [`Sessions::create_jwt`], [`Sessions::published_keys`] |
//! | `getOpenIdDiscoveryConfiguration` | [`Sessions::open_id_configuration`] |
//! | `errorHandlers` | [`Answers`] |
//! | `override.functions`, `override.apis` | [`Companion`]; a route of one's own before ours |

mod access_token;
mod answers;
mod by_handle;
mod claims;
mod companion;
mod cookies;
mod creating;
mod csrf;
mod detached;
mod error;
mod guard;
mod identifiers;
mod outbox;
mod payload;
mod profile;
mod refresh_token;
mod refreshing;
mod requests;
mod revoking;
mod rotation;
mod routes;
mod sessions;
mod settings;
mod signed_in;
mod signing_keys;
mod site;
mod store;
mod transport;
mod verified;
mod verifying;

pub use access_token::Version;
pub use answers::{Answers, DefaultAnswers};
pub use claims::{ArrayClaim, BooleanClaim, Claim, ClaimFailure, Fetch, PrimitiveClaim, Validator};
pub use companion::{Birth, Companion, Minted, NoCompanion, NotMinted, Unavailable};
pub use creating::NewSession;
pub use error::Error;
pub use guard::{MaybeSignedIn, Refused, SignedInNow};
pub use identifiers::{Lineage, SessionHandle, UserId};
pub use outbox::{HandOut, HandOutRefresh, attach};
pub use refreshing::RefreshAntiCsrf;
pub use requests::Requirements;
pub use routes::{OpenId, api_routes, routes, session_info};
pub use sessions::{SessionInfo, Sessions};
pub use settings::{AntiCsrf, SameSite, Settings, Transfer};
pub use signed_in::SignedIn;
pub use signing_keys::Jwk;
