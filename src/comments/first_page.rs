//! The newest comments as visitors see them, which most visitors ask for: requests that wait at the same time share a query.
//!
//! Nothing is cached. While a query runs, those who come wait for the next one, which begins after all of them have come, so that
//! everybody sees what was written before they asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use fauna_client as fauna;
use fauna_client::AsApp;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

use crate::comments::{Listing, PageRequest, store};

type Query = Shared<BoxFuture<'static, Result<Arc<Listing>, fauna::Error>>>;

/// First pages by their size, which is bounded. Clones share the queries.
#[derive(Clone)]
pub struct FirstPages {
    app: AsApp,
    pages: Arc<Mutex<HashMap<i64, Page>>>,
}

#[derive(Default)]
struct Page {
    /// Held by the query that runs.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// The query that has not begun.
    next: Option<Query>,
}

impl FirstPages {
    pub fn new(app: AsApp) -> Self {
        Self { app, pages: Arc::default() }
    }

    /// The newest `size` comments, read after this was called.
    ///
    /// # Errors
    /// Those of the query.
    pub async fn read(&self, size: i64) -> Result<Arc<Listing>, fauna::Error> {
        let query = {
            let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
            let page = pages.entry(size).or_default();
            let turn = Arc::clone(&page.turn);
            page.next.get_or_insert_with(|| self.clone().query(size, turn).boxed().shared()).clone()
        };
        query.await
    }

    async fn query(self, size: i64, turn: Arc<tokio::sync::Mutex<()>>) -> Result<Arc<Listing>, fauna::Error> {
        let _turn = turn.lock().await;
        // Whoever comes from here on may have seen a write that this query does not see.
        if let Some(page) = self.pages.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&size) {
            page.next = None;
        }
        let query = store::list(&PageRequest { size, after: None });
        let page = self.app.query_idempotent::<store::CommentPage>(&query).await?;
        Ok(Arc::new(store::listing(page)))
    }
}
