//! The crate `fauna-client` against the endpoint.

use std::time::Duration;

use fauna_client::stream::{Action, Change, Event};
use fauna_client::{AsAdmin, AsApp, Client, Data, Error, fql};
use serde_json::{Value, json};

use crate::endpoint::{Endpoint, ROOT};

const DEADLINE: Duration = Duration::from_secs(30);

#[test]
fn the_client_reads_streams_of_documents_and_sets() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (admin, server) = endpoint.child("client").await;
        let client = Client::new(&endpoint.url, DEADLINE).unwrap();
        let admin = AsAdmin::new(&client, admin.into());
        let app = AsApp::new(&client, server.into());
        let created = fql::create_schema("create_collection", fql::object([("name", "items".into())]));
        let _made: Value = admin.query(&created).await.unwrap();
        let item = fql::document("items", "1");
        let params = |n: i64| fql::object([("data", fql::object([("n", n.into())]))]);

        let mut set = app.stream::<Data>(&fql::documents("items")).await.unwrap();
        let mut document = app.stream::<Data>(&item).await.unwrap();
        for stream in [&mut set, &mut document] {
            assert_eq!(stream.next().await.unwrap().unwrap().change, Change::Start);
        }
        for query in
            [fql::create(item.clone(), params(1)), fql::update(item.clone(), params(2)), fql::delete(item.clone())]
        {
            let _written: Value = admin.query(&query).await.unwrap();
        }
        let data = |n: i64| Data([("n".to_owned(), json!(n))].into_iter().collect());
        for (action, n, before, changed) in [
            (Action::Create, 1, None, Some(data(1))),
            (Action::Update, 2, Some(data(1)), Some(data(2))),
            (Action::Delete, 2, Some(data(2)), None),
        ] {
            let Event { txn, change: Change::Version(version) } = document.next().await.unwrap().unwrap() else {
                panic!()
            };
            assert_eq!((version.action, version.document.ts), (action, txn));
            assert_eq!(version.document.data, Some(data(n)));
            assert_eq!((version.prev.unwrap().data, version.diff.unwrap().data), (before, changed));
            assert_eq!(version.document.reference.id.as_str(), "1");
        }
        for action in [Action::Add, Action::Remove] {
            let Change::Set(change) = set.next().await.unwrap().unwrap().change else { panic!() };
            assert_eq!((change.action, change.document.reference.id.as_str()), (action, "1"));
        }
        let refused = app.stream::<Data>(&fql::collection("items")).await;
        assert!(matches!(refused.err(), Some(Error::Refused { status: 400, .. })));
        let Endpoint { running, .. } = endpoint;
        running.stop().await;
        assert_eq!(document.next().await.unwrap(), None);
    });
}

#[test]
fn the_client_is_told_when_its_secret_is_revoked() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (admin, _) = endpoint.child("client").await;
        let client = Client::new(&endpoint.url, DEADLINE).unwrap();
        let admin = AsAdmin::new(&client, admin.into());
        let created = fql::create_schema("create_collection", fql::object([("name", "items".into())]));
        let _made: Value = admin.query(&created).await.unwrap();
        let key = fql::create_schema("create_key", fql::object([("role", "server".into())]));
        let key: Value = admin.query(&key).await.unwrap();
        let secret = key.get("secret").and_then(Value::as_str).unwrap().to_owned();
        let app = AsApp::new(&client, secret.into());
        let mut stream = app.stream::<Data>(&fql::documents("items")).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap().change, Change::Start);
        endpoint.query(ROOT, &json!({"delete": {"database": "client"}})).await;
        assert!(matches!(stream.next().await, Err(Error::Unauthorized)));
        assert!(matches!(app.stream::<Data>(&fql::documents("items")).await.err(), Some(Error::Unauthorized)));
    });
}
