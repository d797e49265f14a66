//! Settings of sessions, with SuperTokens' defaults.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::events::EventBus;
use crate::hooks::Hook;
use crate::seal::SealRing;
use crate::session::claims::{Claim, Validator};
use crate::session::http::domains;
use crate::session::http::error_responses::{DefaultErrorResponses, ErrorResponses};
use crate::session::tokens::access_token::PROTECTED_CLAIMS;
use crate::session::{Error, UserId};

/// Settings of sessions; see [`Settings::checked`] for combinations that are refused.
#[derive(Clone)]
pub struct Settings {
    /// Lifetime of an access token.
    pub access_token_lifetime: Duration,
    /// Lifetime of a session from its last refresh.
    pub refresh_token_lifetime: Duration,
    /// Lifetime of a session from its creation, however often it is refreshed.
    pub absolute_lifetime: Duration,
    /// Period after the promotion of a refresh token in which its predecessor is still accepted instead of treated as theft, so
    /// that two tabs that refresh concurrently stay signed in.
    pub grace: Duration,
    /// Most sessions of one user that have not expired. A further sign-in ends the oldest.
    pub sessions_per_user: u32,
    /// Period in which a dynamic key signs, before the next one takes over.
    pub signing_key_interval: Duration,
    /// Whether access tokens are signed with dynamic keys instead of one static key.
    pub dynamic_signing_key: bool,
    /// Origin of this site as browsers see it: `scheme://host[:port]`.
    pub api_domain: String,
    /// Origin of the frontend's pages.
    pub website_domain: String,
    /// Base path of SuperTokens' routes; begins with a slash and does not end with one.
    pub api_base_path: String,
    /// Path prefix that a gateway removes before it forwards requests; cookies and token claims include it. Empty if there is none,
    /// else begins with a slash and does not end with one.
    pub api_gateway_path: String,
    /// `Domain` of the cookies; `None` makes host-only cookies.
    pub cookie_domain: Option<String>,
    /// A `Domain` used formerly, whose cookies are removed when both are sent; the empty string stands for host-only cookies.
    pub older_cookie_domain: Option<String>,
    /// `SameSite` of the cookies; `None` derives it from the two domains ([`Settings::same_site`]).
    pub same_site: Option<SameSite>,
    /// Protection against cross-site request forgery; `None` derives it from [`Settings::same_site`].
    pub anti_csrf: Option<AntiCsrf>,
    /// The only permitted transfer of tokens; `None` lets the client choose.
    pub transfer: Option<Transfer>,
    /// Whether a refresh with duplicate session cookies fails with 500, as in SuperTokens, instead of using the one that is still
    /// valid.
    pub refuse_duplicate_cookies: bool,
    /// Whether the access token is sent in a header, too, when it is transferred in a cookie.
    pub expose_access_token: bool,
    /// Maximum number of verified access tokens in the cache.
    pub verified_tokens_max: usize,
    /// Encrypts the private keys in SQL.
    pub seal: Arc<SealRing>,
    /// Which signing keys may be written.
    pub key_policy: KeyPolicy,
    /// Receives the events of sessions.
    pub events: EventBus,
    /// Claims that are fetched when a session is created.
    pub claims: Vec<Arc<dyn Claim>>,
    /// Validators of every guarded route, unless its [`ClaimCheck`](crate::session::ClaimCheck) differs.
    pub validators: Vec<Arc<dyn Validator>>,
    /// Responses to refused requests.
    pub error_responses: Arc<dyn ErrorResponses>,
    /// Returns further claims for each new session; see `SiteExtensions::session_payload`.
    pub payload: Option<Hook<UserId, Map<String, Value>>>,
}

/// SuperTokens' modes of protection against cross-site request forgery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AntiCsrf {
    /// `SameSite` cookies are the only protection.
    None,
    /// Requests must have the session's token in the header `anti-csrf`.
    ViaToken,
    /// Requests must have a header `rid`, which no cross-site form can send.
    ViaCustomHeader,
}

