//! Registration of routes.
//!
//! A route is registered with its method, its path and who may use it ([`Access`]), and is listed in a [`RouteTable`] at the
//! same time. `tests/site/access.rs` compares that table with its own, so that a forgotten route fails a test. The table only
//! describes; the guard extractors among a handler's arguments refuse.

use std::fmt;

use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use actix_web::{FromRequest, Handler, Responder, web};
use utoipa::openapi::OpenApi;

/// The clients that may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// Anyone, with or without a session.
    Public,
    /// Requests with the token of a mailed link.
    MailedLink,
    /// Requests with a refresh token.
    RefreshToken,
    /// Signed-in users; anyone else is answered 401.
    SignedIn,
    /// Signed-in users; anyone else is redirected to the sign-in page.
    SignedInPage,
    /// Requests with an administration key.
    AdminKey,
    /// Requests with `METRICS_TOKEN`; 404 for all if that is not set.
    MetricsToken,
}

/// An entry of [`RouteTable`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub method: Method,
    /// Full path pattern, such as `/api/comments/{id}`.
    pub path: String,
    pub access: Access,
}

impl fmt::Display for Route {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.method, self.path)
    }
}

/// All routes of a site, in the order of their registration, each once, and their descriptions.
#[derive(Clone, Default)]
pub struct RouteTable {
    routes: Vec<Route>,
    descriptions: OpenApi,
}

impl RouteTable {
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// What [`Routes::describe`] was given, with full paths.
    pub fn descriptions(&self) -> &OpenApi {
        &self.descriptions
    }

    fn add(&mut self, route: Route) {
        let is_known = self.routes.iter().any(|known| known.method == route.method && known.path == route.path);
        if !is_known {
            self.routes.push(route);
        }
    }
}

/// Registers routes below one path prefix, with actix-web and in a [`RouteTable`].
pub struct Routes<'a> {
    config: &'a mut ServiceConfig,
    /// Path of the enclosing scopes; empty at the root.
    prefix: String,
    table: &'a mut RouteTable,
}

impl<'a> Routes<'a> {
    /// Registers with `config`, which is that of an application, not of a scope.
    pub fn new(config: &'a mut ServiceConfig, table: &'a mut RouteTable) -> Self {
        Self { config, prefix: String::new(), table }
    }

    pub fn add(&mut self, resource: Resource) -> &mut Self {
        for (method, access) in &resource.methods {
            let path = format!("{}{}", self.prefix, resource.path);
            self.table.add(Route { method: method.clone(), path, access: *access });
        }
        self.add_unlisted(resource)
    }

    /// Registers another spelling of a listed path.
    pub fn add_unlisted(&mut self, resource: Resource) -> &mut Self {
        self.config.service(resource.inner);
        self
    }

    /// Adds the operations of `D` to the OpenAPI document, with their paths below the enclosing scopes.
    pub fn describe<D: utoipa::OpenApi>(&mut self) -> &mut Self {
        let known = std::mem::take(&mut self.table.descriptions);
        self.table.descriptions = known.nest(self.prefix.clone(), D::openapi());
        self
    }

    /// Applies a function that registers routes.
    pub fn configure(&mut self, register: impl FnOnce(&mut Routes<'_>)) -> &mut Self {
        register(self);
        self
    }

    /// Registers routes below a path. Of several scopes whose paths match a request, actix-web tries the first one only.
    pub fn scope(&mut self, path: &str, register: impl FnOnce(&mut Routes<'_>)) -> &mut Self {
        let (prefix, table) = (format!("{}{path}", self.prefix), &mut *self.table);
        let scope = web::scope(path).configure(|config| register(&mut Routes { config, prefix, table }));
        self.config.service(scope);
        self
    }

    /// For what is not a route: state, or services of other crates, which are not listed.
    pub fn service_config(&mut self) -> &mut ServiceConfig {
        self.config
    }
}

/// Registers routes of this crate in an application of your own, which keeps no table:
/// `web::scope("/auth").configure(unlisted(session::routes))`.
pub fn unlisted(register: impl FnOnce(&mut Routes<'_>)) -> impl FnOnce(&mut ServiceConfig) {
    |config| register(&mut Routes::new(config, &mut RouteTable::default()))
}

/// A path with the handlers of its methods. Any other method is answered with 405.
pub struct Resource {
    inner: actix_web::Resource,
    path: String,
    methods: Vec<(Method, Access)>,
}

macro_rules! methods {
    ($($name:ident $method:ident),*) => {$(
        #[must_use]
        pub fn $name<F, Args>(self, access: Access, handler: F) -> Self
        where
            F: Handler<Args>,
            Args: FromRequest + 'static,
            F::Output: Responder + 'static,
        {
            self.route(Method::$method, access, web::$name().to(handler))
        }
    )*};
}

impl Resource {
    /// A path pattern as actix-web takes it: `/comments/{id}`.
    pub fn at(path: &str) -> Self {
        Self { inner: web::resource(path), path: path.to_owned(), methods: Vec::new() }
    }

    methods! { get GET, post POST, put PUT, patch PATCH, delete DELETE }

    fn route(mut self, method: Method, access: Access, route: actix_web::Route) -> Self {
        self.methods.push((method, access));
        Self { inner: self.inner.route(route), ..self }
    }

    /// Settings of extractors for this path only, such as a larger limit for bodies.
    #[must_use]
    pub fn app_data<T: 'static>(self, data: T) -> Self {
        Self { inner: self.inner.app_data(data), ..self }
    }

    /// Answers methods that have no handler, instead of 405.
    #[must_use]
    pub fn default_service(self, route: actix_web::Route) -> Self {
        Self { inner: self.inner.default_service(route), ..self }
    }
}
