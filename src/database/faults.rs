//! Faults of the database in simulated processes, one thread each. In unit tests only: other builds contain no trace of this.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;

/// A point before or after a statement or commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    Before,
    /// It has taken effect, and nobody knows yet.
    After,
}

/// Decides what happens at a point.
#[async_trait]
pub trait Faults: Send + Sync {
    /// False: the statement or its result is lost. Does not return if the process stops here. `alone`: no transaction is open, so
    /// other processes may write meanwhile.
    async fn passes(&self, point: Point, alone: bool) -> bool;
}

thread_local! {
    static OF_THIS_THREAD: RefCell<Option<Arc<dyn Faults>>> = const { RefCell::new(None) };
}

/// Makes this thread a simulated process.
pub fn install(faults: Arc<dyn Faults>) {
    OF_THIS_THREAD.set(Some(faults));
}

pub fn is_simulated() -> bool {
    OF_THIS_THREAD.with_borrow(Option::is_some)
}

pub async fn pass(point: Point, alone: bool) -> Result<(), sqlx::Error> {
    let faults = OF_THIS_THREAD.with_borrow(Clone::clone);
    match faults {
        Some(faults) if !faults.passes(point, alone).await => {
            Err(io::Error::new(io::ErrorKind::ConnectionReset, "simulated fault").into())
        }
        _ => Ok(()),
    }
}
