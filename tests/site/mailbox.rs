//! The mail of a site's people, as its development mailbox shows it.

use serde_json::Value;

use crate::world::World;

/// All mail, newest first.
pub async fn mails(world: &World) -> Vec<Value> {
    let accept = [("accept", "application/json")];
    let answer = world.visitor().send(reqwest::Method::GET, "/dev/mailbox", &accept, None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["mails"].as_array().unwrap().clone()
}

/// `[recipient, kind]` of all mail, newest first.
pub async fn kinds(world: &World) -> Vec<(String, String)> {
    let text = |mail: &Value, field: &str| mail[field].as_str().unwrap().to_owned();
    mails(world).await.iter().map(|mail| (text(mail, "to"), text(mail, "kind"))).collect()
}

/// The link in the newest mail to that address.
pub async fn link_to(world: &World, address: &str) -> String {
    let mails = mails(world).await;
    let mail = mails.iter().find(|mail| mail["to"] == address && mail["link"].is_string());
    let mail = mail.unwrap_or_else(|| panic!("no link was mailed to {address}: {mails:?}"));
    let link = mail["link"].as_str().unwrap();
    assert!(mail["text"].as_str().unwrap().contains(link), "{mail}");
    link.to_owned()
}

/// The token of that link.
pub async fn token_to(world: &World, address: &str) -> String {
    let link = link_to(world, address).await;
    let (_, rest) = link.split_once("?token=").unwrap();
    rest.split('&').next().unwrap().to_owned()
}
