//! `/account/settings`: change profile, password or address, delete the account. Every form but the profile asks for the current
//! password.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::account::{Accounts, Error, NewEmail, OwnProfile};
use crate::http::problem::{Problem, ProblemPage, TypedField, TypedForm};
use crate::pages::Pages;
use crate::pages::accounts::auth::{label, user_message};
use crate::pages::frame::{Frame, page, page_of, page_with_problem, see_other};
use crate::pages::guards::{NotShown, OptionalUser, PageUser, services};
use crate::throttle::Client;
use crate::users::{Email, NewPassword, SignUpField};

#[derive(Deserialize)]
pub struct SettingsQuery {
    /// `profile`, `password` or `email` after a redirect from that form.
    #[serde(default)]
    done: String,
    /// Key of what was typed before the visitor signed in.
    #[serde(default)]
    draft: String,
}

/// Fields of the profile form by their id.
type Typed = BTreeMap<String, String>;

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

#[derive(Template, Serialize)]
#[template(path = "settings.html")]
struct SettingsPage {
    frame: Frame,
    /// Address of the account, for password managers; empty where Fauna does not answer.
    account: String,
    notice: Option<&'static str>,
    /// A problem that belongs to no field.
    banner: Option<String>,
    /// Empty where Fauna does not answer, unless something was typed.
    profile: Vec<ProfileField>,
    /// Why the profile could not be read.
    #[serde(skip)]
    unread: Option<Problem>,
    password: Mistakes,
    email: Mistakes,
    typed_email: String,
    delete: Mistakes,
}

page_of!(SettingsPage, "settings.html");

/// Mistakes of one form.
#[derive(Default, Serialize)]
struct Mistakes {
    /// In the current password.
    current: Option<&'static str>,
    /// In the new password or address.
    new: Option<&'static str>,
}

/// A field of the profile form: the display name, or a field of the sign-up form.
#[derive(Serialize)]
struct ProfileField {
    id: String,
    label: String,
    value: String,
    is_optional: bool,
    mistake: Option<String>,
}

services! {
    /// The services that the handlers of this page share.
    #[derive(Clone)]
    pub struct Services {
        pages: Data<Pages>,
        accounts: Data<Accounts>,
    }
}

pub async fn show(
    user: PageUser,
    services: Services,
    Query(query): Query<SettingsQuery>,
) -> Result<HttpResponse, ProblemPage> {
    let notice = match query.done.as_str() {
        "profile" => Some("The profile is saved."),
        "password" => {
            Some("The password is changed. All other sessions have ended, and their Fauna tokens are deleted.")
        }
        "email" => {
            Some("We have sent a message to the new address. The link in it makes the change and works for a day.")
        }
        _ => None,
    };
    let mut settings = SettingsPage { notice, ..services.empty_page(user).await };
    if let Some(typed) = services.pages.drafts.find(&query.draft) {
        settings.typed_email = typed.get("email").cloned().unwrap_or_default();
        settings.put_profile(services.accounts.fields(), &typed);
    }
    match settings.unread.take() {
        Some(problem) => {
            settings.banner = Some(UNREAD.to_owned());
            page_with_problem(&problem, &settings)
        }
        None => page(StatusCode::OK, &settings),
    }
}

/// Sends on only what differs from the stored profile: a value that is no text (from an import) stays as it is.
pub async fn change_profile(
    user: Result<PageUser, NotShown>,
    services: Services,
    form: Result<Form<Typed>, actix_web::Error>,
) -> Result<HttpResponse, actix_web::Error> {
    let kept = form.as_ref().map(|form| typed_form("/account/profile", &form.0, false)).unwrap_or_default();
    let user = user.map_err(|elsewhere| elsewhere.keeping(kept, HERE, &services.pages))?;
    let Form(typed) = form?;
    let session = user.0.clone();
    let mut settings = services.empty_page(user).await;
    let change = settings.put_profile(services.accounts.fields(), &typed);
    if let Some(problem) = settings.unread.take() {
        settings.banner = Some(NOT_SAVED.to_owned());
        return Ok(page_with_problem(&problem, &settings)?);
    }
    Ok(match services.accounts.update_profile(&session, &change).await {
        Ok(_) => see_other("/account/settings?done=profile"),
        Err(Error::BadProfile(text)) => settings.place_profile_mistake(text).answer(None)?,
        Err(error) => settings.answer(Some(error.into()))?,
    })
}

pub async fn change_password(
    user: PageUser,
    client: Client,
    services: Services,
    Form(form): Form<PasswordForm>,
) -> Result<HttpResponse, ProblemPage> {
    let mistakes = Mistakes {
        current: missing_password(&form.current),
        new: NewPassword::parse(form.password.clone()).err().map(|error| user_message("password", error)),
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
    user: Result<PageUser, NotShown>,
    client: Client,
    request: HttpRequest,
    services: Services,
    form: Result<Form<EmailForm>, actix_web::Error>,
) -> Result<HttpResponse, actix_web::Error> {
    let kept = form.as_ref().map(|form| {
        let typed = Typed::from([("email".to_owned(), form.email.clone())]);
        typed_form("/account/email", &typed, true)
    });
    let user = user.map_err(|elsewhere| elsewhere.keeping(kept.unwrap_or_default(), HERE, &services.pages))?;
    let Form(form) = form?;
    let current = missing_password(&form.current);
    let mut settings =
        SettingsPage { typed_email: form.email.clone(), ..services.empty_page(PageUser(user.0.clone())).await };
    if current.is_some() {
        settings.email = Mistakes { current, new: Email::parse(&form.email).is_none().then_some(BAD_EMAIL) };
        return Ok(settings.answer(None)?);
    }
    let pages = services.accounts.link_pages(&request);
    let wish = NewEmail { current: form.current.into(), email: form.email, pages };
    let Err(error) = services.accounts.request_email_change(&user.0, &client, wish).await else {
        return Ok(see_other("/account/settings?done=email"));
    };
    let problem = settings.email.take(error);
    Ok(settings.answer(problem)?)
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
        return Ok(see_other(&services.pages.sign_in_path("?done=account-deleted")));
    };
    let mut settings = services.empty_page(user).await;
    let problem = settings.delete.take(error);
    settings.answer(problem)
}

