//! `/`: comments, beside what this site is about or, signed in, beside the visitor's own session.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Path, Query};
use askama::Template;
use serde::{Deserialize, Serialize};

use crate::comments;
use crate::comments::{Comment, CommentId, CommentText, Comments, FormKey, Listing, PageRequest};
use crate::fauna_tokens::FaunaTokens;
use crate::http::problem::{Problem, ProblemPage, TypedField, TypedForm};
use crate::pages::Pages;
use crate::pages::demo_accounts::is_demo_account;
use crate::pages::display_time::DisplayTime;
use crate::pages::drafts::Draft;
use crate::pages::frame::{Frame, page, page_of, page_with_problem, see_other};
use crate::pages::guards::{NotShown, OptionalUser, VerifiedUser, services};
use crate::pages::panel::SessionPanel;
use crate::pages::panel::ended::EndedNotice;
use crate::pages::site_path::in_query;
use crate::session::{Sessions, SignedIn};
use crate::users::{Document, Users};

const PAGE_SIZE: i64 = 10;
/// Longest HTML of all comments of a page, and roughly of one without its text, in bytes. Of longer comments fewer are shown.
const COMMENTS_BYTES_MAX: usize = 12_500;
const MARKUP_BYTES: usize = 1_050;
/// Shown where Fauna does not answer.
const UNAVAILABLE: &str = "The database is not answering right now.";
/// The same for a comment that could not be posted.
const NOT_POSTED: &str = "The database is not answering right now. Your text is kept; try again in a few seconds.";

#[derive(Default, Deserialize)]
pub struct HomeQuery {
    /// Cursor of the page; empty for the newest comments.
    #[serde(default)]
    after: String,
    /// Key of a draft that was kept while its author signed in.
    #[serde(default)]
    draft: String,
}

/// Body of the forms to like and to delete: where to return to.
#[derive(Default, Deserialize)]
pub struct ReturnForm {
    #[serde(default)]
    after: String,
}

#[derive(Clone, Default, Deserialize)]
pub struct CommentForm {
    text: String,
    /// Key that the page has put into it. A form without one, of a template of the site's own, is always new.
    #[serde(default)]
    key: String,
}

#[derive(Template, Serialize)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    panel: Option<SessionPanel>,
    comments: Vec<Entry>,
    after: String,
    /// Cursor of the next page.
    older: Option<String>,
    /// Set if the visitor's session has ended: why, and the state of its token.
    ended: Option<EndedNotice>,
    /// Outcome of the form that led here, as a sentence; empty without one.
    notice: String,
    /// Shown above the comments where they cannot be read.
    unavailable: Option<&'static str>,
    /// A key of this page, so that a comment whose button is pressed twice is posted once.
    form_key: String,
    draft: String,
    mistake: Option<Cow<'static, str>>,
}

page_of!(HomePage, "home.html");

/// The signed-in user; both fields are empty for visitors.
#[derive(Default)]
struct Reader {
    /// The address where the user has no name.
    name: String,
    email: String,
}

/// A comment as it is shown.
#[derive(Serialize)]
struct Entry {
    id: String,
    author: String,
    /// First letter of the author's name.
    initial: String,
    text: String,
    posted_at: DisplayTime,
    likes: i64,
    liked: bool,
    mine: bool,
}

services! {
    /// The services that the handlers of this page share.
    #[derive(Clone)]
    pub struct HomeServices {
        pages: Data<Pages>,
        comments: Data<Comments>,
        sessions: Data<Sessions>,
        tokens: Data<FaunaTokens>,
        users: Data<Users>,
    }
}

pub async fn show(
    visitor: OptionalUser,
    services: HomeServices,
    Query(query): Query<HomeQuery>,
) -> Result<HttpResponse, ProblemPage> {
    let draft = visitor.session().and_then(|session| {
        let (drafts, user) = (&services.pages.drafts, session.user().as_str());
        drafts.claim(&query.draft, user);
        drafts.of_user(user)
    });
    let (mut home, problem) = services.page(&visitor, query.after).await?;
    home.notice = visitor.session().map(|session| services.pages.notices.take(session.handle())).unwrap_or_default();
    if let Some(mut draft) = draft {
        home.draft = draft.remove("text").unwrap_or_default();
        home.form_key = draft.remove("key").unwrap_or(home.form_key);
    }
    answer(&home, problem)
}

