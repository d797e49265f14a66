use super::*;

const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn publish(bus: &EventBus, user: &str) {
    bus.publish(user, "session", AT, EventKind::SessionRefreshed);
}

#[tokio::test]
async fn a_subscriber_gets_what_it_missed_and_what_follows_and_nothing_of_others() {
    let bus = EventBus::with_first_id_at(AT, Queries::default());
    publish(&bus, "ann");
    publish(&bus, "bob");
    publish(&bus, "ann");
    let all = bus.subscribe("ann", 0).unwrap().history;
    assert_eq!(all.len(), 2);
    let mut since = bus.subscribe("ann", all[0].id).unwrap();
    assert_eq!(since.history, all[1..]);
    publish(&bus, "bob");
    publish(&bus, "ann");
    let next = since.events.recv().await.unwrap();
    assert!(next.id > all[1].id && &*next.user == "ann");
    assert!(since.events.try_recv().is_err());
}

#[tokio::test]
async fn queries_are_events_only_while_their_user_listens_where_it_is_so_configured() {
    assert!(EventBus::default().wants_queries("ann"));
    let bus = EventBus::with_first_id_at(AT, Queries::OfListeners);
    assert!(!bus.wants_queries("ann"));
    let subscription = bus.subscribe("ann", 0).unwrap();
    assert!(bus.wants_queries("ann") && !bus.wants_queries("bob"));
    drop(subscription);
    assert!(!bus.wants_queries("ann"));
}

#[test]
fn ids_grow_across_restarts_and_are_exact_in_javascript() {
    let ids = |started| {
        let bus = EventBus::with_first_id_at(started, Queries::default());
        publish(&bus, "ann");
        bus.history("ann", 0)[0].id
    };
    let (first, second) = (ids(AT), ids(AT.after(Duration::from_secs(1))));
    assert!(first < second && second < 1 << 53);
}

#[test]
fn histories_are_bounded_per_user_and_in_all() {
    let bus = EventBus::default();
    for _ in 0..=HISTORY_MAX {
        publish(&bus, "ann");
    }
    assert_eq!(bus.history("ann", 0).len(), HISTORY_MAX);
    assert_eq!(bus.history("ann", 0)[0].id, 2);
    publish(&bus, "bob");
    publish(&bus, "ann");
    for number in 0..USERS_MAX - 1 {
        publish(&bus, &format!("user {number}"));
    }
    assert!(bus.history("bob", 0).is_empty(), "the quietest user is forgotten");
    assert_eq!(bus.history("ann", 0).len(), HISTORY_MAX);
}

#[test]
fn a_subscriber_that_does_not_read_is_dropped_and_holds_nobody_up() {
    let bus = EventBus::default();
    let mut slow = bus.subscribe("ann", 0).unwrap().events;
    for _ in 0..=BACKLOG_MAX {
        publish(&bus, "ann");
    }
    for _ in 0..BACKLOG_MAX {
        slow.try_recv().unwrap();
    }
    assert_eq!(slow.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    assert!(bus.lock().subscribers.is_empty());
}

#[test]
fn subscribers_are_bounded_per_user_and_in_all() {
    let bus = EventBus::default();
    let mut first = bus.subscribe("ann", 0).unwrap().events;
    let mut kept = Vec::new();
    for _ in 0..SUBSCRIBERS_PER_USER_MAX {
        kept.push(bus.subscribe("ann", 0).unwrap());
    }
    assert_eq!(first.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    for number in SUBSCRIBERS_PER_USER_MAX..SUBSCRIBERS_MAX {
        kept.push(bus.subscribe(&format!("user {number}"), 0).unwrap());
    }
    assert!(bus.subscribe("bob", 0).is_none());
    drop(kept);
    assert!(bus.subscribe("bob", 0).is_some());
}

#[test]
fn an_event_is_flat_json_without_its_user() {
    let bus = EventBus::default();
    bus.publish("ann", "s-1", AT, EventKind::SessionEnded { reason: RevokeReason::StolenRefreshToken });
    let json = serde_json::to_value(&bus.history("ann", 0)[0]).unwrap();
    let expected = serde_json::json!({
        "id": 1, "session": "s-1", "at": AT, "kind": "session-ended", "reason": "stolen-refresh-token",
    });
    assert_eq!(json, expected);
    let fields = EventKind::SessionPromoted { grace_until: AT };
    assert_eq!(serde_json::to_value(fields).unwrap()["graceUntil"], serde_json::json!(AT));
}

#[test]
fn a_deletion_that_two_tasks_have_confirmed_is_one_event() {
    let bus = EventBus::default();
    let delete = |user, fingerprint: &str, delay_millis| {
        let kind = EventKind::TokenDeleted { fingerprint: Some(fingerprint.to_owned()), delay_millis };
        bus.publish(user, "s-1", AT, kind);
    };
    delete("ann", "0015ad", Some(4));
    delete("ann", "0015ad", None);
    delete("ann", "c09a52", None);
    delete("ben", "0015ad", None);
    assert_eq!(bus.history("ann", 0).len(), 2);
    assert_eq!(bus.history("ben", 0).len(), 1);
}

#[test]
fn a_fingerprint_is_the_tail_of_the_digest() {
    // SHA-256 of "abc" ends with f20015ad.
    assert_eq!(fingerprint("abc"), "0015ad");
}
