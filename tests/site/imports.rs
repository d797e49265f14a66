//! Importing many users at once: everybody or nobody, whatever happens on the way.

use serde_json::{Value, json};

use crate::admin::{ARGON2, BCRYPT, KEY, admin, count, entry, import, world};
use crate::client::Response;
use crate::proxy::{Line, behind_a_line};
use crate::world::credentials;

/// So many people that they are far more than a line carries at once.
pub fn many(count: usize) -> Vec<Value> {
    (0..count).map(|n| entry(&format!("user{n}@example.com"), "argon2", ARGON2)).collect()
}

/// Index and errors of the refused entries.
fn refused(answer: &Response) -> Vec<(u64, Vec<String>)> {
    assert_eq!(answer.status, 400, "{}", answer.text);
    let json = answer.json();
    let errors = |entry: &Value| serde_json::from_value(entry["errors"].clone()).unwrap();
    let entries = json["users"].as_array().unwrap_or_else(|| panic!("{json}"));
    entries.iter().map(|entry| (entry["index"].as_u64().unwrap(), errors(entry))).collect()
}

#[actix_rt::test]
async fn ten_thousand_people_arrive_in_one_request() {
    let world = world().await;
    let answer = import(&world, &many(10_000)).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"status": "OK", "imported": 10_000})));
    assert_eq!(count(&world).await, 10_000);
    let last = world.visitor().post("/auth/signin", &credentials("user9999@example.com", "testPass123")).await;
    assert_eq!(last.json()["status"], "OK", "{}", last.text);
}

#[actix_rt::test]
async fn every_entry_that_is_wrong_is_named_and_nobody_is_imported() {
    let world = world().await;
    let mut there = entry("there@example.com", "bcrypt", BCRYPT);
    there["externalUserId"] = json!("4711");
    assert_eq!(import(&world, &[there]).await.json()["imported"], 1);

    let mut people = many(1500);
    people[3] = entry("nope", "bcrypt", BCRYPT);
    people[700] = entry("USER5@example.com", "bcrypt", BCRYPT);
    people[900] = entry("There@Example.com", "bcrypt", BCRYPT);
    for twice in [1100, 1200] {
        people[twice]["externalUserId"] = json!("42");
    }
    people[1300]["externalUserId"] = json!("4711");
    people[1499] = json!("a text");
    let said = |text: &str| vec![text.to_owned()];
    let expected = [
        (3, said("email is required for an emailpassword recipe and must be an address")),
        (700, said("another entry has the same email")),
        (900, said("a user with this email already exists")),
        (1200, said("another entry has the same externalUserId")),
        (1300, said("a user with this externalUserId already exists")),
        (1499, said("the entry must be an object")),
    ];
    assert_eq!(refused(&import(&world, &people).await), expected);
    assert_eq!(count(&world).await, 1);
}

#[actix_rt::test]
async fn more_than_ten_thousand_are_too_many() {
    let world = world().await;
    let answer = import(&world, &many(10_001)).await;
    assert_eq!((answer.status, answer.json()["message"].as_str().unwrap().contains("10000")), (400, true));
}

#[actix_rt::test]
async fn an_import_that_is_cut_off_in_its_middle_leaves_nobody() {
    let (_fauna, site, line) = behind_a_line(&[("ADMIN_API_KEY", KEY)]).await;
    line.set(Line::CutsLarge);
    let answer = import(&site, &many(1500)).await;
    assert_eq!((answer.status, answer.header("retry-after").is_empty()), (503, false), "{}", answer.text);
    assert_eq!(count(&site).await, 0);
    line.set(Line::Up);
    assert_eq!(import(&site, &many(1500)).await.json()["imported"], 1500);
    assert_eq!(count(&site).await, 1500);
}

#[actix_rt::test]
async fn an_import_whose_answers_are_lost_is_made_once_and_known_to_be() {
    let (_fauna, site, line) = behind_a_line(&[("ADMIN_API_KEY", KEY)]).await;
    line.set(Line::LosesLarge);
    let answer = import(&site, &many(1500)).await;
    assert_eq!((answer.status, &answer.json()["imported"]), (200, &json!(1500)), "{}", answer.text);
    assert_eq!(count(&site).await, 1500);
    assert_eq!(admin(&site).get("/api/admin/users?limit=1").await.json()["status"], "OK");
}
