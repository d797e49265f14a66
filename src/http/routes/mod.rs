//! Registration of routes.
//!
//! A route is registered with its method, its path and who may use it ([`Access`]), and is listed in a [`RouteTable`] at the
//! same time. `tests/site/access.rs` compares that table with its own, so that a forgotten route fails a test. The table only
//! describes; the guard extractors among a handler's arguments refuse.

mod query_names;

use std::fmt;

use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use actix_web::{FromRequest, Handler, Responder, web};
use utoipa::openapi::OpenApi;

use query_names::QueryNames;

/// The clients that may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// Anyone; a session makes no difference.
    Public,
    /// Anyone; the answer is another one with a session.
    MaybeSignedIn,
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
    /// Whether query parameters that no handler reads are ignored instead of refused with 400.
    pub ignores_unknown_query: bool,
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

    /// The descriptions given to [`Routes::describe`], with full paths.
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
    /// Whether query parameters that no handler reads are ignored.
    is_for_pages: bool,
}

impl<'a> Routes<'a> {
    /// Registers with `config`, which is that of an application, not of a scope.
    pub fn new(config: &'a mut ServiceConfig, table: &'a mut RouteTable) -> Self {
        Self { config, prefix: String::new(), table, is_for_pages: false }
    }

    pub fn add(&mut self, resource: Resource) -> &mut Self {
        for (method, access) in &resource.methods {
            let path = format!("{}{}", self.prefix, resource.path);
            let ignores_unknown_query = resource.query.is_none() && self.is_for_pages;
            self.table.add(Route { method: method.clone(), path, access: *access, ignores_unknown_query });
        }
        self.add_unlisted(resource)
    }

    /// Registers another spelling of a listed path.
    pub fn add_unlisted(&mut self, resource: Resource) -> &mut Self {
        let default = if self.is_for_pages { QueryNames::Any } else { QueryNames::Only(&[]) };
        self.config.service(resource.into_service(default));
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

    /// Applies a function that registers pages: other sites add parameters to links, so query parameters that a page does not
    /// read are ignored.
    pub fn pages(&mut self, register: impl FnOnce(&mut Routes<'_>)) -> &mut Self {
        let was_for_pages = std::mem::replace(&mut self.is_for_pages, true);
        register(self);
        self.is_for_pages = was_for_pages;
        self
    }

    /// Registers routes below a path. Of several scopes whose paths match a request, actix-web tries the first one only.
    pub fn scope(&mut self, path: &str, register: impl FnOnce(&mut Routes<'_>)) -> &mut Self {
        let (prefix, table, is_for_pages) = (format!("{}{path}", self.prefix), &mut *self.table, self.is_for_pages);
        let scope = web::scope(path).configure(|config| register(&mut Routes { config, prefix, table, is_for_pages }));
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
    handlers: Vec<actix_web::Route>,
    query: Option<QueryNames>,
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
        let inner = web::resource(path);
        Self { inner, path: path.to_owned(), methods: Vec::new(), handlers: Vec::new(), query: None }
    }

    methods! { get GET, post POST, put PUT, patch PATCH, delete DELETE }

    fn route(mut self, method: Method, access: Access, route: actix_web::Route) -> Self {
        self.methods.push((method, access));
        self.handlers.push(route);
        self
    }

    /// Names of the query parameters that the handler of `GET` reads; the other methods take none. A request with any other is
    /// answered with 400. Without this call pages ignore all, and other routes refuse all.
    #[must_use]
    pub fn query(self, names: &'static [&'static str]) -> Self {
        Self { query: Some(QueryNames::Only(names)), ..self }
    }

    /// The resource as actix-web takes it. The refusals of unknown query parameters come first, because the first route whose
    /// guards hold answers.
    fn into_service(self, default: QueryNames) -> actix_web::Resource {
        let of_get = self.query.unwrap_or(default);
        let of_others = if self.query.is_some() { QueryNames::Only(&[]) } else { default };
        let (get, others): (Vec<_>, Vec<_>) =
            self.methods.into_iter().map(|(method, _)| method).partition(|method| *method == Method::GET);
        let refusals = [(of_get, get), (of_others, others)].into_iter().filter_map(|(query, methods)| match query {
            QueryNames::Only(names) if !methods.is_empty() => Some(query_names::refusal(names, methods)),
            QueryNames::Only(_) | QueryNames::Any => None,
        });
        refusals.chain(self.handlers).fold(self.inner, actix_web::Resource::route)
    }

    /// Settings of extractors for this path only, such as a larger limit for bodies.
    #[must_use]
    pub fn app_data<T: 'static>(self, data: T) -> Self {
        Self { inner: self.inner.app_data(data), ..self }
    }
}
