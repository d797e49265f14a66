//! The requests of devices, and the conclusions that a client may draw from the responses.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::history::{History, REFRESH, Violation, request};
use super::model::{Existence, State, Tokens, User, form};
use super::process::Request;

impl History<'_> {
    pub fn user_of(&mut self, device: usize) -> &mut User {
        &mut self.model.users[self.model.devices[device].user]
    }

    pub(super) async fn enter(&mut self, device: usize, process: usize, path: &str) -> Result<(), Violation> {
        let before = self.user_of(device).clone();
        let ends = self.model.devices[device].ends;
        let password = self.random.pick(&before.passwords).clone();
        let body = form(&before.email, &password);
        let answer = self.call(process, request(Method::POST, path, None, Some(body))).await?;
        let is_sign_up = path.ends_with("signup");
        let was_overtaken = self.model.devices[device].ends != ends;
        let overtakes = self.nested;
        let user = self.user_of(device);
        let Some(answer) = answer else {
            if is_sign_up && user.existence == Existence::No {
                user.existence = Existence::Doubt;
            }
            return Ok(());
        };
        let status =
            serde_json::from_str::<Value>(&answer.text).ok().and_then(|body| Some(body["status"].as_str()?.to_owned()));
        match (answer.status, status.as_deref()) {
            (200, Some("OK")) => {
                user.existence = Existence::Yes;
                let is_current = user.passwords.contains(&password);
                if is_sign_up || is_current {
                    user.passwords = vec![password.clone()];
                }
                let (Some(access), Some(refresh)) = (answer.access, answer.refresh) else {
                    return Err(format!("no tokens: {}", answer.text));
                };
                let device = &mut self.model.devices[device];
                if is_current && !was_overtaken {
                    device.state = State::In;
                } else if is_current {
                    // Ended by a request that came in between, or begun after it.
                    device.state = State::Doubt;
                } else {
                    self.model.dead.push(Tokens { access, refresh });
                    return Ok(());
                }
                device.began_meanwhile = device.ending > 0;
                device.tokens = Some(Tokens { access, refresh });
                device.proofs = vec![password];
                Ok(())
            }
            (200, Some("WRONG_CREDENTIALS_ERROR")) if !is_sign_up => {
                // The request that is overtaken may have set another one already.
                let is_known = !overtakes && before.existence == Existence::Yes && before.passwords.len() == 1;
                if is_known && user.existence == Existence::Yes && user.passwords == before.passwords && !was_overtaken
                {
                    return Err(format!("{} cannot sign in with {password}", before.email));
                }
                Ok(())
            }
            (200, Some("FIELD_ERROR")) if is_sign_up && before.existence != Existence::No => {
                user.existence = Existence::Yes;
                Ok(())
            }
            (401, _) if was_overtaken => Ok(()),
            _ => Err(format!("{path}: {answer:?}")),
        }
    }

    /// Whether the device is signed in.
    pub async fn refresh(&mut self, device: usize, process: usize) -> Result<bool, Violation> {
        let ends = self.model.devices[device].ends;
        let tokens = self.model.devices[device].tokens.clone().unwrap();
        let answer = self.call(process, request(Method::POST, REFRESH, Some(tokens.refresh.clone()), None)).await?;
        let Some(answer) = answer else { return Ok(false) };
        match (answer.status, answer.access, answer.refresh) {
            (200, Some(access), Some(refresh)) => {
                let new = Tokens { access, refresh };
                let device = &mut self.model.devices[device];
                if device.tokens.is_none() {
                    self.model.dead.push(new);
                    return Ok(false);
                }
                if device.ends == ends {
                    device.state = State::In;
                }
                device.old.push(tokens.refresh);
                device.tokens = Some(new);
                Ok(true)
            }
            (401, ..) => self.signed_out(device, ends, "a refresh", &answer.text).map(|()| false),
            _ => Err(format!("refresh: {} {}", answer.status, answer.text)),
        }
    }

    pub(super) async fn refresh_with_old(&mut self, device: usize, process: usize) -> Result<(), Violation> {
        let Some(token) = self.model.devices[device].old.last().cloned() else { return Ok(()) };
        let answer = self.call(process, request(Method::POST, REFRESH, Some(token), None)).await?;
        if answer.is_none_or(|answer| answer.status != 200) {
            // Theft, if the grace period is over; that ends the session.
            self.model.doubt(device);
        }
        Ok(())
    }

    /// Whether the session could be used.
    pub async fn use_session(&mut self, device: usize, process: usize) -> Result<bool, Violation> {
        let ends = self.model.devices[device].ends;
        let token = Some(self.model.devices[device].tokens.clone().unwrap().access);
        let request = match self.random.below(3) {
            0 => request(Method::GET, "/api/user", token, None),
            1 => request(Method::GET, "/api/sessions", token, None),
            _ => request(Method::POST, "/api/comments", token, Some(json!({"text": "Hello"}))),
        };
        let Some(answer) = self.call(process, request).await? else { return Ok(false) };
        match answer.status {
            200 | 201 => {
                if let (Some(access), Some(tokens)) = (answer.access, &mut self.model.devices[device].tokens) {
                    tokens.access = access;
                }
                Ok(true)
            }
            401 if answer.text.contains("try refresh") => Ok(false),
            401 => self.signed_out(device, ends, "a request", &answer.text).map(|()| false),
            _ => Err(format!("use: {answer:?}")),
        }
    }

    /// A response says that the session has ended. `ends`: how often it had been ended when the request was sent.
    pub(super) fn signed_out(&mut self, device: usize, ends: usize, what: &str, text: &str) -> Result<(), Violation> {
        let known = &mut self.model.devices[device];
        if known.state == State::In && known.ends == ends && known.ending == 0 {
            return Err(format!("device {device} was signed out by {what}, and nobody had ended its session: {text}"));
        }
        if known.ends == ends {
            known.began_meanwhile = false;
            self.model.end(device);
        }
        Ok(())
    }

    pub(super) async fn sign_out(&mut self, device: usize, process: usize) -> Result<(), Violation> {
        let ends = self.model.devices[device].ends;
        let token = Some(self.model.devices[device].tokens.clone().unwrap().access);
        match self.call(process, request(Method::POST, "/auth/signout", token, None)).await? {
            None => self.model.doubt(device),
            Some(answer) if answer.status == 200 => self.model.end(device),
            Some(answer) if answer.status == 401 && answer.text.contains("try refresh") => {}
            Some(answer) if answer.status == 401 => self.signed_out(device, ends, "signing out", &answer.text)?,
            Some(answer) => return Err(format!("sign-out: {answer:?}")),
        }
        Ok(())
    }

    pub(super) async fn revoke_others(&mut self, device: usize, process: usize) -> Result<(), Violation> {
        let request = request(Method::POST, "/api/sessions/revoke-others", None, None);
        let done = self.authorised(device, process, request).await?;
        let others = self.model.others(self.model.devices[device].user, Some(device));
        match done {
            Some(200) => others.into_iter().for_each(|other| self.model.end(other)),
            Some(_) => {}
            None => others.into_iter().for_each(|other| self.model.doubt(other)),
        }
        Ok(())
    }

    pub(super) async fn change_password(&mut self, device: usize, process: usize) -> Result<(), Violation> {
        let before = self.user_of(device).clone();
        let (current, new) = (self.random.pick(&before.passwords).clone(), format!("pass word {}", self.random.next()));
        let body = json!({"currentPassword": current, "newPassword": new});
        let done =
            self.authorised(device, process, request(Method::POST, "/api/user/password", None, Some(body))).await?;
        let others = self.model.others(self.model.devices[device].user, Some(device));
        match done {
            Some(200) => {
                let user = self.user_of(device);
                let replaced = std::mem::replace(&mut user.passwords, vec![new.clone()]);
                user.replaced.extend(replaced);
                self.model.devices[device].proofs = vec![new];
                for other in others {
                    self.model.end(other);
                }
            }
            Some(401) => {}
            Some(_) | None => {
                if done.is_none() {
                    self.user_of(device).passwords.push(new.clone());
                    self.model.devices[device].proofs.push(new);
                }
                for other in others {
                    self.model.doubt(other);
                }
            }
        }
        Ok(())
    }

    pub(super) async fn delete_account(&mut self, device: usize, process: usize) -> Result<(), Violation> {
        let passwords = self.user_of(device).passwords.clone();
        let current = self.random.pick(&passwords).clone();
        let body = Some(json!({"currentPassword": current}));
        let done = self.authorised(device, process, request(Method::DELETE, "/api/user", None, body)).await?;
        let all = self.model.others(self.model.devices[device].user, None);
        match done {
            Some(200) => {
                self.user_of(device).existence = Existence::No;
                for device in all {
                    self.model.end(device);
                }
            }
            Some(401 | 403) => {}
            Some(_) | None => {
                self.user_of(device).existence = Existence::Doubt;
                for device in all {
                    self.model.doubt(device);
                }
            }
        }
        Ok(())
    }

    /// A request of a signed-in user; its status, or `None` if it got no response.
    pub(super) async fn authorised(
        &mut self,
        device: usize,
        process: usize,
        request: Request,
    ) -> Result<Option<u16>, Violation> {
        let before = self.user_of(device).clone();
        let ends = self.model.devices[device].ends;
        let token = Some(self.model.devices[device].tokens.clone().unwrap().access);
        let path = request.path.clone();
        let Some(answer) = self.call(process, Request { token, ..request }).await? else { return Ok(None) };
        match answer.status {
            401 if !answer.text.contains("try refresh") => self.signed_out(device, ends, &path, &answer.text)?,
            200 | 401 | 409 => {}
            // Of several possible passwords it was the wrong one, or another was set meanwhile.
            403 if self.nested => {}
            403 if before.passwords.len() > 1 || *self.user_of(device).passwords != before.passwords => {}
            _ => return Err(format!("{path}: {answer:?}")),
        }
        Ok(Some(answer.status))
    }
}
