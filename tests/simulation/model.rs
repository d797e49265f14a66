//! The knowledge of a well-behaved client about its users and devices.

use serde_json::{Value, json};

/// Whether a device is signed in, as far as responses tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Out,
    In,
    /// A request that may have ended the session got no response.
    Doubt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existence {
    No,
    Yes,
    /// A sign-up or deletion got no response.
    Doubt,
}

#[derive(Clone, Debug)]
pub struct User {
    pub email: String,
    /// The password, or those of which one is right.
    pub passwords: Vec<String>,
    /// Passwords that were replaced.
    pub replaced: Vec<String>,
    pub existence: Existence,
}

#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

#[derive(Clone, Debug)]
pub struct Device {
    pub user: usize,
    pub state: State,
    /// What the client has stored; it keeps it until a response replaces it or says that the session has ended.
    pub tokens: Option<Tokens>,
    /// The passwords of which the session was begun with one, or which it has set.
    pub proofs: Vec<String>,
    /// Refresh tokens that were replaced.
    pub old: Vec<String>,
    /// Number of requests that ended, or may have ended, a session of this device.
    pub ends: usize,
    /// Number of requests under way that may end its session.
    pub ending: usize,
    /// Whether the session began while such a request was under way, so that it may have come before or after it.
    pub began_meanwhile: bool,
}

#[derive(Default)]
pub struct Model {
    pub users: Vec<User>,
    pub devices: Vec<Device>,
    /// Tokens of sessions whose end was acknowledged; none of them may ever work again.
    pub dead: Vec<Tokens>,
}

impl Model {
    pub fn new(seed: u64) -> Self {
        let user = |number: usize| User {
            email: format!("user{number}.{seed}@example.com"),
            passwords: vec![format!("first pass {seed} {number}")],
            replaced: Vec::new(),
            existence: Existence::No,
        };
        let device = |number: usize| Device {
            user: number % 2,
            state: State::Out,
            tokens: None,
            proofs: Vec::new(),
            old: Vec::new(),
            ends: 0,
            ending: 0,
            began_meanwhile: false,
        };
        Self { users: (0..2).map(user).collect(), devices: (0..5).map(device).collect(), dead: Vec::new() }
    }

    /// The end of a device's session was acknowledged.
    pub fn end(&mut self, device: usize) {
        if self.devices[device].began_meanwhile {
            return self.doubt(device);
        }
        let device = &mut self.devices[device];
        device.state = State::Out;
        device.ends += 1;
        device.old.clear();
        self.dead.extend(device.tokens.take());
    }

    /// A request that may have ended the session got no response.
    pub fn doubt(&mut self, device: usize) {
        let device = &mut self.devices[device];
        device.ends += 1;
        if device.state == State::In {
            device.state = State::Doubt;
        }
    }

    /// The devices of a user but one.
    pub fn others(&self, user: usize, but: Option<usize>) -> Vec<usize> {
        (0..self.devices.len()).filter(|other| self.devices[*other].user == user && Some(*other) != but).collect()
    }
}

/// The body of sign-up and sign-in.
pub fn form(email: &str, password: &str) -> Value {
    json!({"formFields": [{"id": "email", "value": email}, {"id": "password", "value": password}]})
}
