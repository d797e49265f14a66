//! `/account/settings`: change password or address, delete the account. Each form asks for the current password.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;

use crate::account::{Accounts, Error, NewEmail};
use crate::fauna_tokens::FaunaTokens;
use crate::http::problem::{Problem, ProblemPage};
use crate::pages::Pages;
use crate::pages::accounts::auth::{PASSWORD_RULE, in_plain_words};
use crate::pages::frame::{Frame, page, page_despite, see_other};
use crate::pages::guards::{OptionalUser, PageUser};
use crate::throttle::Client;
use crate::users::{Document, Email, NewPassword, Users};

#[derive(Deserialize)]
pub struct SettingsQuery {
    /// `password` or `email` after a redirect from that form.
    #[serde(default)]
    done: String,
}

#[derive(Deserialize)]
pub struct PasswordForm {
    current: String,
    password: String,
}

#[derive(Deserialize)]
pub struct EmailForm {
    current: String,
    email: String,
}

#[derive(Deserialize)]
pub struct DeleteAccountForm {
    current: String,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    frame: Frame,
    /// Address of the account, for password managers; empty where Fauna does not answer.
    account: String,
    notice: Option<&'static str>,
    /// A problem that belongs to no field.
    banner: Option<String>,
    password: Mistakes,
    email: Mistakes,
    typed_email: String,
    delete: Mistakes,
}

/// Mistakes of one form.
#[derive(Default)]
struct Mistakes {
    /// In the current password.
    current: Option<&'static str>,
    /// In the new password or address.
    new: Option<&'static str>,
}

/// The services that the handlers of this page share.
#[derive(Clone)]
pub struct Services {
    pages: Data<Pages>,
    tokens: Data<FaunaTokens>,
    accounts: Data<Accounts>,
    users: Data<Users>,
}

impl FromRequest for Services {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = (|| {
            Some(Self {
                pages: request.app_data::<Data<Pages>>()?.clone(),
                tokens: request.app_data::<Data<FaunaTokens>>()?.clone(),
                accounts: request.app_data::<Data<Accounts>>()?.clone(),
                users: request.app_data::<Data<Users>>()?.clone(),
            })
        })();
        ready(found.ok_or_else(|| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error").into()))
    }
}

pub async fn show(
    user: PageUser,
    services: Services,
    Query(query): Query<SettingsQuery>,
) -> Result<HttpResponse, ProblemPage> {
    let notice = match query.done.as_str() {
        "password" => {
            Some("The password is changed. All other sessions have ended, and their Fauna tokens are deleted.")
        }
        "email" => {
            Some("We have sent a message to the new address. The link in it makes the change and works for a day.")
        }
        _ => None,
    };
    page(StatusCode::OK, &SettingsPage { notice, ..services.empty_page(user).await })
}

pub async fn change_password(
    user: PageUser,
    client: Client,
    services: Services,
    Form(form): Form<PasswordForm>,
) -> Result<HttpResponse, ProblemPage> {
    let mistakes = Mistakes {
        current: missing_password(&form.current),
        new: NewPassword::parse(form.password.clone()).err().map(|_| PASSWORD_RULE),
    };
    if mistakes.any() {
        return SettingsPage { password: mistakes, ..services.empty_page(user).await }.answer(None);
    }
    let session = user.0.clone();
    let Err(error) = services.accounts.change_password(session, &client, form.current.into(), form.password).await
    else {
        return Ok(see_other("/account/settings?done=password"));
    };
    let mut settings = services.empty_page(user).await;
    let problem = settings.password.take(error);
    settings.answer(problem)
}

/// Mails a link that confirms the new address.
pub async fn change_email(
    user: PageUser,
    client: Client,
    request: HttpRequest,
    services: Services,
    Form(form): Form<EmailForm>,
) -> Result<HttpResponse, ProblemPage> {
    let current = missing_password(&form.current);
    let mut settings =
        SettingsPage { typed_email: form.email.clone(), ..services.empty_page(PageUser(user.0.clone())).await };
    if current.is_some() {
        settings.email = Mistakes { current, new: Email::parse(&form.email).is_none().then_some(BAD_EMAIL) };
        return settings.answer(None);
    }
    let pages = services.accounts.link_pages(&request);
    let wish = NewEmail { current: form.current.into(), email: form.email, pages };
    let Err(error) = services.accounts.request_email_change(&user.0, &client, wish).await else {
        return Ok(see_other("/account/settings?done=email"));
    };
    let problem = settings.email.take(error);
    settings.answer(problem)
}

pub async fn delete(
    user: PageUser,
    client: Client,
    services: Services,
    Form(form): Form<DeleteAccountForm>,
) -> Result<HttpResponse, ProblemPage> {
    if let Some(mistake) = missing_password(&form.current) {
        let delete = Mistakes { current: Some(mistake), new: None };
        return SettingsPage { delete, ..services.empty_page(user).await }.answer(None);
    }
    let Err(error) = services.accounts.delete(user.0.clone(), &client, form.current.into()).await else {
        return Ok(see_other("/auth?done=account-deleted"));
    };
    let mut settings = services.empty_page(user).await;
    let problem = settings.delete.take(error);
    settings.answer(problem)
}

const BAD_EMAIL: &str = "Enter an e-mail address like name@example.com.";

fn missing_password(typed: &str) -> Option<&'static str> {
    typed.is_empty().then_some("Enter your current password.")
}

impl Services {
    async fn empty_page(&self, user: PageUser) -> SettingsPage {
        let document = self.tokens.query_idempotent::<Document>(&user.0, &self.users.own_document()).await;
        SettingsPage {
            frame: self.pages.frame("/account/settings", &OptionalUser::from(user)),
            account: document.ok().and_then(|document| document.email).unwrap_or_default(),
            notice: None,
            banner: None,
            password: Mistakes::default(),
            email: Mistakes::default(),
            typed_email: String::new(),
            delete: Mistakes::default(),
        }
    }
}

impl SettingsPage {
    /// The page with mistakes beside their fields, and with `rest` above the forms.
    fn answer(mut self, rest: Option<Problem>) -> Result<HttpResponse, ProblemPage> {
        let Some(problem) = rest else { return page(StatusCode::UNPROCESSABLE_ENTITY, &self) };
        self.banner = Some(problem.message().to_owned());
        page_despite(&problem, &self)
    }

    fn failed(&self) -> bool {
        self.banner.is_some() || [&self.password, &self.email, &self.delete].iter().any(|form| form.any())
    }
}

impl Mistakes {
    fn any(&self) -> bool {
        self.current.is_some() || self.new.is_some()
    }

    /// Puts a mistake beside its field; returns what belongs to none.
    fn take(&mut self, error: Error) -> Option<Problem> {
        match error {
            Error::WrongPassword => self.current = Some("This is not your current password."),
            Error::BadPassword(rule) => self.new = Some(in_plain_words("password", rule)),
            Error::BadEmail => self.new = Some(BAD_EMAIL),
            Error::SameEmail => self.new = Some("This is your address already."),
            Error::EmailTaken => self.new = Some("This address belongs to another account."),
            other => return Some(other.into()),
        }
        None
    }
}
