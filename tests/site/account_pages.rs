//! Pages about one's own account without JavaScript: links from mails, another password or address, the end.

use reqwest::Method;

use crate::client::{Response, TestClient};
use crate::pages::{MISTAKE, PASSWORD_RULE, browser, credentials, signed_up};
use crate::world::{PASSWORD, World};

/// Path and query of the link in the newest mail.
async fn mailed_link(visitor: &TestClient) -> String {
    let mails = visitor.send(Method::GET, "/dev/mailbox", &[("accept", "application/json")], None).await.json();
    let link = mails["mails"][0]["link"].as_str().unwrap_or_else(|| panic!("no link: {mails}")).to_owned();
    link.split_once("/auth/").map(|(_, rest)| format!("/auth/{rest}")).unwrap()
}

/// The token that a page would post.
fn token_in(page: &Response) -> &str {
    page.text.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap()
}

/// Opens the link in the newest mail and presses its button; where that leads.
async fn confirm(visitor: &TestClient) -> String {
    let page = visitor.get(&mailed_link(visitor).await).await;
    let answer = visitor.submit("/verify-email", &format!("token={}", token_in(&page))).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.header("location").to_owned()
}

#[actix_rt::test]
async fn an_empty_mailbox_leads_to_the_page_that_fills_it() {
    let world = World::with(&[("WEBSITE_BASE_PATH", "/login")]).await;
    let visitor = browser(&world);
    let mailbox = visitor.get("/dev/mailbox").await.text;
    let link = mailbox.split("\">ask for a new password").next().unwrap().rsplit("href=\"").next().unwrap();
    let (_, below) = link.split_once("/login/").unwrap();
    let page = visitor.get(&format!("/login/{below}")).await;
    assert!(page.status == 200 && page.text.contains("action=\"/forgot-password\""), "{link}: {}", page.text);
}

#[actix_rt::test]
async fn a_forgotten_password_is_replaced_by_way_of_the_mailbox() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    let visitor = browser(&world);
    let unknown = visitor.submit("/forgot-password", "email=nobody%40example.com").await;
    let known = visitor.submit("/forgot-password", "email=ann%40example.com").await;
    assert_eq!((unknown.status, known.status), (303, 303));
    let told = [visitor.get(unknown.header("location")).await.text, visitor.get(known.header("location")).await.text];
    assert_eq!(told[0].replace("nobody@example.com", "ann@example.com"), told[1], "an address is given away");
    assert!(
        told[1].contains("a message is on its way") && told[1].contains("value=\"ann@example.com\""),
        "{}",
        told[1]
    );
    let page = visitor.get(&mailed_link(&visitor).await).await;
    assert_eq!((page.status, page.header("referrer-policy")), (200, "no-referrer"));
    assert!(page.text.contains(PASSWORD_RULE), "{}", page.text);
    let token = token_in(&page);

    let choose = |password: &str, again: &str| format!("token={token}&password={password}&repeated={again}");
    for (form, said) in [
        (choose("new-horse-2", "new-horse-3"), "The two passwords differ. Type the new one again."),
        (choose("short", "short"), MISTAKE),
    ] {
        let answer = visitor.submit("/reset-password", &form).await;
        assert_eq!((answer.status, answer.text.contains(said)), (422, true), "{}", answer.text);
    }
    let done = visitor.submit("/reset-password", &choose("new-horse-2", "new-horse-2")).await;
    assert_eq!((done.status, done.header("location")), (303, "/auth?done=password-changed"));
    assert_eq!(ann.get("/account").await.status, 303, "sessions of before the change go on");
    let dead = visitor.get(&format!("/auth/reset-password?token={token}")).await;
    assert_eq!((dead.status, dead.text.contains("This link does not work any more.")), (410, true), "{}", dead.text);
    assert!(dead.text.contains("action=\"/forgot-password\"") && !dead.text.contains("type=\"password\""));
    let again = visitor.submit("/reset-password", &choose("new-horse-4", "new-horse-4")).await;
    assert_eq!((again.status, again.text.contains("This link does not work any more.")), (422, true));
    assert_eq!(visitor.submit("/sign-in", &credentials("ann@example.com", "new-horse-2")).await.status, 303);
}

