//! The files of a site that has been set up: migrated tables, installed schema, generated keys. Setting up takes most of the time
//! of a short test, so sites of tests begin with a copy.

use std::fs::{self, Permissions};
use std::path::Path;

use tokio::sync::OnceCell;

struct File {
    name: String,
    content: Vec<u8>,
    permissions: Permissions,
}

/// In memory, because nothing removes files when a test program ends.
pub struct Template(Vec<File>);

static TEMPLATE: OnceCell<Template> = OnceCell::const_new();

impl Template {
    /// The template of this process. `set_up` makes a site in a directory and stops it.
    pub async fn get(set_up: impl AsyncFnOnce(&Path)) -> &'static Self {
        let make = async || {
            let directory = tempfile::tempdir().unwrap();
            set_up(directory.path()).await;
            let entries = fs::read_dir(directory.path()).unwrap().map(Result::unwrap);
            // A hidden file is a lock.
            let files =
                entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')).map(|entry| File {
                    name: entry.file_name().into_string().unwrap(),
                    content: fs::read(entry.path()).unwrap(),
                    permissions: entry.metadata().unwrap().permissions(),
                });
            Self(files.collect())
        };
        TEMPLATE.get_or_init(make).await
    }

    pub fn copy_to(&self, directory: &Path) {
        for file in &self.0 {
            let path = directory.join(&file.name);
            fs::write(&path, &file.content).unwrap();
            fs::set_permissions(&path, file.permissions.clone()).unwrap();
        }
    }
}
