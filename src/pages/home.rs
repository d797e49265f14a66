//! `/`: everybody's comments, and the forms of who is signed in.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Path, Query};
use askama::Template;
use serde::Deserialize;

use crate::comments;
use crate::comments::{Comment, CommentId, CommentText, Comments, Part};
use crate::http::problem::ProblemPage;
use crate::pages::Pages;
use crate::pages::display_time::DisplayTime;
use crate::pages::frame::{Frame, page, see_other};
use crate::pages::guards::{OptionalUser, VerifiedUser};
use crate::pages::site_path::in_query;

/// Which part of the list.
#[derive(Default, Deserialize)]
pub struct Place {
    /// Where it begins; empty at the newest.
    #[serde(default)]
    after: String,
}

/// A comment to be.
#[derive(Default, Deserialize)]
pub struct Draft {
    /// What was typed.
    text: String,
}

/// The page.
#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    /// Around it.
    frame: Frame,
    /// Newest first.
    comments: Vec<Entry>,
    /// Where this part of the list begins; empty at the newest.
    after: String,
    /// Where the next part begins.
    older: Option<String>,
    /// What was typed.
    draft: String,
    /// What is wrong with it.
    mistake: Option<String>,
}

/// A comment as it is shown.
struct Entry {
    /// Its id.
    id: String,
    /// Who said it.
    author: String,
    /// What they said.
    text: String,
    /// When.
    posted_at: DisplayTime,
    /// How many like it.
    likes: i64,
    /// Whether the visitor does.
    liked: bool,
    /// Whether the visitor said it.
    mine: bool,
}

/// The comments.
pub async fn show(
    visitor: OptionalUser,
    pages: Data<Pages>,
    comments: Data<Comments>,
    Query(place): Query<Place>,
) -> Result<HttpResponse, ProblemPage> {
    let home = home(&visitor, &pages, &comments, place).await?;
    page(StatusCode::OK, &home)
}

/// Says something.
pub async fn add(
    author: VerifiedUser,
    pages: Data<Pages>,
    comments: Data<Comments>,
    Form(draft): Form<Draft>,
) -> Result<HttpResponse, ProblemPage> {
    match CommentText::parse(&draft.text) {
        Ok(text) => {
            comments.add(&author.0, &text).await?;
            Ok(see_other("/"))
        }
        Err(error) => {
            let home = home(&author.into(), &pages, &comments, Place::default()).await?;
            let mistake = Some(in_plain_words(&error, &draft));
            page(StatusCode::UNPROCESSABLE_ENTITY, &Home { draft: draft.text, mistake, ..home })
        }
    }
}

/// Takes back what one has said.
pub async fn remove(
    VerifiedUser(author): VerifiedUser,
    comments: Data<Comments>,
    id: Path<CommentId>,
    Form(place): Form<Place>,
) -> Result<HttpResponse, ProblemPage> {
    comments.remove(&author, &id).await?;
    Ok(see_other(&place.path()))
}

/// Likes a comment.
pub async fn like(
    VerifiedUser(fan): VerifiedUser,
    comments: Data<Comments>,
    id: Path<CommentId>,
    Form(place): Form<Place>,
) -> Result<HttpResponse, ProblemPage> {
    comments.like(&fan, &id).await?;
    Ok(see_other(&place.path_to(&id)))
}

/// Takes a like back.
pub async fn unlike(
    VerifiedUser(fan): VerifiedUser,
    comments: Data<Comments>,
    id: Path<CommentId>,
    Form(place): Form<Place>,
) -> Result<HttpResponse, ProblemPage> {
    comments.unlike(&fan, &id).await?;
    Ok(see_other(&place.path_to(&id)))
}

/// The page for that visitor, at that place of the list.
async fn home(
    visitor: &OptionalUser,
    pages: &Pages,
    comments: &Comments,
    place: Place,
) -> Result<Home, comments::Error> {
    let part = Part::parse(None, Some(place.after.as_str()).filter(|after| !after.is_empty()))?;
    let listing = match visitor.session() {
        Some(reader) => comments.list_for(reader, &part).await?,
        None => comments.list(&part).await?,
    };
    let reader = visitor.session().map(|session| session.user().as_str());
    Ok(Home {
        frame: pages.frame("/", visitor),
        comments: listing.comments.into_iter().map(|comment| Entry::new(comment, reader)).collect(),
        after: place.after,
        older: listing.next.map(|cursor| cursor.text()),
        draft: String::new(),
        mistake: None,
    })
}

/// What is wrong with a draft.
fn in_plain_words(error: &comments::Error, draft: &Draft) -> String {
    match error {
        comments::Error::Empty => "Write something first.".to_owned(),
        comments::Error::TooLong => format!("This is too long: {} characters.", draft.text.trim().chars().count()),
        other => other.to_string(),
    }
}

impl Entry {
    /// For that reader, if anybody is signed in.
    fn new(comment: Comment, reader: Option<&str>) -> Self {
        Self {
            mine: comment.author.as_ref().is_some_and(|author| reader == Some(author.as_str())),
            id: comment.id.as_str().to_owned(),
            author: comment.author_name,
            text: comment.text,
            posted_at: comment.posted_at.into(),
            likes: comment.likes,
            liked: comment.liked.unwrap_or(false),
        }
    }
}

impl Place {
    /// The page that shows this part of the list.
    fn path(&self) -> String {
        if self.after.is_empty() { "/".to_owned() } else { format!("/?after={}", in_query(&self.after)) }
    }

    /// The comment on that page.
    fn path_to(&self, id: &CommentId) -> String {
        format!("{}#comment-{}", self.path(), id.as_str())
    }
}