#[actix_rt::test]
async fn whoever_must_confirm_an_address_is_led_there_and_may_write_afterwards() {
    let world = World::with(&[("EMAIL_VERIFICATION", "REQUIRED")]).await;
    let ann = signed_up(&world, "ann@example.com").await;
    assert!(ann.get("/account").await.text.contains("not confirmed yet"));
    let refused = ann.submit("/comments", "text=Hello").await;
    assert_eq!((refused.status, refused.header("location")), (303, "/auth/verify-email"));
    assert_eq!(ann.submit("/verify-email/send", "").await.header("location"), "/auth/verify-email?sent=yes");
    assert_eq!(confirm(&ann).await, "/auth/verify-email?done=yes");
    assert_eq!(ann.submit("/comments", "text=Hello").await.header("location"), "/");
    assert!(!ann.get("/account").await.text.contains("not confirmed yet"));
    let again = ann.submit("/verify-email", "token=unknown").await;
    assert_eq!((again.status, again.text.contains("This link does not work any more.")), (422, true));
}

#[actix_rt::test]
async fn opening_a_link_does_nothing_by_itself() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    ann.submit("/verify-email/send", "").await;
    let link = mailed_link(&ann).await;
    let scanner = browser(&world);
    for _ in 0..2 {
        assert_eq!(scanner.get(&link).await.status, 200);
    }
    assert_eq!(confirm(&scanner).await, "/auth/verify-email?done=yes");
}

#[actix_rt::test]
async fn name_and_further_fields_are_shown_and_changed_with_mistakes_beside_the_field() {
    let world = World::with(&[("SIGN_UP_FIELDS", "city?")]).await;
    let ann = signed_up(&world, "ann@example.com").await;
    ann.submit("/comments", "text=Hello").await;
    let saved = ann.submit("/account/profile", "name=Ann+Lee&city=Ulm").await;
    assert_eq!((saved.status, saved.header("location")), (303, "/account/settings?done=profile"), "{}", saved.text);
    let page = ann.get(saved.header("location")).await.text;
    assert!(page.contains("The profile is saved.") && page.contains("value=\"Ann Lee\""), "{page}");
    assert!(page.contains("value=\"Ulm\""), "{page}");

    for (form, kept, said) in [
        ("name=&city=Bonn", "value=\"Bonn\"", "id=\"profile-name-mistake\">Name must not be empty."),
        (
            "name=Ann+Lee&city=a%00b",
            "name=\"city\"",
            "id=\"profile-city-mistake\">This must not contain control characters.",
        ),
    ] {
        let refused = ann.submit("/account/profile", form).await;
        assert_eq!((refused.status, refused.text.contains(said)), (422, true), "{form}: {}", refused.text);
        assert!(refused.text.contains(kept), "what was typed is lost: {}", refused.text);
    }
    let cleared = ann.submit("/account/profile", "name=Ann+Lee&city=").await;
    assert_eq!(cleared.status, 303, "{}", cleared.text);
    let page = ann.get("/account/settings").await.text;
    assert!(page.contains("value=\"Ann Lee\"") && !page.contains("Ulm") && !page.contains("Bonn"), "{page}");
}