/// The attribute `SameSite` of the session cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Sent within the site and with top-level navigation from other sites.
    Lax,
    /// Sent within the site only.
    Strict,
    /// Sent across sites, too; requires https.
    None,
}

/// The transfer of tokens between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// In cookies with `HttpOnly`, which scripts cannot read.
    Cookie,
    /// In headers; the client stores the tokens.
    Header,
}

/// What is done with the stored signing keys, besides using those that can be unsealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPolicy {
    /// Missing keys are created, and all are sealed with the newest key of the ring.
    Create,
    /// The same, unless keys are stored and none can be unsealed: [`Error::NoKeyOpens`]. New ones would sign everybody out, and the
    /// ring is more likely to be a wrong one.
    CreateUnlessNoneOpens,
    /// Nothing is written: missing keys are created in memory. For commands, which must not leave keys behind that the running
    /// site may not be able to unseal.
    InMemory,
}

impl Settings {
    /// The defaults for an API and its pages; both are origins, `scheme://host[:port]`.
    pub fn new(api_domain: &str, website_domain: &str, seal: SealRing) -> Self {
        Self {
            access_token_lifetime: Duration::from_mins(15),
            refresh_token_lifetime: Duration::from_hours(30 * 24),
            absolute_lifetime: Duration::from_hours(100 * 24),
            grace: Duration::from_secs(30),
            sessions_per_user: 100,
            signing_key_interval: Duration::from_hours(7 * 24),
            dynamic_signing_key: true,
            api_domain: api_domain.trim_end_matches('/').to_owned(),
            website_domain: website_domain.trim_end_matches('/').to_owned(),
            api_base_path: "/auth".to_owned(),
            api_gateway_path: String::new(),
            cookie_domain: None,
            older_cookie_domain: None,
            same_site: None,
            anti_csrf: None,
            transfer: None,
            refuse_duplicate_cookies: false,
            expose_access_token: false,
            verified_tokens_max: 4_000,
            seal: Arc::new(seal),
            key_policy: KeyPolicy::Create,
            events: EventBus::default(),
            claims: Vec::new(),
            validators: Vec::new(),
            error_responses: Arc::new(DefaultErrorResponses),
            payload: None,
        }
    }

    /// Validates the settings and normalizes the cookie domains.
    ///
    /// # Errors
    /// [`Error::Settings`], with the name of the environment variable.
    pub fn checked(mut self) -> Result<Self, Error> {
        let as_domain = |named: Option<String>, mistake| {
            named.map(|named| domains::parse_cookie_domain(&named).ok_or(Error::Settings(mistake))).transpose()
        };
        let domain = as_domain(self.cookie_domain, "COOKIE_DOMAIN: must be a domain, like example.com")?;
        self.cookie_domain = domain.filter(|domain| !domain.is_empty());
        let older = "OLDER_COOKIE_DOMAIN: must be a domain, like example.com, or empty";
        let (own, has_plain_names) = (self.cookie_domain.clone().unwrap_or_default(), self.has_plain_names());
        // Nothing is older about the cookies that we set.
        self.older_cookie_domain =
            as_domain(self.older_cookie_domain, older)?.filter(|older| *older != own || !has_plain_names);
        if self.claims.iter().any(|claim| PROTECTED_CLAIMS.contains(&claim.key())) {
            return Err(Error::Settings("a claim has the name of one of the session's own"));
        }
        self.check_cookies()?;
        Ok(self)
    }

    /// Cookies that are sent across sites need https, or browsers drop them, and anti-CSRF protection against pages of other sites.
    fn check_cookies(&self) -> Result<(), Error> {
        if !self.sends_cookies_across_sites() || self.warning().is_some() {
            return Ok(());
        }
        if !self.is_secure() {
            return Err(Error::Settings(
                "API_DOMAIN: must be https where cookies are sent across sites (COOKIE_SAME_SITE=NONE, or WEBSITE_DOMAIN is \
                 of another site or scheme): browsers drop such cookies over http",
            ));
        }
        if self.anti_csrf() == AntiCsrf::None {
            return Err(Error::Settings(
                "ANTI_CSRF: must not be NONE where cookies are sent across sites (COOKIE_SAME_SITE=NONE, or WEBSITE_DOMAIN \
                 is of another site or scheme)",
            ));
        }
        Ok(())
    }

