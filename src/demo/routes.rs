//! Routes of the demo, in development only.

use crate::demo::{accounts, experiments};
use crate::http::routes::{Access, Resource, Routes};

/// | method | path                      | who       | without a session   |
/// |--------|---------------------------|-----------|---------------------|
/// | POST   | `/demo/try`               | anyone    |                     |
/// | POST   | `/demo/second-device`     | signed in | to the sign-in page |
/// | POST   | `/demo/second-device/end` | signed in | to the sign-in page |
/// | POST   | `/demo/sign-out`          | signed in | to the sign-in page |
/// | POST   | `/demo/forbidden`         | signed in | to the sign-in page |
/// | POST   | `/demo/fauna`             | signed in | to the sign-in page |
/// | POST   | `/demo/fauna/start`       | anyone    |                     |
pub fn routes(root: &mut Routes<'_>) {
    root.add(Resource::at("/demo/try").post(Access::Public, accounts::sign_in_to_demo))
        .add(Resource::at("/demo/second-device").post(Access::SignedInPage, experiments::second_device))
        .add(Resource::at("/demo/second-device/end").post(Access::SignedInPage, experiments::end_second_device))
        .add(Resource::at("/demo/sign-out").post(Access::SignedInPage, experiments::sign_out))
        .add(Resource::at("/demo/forbidden").post(Access::SignedInPage, experiments::forbidden))
        .add(Resource::at("/demo/fauna").post(Access::SignedInPage, experiments::stop_or_start_fauna))
        .add(Resource::at("/demo/fauna/start").post(Access::Public, experiments::start_fauna));
}

/// Below the base path of the API, where browsers send the refresh token that is to be used or stolen.
///
/// | method | path                           | who       | without a session   |
/// |--------|--------------------------------|-----------|---------------------|
/// | POST   | `/session/refresh/demo/expire` | signed in | to the sign-in page |
/// | POST   | `/session/refresh/demo/theft`  | signed in | to the sign-in page |
pub fn auth_routes(auth: &mut Routes<'_>) {
    auth.add(Resource::at("/session/refresh/demo/expire").post(Access::SignedInPage, experiments::expire))
        .add(Resource::at("/session/refresh/demo/theft").post(Access::SignedInPage, experiments::theft));
}