pub async fn add(
    author: Result<VerifiedUser, NotShown>,
    services: HomeServices,
    form: Result<Form<CommentForm>, actix_web::Error>,
) -> Result<HttpResponse, actix_web::Error> {
    let typed = form.as_ref().map(|form| form.typed()).unwrap_or_default();
    let author = author.map_err(|elsewhere| elsewhere.keeping(typed.clone(), "/", &services.pages))?;
    let Form(form) = form?;
    let (mistake, problem) = match CommentText::parse(&form.text) {
        Ok(text) => match services.add(&author.0, &form, &text).await {
            Ok(()) => return Ok(see_other("/")),
            Err(problem) => {
                services.pages.drafts.keep_for(author.0.user().as_str(), form.draft());
                let is_unavailable = problem.status() == StatusCode::SERVICE_UNAVAILABLE;
                let message = if is_unavailable { NOT_POSTED.into() } else { problem.sentence().into() };
                (message, Some(problem))
            }
        },
        Err(error) => (user_message(&error, &form), None),
    };
    let shown = services.page(&author.into(), String::new()).await;
    let (home, unavailable) = shown.map_err(|problem| ProblemPage::from(problem).keeping(typed))?;
    let form_key = if form.key.is_empty() { home.form_key } else { form.key };
    let home = HomePage { draft: form.text, mistake: Some(mistake), form_key, ..home };
    Ok(match problem.or(unavailable) {
        Some(problem) => page_with_problem(&problem, &home)?,
        None => page(StatusCode::UNPROCESSABLE_ENTITY, &home)?,
    })
}

pub async fn remove(
    VerifiedUser(author): VerifiedUser,
    comments: Data<Comments>,
    id: Path<CommentId>,
    Form(form): Form<ReturnForm>,
) -> Result<HttpResponse, ProblemPage> {
    comments.remove(&author, &id).await?;
    Ok(see_other(&form.path()))
}

pub async fn like(
    VerifiedUser(user): VerifiedUser,
    comments: Data<Comments>,
    id: Path<CommentId>,
    Form(form): Form<ReturnForm>,
) -> Result<HttpResponse, ProblemPage> {
    comments.like(&user, &id).await?;
    Ok(see_other(&form.path_to(&id)))
}

pub async fn unlike(
    VerifiedUser(user): VerifiedUser,
    comments: Data<Comments>,
    id: Path<CommentId>,
    Form(form): Form<ReturnForm>,
) -> Result<HttpResponse, ProblemPage> {
    comments.unlike(&user, &id).await?;
    Ok(see_other(&form.path_to(&id)))
}

fn answer(home: &HomePage, problem: Option<Problem>) -> Result<HttpResponse, ProblemPage> {
    match problem {
        Some(problem) => page_with_problem(&problem, home),
        None => page(StatusCode::OK, home),
    }
}

impl HomeServices {
    /// Posts a comment, once for each form.
    async fn add(&self, author: &SignedIn, form: &CommentForm, text: &CommentText) -> Result<(), Problem> {
        match FormKey::of_form(&form.key) {
            Some(key) => self.comments.add_once(author, text, &key).await?,
            None => self.comments.add(author, text).await?,
        };
        self.pages.drafts.forget(author.user().as_str());
        Ok(())
    }

    /// The comments of a page, and who its reader is.
    async fn list(&self, visitor: &OptionalUser, after: &str) -> Result<(Listing, Reader), Problem> {
        let ask = async |size: i64| {
            let part = PageRequest::parse(Some(size), Some(after).filter(|after| !after.is_empty()))
                .map_err(|_unknown| Problem::new(StatusCode::NOT_FOUND, "this page of comments does not exist"))?;
            Ok::<_, Problem>(match visitor.session() {
                Some(reader) => {
                    let own = self.users.own_document();
                    let (listing, own) = self.comments.list_with::<Document>(reader, &part, own).await?;
                    let email = own.email.unwrap_or_default();
                    (listing, Reader { name: own.name.unwrap_or_else(|| email.clone()), email })
                }
                None => (Arc::unwrap_or_clone(self.comments.list(&part).await?), Reader::default()),
            })
        };
        let (listing, reader) = ask(PAGE_SIZE).await?;
        match how_many_fit(&listing.comments) {
            size if size < listing.comments.len() => ask(i64::try_from(size).unwrap_or(PAGE_SIZE)).await,
            _ => Ok((listing, reader)),
        }
    }

