//! Queries that Fauna refuses, sent with the user's own token.

use std::time::{Duration, Instant};

use fauna_client::AsUser;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::demo::Demo;
use crate::demo::evidence::Step;

/// Documents that the queries name.
pub struct Targets<'a> {
    pub users: &'a str,
    pub me: &'a str,
    /// Author and id of a comment of somebody else, if there is one.
    pub other: Option<(String, String)>,
}

impl Targets<'_> {
    /// The FQL of the queries without the ids of documents, in order.
    pub fn masked_queries(&self) -> impl Iterator<Item = String> {
        let other = self.other.is_some().then(|| ("•".to_owned(), "•".to_owned()));
        let masked = Targets { users: self.users, me: "•", other };
        queries(&masked).into_iter().map(|forbidden| forbidden.text)
    }
}

/// A query as FQL and in the wire format, and the part of the schema that forbids it.
struct Forbidden {
    text: String,
    query: Value,
    cause: &'static str,
}

impl Demo {
    /// Asks for everything that a user may not do.
    pub async fn attempt_forbidden(&self, token: &AsUser, targets: &Targets<'_>) -> Vec<Step> {
        let mut steps = Vec::new();
        for forbidden in queries(targets) {
            let answer = self.ask_fauna(token, &forbidden.query).await;
            steps.push(Step {
                who: "You, with your own Fauna token",
                request: forbidden.text,
                status: answer.status,
                duration: answer.duration,
                note: answer.error,
                cause: if answer.status == 0 { String::new() } else { forbidden.cause.to_owned() },
                expected: (400..500).contains(&answer.status),
            });
        }
        steps
    }

    /// Asks Fauna who the holder of a token is: 401 where the token is gone.
    pub async fn probe(&self, token: &AsUser, who: &'static str, expects: u16) -> Step {
        let answer = self.ask_fauna(token, &json!({"get": {"current_identity": null}})).await;
        Step {
            who,
            request: "Fauna: Get(CurrentIdentity())".to_owned(),
            status: answer.status,
            duration: answer.duration,
            note: answer.error,
            cause: String::new(),
            expected: answer.status == expects,
        }
    }

    async fn ask_fauna(&self, token: &AsUser, query: &Value) -> FaunaAnswer {
        let started = Instant::now();
        let request = self
            .http
            .post(&self.fauna_endpoint)
            .bearer_auth(token.secret().expose_secret())
            .header("x-faunadb-api-version", "4")
            .body(query.to_string());
        let mut answer = FaunaAnswer { status: 0, duration: Duration::ZERO, error: "no answer".to_owned() };
        if let Ok(response) = request.send().await {
            answer.status = response.status().as_u16();
            let body = response.text().await.unwrap_or_default();
            answer.error = first_error(&serde_json::from_str(&body).unwrap_or_default());
        }
        answer.duration = started.elapsed();
        answer
    }
}

/// The conclusion from queries that were not all refused.
pub fn failed_verdict(steps: &[Step]) -> &'static str {
    if steps.iter().any(|step| !step.expected && step.status != 0) {
        return "Fauna allowed something it must not.";
    }
    "Fauna did not answer all of them, so nothing is proven. Try this again."
}

struct FaunaAnswer {
    /// 0 where there was no answer.
    status: u16,
    duration: Duration,
    /// Code and description of the first error; empty after success.
    error: String,
}

fn first_error(body: &Value) -> String {
    let text = |error: &Value, field: &str| error.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let errors = body.get("errors").and_then(Value::as_array);
    let Some(error) = errors.and_then(|errors| errors.first()) else { return String::new() };
    // A function's own refusal is inside.
    let cause = error.get("cause").and_then(Value::as_array).and_then(|causes| causes.first());
    let error = cause.unwrap_or(error);
    format!("{}: {}", text(error, "code"), text(error, "description"))
}

fn queries(targets: &Targets<'_>) -> Vec<Forbidden> {
    let document = |collection: &str, id: &str| json!({"ref": {"collection": collection}, "id": id});
    let mut queries = Vec::new();
    let mut add = |text: String, query: Value, cause| queries.push(Forbidden { text, query, cause });
    let (users, me) = (targets.users, targets.me);
    if let Some((author, comment)) = &targets.other {
        add(
            format!("Get(Ref(Collection(\"{users}\"), \"{author}\"))"),
            json!({"get": document(users, author)}),
            "role member, users: read: Lambda(\"ref\", Equals(Var(\"ref\"), CurrentIdentity()))",
        );
        add(
            format!("Call(\"remove_comment\", \"{comment}\")"),
            json!({"call": {"function": "remove_comment"}, "arguments": comment}),
            "function remove_comment: If(Not(Equals(author, CurrentIdentity())), Abort(\"not your comment\"), …)",
        );
        add(
            format!("Delete(Ref(Collection(\"comments\"), \"{comment}\"))"),
            json!({"delete": document("comments", comment)}),
            "role member, comments: read, create, create_with_id (no delete)",
        );
        add(
            format!("Update(Ref(Collection(\"comments\"), \"{comment}\"), {{ data: {{ likes: 1000 }} }})"),
            json!({"update": document("comments", comment), "params": {"object": {"data": {"object": {"likes": 1000}}}}}),
            "role member, comments: read, create, create_with_id (no write); only the function like counts",
        );
    }
    add(
        format!("Get(Ref(Collection(\"user_secrets\"), \"{me}\"))"),
        json!({"get": document("user_secrets", me)}),
        "role member names no privilege on user_secrets",
    );
    add(
        "CreateKey({ role: \"admin\" })".to_owned(),
        json!({"create_key": {"object": {"role": "admin"}}}),
        "role member names no privilege on keys",
    );
    add(
        "Create(Collection(\"comments\"), { data: { authorName: \"Ada\", text: \"Hi\", likes: 99 } })".to_owned(),
        json!({
            "create": {"collection": "comments"},
            "params": {"object": {"data": {"object": {"authorName": "Ada", "text": "Hi", "likes": 99}}}},
        }),
        "role member, comments: create: the whole document must be that of CurrentIdentity(), Now() and 0 likes",
    );
    queries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_without_an_answer_proves_nothing() {
        let step = |status: u16| Step { status, expected: status == 403, ..Step::comment("You", "Get(…)", "") };
        assert_eq!(failed_verdict(&[step(403), step(200)]), "Fauna allowed something it must not.");
        assert!(failed_verdict(&[step(403), step(0)]).starts_with("Fauna did not answer"));
        assert_eq!(failed_verdict(&[step(0), step(200)]), "Fauna allowed something it must not.");
    }

    #[test]
    fn the_refusal_of_a_function_is_found_inside() {
        let body = json!({"errors": [{"code": "call error", "description": "Calling the function resulted in an error.",
            "cause": [{"code": "transaction aborted", "description": "not your comment"}]}]});
        assert_eq!(first_error(&body), "transaction aborted: not your comment");
        assert_eq!(first_error(&json!({"resource": 1})), "");
    }
}
