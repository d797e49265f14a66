//! `/account/settings`: another password, another address, the end of the account. Each form asks for the current password.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use askama::Template;
use serde::Deserialize;

use crate::account::{Accounts, Error};
use crate::http::problem::{Problem, ProblemPage};
use crate::pages::Pages;
use crate::pages::auth::in_plain_words;
use crate::pages::frame::{Frame, page, page_despite, see_other};
use crate::pages::guards::{OptionalUser, PageUser};
use crate::throttle::Client;

/// What the address of the page says.
#[derive(Deserialize)]
pub struct Asked {
    /// What has just been done: `password`, `email`.
    #[serde(default)]
    done: String,
}

/// Another password.
#[derive(Deserialize)]
pub struct NewPassword {
    /// The one until now.
    current: String,
    /// The one from now on.
    password: String,
}

/// Another address.
#[derive(Deserialize)]
pub struct NewEmail {
    /// The account's password.
    current: String,
    /// The address from now on.
    email: String,
}

/// The end.
#[derive(Deserialize)]
pub struct DeleteAccountForm {
    /// The account's password.
    current: String,
}

/// The page.
#[derive(Template)]
#[template(path = "settings.html")]
struct Settings {
    /// Around it.
    frame: Frame,
    /// Something good to say.
    notice: Option<&'static str>,
    /// What is wrong with no field in particular.
    banner: Option<String>,
    /// The form for another password.
    password: Mistakes,
    /// The form for another address.
    email: Mistakes,
    /// The address that was typed.
    typed_email: String,
    /// The form for the end.
    delete: Mistakes,
}

/// What is wrong in a form.
#[derive(Default)]
struct Mistakes {
    /// With the current password.
    current: Option<String>,
    /// With what it is to be.
    new: Option<String>,
}

/// The forms.
pub async fn show(
    person: PageUser,
    pages: Data<Pages>,
    Query(asked): Query<Asked>,
) -> Result<HttpResponse, ProblemPage> {
    let notice = match asked.done.as_str() {
        "password" => Some("The password is changed. All other sessions have ended."),
        "email" => {
            Some("A mail is on its way to the new address. The link in it makes the change, and works for a day.")
        }
        _ => None,
    };
    page(StatusCode::OK, &Settings { notice, ..Settings::empty(&pages, person) })
}

/// Sets another password.
pub async fn change_password(
    person: PageUser,
    client: Client,
    pages: Data<Pages>,
    accounts: Data<Accounts>,
    Form(wish): Form<NewPassword>,
) -> Result<HttpResponse, ProblemPage> {
    let owner = person.0.clone();
    let Err(error) = accounts.change_password(owner, &client, wish.current.into(), wish.password).await else {
        return Ok(see_other("/account/settings?done=password"));
    };
    let mut settings = Settings::empty(&pages, person);
    let problem = settings.password.take(error);
    settings.answer(problem)
}

/// Mails a link to another address.
pub async fn change_email(
    person: PageUser,
    client: Client,
    pages: Data<Pages>,
    accounts: Data<Accounts>,
    Form(wish): Form<NewEmail>,
) -> Result<HttpResponse, ProblemPage> {
    let Err(error) = accounts.ask_for_email(&person.0, &client, wish.current.into(), &wish.email).await else {
        return Ok(see_other("/account/settings?done=email"));
    };
    let mut settings = Settings { typed_email: wish.email, ..Settings::empty(&pages, person) };
    let problem = settings.email.take(error);
    settings.answer(problem)
}

/// Ends the account.
pub async fn delete(
    person: PageUser,
    client: Client,
    pages: Data<Pages>,
    accounts: Data<Accounts>,
    Form(wish): Form<DeleteAccountForm>,
) -> Result<HttpResponse, ProblemPage> {
    let Err(error) = accounts.delete(person.0.clone(), &client, wish.current.into()).await else {
        return Ok(see_other("/auth?done=account-deleted"));
    };
    let mut settings = Settings::empty(&pages, person);
    let problem = settings.delete.take(error);
    settings.answer(problem)
}

impl Settings {
    /// Nothing typed yet.
    fn empty(pages: &Pages, person: PageUser) -> Self {
        Self {
            frame: pages.frame("/account/settings", &OptionalUser::from(person)),
            notice: None,
            banner: None,
            password: Mistakes::default(),
            email: Mistakes::default(),
            typed_email: String::new(),
            delete: Mistakes::default(),
        }
    }

    /// The page with mistakes beside their fields, and with the rest above the forms.
    fn answer(mut self, rest: Option<Problem>) -> Result<HttpResponse, ProblemPage> {
        let Some(problem) = rest else { return page(StatusCode::UNPROCESSABLE_ENTITY, &self) };
        self.banner = Some(problem.message().to_owned());
        page_despite(&problem, &self)
    }

    /// Whether anything is wrong.
    fn failed(&self) -> bool {
        let forms = [&self.password, &self.email, &self.delete];
        self.banner.is_some() || forms.iter().any(|form| form.current.is_some() || form.new.is_some())
    }
}

impl Mistakes {
    /// Puts a mistake beside its field; gives back what belongs to none.
    fn take(&mut self, error: Error) -> Option<Problem> {
        match error {
            Error::WrongPassword => self.current = Some("This is not your password.".to_owned()),
            Error::BadPassword(why) => self.new = Some(in_plain_words(why).to_owned()),
            Error::BadEmail => self.new = Some("This is not an e-mail address.".to_owned()),
            Error::SameEmail => self.new = Some("This is your address already.".to_owned()),
            Error::EmailTaken => self.new = Some("This address belongs to another account.".to_owned()),
            other => return Some(other.into()),
        }
        None
    }
}
