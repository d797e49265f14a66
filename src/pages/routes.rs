//! Pages over HTTP.

use actix_web::web;

use crate::pages::{account, assets, auth, complete, home, password, resume, settings, verify};

/// | method | path                                       | who                          | without a session     |
/// |--------|--------------------------------------------|------------------------------|-----------------------|
/// | GET    | `/`                                        | anyone                       |                       |
/// | GET    | `/auth`                                    | anyone                       |                       |
/// | POST   | `/sign-up`, `/sign-in`                     | anyone                       |                       |
/// | GET    | `/auth/complete-sign-up`                   | anyone                       |                       |
/// | POST   | `/complete-sign-up`                        | who holds a mailed link      |                       |
/// | GET    | `/auth/reset-password`                     | anyone                       |                       |
/// | POST   | `/forgot-password`                         | anyone                       |                       |
/// | POST   | `/reset-password`                          | who holds a mailed link      |                       |
/// | GET    | `/auth/verify-email`                       | anyone                       |                       |
/// | POST   | `/verify-email`                            | who holds a mailed link      |                       |
/// | POST   | `/verify-email/send`                       | signed in                    | to `/auth`            |
/// | POST   | `/sign-out`, `/sign-out-everywhere`        | signed in                    | to `/auth`            |
/// | POST   | `/comments`                                | signed in                    | to `/auth`            |
/// | POST   | `/comments/{id}/like`, `…/unlike`          | signed in                    | to `/auth`            |
/// | POST   | `/comments/{id}/delete`                    | its author                   | to `/auth`            |
/// | GET    | `/account`, `/account/settings`            | signed in                    | to `/auth`, then back |
/// | GET    | `/account/session`                         | signed in                    | 401: for scripts      |
/// | POST   | `/account/password`, `…/email`, `…/delete` | signed in, with the password | to `/auth`            |
/// | POST   | `/account/sessions/end-others`             | signed in                    | to `/auth`            |
/// | POST   | `/account/sessions/{handle}/end`           | its owner                    | to `/auth`            |
/// | GET    | `/static/{file}`                           | anyone                       |                       |
pub fn routes(root: &mut web::ServiceConfig) {
    root.service(web::resource("/").get(home::show))
        .service(web::resource("/auth").get(auth::show))
        .service(web::resource("/auth/complete-sign-up").get(complete::show))
        .service(web::resource("/complete-sign-up").post(complete::complete))
        .service(web::resource("/auth/reset-password").get(password::show))
        .service(web::resource("/forgot-password").post(password::ask))
        .service(web::resource("/reset-password").post(password::reset))
        .service(web::resource("/auth/verify-email").get(verify::show))
        .service(web::resource("/verify-email").post(verify::verify))
        .service(web::resource("/verify-email/send").post(verify::send))
        .service(web::resource("/sign-up").post(auth::sign_up))
        .service(web::resource("/sign-in").post(auth::sign_in))
        .service(web::resource("/sign-out").post(auth::sign_out))
        .service(web::resource("/sign-out-everywhere").post(auth::sign_out_everywhere))
        .service(web::resource("/comments").post(home::add))
        .service(web::resource("/comments/{id}/like").post(home::like))
        .service(web::resource("/comments/{id}/unlike").post(home::unlike))
        .service(web::resource("/comments/{id}/delete").post(home::remove))
        .service(web::resource("/account").get(account::show))
        .service(web::resource("/account/session").get(account::session))
        .service(web::resource("/account/settings").get(settings::show))
        .service(web::resource("/account/password").post(settings::change_password))
        .service(web::resource("/account/email").post(settings::change_email))
        .service(web::resource("/account/delete").post(settings::delete))
        .service(web::resource("/account/sessions/end-others").post(account::end_others))
        .service(web::resource("/account/sessions/{handle}/end").post(account::end))
        .configure(assets::routes);
}

/// Under the base path of the recipes, where the refresh cookie is sent.
///
/// | method | path                        | who                       |
/// |--------|-----------------------------|---------------------------|
/// | any    | `/session/refresh/continue` | who holds a refresh token |
pub fn auth_routes(auth: &mut web::ServiceConfig) {
    auth.service(web::resource("/session/refresh/continue").get(resume::resume).post(resume::resume));
}