/// Every form with something to lose but a password.
#[actix_rt::test]
async fn while_fauna_is_down_no_form_loses_what_was_typed() {
    let world = World::with(&[("SIGN_UP_FIELDS", "city?")]).await;
    let ann = signed_up(&world, "ann@example.com").await;
    let nobody = browser(&world);
    assert_eq!(ann.submit("/demo/fauna", "running=false").await.status, 200);
    let settings = ann.get("/account/settings").await;
    assert_eq!(
        (settings.status, settings.text.contains("your profile cannot be shown")),
        (503, true),
        "{}",
        settings.text
    );
    for (visitor, path, form, kept) in [
        (&ann, "/account/profile", "name=Ann+Lee&city=Ulm", &["value=\"Ann Lee\"", "value=\"Ulm\""][..]),
        (&ann, "/account/email", "current=x&email=new%40example.com", &["value=\"new@example.com\""]),
        (&ann, "/comments", "text=Not+lost", &[">\nNot lost</textarea>"]),
        (&nobody, "/sign-in", "email=ann%40example.com&password=x", &["value=\"ann@example.com\""]),
        (
            &nobody,
            "/sign-up",
            "email=bob%40example.com&password=long-horse-1&city=Ulm",
            &["value=\"bob@example.com\"", "value=\"Ulm\""],
        ),
        (&nobody, "/forgot-password", "email=ann%40example.com", &["value=\"ann@example.com\""]),
    ] {
        let answer = visitor.submit(path, form).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "2"), "{path}: {}", answer.text);
        assert!(answer.text.contains("The database is not answering right now."), "{path}: {}", answer.text);
        assert!(kept.iter().all(|kept| answer.text.contains(kept)), "{path}: {}", answer.text);
    }
}

#[actix_rt::test]
async fn what_was_typed_after_the_session_had_ended_waits_behind_the_sign_in_page_but_never_a_password() {
    let world = World::with(&[("SIGN_UP_FIELDS", "city?")]).await;
    let ann = signed_up(&world, "ann@example.com").await;
    let late = ann.with_copied_cookies();
    assert_eq!(ann.submit("/sign-out-everywhere", "").await.status, 303);
    for (path, form, kept) in [
        ("/account/profile", "name=Ann+%26+Lee&city=Ulm", &["value=\"Ann &#38; Lee\"", "value=\"Ulm\""][..]),
        ("/account/email", "current=secret-horse-9&email=new%40example.com", &["value=\"new@example.com\""]),
    ] {
        let answer = late.with_copied_cookies().submit(path, form).await;
        let sign_in = answer.header("location");
        let then = sign_in.split_once("redirectToPath=").unwrap().1;
        let visitor = browser(&world);
        let told = visitor.get(sign_in).await.text.contains("What you wrote is kept.");
        assert_eq!((answer.status, told), (303, true), "{path}: {sign_in}");
        let signed_in = visitor
            .submit("/sign-in", &format!("{}&redirectToPath={then}", credentials("ann@example.com", PASSWORD)))
            .await;
        let page = visitor.get(signed_in.header("location")).await;
        assert!(kept.iter().all(|kept| page.text.contains(kept)), "{path}: {}", page.text);
        assert!(!page.text.contains("secret-horse-9"), "{}", page.text);
    }
}

#[actix_rt::test]
async fn another_password_ends_all_other_sessions() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    let elsewhere = world.sign_in("ann@example.com").await;
    for (current, new, said) in
        [("wrong-horse-1", "new-horse-2", "This is not your current password."), (PASSWORD, "short", MISTAKE)]
    {
        let form = format!("current={}&password={new}", current.replace(' ', "+"));
        let answer = ann.submit("/account/password", &form).await;
        assert_eq!((answer.status, answer.text.contains(said)), (422, true), "{}", answer.text);
        assert!(!answer.text.contains("horse"), "a password is shown: {}", answer.text);
    }
    let form = format!("current={}&password=new-horse-2", PASSWORD.replace(' ', "+"));
    assert_eq!(ann.submit("/account/password", &form).await.header("location"), "/account/settings?done=password");
    assert_eq!((elsewhere.get("/sessioninfo").await.status, ann.get("/account").await.status), (401, 200));
    assert_eq!(browser(&world).submit("/sign-in", &credentials("ann@example.com", "new-horse-2")).await.status, 303);
}

