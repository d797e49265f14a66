//! What can be set about sessions, with SuperTokens' defaults.

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

/// What can be set about sessions.
#[derive(Clone)]
pub struct Settings {
    /// Life of an access token.
    pub access_token_lifetime: Duration,
    /// Life of a session that is not used; slides with use.
    pub refresh_token_lifetime: Duration,
    /// Life of a session however much it is used.
    pub absolute_lifetime: Duration,
    /// How long a refresh token that was superseded is answered instead of taken for theft (design D1).
    pub grace: Duration,
    /// How long a dynamic key signs.
    pub signing_key_interval: Duration,
    /// Whether access tokens are signed with keys that are replaced.
    pub dynamic_signing_key: bool,
    /// Where browsers reach us: scheme, host and port.
    pub api_domain: String,
    /// Where the pages live that use us.
    pub website_domain: String,
    /// Under which path the recipes answer; begins with a slash, ends without.
    pub api_base_path: String,
    /// What a gateway takes off the front of paths before they reach us: browsers and readers of tokens see it. Empty:
    /// nothing; otherwise begins with a slash, ends without.
    pub api_gateway_path: String,
    /// `Domain` of the cookies; none: this host only.
    pub cookie_domain: Option<String>,
    /// A `Domain` used formerly, whose cookies are removed when both are sent; the empty string means this host only.
    pub older_cookie_domain: Option<String>,
    /// `SameSite` of the cookies; none: chosen by the two domains.
    pub same_site: Option<SameSite>,
    /// Protection against cross-site request forgery; none: chosen by [`Settings::same_site`].
    pub anti_csrf: Option<AntiCsrf>,
    /// How tokens may travel; none: as the client asks for.
    pub transfer: Option<Transfer>,
    /// Whether a refresh with session cookies that came twice is answered with 500, as SuperTokens does, instead of with the
    /// one that still serves.
    pub refuse_duplicate_cookies: bool,
    /// Whether scripts may read the access token although it travels in cookies.
    pub expose_access_token: bool,
    /// How many verified access tokens are remembered.
    pub verified_tokens_max: usize,
    /// Seals the private keys in SQL.
    pub seal: Arc<SealRing>,
    /// Where it is published what happens to sessions.
    pub events: EventBus,
    /// Claims that every new session gets.
    pub claims: Vec<Arc<dyn Claim>>,
    /// What every guarded route asks of a session's claims, unless it says otherwise.
    pub validators: Vec<Arc<dyn Validator>>,
    /// How refusals are answered.
    pub error_responses: Arc<dyn ErrorResponses>,
    /// Returns further claims for each new session; see `SiteExtensions::session_payload`.
    pub payload: Option<Hook<UserId, Map<String, Value>>>,
}

/// SuperTokens' modes of protection against cross-site request forgery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AntiCsrf {
    /// Same-site cookies suffice.
    None,
    /// A token in the header `anti-csrf`.
    ViaToken,
    /// Any header `rid`, which no cross-site form can send.
    ViaCustomHeader,
}

/// When a browser sends our cookies along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Also on links from other sites.
    Lax,
    /// Only from our own site.
    Strict,
    /// Always; wants https.
    None,
}

/// How tokens travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// In cookies that scripts cannot read.
    Cookie,
    /// In headers; the client keeps them.
    Header,
}

impl Settings {
    /// The defaults for an API and its pages, both `scheme://host[:port]`.
    pub fn new(api_domain: &str, website_domain: &str, seal: SealRing) -> Self {
        Self {
            access_token_lifetime: Duration::from_mins(15),
            refresh_token_lifetime: Duration::from_hours(30 * 24),
            absolute_lifetime: Duration::from_hours(100 * 24),
            grace: Duration::from_secs(30),
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
            events: EventBus::default(),
            claims: Vec::new(),
            validators: Vec::new(),
            error_responses: Arc::new(DefaultErrorResponses),
            payload: None,
        }
    }

    /// The same with domains as cookies have them, if nothing contradicts itself.
    ///
    /// # Errors
    /// [`Error::Settings`], with the names that the settings have in the environment.
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

