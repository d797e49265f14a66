//! Sessions: proof that a request comes from a signed-in person, as SuperTokens' frontends expect it.

mod companion;
mod identifiers;

pub use companion::Birth;
pub use companion::Companion;
pub use companion::Minted;
pub use companion::NoCompanion;
pub use companion::Unavailable;
pub use identifiers::Lineage;
pub use identifiers::SessionHandle;
pub use identifiers::UserId;
