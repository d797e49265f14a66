//! Routes of the pages.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::http::routes::{Access, Resource, Routes};
use crate::pages::accounts::{account, auth, complete, password, settings, verify};
use crate::pages::frame::redirect;
use crate::pages::panel::event_stream;
use crate::pages::{api_docs, assets, cookies, drafts, home, panel, resume};

/// | method | path                                       | who                          | without a session     |
/// |--------|--------------------------------------------|------------------------------|-----------------------|
/// | GET    | `/`                                        | anyone                       |                       |
/// | POST   | `/sign-up`, `/sign-in`                     | anyone                       |                       |
/// | POST   | `/complete-sign-up`                        | who holds a mailed link      |                       |
/// | POST   | `/forgot-password`                         | anyone                       |                       |
/// | POST   | `/reset-password`                          | who holds a mailed link      |                       |
/// | POST   | `/verify-email`                            | who holds a mailed link      |                       |
/// | POST   | `/verify-email/send`                       | signed in                    | to the sign-in page   |
/// | POST   | `/sign-out`, `/sign-out-everywhere`        | signed in                    | to the sign-in page   |
/// | POST   | `/comments`                                | signed in                    | to the sign-in page   |
/// | POST   | `/comments/{id}/like`, `…/unlike`          | signed in                    | to the sign-in page   |
/// | POST   | `/comments/{id}/delete`                    | its author                   | to the sign-in page   |
/// | POST   | `/drafts/discard`                          | its author                   |                       |
/// | GET    | `/account/session`                         | signed in                    | 401: for scripts      |
/// | POST   | `/account/password`, `…/email`, `…/delete` | signed in, with the password | to the sign-in page   |
/// | POST   | `/account/profile`                         | signed in                    | to the sign-in page   |
/// | POST   | `/account/sessions/end-others`             | signed in                    | to the sign-in page   |
/// | POST   | `/account/sessions/{handle}/end`           | its owner                    | to the sign-in page   |
/// | GET    | `/cookies`, `/.well-known/change-password` | anyone                       |                       |
/// | GET    | `/static/{file}`                           | anyone                       |                       |
pub fn routes(root: &mut Routes<'_>) {
    root.add(Resource::at("/").get(Access::Public, home::show))
        .add(Resource::at("/complete-sign-up").post(Access::MailedLink, complete::complete))
        .add(Resource::at("/forgot-password").post(Access::Public, password::request))
        .add(Resource::at("/reset-password").post(Access::MailedLink, password::reset))
        .add(Resource::at("/verify-email").post(Access::MailedLink, verify::verify))
        .add(Resource::at("/verify-email/send").post(Access::SignedInPage, verify::send))
        .add(Resource::at("/sign-up").post(Access::Public, auth::sign_up))
        .add(Resource::at("/sign-in").post(Access::Public, auth::sign_in))
        .add(Resource::at("/sign-out").post(Access::SignedInPage, auth::sign_out))
        .add(Resource::at("/sign-out-everywhere").post(Access::SignedInPage, auth::sign_out_everywhere))
        .add(Resource::at("/comments").post(Access::SignedInPage, home::add))
        .add(Resource::at("/comments/{id}/like").post(Access::SignedInPage, home::like))
        .add(Resource::at("/comments/{id}/unlike").post(Access::SignedInPage, home::unlike))
        .add(Resource::at("/comments/{id}/delete").post(Access::SignedInPage, home::remove))
        .add(Resource::at("/drafts/discard").post(Access::Public, drafts::discard))
        .add(Resource::at("/cookies").get(Access::Public, cookies::show))
        .add(Resource::at("/.well-known/change-password").get(Access::Public, change_password_address))
        .add(Resource::at("/account").get(Access::SignedInPage, account::show))
        .add(Resource::at("/account/session").get(Access::SignedIn, panel::state))
        .add(Resource::at("/account/settings").get(Access::SignedInPage, settings::show))
        .add(Resource::at("/account/profile").post(Access::SignedInPage, settings::change_profile))
        .add(Resource::at("/account/password").post(Access::SignedInPage, settings::change_password))
        .add(Resource::at("/account/email").post(Access::SignedInPage, settings::change_email))
        .add(Resource::at("/account/delete").post(Access::SignedInPage, settings::delete))
        .add(Resource::at("/account/sessions/end-others").post(Access::SignedInPage, account::end_others))
        .add(Resource::at("/account/sessions/{handle}/end").post(Access::SignedInPage, account::end))
        .configure(assets::routes);
}

/// Pages that mailed links and the frontends of SuperTokens lead to, below `WEBSITE_BASE_PATH`.
///
/// | method | path                | who    |
/// |--------|---------------------|--------|
/// | GET    | (the base path)     | anyone |
/// | GET    | `/complete-sign-up` | anyone |
/// | GET    | `/reset-password`   | anyone |
/// | GET    | `/verify-email`     | anyone |
pub fn sign_in_routes(root: &mut Routes<'_>, base_path: &str) {
    let below = |path: &str| Resource::at(&format!("{base_path}{path}"));
    root.add(below("").get(Access::Public, auth::show))
        .add(below(complete::HERE).get(Access::Public, complete::show))
        .add(below(password::HERE).get(Access::Public, password::show))
        .add(below(verify::HERE).get(Access::Public, verify::show));
}

/// Below `/api`.
///
/// | method | path                  | who       |
/// |--------|-----------------------|-----------|
/// | GET    | `/api/session/events` | signed in |
/// | GET    | `/api/docs`           | anyone    |
pub fn api_routes(api: &mut Routes<'_>) {
    api.add(Resource::at("/session/events").get(Access::SignedIn, event_stream::open))
        // `resume` adds this parameter where a session cannot be renewed, as to every page.
        .add(Resource::at("/docs").query(&["session"]).get(Access::Public, api_docs::show))
        .describe::<Description>();
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(event_stream::open))]
struct Description;

/// Where password managers look for the form that changes a password (W3C, A Well-Known URL for Changing Passwords).
async fn change_password_address() -> HttpResponse {
    redirect(StatusCode::FOUND, "/account/settings#password-title")
}

/// Under the base path of the recipes, where the refresh cookie is sent.
///
/// | method | path                        | who                       |
/// |--------|-----------------------------|---------------------------|
/// | any    | `/session/refresh/continue` | who holds a refresh token |
pub fn auth_routes(auth: &mut Routes<'_>) {
    auth.add(
        Resource::at("/session/refresh/continue")
            .get(Access::RefreshToken, resume::resume)
            .post(Access::RefreshToken, resume::resume),
    );
}