    /// Cookies that are sent across sites want https, or browsers drop them, and a proof that no foreign page sent them
    /// along (session.md 7.2, security.md 3.3.2).
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

    /// What does not work but may be meant: nobody has asked for cookies by name, and clients can use headers.
    pub fn warning(&self) -> Option<&'static str> {
        let is_asked_for = self.same_site.is_some() || self.transfer.is_some();
        let is_useless = self.sends_cookies_across_sites() && !self.is_secure();
        (is_useless && !is_asked_for).then_some(
            "API_DOMAIN is not https and WEBSITE_DOMAIN is of another site or scheme: browsers drop the session's cookies, \
             only clients that keep tokens in headers stay signed in",
        )
    }

    /// Whether session cookies cross sites. Not on a desk, where nobody is foreign; nor where there are none.
    fn sends_cookies_across_sites(&self) -> bool {
        let is_local = domains::is_local_origin(&self.api_domain) && domains::is_local_origin(&self.website_domain);
        self.same_site() == SameSite::None && !is_local && self.transfer != Some(Transfer::Header)
    }

    /// Who issues the access tokens.
    pub fn issuer(&self) -> String {
        format!("{}{}", self.api_domain, self.visible_base_path())
    }

    /// Under which path browsers reach the recipes.
    pub fn visible_base_path(&self) -> String {
        format!("{}{}", self.api_gateway_path, self.api_base_path)
    }

    /// Whether browsers reach us over https.
    pub fn is_secure(&self) -> bool {
        self.api_domain.starts_with("https://")
    }

    /// Whether the cookies' names carry no prefix: browsers want it only of https, and of no domain (design D7).
    pub fn has_plain_names(&self) -> bool {
        !self.is_secure() || self.cookie_domain.is_some()
    }

    /// `SameSite` as set, or lax where the pages are of the same site as the API.
    pub fn same_site(&self) -> SameSite {
        let same = domains::is_same_site(&self.api_domain, &self.website_domain);
        self.same_site.unwrap_or(if same { SameSite::Lax } else { SameSite::None })
    }

    /// The mode as set, or by a header where cookies are sent across sites.
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

    /// security.md 3.3.2: which set-ups browsers and foreign pages would make something else of.
    #[test]
    fn cookies_that_cross_sites_want_https_and_a_proof() {
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
        assert_eq!(mixed("http://localhost:3000", "https://example.com"), "API_DOMAIN", "one of them is no desk");
        assert_eq!(mixed("http://localhost:3000", "https://127.0.0.1:8080"), "");
    }

    #[test]
    fn domains_of_cookies_are_what_can_be_one() {
        let mut wished = settings("https://a.example.com", "https://example.com");
        wished.cookie_domain = Some("https://.Example.com:80/".to_owned());
        wished.older_cookie_domain = Some("localhost".to_owned());
        let checked = wished.clone().checked().unwrap();
        assert_eq!(checked.cookie_domain.as_deref(), Some(".example.com"));
        assert_eq!(checked.older_cookie_domain.as_deref(), Some(""));
        wished.cookie_domain = Some("localhost:3000".to_owned());
        assert_eq!(wished.clone().checked().unwrap().cookie_domain, None);
        assert_eq!(wished.clone().checked().unwrap().older_cookie_domain.as_deref(), Some(""), "then without prefixes");
        wished.older_cookie_domain = Some("example.com".to_owned());
        wished.cookie_domain = Some("example.com".to_owned());
        assert_eq!(wished.clone().checked().unwrap().older_cookie_domain, None, "they are those of now");
        wished.cookie_domain = Some("a b".to_owned());
        assert!(matches!(wished.clone().checked(), Err(Error::Settings(why)) if why.starts_with("COOKIE_DOMAIN")));
        (wished.cookie_domain, wished.older_cookie_domain) = (None, Some("a..b".to_owned()));
        assert!(matches!(wished.checked(), Err(Error::Settings(why)) if why.starts_with("OLDER_COOKIE_DOMAIN")));
    }

    #[test]
    fn what_is_set_counts_more() {
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
