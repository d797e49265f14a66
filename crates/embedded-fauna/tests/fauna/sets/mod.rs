//! Set algebra, compared with a model.

mod algebra;
mod model;
