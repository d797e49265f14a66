//! `/auth`: sign up, sign in, sign out.

use std::collections::BTreeMap;

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;

use crate::http::problem::{Problem, ProblemPage};
use crate::pages::Pages;
use crate::pages::frame::{Frame, INVALID_LINK, page, page_despite, see_other};
use crate::pages::guards::{OptionalUser, PageUser};
use crate::pages::site_path::SitePath;
use crate::session::{RevokeReason, Sessions, Transfer};
use crate::supertokens::emailpassword;
use crate::supertokens::emailpassword::{EmailPassword, FieldProblem, Outcome, SignUpField};

/// What the address of the page says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// `signup` or `signin`.
    #[serde(default)]
    show: String,
    /// Where to go once signed in.
    #[serde(default)]
    redirect_to_path: SitePath,
    /// What has just been done, such as `signed-out`.
    #[serde(default)]
    done: String,
}

/// What a person typed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Typed {
    /// E-mail address.
    email: String,
    /// Password; never shown again.
    password: String,
    /// Where to go once signed in.
    #[serde(default)]
    redirect_to_path: SitePath,
    /// What else the form asks for, by id.
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

/// The page.
#[derive(Template)]
#[template(path = "auth.html")]
struct AuthPage {
    /// Around it.
    frame: Frame,
    /// Which of the two forms.
    signing_up: bool,
    /// What is in the form.
    form: Entry,
    /// Something good to say.
    notice: Option<&'static str>,
}

/// A form as it is shown, empty or with what is wrong in it.
#[derive(Default)]
struct Entry {
    /// Where to go once signed in.
    then: SitePath,
    /// What was typed.
    email: String,
    /// What is wrong with it.
    email_mistake: Option<&'static str>,
    /// What is wrong with the password.
    password_mistake: Option<&'static str>,
    /// What else is asked for.
    others: Vec<Other>,
    /// What is wrong with both.
    banner: Option<String>,
}

/// A field of a site's own, as it is shown.
struct Other {
    /// Its id.
    id: String,
    /// What it is called.
    label: String,
    /// Whether it may stay empty.
    is_optional: bool,
    /// What was typed.
    value: String,
    /// What is wrong with it.
    mistake: Option<&'static str>,
}

/// What is said after something was done.
fn notice(done: &str) -> Option<&'static str> {
    match done {
        "signed-out" => Some("You are signed out. The session has ended, and its Fauna token with it."),
        "mailed" => Some("Almost done: we have sent a mail to this address. The link in it completes the sign-up."),
        "account-deleted" => Some("The account is deleted, and all its sessions have ended."),
        "password-changed" => Some("The password is changed, and all sessions have ended. Sign in with the new one."),
        _ => None,
    }
}

/// What is said of credentials that are not right; which of the two is wrong stays unsaid (ASVS 6.3.8).
const WRONG_CREDENTIALS: &str = "There is no account with this address and password. Check both.";

/// Forms; whoever is signed in is sent on.
pub async fn show(
    visitor: OptionalUser,
    pages: Data<Pages>,
    recipe: Data<EmailPassword>,
    Query(asked): Query<Asked>,
) -> Result<HttpResponse, ProblemPage> {
    if visitor.session().is_some() {
        return Ok(see_other(asked.redirect_to_path.as_str()));
    }
    let signing_up = asked.show == "signup";
    let others = if signing_up { Other::all(recipe.fields(), &BTreeMap::new()) } else { Vec::new() };
    let form = Entry { then: asked.redirect_to_path, others, ..Entry::default() };
    let frame = pages.frame("/auth", &visitor);
    page(StatusCode::OK, &AuthPage { frame, signing_up, form, notice: notice(&asked.done) })
}

/// Makes an account and signs its owner in.
pub async fn sign_up(
    request: HttpRequest,
    pages: Data<Pages>,
    recipe: Data<EmailPassword>,
    Form(typed): Form<Typed>,
) -> Result<HttpResponse, ProblemPage> {
    let asked = recipe.fields();
    let outcome = recipe.sign_up(&request, &typed.fields(asked), Some(Transfer::Cookie)).await;
    entered(&pages, Some(asked), typed, outcome)
}

/// Signs the owner of an account in.
pub async fn sign_in(
    request: HttpRequest,
    pages: Data<Pages>,
    recipe: Data<EmailPassword>,
    Form(typed): Form<Typed>,
) -> Result<HttpResponse, ProblemPage> {
    let outcome = recipe.sign_in(&request, &typed.fields(&[]), Some(Transfer::Cookie)).await;
    entered(&pages, None, typed, outcome)
}

/// Ends this session.
pub async fn sign_out(PageUser(session): PageUser) -> Result<HttpResponse, ProblemPage> {
    session.revoke().await?;
    Ok(signed_out())
}

/// Ends all sessions of the person, this one as well.
pub async fn sign_out_everywhere(
    PageUser(session): PageUser,
    sessions: Data<Sessions>,
) -> Result<HttpResponse, ProblemPage> {
    sessions.revoke_all(session.user(), RevokeReason::SignedOut).await?;
    session.revoke().await?;
    Ok(signed_out())
}