#[actix_rt::test]
async fn another_address_is_confirmed_there() {
    let world = World::start().await;
    signed_up(&world, "bob@example.com").await;
    let ann = signed_up(&world, "ann@example.com").await;
    let current = PASSWORD.replace(' ', "+");
    for (email, said) in [
        ("nonsense", "Enter an e-mail address like name@example.com."),
        ("ann@example.com", "This is your address already."),
        ("bob@example.com", "This address belongs to another account."),
    ] {
        let answer = ann.submit("/account/email", &format!("current={current}&email={email}")).await;
        assert_eq!((answer.status, answer.text.contains(said)), (422, true), "{email}: {}", answer.text);
        assert!(answer.text.contains(&format!("value=\"{email}\"")), "what was typed is lost");
    }
    let answer = ann.submit("/account/email", &format!("current={current}&email=ann2%40example.com")).await;
    assert_eq!(answer.header("location"), "/account/settings?done=email");
    assert!(ann.get("/account").await.text.contains("ann@example.com"));
    confirm(&ann).await;
    assert!(ann.get("/account").await.text.contains("ann2@example.com"));
}

#[actix_rt::test]
async fn where_no_script_asks_a_page_asks_before_sessions_are_ended() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    let elsewhere = world.sign_in("ann@example.com").await;
    let handle = elsewhere.payload()["sessionHandle"].as_str().unwrap().to_owned();
    let page = ann.get("/account").await.text;
    assert_eq!(page.matches("<noscript><input type=\"hidden\" name=\"ask\" value=\"yes\"></noscript>").count(), 3);
    for (path, question) in [
        (format!("/account/sessions/{handle}/end"), "Sign out Unknown device (session "),
        ("/account/sessions/end-others".to_owned(), "Sign out all other devices?"),
        ("/sign-out-everywhere".to_owned(), "Sign out everywhere, this browser included?"),
    ] {
        let asked = ann.submit(&path, "ask=yes&redirectToPath=%2Faccount").await;
        assert_eq!((asked.status, asked.text.contains(question)), (200, true), "{path}: {}", asked.text);
        assert!(asked.text.contains(&format!("action=\"{path}\"")), "{path}: {}", asked.text);
        assert!(asked.text.contains("href=\"/account\">Cancel</a>"), "{path}: {}", asked.text);
        assert_eq!(
            (elsewhere.get("/sessioninfo").await.status, ann.get("/account").await.status),
            (200, 200),
            "{path}"
        );
    }
    let ended = ann.submit(&format!("/account/sessions/{handle}/end"), "redirectToPath=%2Faccount").await;
    assert_eq!((ended.status, ended.header("location")), (303, "/account"));
    assert_eq!(elsewhere.get("/sessioninfo").await.status, 401);
}

#[actix_rt::test]
async fn a_device_that_was_signed_out_is_told_once_with_its_token() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    let elsewhere = world.sign_in("ann@example.com").await;
    let handle = elsewhere.payload()["sessionHandle"].as_str().unwrap().to_owned();
    let end = format!("/account/sessions/{handle}/end");
    for (sentence, back) in
        [("is signed out; its Fauna token ", "/account"), ("This device is signed out already.", "/")]
    {
        let ended = ann.submit(&end, &format!("redirectToPath={}", back.replace('/', "%2F"))).await;
        assert_eq!((ended.status, ended.header("location")), (303, back));
        let page = ann.get(back).await.text;
        assert!(page.contains("class=\"notice good\"") && page.contains(sentence), "{page}");
        assert!(!ann.get(back).await.text.contains("notice good"), "it is told again");
    }
    world.sign_in("ann@example.com").await;
    ann.submit("/account/sessions/end-others", "redirectToPath=%2Faccount").await;
    assert!(ann.get("/account").await.text.contains("1 other device is signed out."));
}

#[actix_rt::test]
async fn an_account_is_deleted_with_its_password_only() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    assert_eq!(ann.submit("/account/delete", "current=wrong-horse-1").await.status, 422);
    let answer = ann.submit("/account/delete", &format!("current={}", PASSWORD.replace(' ', "+"))).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/auth?done=account-deleted"));
    assert_eq!(ann.get("/account").await.status, 303);
    assert_eq!(browser(&world).submit("/sign-in", &credentials("ann@example.com", PASSWORD)).await.status, 422);
}
