//! One history: random steps of users on two processes that fail.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use futures_util::future::LocalBoxFuture;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::World;
use super::model::{Model, State};
use super::process::{Answer, Process, Request, Start};
use super::script::{Random, Script};

pub const REFRESH: &str = "/auth/session/refresh";

/// A sentence about what must not be.
pub type Violation = String;

/// A step of a device.
#[derive(Clone, Copy, Debug)]
enum Act {
    SignUp,
    SignIn,
    Refresh,
    /// The response of a second refresh with the same token is not looked at.
    RefreshUnseen,
    /// Presents a refresh token that was replaced.
    RefreshOld,
    Use,
    SignOut,
    RevokeOthers,
    ChangePassword,
    DeleteAccount,
    Pass,
    Collect,
}

/// A process and the end of the channel by which it says that another one may go first.
pub struct Running {
    process: Process,
    overtakers: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
}

pub struct History<'w> {
    pub world: &'w World,
    pub model: Model,
    pub random: Random,
    pub processes: Vec<Option<Running>>,
    seed: u64,
    started: u64,
    /// One point in so many has a fault.
    rarity: u64,
    is_calm: bool,
    /// Whether this request overtakes another one.
    pub nested: bool,
}

impl<'w> History<'w> {
    /// Goes on with the processes of the history before.
    pub async fn begin(world: &'w World, seed: u64, processes: Vec<Option<Running>>) -> Self {
        world.story.lock().unwrap().clear();
        let mut random = Random::new(seed);
        let rarity = *random.pick(&[15, 40, 120]);
        let mut history = Self {
            world,
            model: Model::new(seed),
            random,
            processes,
            seed,
            started: 0,
            rarity,
            is_calm: false,
            nested: false,
        };
        history.processes.resize_with(2, || None);
        for number in 0..2 {
            if history.processes[number].is_none() {
                history.start(number).await;
                continue;
            }
            let seed = history.next_seed();
            if let Some(running) = &history.processes[number] {
                running.process.script.begin(seed, rarity);
                running.process.script.resume();
            }
        }
        history
    }

    pub fn story(&self) -> String {
        self.world.story.lock().unwrap().join("\n")
    }

    pub fn note(&self, line: String) {
        self.world.story.lock().unwrap().push(line);
    }

    pub async fn run(&mut self) -> Result<(), Violation> {
        for _ in 0..12 {
            let device = self.random.below(self.model.devices.len());
            self.step(device).await?;
        }
        self.is_calm = true;
        for running in self.processes.iter().flatten() {
            running.process.script.pause();
        }
        // A new process knows only what is stored.
        let renewed = self.random.below(4);
        if renewed < 2 {
            self.processes[renewed] = None;
            self.start(renewed).await;
        }
        self.check().await
    }

    fn next_seed(&mut self) -> u64 {
        self.started += 1;
        Random::new(self.seed.rotate_left(32) ^ self.started).next()
    }

    /// Starts a process, also in place of one that has crashed.
    async fn start(&mut self, number: usize) {
        let (overtaking, overtakers) = mpsc::unbounded_channel();
        let script = Arc::new(Script::new(overtaking, Arc::clone(&self.world.story)));
        script.begin(self.next_seed(), self.rarity);
        if self.is_calm {
            script.pause();
        }
        let endpoint = self.world.proxy.link(Arc::clone(&script));
        let (config, clock, log) = (self.world.config(&endpoint), self.world.clock.clone(), self.world.log.clone());
        let process = Process::start(Start { config, clock, script, log }).await;
        self.processes[number] = Some(Running { process, overtakers });
    }

    async fn step(&mut self, device: usize) -> Result<(), Violation> {
        let acts: &[Act] = match self.model.devices[device].state {
            State::Out => &[Act::SignUp, Act::SignIn, Act::SignIn, Act::SignIn, Act::Pass, Act::Collect],
            State::In | State::Doubt => &[
                Act::Refresh,
                Act::Refresh,
                Act::RefreshUnseen,
                Act::RefreshOld,
                Act::Use,
                Act::Use,
                Act::Use,
                Act::SignOut,
                Act::SignOut,
                Act::RevokeOthers,
                Act::ChangePassword,
                Act::Pass,
                Act::Collect,
            ],
        };
        let act = if self.random.one_in(60) { Act::DeleteAccount } else { *self.random.pick(acts) };
        let process = self.random.below(2);
        self.act(act, device, process).await
    }