const HERE: &str = "/account/settings";
/// Shown where Fauna does not answer.
const UNREAD: &str =
    "The database is not answering right now, so your profile cannot be shown. Try again in a few seconds.";
const NOT_SAVED: &str = "The database is not answering right now. What you typed is kept; try again in a few seconds.";
const BAD_EMAIL: &str = "Enter an e-mail address like name@example.com.";

fn missing_password(typed: &str) -> Option<&'static str> {
    typed.is_empty().then_some("Enter your current password.")
}

impl Services {
    async fn empty_page(&self, user: PageUser) -> SettingsPage {
        let (stored, unread) = match self.accounts.profile(&user.0).await.map_err(Problem::from) {
            Ok(stored) => (Some(stored), None),
            Err(problem) => (None, Some(problem).filter(|it| it.status() == StatusCode::SERVICE_UNAVAILABLE)),
        };
        let profile = stored.as_ref().map(|stored| ProfileField::all(self.accounts.fields(), Some(stored)));
        SettingsPage {
            frame: self.pages.frame(HERE, &OptionalUser::from(user)),
            account: stored.and_then(|stored| stored.email).unwrap_or_default(),
            profile: profile.unwrap_or_default(),
            unread,
            notice: None,
            banner: None,
            password: Mistakes::default(),
            email: Mistakes::default(),
            typed_email: String::new(),
            delete: Mistakes::default(),
        }
    }
}

/// What was typed into a form of this page, but for the password.
fn typed_form(action: &str, typed: &Typed, asks_password: bool) -> TypedForm {
    let field = |(id, text): (&String, &String)| TypedField { name: id.clone(), label: label(id), value: text.clone() };
    TypedForm { action: action.to_owned(), fields: typed.iter().map(field).collect(), asks_password }
}

impl SettingsPage {
    /// Puts what was typed into the profile form; returns how it differs from what is stored, for
    /// [`Accounts::update_profile`].
    fn put_profile(&mut self, asked: &[SignUpField], typed: &Typed) -> Map<String, Value> {
        let mut all = ProfileField::all(asked, None);
        if self.profile.is_empty() && all.iter().any(|field| typed.contains_key(&field.id)) {
            self.profile.append(&mut all);
        }
        let (mut change, mut fields) = (Map::new(), Map::new());
        for field in &mut self.profile {
            let Some(text) = typed.get(&field.id).filter(|text| **text != field.value) else { continue };
            field.value.clone_from(text);
            let to = if field.is_name() { &mut change } else { &mut fields };
            to.insert(field.id.clone(), text.clone().into());
        }
        change.insert("profile".to_owned(), Value::Object(fields));
        change
    }

    /// The page with mistakes beside their fields, and with `rest` above the forms.
    fn answer(mut self, rest: Option<Problem>) -> Result<HttpResponse, ProblemPage> {
        let Some(problem) = rest else { return page(StatusCode::UNPROCESSABLE_ENTITY, &self) };
        self.banner = Some(problem.sentence());
        page_with_problem(&problem, &self)
    }

    /// Puts a mistake, `name: …` or `profile.ID: …`, beside its field.
    fn place_profile_mistake(mut self, text: String) -> Self {
        let (path, what) = text.split_once(": ").unwrap_or(("", &text));
        let id = path.strip_prefix("profile.").unwrap_or(path);
        match self.profile.iter_mut().find(|field| field.id == id) {
            Some(field) if what == "must not be empty" => {
                field.mistake = Some(format!("{} must not be empty.", field.label));
            }
            Some(field) => field.mistake = Some(format!("{what}.")),
            None => self.banner = Some(text),
        }
        self
    }

    fn failed(&self) -> bool {
        self.banner.is_some()
            || self.profile.iter().any(|field| field.mistake.is_some())
            || [&self.password, &self.email, &self.delete].iter().any(|form| form.any())
    }
}

impl ProfileField {
    /// The fields with the stored values; empty where none could be read.
    fn all(asked: &[SignUpField], stored: Option<&OwnProfile>) -> Vec<Self> {
        let name = (!asked.iter().any(SignUpField::is_name)).then(SignUpField::display_name);
        let with_value = |field: &SignUpField| Self {
            id: field.id.clone(),
            label: label(&field.id),
            value: match stored.and_then(|stored| stored.profile.get(&field.id)) {
                _ if field.is_name() => stored.and_then(|stored| stored.name.clone()).unwrap_or_default(),
                Some(Value::String(text)) => text.clone(),
                Some(Value::Null) | None => String::new(),
                Some(other) => other.to_string(),
            },
            // A name can be changed but not removed.
            is_optional: field.is_optional && !field.is_name(),
            mistake: None,
        };
        name.iter().chain(asked).map(with_value).collect()
    }

    fn is_name(&self) -> bool {
        self.id == "name"
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
            Error::BadPassword(rule) => self.new = Some(user_message("password", rule)),
            Error::BadEmail => self.new = Some(BAD_EMAIL),
            Error::SameEmail => self.new = Some("This is your address already."),
            Error::EmailTaken => self.new = Some("This address belongs to another account."),
            other => return Some(other.into()),
        }
        None
    }
}
