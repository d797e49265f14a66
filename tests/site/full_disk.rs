//! The program on a disk without room, and several of them on one new directory.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::binary::{Process, program};
use crate::client::TestClient;
use crate::world::{PASSWORD, credentials};

/// A limit on the size of files stands for the disk: it is lifted while the program runs, as when somebody deletes files.
#[cfg(target_os = "linux")]
#[actix_rt::test]
async fn a_disk_that_has_room_again_is_used_again_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    // In blocks of 512 bytes, and for now far away.
    let process = Process::start_on_a_full_disk(directory.path(), 4_000_000);
    let ann = TestClient::new(process.site.clone());
    assert_eq!(ann.post("/auth/signup", &credentials("ann@example.com", PASSWORD)).await.status, 200);
    let limit = |bytes: &str| {
        let id = process.child.id().to_string();
        let done =
            Command::new("prlimit").args(["--pid", &id, &format!("--fsize={bytes}:unlimited")]).status().unwrap();
        assert!(done.success());
    };
    let sign_in = async || {
        TestClient::new(process.site.clone()).post("/auth/signin", &credentials("ann@example.com", PASSWORD)).await
    };
    // Less than any of the databases has now: the next write of either fails.
    limit("8192");
    for _ in 0..6 {
        assert_eq!(sign_in().await.status, 503);
    }
    assert_eq!(ann.get("/ready").await.status, 503);
    assert_eq!(ann.get("/health").await.status, 200);
    limit("unlimited");
    for attempt in 0.. {
        if sign_in().await.status == 200 {
            break;
        }
        assert!(attempt < 50, "the site does not recover");
        actix_rt::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(ann.get("/ready").await.status, 200);
    assert_eq!(ann.refresh().await.status, 200);
}

#[test]
fn two_first_starts_on_one_directory_share_it() {
    let directory = tempfile::tempdir().unwrap();
    let count = || {
        let mut command = program(directory.path());
        command.args(["users", "count"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let started: Vec<Child> = (0..4).map(|_| count()).collect();
    for child in started {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n");
    }
}