    fn act(&mut self, act: Act, device: usize, process: usize) -> LocalBoxFuture<'_, Result<(), Violation>> {
        Box::pin(async move {
            self.note(format!("{}{act:?} device {device} process {process}", if self.nested { "    " } else { "" }));
            let may_end = self.may_end(act, device);
            for ending in &may_end {
                self.model.devices[*ending].ending += 1;
            }
            let done = self.carry_out(act, device, process).await;
            for ending in may_end {
                let device = &mut self.model.devices[ending];
                device.ending -= 1;
                device.began_meanwhile &= device.ending > 0;
            }
            done
        })
    }

    /// The devices whose sessions a step may end.
    fn may_end(&self, act: Act, device: usize) -> Vec<usize> {
        let user = self.model.devices[device].user;
        match act {
            Act::SignOut | Act::RefreshOld => vec![device],
            Act::RevokeOthers | Act::ChangePassword => self.model.others(user, Some(device)),
            Act::DeleteAccount => self.model.others(user, None),
            _ => Vec::new(),
        }
    }

    fn carry_out(&mut self, act: Act, device: usize, process: usize) -> LocalBoxFuture<'_, Result<(), Violation>> {
        Box::pin(async move {
            let has_tokens = self.model.devices[device].tokens.is_some();
            match act {
                Act::SignUp => self.enter(device, process, "/auth/signup").await,
                Act::SignIn => self.enter(device, process, "/auth/signin").await,
                Act::Pass => {
                    let span = *self.random.pick(&[1, 20, 40, 600, 1000]);
                    self.world.clock.advance(Duration::from_secs(span));
                    Ok(())
                }
                Act::Collect => {
                    self.collect(process).await;
                    Ok(())
                }
                _ if !has_tokens => Ok(()),
                Act::Refresh => self.refresh(device, process).await.map(|_| ()),
                Act::RefreshUnseen => {
                    let token = self.model.devices[device].tokens.clone().unwrap().refresh;
                    self.call(process, request(Method::POST, REFRESH, Some(token), None)).await.map(|_| ())
                }
                Act::RefreshOld => self.refresh_with_old(device, process).await,
                Act::Use => self.use_session(device, process).await.map(|_| ()),
                Act::SignOut => self.sign_out(device, process).await,
                Act::RevokeOthers => self.revoke_others(device, process).await,
                Act::ChangePassword => self.change_password(device, process).await,
                Act::DeleteAccount => self.delete_account(device, process).await,
            }
        })
    }

    /// Sends a request. `None`: it got no response. Meanwhile other processes may do something, and this one may crash; it is
    /// started again then.
    pub async fn call(&mut self, number: usize, request: Request) -> Result<Option<Answer>, Violation> {
        let mut running = self.processes[number].take().unwrap();
        let script = Arc::clone(&running.process.script);
        let faults = script.faults();
        let answer = {
            let mut asking = Box::pin(running.process.ask(request.clone()));
            loop {
                let overtaken = tokio::select! {
                    answer = &mut asking => break answer,
                    done = running.overtakers.recv() => done,
                };
                let Some(done) = overtaken else { break (&mut asking).await };
                let nested = self.overtake(number).await;
                let _crashed = done.send(());
                nested?;
            }
        };
        let had_faults = script.faults() > faults;
        self.keep_or_restart(number, running).await;
        let Some(answer) = answer else { return Ok(None) };
        if answer.status == 503 && (!had_faults || !answer.has_retry_after) {
            return Err(format!("{request:?}: 503 without a reason: {answer:?}"));
        }
        if answer.status == 500 || answer.status == 429 || answer.status > 503 {
            return Err(format!("{request:?}: {answer:?}"));
        }
        // The client loses the response.
        let is_lost = !self.is_calm && self.random.one_in(12);
        self.note(format!("  {} {}{}", answer.status, answer.text, if is_lost { " (lost)" } else { "" }));
        Ok((!is_lost && answer.status != 503).then_some(answer))
    }

    /// Another process does something while `waiting` stands still.
    async fn overtake(&mut self, waiting: usize) -> Result<(), Violation> {
        let other = 1 - waiting;
        if self.nested || self.processes[other].is_none() {
            return Ok(());
        }
        let script = Arc::clone(&self.processes[other].as_ref().unwrap().process.script);
        script.pause();
        self.nested = true;
        let acts = [
            Act::RefreshUnseen,
            Act::Use,
            Act::SignOut,
            Act::RevokeOthers,
            Act::ChangePassword,
            Act::Collect,
            Act::SignIn,
        ];
        let act = *self.random.pick(&acts);
        let device = self.random.below(self.model.devices.len());
        let is_out = self.model.devices[device].state == State::Out;
        let done = if matches!(act, Act::SignIn) == is_out { self.act(act, device, other).await } else { Ok(()) };
        self.nested = false;
        script.resume();
        done
    }

    /// Whether the background task of Fauna tokens did its work; `None`: the process crashed, and was started again.
    pub async fn collect(&mut self, number: usize) -> Option<bool> {
        let mut running = self.processes[number].take()?;
        let done = {
            let mut collecting = Box::pin(running.process.collect());
            loop {
                // Nobody overtakes it: dropping the request lets it go on.
                tokio::select! {
                    done = &mut collecting => break done,
                    overtaken = running.overtakers.recv() => drop(overtaken),
                }
            }
        };
        self.keep_or_restart(number, running).await;
        done
    }

    async fn keep_or_restart(&mut self, number: usize, running: Running) {
        if running.process.script.has_crashed() {
            drop(running);
            self.start(number).await;
        } else {
            self.processes[number] = Some(running);
        }
    }
}

pub fn request(method: Method, path: &str, token: Option<String>, body: Option<Value>) -> Request {
    Request { method, path: path.to_owned(), token, body }
}
