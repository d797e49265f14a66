//! Sessions, compatible with SuperTokens' frontends.
//!
//! A session is a row in SQL. An access token is a signed statement about it that is valid for minutes; a refresh token is
//! exchanged for a new pair. Deleting the row revokes the session: checks that read the database fail at once, others when the
//! access token expires. Refusals get their response here ([`ErrorResponses`]), tokens reach the client only through [`attach`],
//! and a failure of SQL or of the [`SessionTokenProvider`] leaves the client's tokens unchanged. This module must not know Fauna,
//! and nothing of users but an id.
//!
//! The functions of SuperTokens' Node SDK and their counterparts:
//!
//! | Node SDK | here |
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
//! | `getSessionInformation`, `getTimeCreated`, `getExpiry`, `getSessionDataFromDatabase` | [`Sessions::info`], [`SignedIn::info`]
//! |
//! | `updateSessionDataInDatabase` | [`Sessions::update_data`], [`SignedIn::update_data`] |
//! | `mergeIntoAccessTokenPayload`, `regenerateAccessToken` | [`Sessions::merge_into_payload`], [`SignedIn::merge_payload`] |
//! | `getAccessTokenPayload` | [`SignedIn::access_token_payload`], [`SignedIn::payload`] |
//! | `getAccessToken`, `getAllSessionTokensDangerously` | [`SessionTokens`], without a request |
//! | `fetchAndSetClaim`, `setClaimValue`, `getClaimValue`, `removeClaim` | the same on [`Sessions`] and [`SignedIn`], without `get`
//! |
//! | `assertClaims`, `validateClaimsForSessionHandle` | [`SignedIn::assert_claims`], [`Sessions::validate_claims`] |
//! | `createJWT`, `getJWKS` | [`Sessions::create_jwt`], [`Sessions::published_keys`] |
//! | `getOpenIdDiscoveryConfiguration` | [`Sessions::open_id_configuration`] |
//! | `errorHandlers` | [`ErrorResponses`] |
//! | `override.functions`, `override.apis` | [`SessionTokenProvider`]; a route of your own registered before these |

mod claims;
mod compat;
mod error;
#[cfg(test)]
#[path = "../../tests/fuzz/mod.rs"]
mod fuzz;
mod http;
mod identifiers;
mod rotation;
mod service;
mod settings;
mod store;
mod token_provider;
mod tokens;

pub use crate::events::RevokeReason;
pub use claims::{ArrayClaim, BooleanClaim, Claim, ClaimFailure, Fetch, PrimitiveClaim, Validator};
pub use error::Error;
pub use http::domains::parse_cookie_domain as cookie_domain;
pub use http::error_responses::{DefaultErrorResponses, ErrorResponses};
pub use http::extractors::{MaybeSignedIn, Refused, SignedInNow};
pub use http::requirements::{AntiCsrfCheck, ClaimCheck, Requirements, SessionCheck};
pub use http::response_tokens::{NewRefreshToken, SessionTokens, attach, write_queued};
pub use http::routes::{OpenId, api_routes, routes, session_info_route};
pub use http::signed_in::SignedIn;
pub use identifiers::{Lineage, SessionHandle, UserId};
pub use service::create::{NewSession, SessionLife};
pub use service::refresh::RefreshAntiCsrf;
pub use service::revoke::RevokedSessions;
pub use service::{SessionInfo, Sessions, TokenFormat};
pub use settings::{AntiCsrf, KeyPolicy, SameSite, Settings, Transfer};
pub use token_provider::{IssueError, IssuedToken, NoTokenProvider, SessionTokenProvider, TokenRequest, Unavailable};
pub use tokens::access_token::Version;
pub use tokens::signing_keys::{Jwk, StoredKeys};
