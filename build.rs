//! Tells cargo that a new file in `migrations/` changes the program, which `sqlx::migrate!` cannot do itself.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
