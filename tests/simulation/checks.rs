//! The invariants, checked when all is quiet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actix_web::http::Method;
use serde_json::Value;

use super::ROOT_KEY;
use super::history::{History, REFRESH, Violation, request};
use super::model::{Existence, State, form};

/// Longer than a request and the grace period, so that nothing is on its way any more.
const QUIET: Duration = Duration::from_secs(120);

impl History<'_> {
    pub(super) async fn check(&mut self) -> Result<(), Violation> {
        self.note("quiet".to_owned());
        for _ in 0..2 {
            self.world.clock.advance(QUIET);
            for process in 0..2 {
                if self.collect(process).await != Some(true) {
                    return Err("tokens cannot be collected".to_owned());
                }
            }
        }
        let secrets = self.world.proxy.take_secrets();
        self.ledger_and_fauna_agree(&secrets).await?;
        self.ended_sessions_stay_ended().await?;
        self.live_sessions_can_be_used().await?;
        self.only_current_passwords_are_right().await?;
        self.nothing_secret_is_in_clear(&secrets).await
    }

    /// Every token that Fauna accepts belongs to a session, and every token of the ledger exists as long as its user does.
    async fn ledger_and_fauna_agree(&self, secrets: &[String]) -> Result<(), Violation> {
        let rows: Vec<(String, String, Option<String>, i64)> = sqlx::query_as(
            "select t.id, t.user_id, s.handle, case when t.sealed_secret is null then 0 else 1 end from fauna_token t
             left join session s on s.handle = t.session_handle",
        )
        .fetch_all(self.world.database.write())
        .await
        .unwrap();
        for (id, _, session, confirmed) in &rows {
            if session.is_none() || *confirmed == 0 {
                return Err(format!("the ledger keeps token {id}: session {session:?}, confirmed {confirmed}"));
            }
        }
        let ledger: BTreeMap<String, String> = rows.into_iter().map(|(id, user, ..)| (id, user)).collect();
        let tokens = self.world.proxy.tokens(ROOT_KEY).await;
        let fauna: BTreeSet<String> =
            tokens.into_iter().filter(|token| !token.is_blocked_id).map(|token| token.id).collect();
        if let Some(unknown) = fauna.iter().find(|id| !ledger.contains_key(*id)) {
            return Err(format!("Fauna has token {unknown}, the ledger has {ledger:?}"));
        }
        for (id, user) in ledger.iter().filter(|(id, _)| !fauna.contains(*id)) {
            if self.world.proxy.has_user(ROOT_KEY, user).await {
                return Err(format!("the ledger has token {id} of user {user}, Fauna has {fauna:?}"));
            }
        }
        for secret in secrets {
            if let Some(id) = self.world.proxy.id_of(secret).await
                && !ledger.contains_key(&id)
            {
                return Err(format!("Fauna accepts the secret of token {id}, which belongs to no session"));
            }
        }
        Ok(())
    }

    async fn ended_sessions_stay_ended(&mut self) -> Result<(), Violation> {
        for tokens in self.model.dead.clone() {
            let process = self.random.below(2);
            for request in [
                request(Method::GET, "/api/user", Some(tokens.access), None),
                request(Method::POST, REFRESH, Some(tokens.refresh), None),
            ] {
                let answer = self.call(process, request.clone()).await?;
                if answer.as_ref().is_none_or(|answer| answer.status != 401) {
                    return Err(format!("a session that was ended answers {request:?} with {answer:?}"));
                }
            }
        }
        Ok(())
    }

    async fn live_sessions_can_be_used(&mut self) -> Result<(), Violation> {
        for device in 0..self.model.devices.len() {
            if self.model.devices[device].tokens.is_none() {
                continue;
            }
            let was_in = self.model.devices[device].state == State::In;
            let (one, other) = if self.random.one_in(2) { (0, 1) } else { (1, 0) };
            let is_in = self.refresh(device, one).await?;
            if was_in && !is_in {
                return Err(format!("device {device} cannot refresh its session"));
            }
            if is_in && !(self.use_session(device, other).await? && self.use_session(device, one).await?) {
                return Err(format!("device {device} cannot use its session"));
            }
        }
        Ok(())
    }

    async fn only_current_passwords_are_right(&mut self) -> Result<(), Violation> {
        for number in 0..self.model.users.len() {
            let user = self.model.users[number].clone();
            if user.existence != Existence::Yes {
                continue;
            }
            for replaced in &user.replaced {
                if self.can_sign_in(&user.email, replaced).await? {
                    return Err(format!("{} can sign in with a password that was replaced", user.email));
                }
            }
            let mut right = Vec::new();
            for password in &user.passwords {
                if self.can_sign_in(&user.email, password).await? {
                    right.push(password.clone());
                }
            }
            let [right] = &right[..] else { return Err(format!("{} can sign in with {right:?}", user.email)) };
            for device in self.model.others(number, None) {
                let device = &self.model.devices[device];
                if device.state == State::In && !device.proofs.contains(right) {
                    return Err(format!("a session that began with a replaced password lives: {device:?}"));
                }
            }
        }
        Ok(())
    }

    async fn can_sign_in(&mut self, email: &str, password: &str) -> Result<bool, Violation> {
        let process = self.random.below(2);
        let request = request(Method::POST, "/auth/signin", None, Some(form(email, password)));
        let Some(answer) = self.call(process, request).await? else { return Err("sign-in got no response".to_owned()) };
        let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        match body["status"].as_str() {
            Some("OK") => Ok(true),
            Some("WRONG_CREDENTIALS_ERROR") => Ok(false),
            _ => Err(format!("sign-in: {answer:?}")),
        }
    }

    /// Neither in the log nor in SQL.
    async fn nothing_secret_is_in_clear(&self, secrets: &[String]) -> Result<(), Violation> {
        let mut texts = vec![("the log", self.world.log.take())];
        for (what, statement) in [
            (
                "session",
                "select handle || current_lineage || coalesce(previous_lineage, '') || payload || data from session",
            ),
            (
                "fauna_token",
                "select id || lineage || coalesce(sealed_secret, '') || coalesce(fingerprint, '') from fauna_token",
            ),
        ] {
            let rows: Vec<String> = sqlx::query_scalar(statement).fetch_all(self.world.database.write()).await.unwrap();
            texts.push((what, rows.join("\n")));
        }
        let devices = self.model.devices.iter();
        let tokens = devices.clone().filter_map(|device| device.tokens.as_ref()).chain(&self.model.dead);
        let tokens = tokens.flat_map(|tokens| [&tokens.access, &tokens.refresh]);
        let passwords = self.model.users.iter().flat_map(|user| user.passwords.iter().chain(&user.replaced));
        for secret in secrets.iter().chain(tokens).chain(devices.flat_map(|device| &device.old)).chain(passwords) {
            for (what, text) in &texts {
                if text.contains(secret.as_str()) {
                    return Err(format!("{what} contains {secret}"));
                }
            }
        }
        Ok(())
    }
}
