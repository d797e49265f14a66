//! Set algebra, compared with a model.

mod algebra;
mod histories;
mod model;