/// On from the form, or the form again with what is wrong. The form to sign up has fields of a site's own.
fn entered(
    pages: &Pages,
    sign_up: Option<&[SignUpField]>,
    typed: Typed,
    outcome: Result<Outcome, emailpassword::Error>,
) -> Result<HttpResponse, ProblemPage> {
    let signing_up = sign_up.is_some();
    let others = Other::all(sign_up.unwrap_or_default(), &typed.others);
    let mut form = Entry { then: typed.redirect_to_path, email: typed.email, others, ..Entry::default() };
    let frame = pages.frame("/auth", &OptionalUser::default());
    match outcome {
        Ok(Outcome::SignedIn(_)) => return Ok(signed_in(&form.then)),
        Ok(Outcome::Mailed) => return Ok(see_other("/auth?done=mailed")),
        Ok(Outcome::Refused(problems)) => form.refuse(&problems),
        Ok(Outcome::WrongCredentials) => form.banner = Some(WRONG_CREDENTIALS.to_owned()),
        Ok(Outcome::InvalidLink) => form.banner = Some(INVALID_LINK.to_owned()),
        Err(error) => {
            let problem = Problem::from(error);
            form.banner = Some(problem.message().to_owned());
            return page_despite(&problem, &AuthPage { frame, signing_up, form, notice: None });
        }
    }
    page(StatusCode::UNPROCESSABLE_ENTITY, &AuthPage { frame, signing_up, form, notice: None })
}

/// On, and a word to official frontends on the same origin, which look for sessions in two cookies of their own: without
/// both they ask the server before they believe that nobody is signed in (emailpassword.md T-42).
pub fn signed_in(then: &SitePath) -> HttpResponse {
    let mut response = see_other(then.as_str());
    forget(&mut response, "sFrontToken");
    forget(&mut response, "st-last-access-token-update");
    response
}

/// To the forms; official frontends on the same origin forget who was signed in.
fn signed_out() -> HttpResponse {
    let mut response = see_other("/auth?done=signed-out");
    forget(&mut response, "sFrontToken");
    response
}

/// Removes a cookie that scripts have set.
fn forget(response: &mut HttpResponse, cookie: &'static str) {
    if let Ok(value) = header::HeaderValue::from_str(&format!("{cookie}=; Path=/; Max-Age=0; SameSite=Lax")) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

impl Typed {
    /// As the recipe takes it, with those fields that it asks for.
    fn fields(&self, asked: &[SignUpField]) -> emailpassword::Form {
        let other = |field: &SignUpField| self.others.get_key_value(&field.id);
        let others = asked.iter().filter_map(other).map(|(id, value)| (id.as_str(), value.as_str()));
        let both = [("email", self.email.as_str()), ("password", self.password.as_str())];
        emailpassword::Form::of(both.into_iter().chain(others))
    }
}

impl Other {
    /// Those fields, with what was typed into them.
    fn all(fields: &[SignUpField], typed: &BTreeMap<String, String>) -> Vec<Self> {
        let other = |field: &SignUpField| Self {
            id: field.id.clone(),
            label: label(&field.id),
            is_optional: field.is_optional,
            value: typed.get(&field.id).cloned().unwrap_or_default(),
            mistake: None,
        };
        fields.iter().map(other).collect()
    }
}

impl Entry {
    /// Whether anything is wrong.
    fn failed(&self) -> bool {
        let has_mistake = self.others.iter().any(|other| other.mistake.is_some());
        has_mistake || self.email_mistake.is_some() || self.password_mistake.is_some() || self.banner.is_some()
    }

    /// Puts each problem beside its field.
    fn refuse(&mut self, problems: &[FieldProblem]) {
        for problem in problems {
            let other = self.others.iter_mut().find(|other| other.id == problem.id);
            let place = match (problem.id.as_ref(), other) {
                ("email", _) => &mut self.email_mistake,
                (_, Some(other)) => &mut other.mistake,
                _ => &mut self.password_mistake,
            };
            place.get_or_insert(in_plain_words(problem.error));
        }
    }
}

/// What a field is called: its id as words.
pub fn label(id: &str) -> String {
    let words = id.replace(['_', '-'], " ");
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    first + letters.as_str()
}

/// What the interface says in words that frontends compare literally, said to a person.
pub fn in_plain_words(error: &'static str) -> &'static str {
    match error {
        "Field is not optional" => "Fill this in.",
        "Email is invalid" => "This is not an e-mail address.",
        "This email already exists. Please sign in instead." => "This address has an account. Sign in instead.",
        "Password must contain at least one alphabet" => "The password needs a letter.",
        "Password must contain at least one number" => "The password needs a digit.",
        "Password must contain at least 8 characters, including a number" => {
            "The password needs at least 8 characters."
        }
        "Password's length must be lesser than 100 characters" => "The password must be shorter than 100 characters.",
        other => other,
    }
}