    /// A warning for settings under which cookies do not work. It is no error, because cookies were not requested explicitly, and
    /// clients can use headers.
    pub fn warning(&self) -> Option<&'static str> {
        let is_asked_for = self.same_site.is_some() || self.transfer.is_some();
        let is_useless = self.sends_cookies_across_sites() && !self.is_secure();
        (is_useless && !is_asked_for).then_some(
            "API_DOMAIN is not https and WEBSITE_DOMAIN is of another site or scheme: browsers drop the session's cookies, \
             only clients that keep tokens in headers stay signed in",
        )
    }

    /// Whether session cookies are sent across sites. Not between local origins, and not if tokens are in headers only.
    fn sends_cookies_across_sites(&self) -> bool {
        let is_local = domains::is_local_origin(&self.api_domain) && domains::is_local_origin(&self.website_domain);
        self.same_site() == SameSite::None && !is_local && self.transfer != Some(Transfer::Header)
    }

    /// The claim `iss` of access tokens.
    pub fn issuer(&self) -> String {
        format!("{}{}", self.api_domain, self.visible_base_path())
    }

    /// Base path of SuperTokens' routes as browsers see it, with the gateway's prefix.
    pub fn visible_base_path(&self) -> String {
        format!("{}{}", self.api_gateway_path, self.api_base_path)
    }

    pub fn is_secure(&self) -> bool {
        self.api_domain.starts_with("https://")
    }

    /// Whether cookie names have no prefix: browsers accept `__Host-` and `__Secure-` over https only, and `__Host-` without
    /// `Domain` only.
    pub fn has_plain_names(&self) -> bool {
        !self.is_secure() || self.cookie_domain.is_some()
    }

    /// The setting, else `Lax` if the pages belong to the same site as the API, else `None`.
    pub fn same_site(&self) -> SameSite {
        let same = domains::is_same_site(&self.api_domain, &self.website_domain);
        self.same_site.unwrap_or(if same { SameSite::Lax } else { SameSite::None })
    }

    /// The setting, else [`AntiCsrf::ViaCustomHeader`] if cookies are sent across sites, else [`AntiCsrf::None`].
    pub fn anti_csrf(&self) -> AntiCsrf {
        let is_open = self.same_site() == SameSite::None;
        self.anti_csrf.unwrap_or(if is_open { AntiCsrf::ViaCustomHeader } else { AntiCsrf::None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(api: &str, website: &str) -> Settings {
        Settings::new(api, website, SealRing::new([]))
    }

    #[test]
    fn cookies_cross_sites_only_where_the_pages_are_elsewhere() {
        for (website, same) in [("https://www.example.com", true), ("https://example.org", false)] {
            let settings = settings("https://api.example.com", website);
            assert_eq!(settings.same_site() == SameSite::Lax, same, "{website}");
            assert_eq!(settings.anti_csrf() == AntiCsrf::None, same, "{website}");
        }
    }

    /// Combinations whose cookies browsers would drop, or which pages of other sites could abuse.
    #[test]
    fn cookies_across_sites_require_https_and_anti_csrf() {
        const LOCAL: &str = "localhost:8080";
        const SAME: &str = "www.example.com";
        const OTHER: &str = "www.example.org";
        let refused = |same_site, api: &str, website: &str, transfer, anti_csrf| {
            let mut settings = settings(api, website);
            (settings.same_site, settings.transfer, settings.anti_csrf) = (same_site, transfer, anti_csrf);
            match settings.checked() {
                Err(Error::Settings(why)) => why.split_once(':').unwrap().0.to_owned(),
                other => other.map(|_| String::new()).unwrap(),
            }
        };
        for scheme in ["http", "https"] {
            for (host, site) in [("127.0.0.1:3000", LOCAL), ("api.example.com", SAME), ("api.example.com", OTHER)] {
                let (api, website) = (format!("{scheme}://{host}"), format!("{scheme}://{site}"));
                for same_site in [Some(SameSite::Lax), Some(SameSite::Strict), Some(SameSite::None), None] {
                    let crosses = same_site == Some(SameSite::None) || (same_site.is_none() && site == OTHER);
                    let bad = crosses && site != LOCAL;
                    let what = format!("{same_site:?} {api} {website}");
                    let is_refused = |transfer| refused(same_site, &api, &website, transfer, None) == "API_DOMAIN";
                    assert_eq!(is_refused(None), bad && scheme == "http" && same_site.is_some(), "{what}");
                    assert_eq!(is_refused(Some(Transfer::Cookie)), bad && scheme == "http", "{what}");
                    assert!(!is_refused(Some(Transfer::Header)), "{what}");
                    let unprotected = refused(same_site, &api, &website, None, Some(AntiCsrf::None));
                    assert_eq!(!unprotected.is_empty(), bad && (scheme == "https" || same_site.is_some()), "{what}");
                    let warned = Settings { same_site, ..settings(&api, &website) }.warning().is_some();
                    assert_eq!(warned, bad && scheme == "http" && same_site.is_none(), "{what}");
                }
            }
        }
        let mixed = |api, website| refused(None, api, website, Some(Transfer::Cookie), None);
        assert_eq!(mixed("http://api.example.com", "https://www.example.com"), "API_DOMAIN", "schemes count");
        assert_eq!(mixed("http://localhost:3000", "https://example.com"), "API_DOMAIN", "one of them is not local");
        assert_eq!(mixed("http://localhost:3000", "https://127.0.0.1:8080"), "");
    }

    #[test]
    fn cookie_domains_are_normalized_or_refused() {
        let mut wished = settings("https://a.example.com", "https://example.com");
        wished.cookie_domain = Some("https://.Example.com:80/".to_owned());
        wished.older_cookie_domain = Some("localhost".to_owned());
        let checked = wished.clone().checked().unwrap();
        assert_eq!(checked.cookie_domain.as_deref(), Some(".example.com"));
        assert_eq!(checked.older_cookie_domain.as_deref(), Some(""));
        wished.cookie_domain = Some("localhost:3000".to_owned());
        assert_eq!(wished.clone().checked().unwrap().cookie_domain, None);
        assert_eq!(
            wished.clone().checked().unwrap().older_cookie_domain.as_deref(),
            Some(""),
            "host-only cookies have prefixes, these do not"
        );
        wished.older_cookie_domain = Some("example.com".to_owned());
        wished.cookie_domain = Some("example.com".to_owned());
        assert_eq!(wished.clone().checked().unwrap().older_cookie_domain, None, "equal to the current domain");
        wished.cookie_domain = Some("a b".to_owned());
        assert!(matches!(wished.clone().checked(), Err(Error::Settings(why)) if why.starts_with("COOKIE_DOMAIN")));
        (wished.cookie_domain, wished.older_cookie_domain) = (None, Some("a..b".to_owned()));
        assert!(matches!(wished.checked(), Err(Error::Settings(why)) if why.starts_with("OLDER_COOKIE_DOMAIN")));
    }

    #[test]
    fn explicit_settings_have_precedence() {
        let mut settings = settings("https://a.com", "https://b.com");
        settings.same_site = Some(SameSite::Strict);
        settings.anti_csrf = Some(AntiCsrf::ViaToken);
        assert_eq!(settings.same_site(), SameSite::Strict);
        assert_eq!(settings.anti_csrf(), AntiCsrf::ViaToken);
        assert_eq!(settings.issuer(), "https://a.com/auth");
        settings.api_gateway_path = "/gateway".to_owned();
        assert_eq!(settings.issuer(), "https://a.com/gateway/auth");
    }
}