    /// The page for that visitor. Where Fauna does not answer there are no comments on it, and the problem beside it.
    async fn page(&self, visitor: &OptionalUser, after: String) -> Result<(HomePage, Option<Problem>), Problem> {
        let ((listing, Reader { name, email }), problem) = match self.list(visitor, &after).await {
            Ok(listed) => (listed, None),
            Err(problem) if problem.status() == StatusCode::SERVICE_UNAVAILABLE => {
                ((Listing { comments: Vec::new(), next: None }, Reader::default()), Some(problem))
            }
            Err(problem) => return Err(problem),
        };
        let reader = visitor.session().map(|session| session.user().as_str());
        let panel = match visitor.session() {
            Some(session) => {
                let panel = SessionPanel::of(session, &self.pages, &self.sessions, &self.tokens).await?;
                let is_demo = self.pages.settings.has_demo && is_demo_account(&email);
                let demo_address = if is_demo { email } else { String::new() };
                if is_demo {
                    self.pages.ended.remember_demo_address(session, &demo_address);
                }
                Some(SessionPanel { user_name: name, demo_address, ..panel })
            }
            None => None,
        };
        let home = HomePage {
            frame: self.pages.frame("/", visitor),
            panel,
            comments: listing.comments.into_iter().map(|comment| Entry::new(comment, reader)).collect(),
            after,
            older: listing.next.map(|cursor| cursor.text()),
            ended: match visitor.ended_session() {
                Some(handle) => self.pages.ended.describe(handle).await,
                None => None,
            },
            notice: String::new(),
            unavailable: problem.is_some().then_some(UNAVAILABLE),
            form_key: FormKey::random().map_err(Problem::internal)?.into_text(),
            draft: String::new(),
            mistake: None,
        };
        Ok((home, problem))
    }
}

/// How many of the comments a page has room for: at least one.
fn how_many_fit(comments: &[Comment]) -> usize {
    let mut bytes = 0;
    let fits = |comment: &&Comment| {
        bytes += MARKUP_BYTES + escaped_len(&comment.text);
        bytes <= COMMENTS_BYTES_MAX
    };
    comments.iter().take_while(fits).count().max(1)
}

/// Bytes of a text in HTML, where five characters are written as `&#NN;`.
fn escaped_len(text: &str) -> usize {
    text.len() + 4 * text.matches(['<', '>', '&', '"', '\'']).count()
}

fn user_message(error: &comments::Error, form: &CommentForm) -> Cow<'static, str> {
    match error {
        comments::Error::Empty => "Enter a comment.".into(),
        comments::Error::TooLong => {
            let count = form.text.trim().chars().count();
            format!("Comments can have at most 1000 characters; this one has {count}.").into()
        }
        comments::Error::ControlCharacters => {
            "The comment contains characters that cannot be shown. Remove them and try again.".into()
        }
        other => other.to_string().into(),
    }
}

impl CommentForm {
    /// With the key: where Fauna has stored the comment after all, posting it again changes nothing.
    fn draft(&self) -> Draft {
        [("text", &self.text), ("key", &self.key)].map(|(name, value)| (name.to_owned(), value.clone())).into()
    }

    fn typed(&self) -> TypedForm {
        let field = |name: &str, label: &str, value: &str| TypedField {
            name: name.to_owned(),
            label: label.to_owned(),
            value: value.to_owned(),
        };
        let fields = vec![field("text", "Your comment", &self.text), field("key", "", &self.key)];
        TypedForm { action: "/comments".to_owned(), fields, asks_password: false }
    }
}

impl Entry {
    /// For that reader, if anybody is signed in.
    fn new(comment: Comment, reader: Option<&str>) -> Self {
        Self {
            mine: comment.author.as_ref().is_some_and(|author| reader == Some(author.as_str())),
            id: comment.id.as_str().to_owned(),
            initial: comment.author_name.chars().take(1).collect(),
            author: comment.author_name,
            text: comment.text,
            posted_at: comment.posted_at.into(),
            likes: comment.likes,
            liked: comment.liked.unwrap_or(false),
        }
    }
}

impl ReturnForm {
    /// The page of comments that the form was on.
    fn path(&self) -> String {
        if self.after.is_empty() { "/".to_owned() } else { format!("/?after={}", in_query(&self.after)) }
    }

    fn path_to(&self, id: &CommentId) -> String {
        format!("{}#comment-{}", self.path(), id.as_str())
    }
}
