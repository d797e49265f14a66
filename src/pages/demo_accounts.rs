//! Addresses and password of demo accounts, which pages print in development.

/// Accounts that exist in development.
pub const ACCOUNTS: [&str; 2] = ["ada@example.com", "grace@example.com"];
/// Password of these and of every account made by a click. `templates/about.html`, `auth.html` and `panel.html` print it.
pub const PASSWORD: &str = "demo-password-1";
/// Prefix of the addresses of accounts made by a click.
pub const FRESH: &str = "demo-";

/// Whether the password of this account is [`PASSWORD`], unless its user has changed it.
pub fn is_demo_account(email: &str) -> bool {
    ACCOUNTS.contains(&email) || (email.starts_with(FRESH) && email.ends_with("@example.com"))
}
