use std::collections::BTreeMap;

use super::*;
use crate::session::{AntiCsrf, SameSite, Transfer};

fn read(variables: &[(&str, &str)]) -> Result<Config, Invalid> {
    let map: BTreeMap<&str, &str> = variables.iter().copied().collect();
    Config::from_lookup(&|name| map.get(name).map(|value| (*value).to_owned()))
}

fn mistakes(variables: &[(&str, &str)]) -> String {
    read(variables).unwrap_err().to_string()
}

#[test]
fn nothing_needs_to_be_set() {
    let config = read(&[]).unwrap();
    assert_eq!(config.listen.port(), 3000);
    assert_eq!(config.session.api_base_path, "/auth");
    assert!(matches!(config.fauna, Fauna::Embedded { listen, .. } if listen.port() == 8443));
}

#[test]
fn all_mistakes_are_told_at_once_with_their_names() {
    let wrong = [
        ("LISTEN", "here"),
        ("SESSION_GRACE_S", "301"),
        ("APP_ENV", "staging"),
        ("API_DOMAIN", "x"),
        ("MAIL_FROM", "nobody"),
        ("SIGN_UP_FIELDS", "city,name,city?"),
        ("SMTP_URL", "http://user:hunter2@host"),
        ("DATABASE_URL", "oracle://user:hunter2@host/app"),
        ("MAIL_TEMPLATES", "/no/such/folder"),
        ("LOG", "info=debug=warn"),
        ("ALLOWED_ORIGINS", "https://*.com"),
        ("API_BASE_PATH", "/a/../b"),
        ("TERMS_URL", "javascript:alert(1)"),
        ("FAUNA_TIMEOUT_MS", "99"),
        ("FAUNA_CA_FILE", "/no/such/file"),
        ("FAUNA_RETRIES", "101"),
        ("ADMIN_API_KEYS", "a b:key"),
    ];
    let text = mistakes(&wrong);
    for (name, _) in wrong {
        assert!(text.contains(&format!("\n  {name}: ")), "{name} is missing in: {text}");
    }
    assert!(text.contains("names city twice") && !text.contains("hunter2"), "{text}");
}

#[test]
fn what_can_be_used_is_not_refused() {
    let directory = tempfile::tempdir().unwrap();
    for (name, value) in [
        ("MAIL_FROM", "The Site <no-reply@example.com>"),
        ("SIGN_UP_FIELDS", "city?, name"),
        ("SMTP_URL", "smtps://user:p%40ss@mail.example.com:465"),
        ("DATABASE_URL", "sqlite:site.sqlite?mode=rwc"),
        ("DATABASE_URL", "postgresql://app@localhost/app"),
        ("DATABASE_URL", "mysql://app@localhost/app"),
        ("MAIL_TEMPLATES", directory.path().to_str().unwrap()),
        ("LOG", "info,access=warn,starter::mail=debug"),
    ] {
        assert!(read(&[(name, value)]).is_ok(), "{name}={value}");
    }
}

#[test]
fn production_refuses_what_is_only_safe_on_a_desk() {
    let text = mistakes(&[("APP_ENV", "production")]);
    for name in ["FAUNA_ENDPOINT", "SEAL_KEYS", "SMTP_URL"] {
        assert!(text.contains(name), "{name} is missing in: {text}");
    }
    assert!(!text.contains("EMBEDDED_FAUNA_ROOT_KEY"), "no embedded Fauna, no key of it: {text}");
    let text = mistakes(&[("APP_ENV", "production"), ("INSECURE_EMBEDDED_FAUNA_IN_PRODUCTION", "true")]);
    assert!(text.contains("EMBEDDED_FAUNA_ROOT_KEY: must be set") && !text.contains("FAUNA_ENDPOINT"), "{text}");
    let settings = [
        ("APP_ENV", "production"),
        ("INSECURE_EMBEDDED_FAUNA_IN_PRODUCTION", "true"),
        ("INSECURE_GENERATED_SECRETS_IN_PRODUCTION", "true"),
        ("INSECURE_NO_MAIL_IN_PRODUCTION", "true"),
    ];
    assert!(read(&settings).is_ok());
    let without = [&settings[..3], &[("SMTP_URL", "smtp://localhost")]].concat();
    assert!(read(&without).is_ok() && mistakes(&settings[..3]).contains("SMTP_URL"));
    let cheap = [&settings[..], &[("PASSWORD_HASH_MEMORY_KIB", "19455")]].concat();
    assert!(mistakes(&cheap).contains("PASSWORD_HASH_MEMORY_KIB: must be at least 19456 in production"));
}

