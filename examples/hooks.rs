//! A site of your own that hears of sign-ups, sign-ins and deletions, puts a claim of its own into access tokens, has a stricter
//! rule for passwords, sends mail by itself and words refusals its own way. `SiteExtensions` says when each hook runs and what
//! its failure does.
//!
//! `cargo run --example hooks`, then sign up at the address that it prints.

#![allow(clippy::unused_async, reason = "the hooks stand for ones that wait for another service")]

use std::sync::{Arc, Mutex, PoisonError};

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};
use starter::app::{Hook, HookError, OutgoingMail, SiteExtensions};
use starter::clock::Clock;
use starter::config::Config;
use starter::fauna::DocumentId;
use starter::session::{ErrorResponses, UserId};
use starter::users::{Profile, User};
use starter::{app, telemetry};

/// Lines about what happened, newest last. Stands for whatever you would tell: a queue, a CRM, an audit log.
#[derive(Clone, Default)]
pub struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&self, line: String) {
        tracing::info!("{line}");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

pub fn extensions(diary: &Diary) -> SiteExtensions {
    let (ups, ins, mails, ends) = (diary.clone(), diary.clone(), diary.clone(), diary.clone());
    SiteExtensions {
        signed_up: Some(Hook::new(move |new: Profile| welcome(ups.clone(), new))),
        signed_in: Some(Hook::new(move |user: User| {
            let diary = ins.clone();
            async move {
                diary.write(format!("{} signed in", user.id.as_str()));
                Ok(())
            }
        })),
        session_payload: Some(Hook::new(plan_of)),
        password_rule: is_uncommon,
        send_mail: Some(Hook::new(move |mail: OutgoingMail| send(mails.clone(), mail))),
        error_responses: Arc::new(OurWords),
        on_user_deleted: Some(Hook::new(move |user: DocumentId| {
            let diary = ends.clone();
            async move {
                diary.write(format!("{} was deleted", user.as_str()));
                Ok(())
            }
        })),
        ..SiteExtensions::default()
    }
}

async fn welcome(diary: Diary, new: Profile) -> Result<(), HookError> {
    let city = new.fields.get("city").and_then(Value::as_str).unwrap_or("nowhere");
    diary.write(format!("{} signed up from {city}", new.user.id.as_str()));
    Ok(())
}

/// A claim of every access token; handlers read it with `SignedIn::payload`.
async fn plan_of(_user: UserId) -> Result<Map<String, Value>, HookError> {
    Ok(Map::from_iter([("plan".to_owned(), json!("free"))]))
}

/// Checked after the built-in rule.
fn is_uncommon(password: &str) -> Result<(), &'static str> {
    let is_common = password.to_ascii_lowercase().starts_with("password");
    if is_common { Err("Choose a password that does not begin with \"password\"") } else { Ok(()) }
}

/// Where you would call the API of your mail service. An error makes the site try again later.
async fn send(diary: Diary, mail: OutgoingMail) -> Result<(), HookError> {
    if mail.to.ends_with(".invalid") {
        return Err("the mail service refused the address".into());
    }
    diary.write(format!("mailed {} to {}", mail.kind, mail.to));
    Ok(())
}

struct OurWords;

impl ErrorResponses for OurWords {
    fn unauthorised(&self) -> HttpResponse {
        HttpResponse::Unauthorized().json(json!({"message": "please sign in", "help": "/auth"}))
    }
}

#[actix_rt::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env()?;
    telemetry::start(config.log.filter.as_deref().unwrap_or("info"), config.log.json)?;
    let site = app::start_with(config, Clock::system(), extensions(&Diary::default())).await?;
    tracing::info!("open http://{}", site.address());
    Ok(site.run_until_stopped().await?)
}