/// Settings without which production does not start.
const LEAST: &[(&str, &str)] = &[
    ("APP_ENV", "production"),
    ("FAUNA_ENDPOINT", "https://fauna.example.com"),
    ("FAUNA_SECRET", "fn"),
    ("SEAL_KEYS", "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    ("SMTP_URL", "smtp://localhost"),
];

/// Settings without which production starts with warnings.
const FULL: &[(&str, &str)] = &[
    ("API_DOMAIN", "https://example.com"),
    ("WEBSITE_DOMAIN", "https://example.com"),
    ("DATABASE_URL", "postgres://app@localhost/app"),
    ("MAIL_FROM", "no-reply@example.com"),
    ("HIDE_EXISTING_ACCOUNTS", "true"),
    ("TRUSTED_PROXIES", "10.0.0.1"),
];

/// S-P-05 in the table of `docs/threats.md`.
#[test]
fn production_is_told_what_it_should_know() {
    assert_eq!(read(&[]).unwrap().warnings(), Vec::<&str>::new());
    let warned = ["DATABASE_URL", "API_DOMAIN", "WEBSITE_DOMAIN", "MAIL_FROM", "HIDE_EXISTING_ACCOUNTS"];
    let warnings = read(LEAST).unwrap().warnings();
    assert_eq!(warnings.len(), warned.len(), "{warnings:?}");
    for name in warned {
        assert!(warnings.iter().any(|warning| warning.contains(name)), "{name} is missing in: {warnings:?}");
    }
    let all = [LEAST, FULL].concat();
    assert_eq!(read(&all).unwrap().warnings(), Vec::<&str>::new());
    let named = [all.as_slice(), &[("ADMIN_API_KEYS", "ops:x")]].concat();
    assert!(read(&named).unwrap().warnings()[0].starts_with("the key ops of ADMIN_API_KEYS has fewer"));
    let copied = [("COPY_FAUNA_ENDPOINT", "http://fauna.example.com"), ("COPY_FAUNA_SECRET", "fn")];
    let copied = read(&[all.as_slice(), &copied].concat()).unwrap().warnings();
    assert!(copied.len() == 1 && copied[0].starts_with("COPY_FAUNA_ENDPOINT"), "{copied:?}");
    let unslowed = [all.as_slice(), &[("INSECURE_NO_THROTTLE", "true")]].concat();
    assert_eq!(read(&unslowed).unwrap().warnings().len(), 1);
}

#[test]
fn one_doubtful_setting_in_production_is_one_sentence_that_names_it() {
    for (name, value, warned) in [
        ("ADMIN_API_KEY", "fifteen-letters", true),
        ("ADMIN_API_KEY", "sixteen--letters", false),
        ("ADMIN_API_KEYS", "old:fifteen-letters,new:sixteen--letters", true),
        ("ADMIN_API_KEYS", "old:sixteen--letters", false),
        ("METRICS_TOKEN", "x", true),
        ("METRICS_TOKEN", "sixteen--letters", false),
        ("METRICS_LISTEN", "0.0.0.0:9464", true),
        ("METRICS_LISTEN", "[::]:9464", true),
        ("METRICS_LISTEN", "203.0.113.7:9464", true),
        ("METRICS_LISTEN", "127.0.0.1:9464", false),
        ("METRICS_LISTEN", "10.0.0.7:9464", false),
        ("METRICS_LISTEN", "[fd00::7]:9464", false),
        ("API_DOMAIN", "http://example.com", true),
        ("API_DOMAIN", "http://localhost.example.com", true),
        ("API_DOMAIN", "http://localhost:3000", true),
        ("API_DOMAIN", "https://app.localhost", true),
        ("API_DOMAIN", "http://127.0.0.1", true),
        ("API_DOMAIN", "http://[::1]:3000", true),
        ("API_DOMAIN", "https://localhost.example.com", false),
        ("WEBSITE_DOMAIN", "http://localhost:3000", true),
        ("WEBSITE_DOMAIN", "http://www.example.com", true),
        ("WEBSITE_DOMAIN", "https://www.example.com", false),
        ("FAUNA_ENDPOINT", "http://fauna.example.com:8443/path", true),
        ("FAUNA_ENDPOINT", "http://localhost:8443/", false),
        ("FAUNA_ENDPOINT", "http://[::1]:8443", false),
        ("ALLOWED_ORIGINS", "https://a.example.com,http://*.example.com", true),
        ("ALLOWED_ORIGINS", "https://a.example.com", false),
        ("TRUSTED_PROXIES", "", true),
        ("MAIL_FROM", "no-reply@localhost", true),
        ("MAIL_FROM", "The Site <no-reply@localhost>", true),
    ] {
        let others = LEAST.iter().chain(FULL).filter(|(other, _)| *other != name);
        let settings: Vec<_> = others.copied().chain([(name, value)]).collect();
        let warnings = read(&settings).unwrap().warnings();
        let expected = usize::from(warned);
        assert_eq!(warnings.iter().filter(|warning| warning.contains(name)).count(), expected, "{value} {warnings:?}");
        assert_eq!(warnings.len(), expected, "one cause, one sentence: {value} {warnings:?}");
        assert!(!warnings.iter().any(|warning| warning.contains("letters")), "{warnings:?}");
    }
}

#[test]
fn accounts_are_hidden_only_where_mail_can_complete_a_sign_up() {
    let hidden = |mode| [("HIDE_EXISTING_ACCOUNTS", "true"), ("EMAIL_VERIFICATION", mode)];
    assert!(mistakes(&hidden("OFF")).contains("HIDE_EXISTING_ACCOUNTS"));
    assert!(read(&hidden("OPTIONAL")).is_ok());
}

#[test]
fn a_cookie_domain_that_browsers_would_refuse_is_refused_at_start() {
    let with = |api: &'static str, domain: &'static str| [("API_DOMAIN", api), ("COOKIE_DOMAIN", domain)];
    for (api, domain) in [
        ("https://api.example.com", ".other.example"),
        ("https://api.example.com", "app.example.com"),
        ("https://api.example.com", "ple.com"),
        ("https://api.example.com", ".com"),
        ("https://api.example.co.uk", ".co.uk"),
        ("https://one.github.io", "github.io"),
        ("https://one.vercel.app", ".vercel.app"),
    ] {
        assert!(mistakes(&with(api, domain)).contains("COOKIE_DOMAIN: must "), "{api} {domain}");
    }
    for (api, domain) in [
        ("https://api.example.com", ".example.com"),
        ("https://api.example.com:8443", "api.example.com"),
        ("http://api.example.test:3000", ".example.test"),
        ("https://one.github.io", "one.github.io"),
        ("https://intranet", "intranet"),
        ("http://localhost:3000", "localhost"),
    ] {
        assert!(read(&with(api, domain)).is_ok(), "{api} {domain}");
    }
    assert!(mistakes(&[("COOKIE_DOMAIN", ".example.com")]).contains("API_DOMAIN: must be set"));
}

#[test]
fn localhost_and_its_address_are_two_sites() {
    for (api, website, warned) in [
        ("http://localhost:3000", "http://127.0.0.1:8080", true),
        ("http://127.0.0.1:3000", "http://localhost:8080", true),
        ("http://[::1]:3000", "http://app.localhost", true),
        ("http://localhost:3000", "http://localhost:8080", false),
        ("http://127.0.0.1:3000", "http://127.0.0.1", false),
        ("http://localhost:3000", "https://example.com", false),
    ] {
        let warnings = read(&[("API_DOMAIN", api), ("WEBSITE_DOMAIN", website)]).unwrap().warnings();
        assert_eq!(!warnings.is_empty(), warned, "{api} {website} {warnings:?}");
    }
    assert!(!read(&[("WEBSITE_DOMAIN", "http://127.0.0.1:8080")]).unwrap().warnings().is_empty());
}

#[test]
fn a_gateway_path_warns_that_the_pages_do_not_work_behind_it() {
    let warnings = read(&[("API_GATEWAY_PATH", "/gateway")]).unwrap().warnings();
    assert!(warnings.len() == 1 && warnings[0].starts_with("API_GATEWAY_PATH"), "{warnings:?}");
}

#[test]
fn two_listeners_do_not_share_a_port() {
    for (settings, told) in [
        (&[("LISTEN", "127.0.0.1:4000"), ("EMBEDDED_FAUNA_LISTEN", "127.0.0.1:4000")][..], "EMBEDDED_FAUNA_LISTEN"),
        (&[("LISTEN", "0.0.0.0:4000"), ("METRICS_LISTEN", "127.0.0.1:4000")], "METRICS_LISTEN"),
        (&[("LISTEN", "127.0.0.1:4000"), ("METRICS_LISTEN", "[::]:4000")], "METRICS_LISTEN"),
        (&[("LISTEN", "127.0.0.1:8443")], "EMBEDDED_FAUNA_LISTEN"),
        (&[("METRICS_LISTEN", "127.0.0.1:8443")], "METRICS_LISTEN"),
        (&[("LISTEN", "127.0.0.1:0"), ("EMBEDDED_FAUNA_LISTEN", "127.0.0.1:0")], ""),
        (&[("LISTEN", "127.0.0.1:4000"), ("METRICS_LISTEN", "127.0.0.2:4000")], ""),
        (&[("LISTEN", "0.0.0.0:4000"), ("METRICS_LISTEN", "[::1]:4000")], ""),
        (&[("LISTEN", "127.0.0.1:8443"), ("FAUNA_ENDPOINT", "http://fauna:8443"), ("FAUNA_SECRET", "fn")], ""),
    ] {
        let mistakes = read(settings).err().map(|invalid| invalid.mistakes().to_vec()).unwrap_or_default();
        assert_eq!(mistakes.len(), usize::from(!told.is_empty()), "{settings:?} {mistakes:?}");
        let is_told = |mistake: &String| mistake.starts_with(&format!("{told}: must have another port than "));
        assert!(mistakes.iter().all(is_told), "{settings:?} {mistakes:?}");
    }
}

#[test]
fn keys_that_seal_have_names_of_their_own() {
    let (one, other) = ("A".repeat(43), format!("{}A", "B".repeat(42)));
    assert!(read(&[("SEAL_KEYS", &format!("k1:{one},k2:{other}"))]).is_ok());
    for twins in [format!("k1:{one},k1:{other}"), format!("k1:{one}, k2:{other},k1:{one}")] {
        assert!(mistakes(&[("SEAL_KEYS", &twins)]).contains("SEAL_KEYS: names k1 twice"), "{twins}");
    }
}

#[test]
fn an_address_is_refused_with_an_example_of_its_own() {
    for (name, example) in [
        ("TERMS_URL", "https://example.com/terms"),
        ("PRIVACY_URL", "https://example.com/privacy"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318"),
    ] {
        assert!(mistakes(&[(name, "/here")]).ends_with(&format!("{name}: must be an address, like {example}")));
    }
}

#[test]
fn endpoint_and_secret_belong_together() {
    assert!(mistakes(&[("FAUNA_ENDPOINT", "http://localhost:1")]).contains("FAUNA_SECRET"));
    for name in ["FAUNA", "COPY_FAUNA"].map(|start| [format!("{start}_ENDPOINT"), format!("{start}_SECRET")]) {
        let text = mistakes(&[(&name[0], "https://user:hunter2@host:8443"), (&name[1], "fn")]);
        assert!(text.contains("must not contain a user or password") && !text.contains("hunter2"), "{text}");
    }
    assert!(mistakes(&[("FAUNA_SECRET", "fn")]).contains("FAUNA_ENDPOINT"));
}

#[test]
fn secrets_do_not_print_themselves() {
    let key = "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let config = read(&[("SEAL_KEYS", key), ("ADMIN_API_KEY", "hush-hush")]).unwrap();
    let printed = format!("{config:?}");
    assert!(!printed.contains("hush-hush") && !printed.contains("AAAA"), "{printed}");
}

#[test]
fn a_session_must_outlive_its_access_token() {
    let text = mistakes(&[("ACCESS_TOKEN_LIFETIME_S", "100"), ("REFRESH_TOKEN_LIFETIME_S", "100")]);
    assert!(text.contains("REFRESH_TOKEN_LIFETIME_S"));
    let text = mistakes(&[("ACCESS_TOKEN_LIFETIME_S", "100"), ("SESSION_LIFETIME_S", "99")]);
    assert!(text.contains("SESSION_LIFETIME_S"));
    assert!(read(&[("ACCESS_TOKEN_LIFETIME_S", "100"), ("SESSION_LIFETIME_S", "100")]).is_ok());
}

#[test]
fn sign_up_fields_are_words() {
    let field = |text: &str| text.parse::<SignUpField>();
    assert_eq!(field("nick-name?"), Ok(SignUpField { id: "nick-name".to_owned(), is_optional: true }));
    assert_eq!(field("city"), Ok(SignUpField { id: "city".to_owned(), is_optional: false }));
    for bad in ["", "?", "email", "password?", "a b", "a.b"] {
        assert!(field(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn sessions_are_as_supertokens_has_them_unless_somebody_says_otherwise() {
    let session = read(&[]).unwrap().session;
    assert_eq!((session.same_site, session.anti_csrf, session.transfer), (None, None, None));
    assert_eq!((session.dynamic_signing_key, session.expose_access_token), (true, false));
    assert_eq!((session.api_base_path.as_str(), session.api_gateway_path.as_str()), ("/auth", ""));
    let session = read(&[
        ("COOKIE_SAME_SITE", "strict"),
        ("ANTI_CSRF", "VIA_TOKEN"),
        ("TOKEN_TRANSFER_METHOD", "header"),
        ("DYNAMIC_SIGNING_KEY", "false"),
        ("EXPOSE_ACCESS_TOKEN_TO_FRONTEND", "true"),
        ("API_BASE_PATH", "api/auth/"),
        ("API_GATEWAY_PATH", "gateway"),
    ]);
    let session = session.unwrap().session;
    assert_eq!(session.same_site, Some(SameSite::Strict));
    assert_eq!(session.anti_csrf, Some(AntiCsrf::ViaToken));
    assert_eq!(session.transfer, Some(Transfer::Header));
    assert_eq!((session.dynamic_signing_key, session.expose_access_token), (false, true));
    assert_eq!((session.api_base_path.as_str(), session.api_gateway_path.as_str()), ("/api/auth", "/gateway"));
    let text = mistakes(&[("COOKIE_SAME_SITE", "x"), ("TOKEN_TRANSFER_METHOD", "x"), ("API_GATEWAY_PATH", "a b")]);
    for name in ["COOKIE_SAME_SITE", "TOKEN_TRANSFER_METHOD", "API_GATEWAY_PATH"] {
        assert!(text.contains(name), "{name} is missing in: {text}");
    }
}

#[test]
fn administration_keys_have_names_of_their_own() {
    let named = |text: &str| {
        let keys = read(&[("ADMIN_API_KEYS", text), ("ADMIN_API_KEY", "one")]).ok()?.accounts.admin_api_keys;
        Some(keys.into_iter().map(|key| key.name).collect::<Vec<_>>())
    };
    assert_eq!(named("old:a:b, new:c"), Some(["ADMIN_API_KEY", "old", "new"].map(str::to_owned).to_vec()));
    for wrong in
        ["old", ":key", "old:", "old:a,old:b", "ADMIN_API_KEY:a", "o\u{301}ld:a", &format!("{}:a", "x".repeat(41))]
    {
        assert_eq!(named(wrong), None, "{wrong}");
    }
}
