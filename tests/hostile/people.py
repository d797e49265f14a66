"""People who use a site over HTTP, and what each answer to them must be."""

import collections
import contextlib
import http.client
import re
import threading
import time

from program import PASSWORD

DAY = 86400
# The site's defaults, seconds: a session that is not used, and any session.
IDLE_LIFETIME, LIFETIME = 30 * DAY, 100 * DAY
# Some seconds after an outage the site may still say 503: it asks again with growing pauses.
AFTERMATH = 5
# A client that refreshes and is refused each time may meet a moving clock, but not so often.
ROUNDS = 6
DEVICES = 3
COMMENTS = 4


class Unexpected(Exception):
    """An answer that nobody should get."""


class Unavailable(Exception):
    """503, or none at all, while something is out of order: what was asked for may have happened."""


class World:
    """What the people share: the site, its clock, and when something was out of order."""

    def __init__(self, site, mails):
        self.site, self.mails = site, mails
        self.is_over = False
        self.failures = []
        self.counts = collections.Counter()
        self.comments = collections.deque(maxlen=200)
        self.lock = threading.Lock()
        self.began = time.monotonic()
        # Seconds by which the clock of the site has been moved: at least, and at most while a move is under way.
        self.moved = self.may_have_moved = 0
        self.last_move = 0
        self.open_troubles = 0
        self.last_trouble = -AFTERMATH

    def watch(self):
        """Notices when the whole machine stood still, as when it is suspended."""
        before = time.monotonic()
        while not self.is_over:
            time.sleep(0.5)
            now = time.monotonic()
            if now - before > 4:
                self.counts["the machine stood still"] += 1
                self.last_trouble = now
            before = now

    @contextlib.contextmanager
    def trouble(self, what):
        with self.lock:
            self.open_troubles += 1
        self.counts[what] += 1
        try:
            yield
        finally:
            with self.lock:
                self.open_troubles -= 1
                self.last_trouble = time.monotonic()

    def is_calm(self, since=None):
        """Whether nothing is out of order, and was not after `since` or shortly before."""
        since = time.monotonic() if since is None else since
        with self.lock:
            return self.open_troubles == 0 and self.last_trouble + AFTERMATH < since

    def guard(self, act):
        """Runs `act`; remembers what went wrong, which ends the soak."""
        try:
            act()
        except Unavailable:
            self.counts["not available"] += 1
        except Exception as error:
            self.failures.append(f"after {time.monotonic() - self.began:.0f} s: {type(error).__name__}: {error}")
            print(self.failures[-1], flush=True)

    def ask(self, method, path, body=None, headers=None, source="127.0.0.1", expected=(200,)):
        """An answer with an expected status; 401 is for the caller to judge. Raises [`Unavailable`] in times of trouble."""
        began = time.monotonic()
        try:
            answer = self.site.ask(method, path, body, headers, source)
        except (OSError, http.client.HTTPException) as error:
            if self.is_calm(began):
                raise Unexpected(f"{method} {path}: {error!r}") from None
            raise Unavailable from None
        if time.monotonic() - began > 10:
            self.counts["answers that took longer than 10 s"] += 1
        if answer.status == 503 and self.moved_since(began):
            self.counts["given up because the clock was moved meanwhile"] += 1
            raise Unavailable
        if answer.status == 503 and not self.is_calm(began):
            raise Unavailable
        if answer.status not in expected and answer.status != 401:
            raise Unexpected(f"{method} {path}: {answer.status} {answer.text[:300]}")
        self.counts[f"{method} {re.sub('/[0-9]+', '/ID', path.split('?')[0])}"] += 1
        return answer

    def time(self):
        """The earliest and the latest that it can be for the site, in seconds since the beginning."""
        passed = time.monotonic() - self.began
        with self.lock:
            return self.moved + passed, self.may_have_moved + passed

    def move(self, mover, span):
        with self.lock:
            self.may_have_moved += span
        mover.on_page("/auth/session/refresh/demo/expire")
        with self.lock:
            self.moved += span
            self.last_move = time.monotonic()

    def moved_since(self, began):
        """Whether the clock was moved after `began`, or is being moved: what takes half a day is given up with 503."""
        with self.lock:
            return self.last_move >= began or self.moved != self.may_have_moved

    def switch_fauna(self, mover, running):
        """Stops the embedded Fauna, or starts it, which anybody may."""
        path, form = ("/demo/fauna/start", {}) if running else ("/demo/fauna", {"running": "false"})
        mover.on_page(path, form)

    def summary(self):
        lines = [f"{count:7} {what}" for what, count in sorted(self.counts.items())]
        return "\n".join([*lines, f"{self.moved // DAY:7} days by which the clock was moved"])


class Device:
    """One session of a person, whose tokens travel in headers."""

    def __init__(self, answer, when):
        self.keep(answer)
        self.created = self.refreshed = when
        # After an outage in which something was asked for that ends sessions.
        self.may_have_ended = False

    def keep(self, answer):
        self.access = answer.headers.get("st-access-token") or self.access
        self.refresh_token = answer.headers.get("st-refresh-token") or self.refresh_token

    access = refresh_token = None


class Person:
    """A person with one address and one network, an account from time to time, and some devices."""

    def __init__(self, world, number, choices):
        self.world, self.choices = world, choices
        self.email, self.source = f"person{number}@example.com", f"127.0.1.{number + 1}"
        self.password = PASSWORD
        self.passwords = 0
        # The passwords that may be the right one; none: there is no account. Several after an outage.
        self.candidates = []
        self.devices, self.asleep, self.comments = [], [], []
        # What was done last, for the message of a failure.
        self.story = collections.deque(maxlen=12)

    def act(self):
        if token := self.world.mails.take_link(self.email):
            return self.perhaps(self.reset, token)
        if len(self.candidates) != 1:
            return self.perhaps(self.find_out)
        if not self.devices:
            return self.perhaps(self.sign_in)
        acts = [
            (20, self.comment), (20, self.like), (15, self.read), (8, self.refresh_any), (6, self.lose_answer),
            (8, self.sign_in), (5, self.sign_out), (4, self.leave_device), (6, self.wake_device), (2, self.guess),
            (3, self.change_password), (3, self.forget), (3, self.listen), (2, self.delete_account),
        ]
        act = self.choices.choices([act for _, act in acts], [weight for weight, _ in acts])[0]
        self.perhaps(act)

    def perhaps(self, act, *arguments):
        """Remembers what may have happened if there is no answer."""
        passed = time.monotonic() - self.world.began
        self.story.append(f"{passed:.1f} s {act.__name__}, {len(self.devices)} devices, {len(self.asleep)} asleep")
        try:
            act(*arguments)
        except Unexpected as error:
            raise Unexpected(f"{error}; before that: {'; '.join(self.story)}") from None
        except Unavailable:
            if act in (self.change_password, self.reset, self.delete_account, self.sign_out):
                for device in self.devices + self.asleep:
                    device.may_have_ended = True
            raise

    # --- Accounts

    def credentials(self, password):
        return {"formFields": [{"id": "email", "value": self.email}, {"id": "password", "value": password}]}

    def enter(self, path, password):
        when, _ = self.world.time()
        answer = self.world.ask("POST", path, self.credentials(password), source=self.source)
        status = answer.json().get("status") if answer.status == 200 else answer.status
        if status == "OK":
            self.candidates = [password]
            self.devices.append(Device(answer, when))
            self.devices, left = self.devices[-DEVICES:], self.devices[:-DEVICES]
            self.asleep += left
        return status

    def find_out(self):
        """Signs in with what may be the password, or signs up if there is no account."""
        candidates = self.candidates or [self.password]
        for password in candidates:
            if (status := self.enter("/auth/signin", password)) == "OK":
                return
            if status != "WRONG_CREDENTIALS_ERROR":
                raise Unexpected(f"sign-in: {status}")
        self.forget_devices()
        self.comments = []
        # In an outage it may have happened all the same.
        self.candidates = [self.password, self.password]
        if (status := self.enter("/auth/signup", self.password)) != "OK":
            raise Unexpected(f"sign-up: {status}")

    def sign_in(self):
        if (status := self.enter("/auth/signin", self.candidates[0])) != "OK":
            raise Unexpected(f"sign-in with the right password: {status}")

    def guess(self):
        status = self.enter("/auth/signin", "not the password 9")
        if status != "WRONG_CREDENTIALS_ERROR":
            raise Unexpected(f"sign-in with a wrong password: {status}")

    def new_password(self):
        self.passwords += 1
        return f"{PASSWORD} {self.passwords}"

    def change_password(self):
        """The device goes on, all others end."""
        old, new = self.candidates[0], self.new_password()
        self.candidates = [old, new]
        device = self.devices[-1]
        answer = self.signed_in(device, "POST", "/api/user/password", {"currentPassword": old, "newPassword": new})
        if answer is None:
            self.candidates = [old]
            return
        self.candidates = [new]
        ended = [other for other in self.devices + self.asleep if other is not device]
        self.devices, self.asleep = [device], []
        if ended:
            self.must_have_ended(self.choices.choice(ended))

    def forget(self):
        """Asks for a mail with a link, which is used when it has come."""
        body = {"formFields": [{"id": "email", "value": self.email}]}
        self.world.ask("POST", "/auth/user/password/reset/token", body, source=self.source)

    def reset(self, token):
        new = self.new_password()
        known = self.candidates
        self.candidates = [*known, new]
        body = {"method": "token", "token": token, "formFields": [{"id": "password", "value": new}]}
        answer = self.world.ask("POST", "/auth/user/password/reset", body, source=self.source)
        status = answer.json()["status"]
        if status == "OK":
            self.candidates = [new]
            ended = self.devices + self.asleep
            self.forget_devices()
            if ended:
                self.must_have_ended(self.choices.choice(ended))
        elif status == "RESET_PASSWORD_INVALID_TOKEN_ERROR":
            # The clock has been moved beyond the life of the link, or the account is another one. If it was moved while the
            # new password was hashed, the sessions have ended already.
            self.candidates = known
            for device in self.devices + self.asleep:
                device.may_have_ended = True
            self.world.counts["reset links that had expired"] += 1
        else:
            raise Unexpected(f"reset: {status}")

    def delete_account(self):
        password = self.candidates[0]
        device = self.devices[-1]
        # Twice the same: it may be there or not.
        self.candidates = [password, password]
        if self.signed_in(device, "DELETE", "/api/user", {"currentPassword": password}) is None:
            self.candidates = [password]
            return
        self.candidates, self.comments = [], []
        self.forget_devices()
        self.must_have_ended(device)

    def leave(self):
        """Deletes the account if there is one."""
        self.world.mails.take_link(self.email)
        for _ in range(3):
            if not self.candidates:
                return
            if len(self.candidates) > 1 or not self.devices:
                self.find_out()
            self.delete_account()
        if self.candidates:
            raise Unexpected(f"{self.email} cannot leave")

    # --- Devices

    def forget_devices(self):
        self.devices, self.asleep = [], []

    def bearer(self, token):
        return {"authorization": f"Bearer {token}"}

    def signed_in(self, device, method, path, body=None, expected=(200,)):
        """The answer, after a refresh where the access token has expired; `None` if the session has rightly ended."""
        for _ in range(ROUNDS):
            answer = self.world.ask(method, path, body, self.bearer(device.access), self.source, expected)
            if answer.status != 401:
                device.keep(answer)
                return answer
            if not self.refresh(device):
                return None
        raise Unexpected(f"{method} {path}: 401 after each of {ROUNDS} refreshes")

    def refresh(self, device):
        """Whether the session goes on; that it has ended must be due to its age."""
        before, _ = self.world.time()
        answer = self.world.ask("POST", "/auth/session/refresh", None, self.bearer(device.refresh_token), self.source)
        _, after = self.world.time()
        if answer.status == 200:
            device.keep(answer)
            if before - device.refreshed > IDLE_LIFETIME + DAY or before - device.created > LIFETIME + DAY:
                raise Unexpected("a session that should have expired was refreshed")
            device.refreshed = before
            return True
        is_young = after - device.refreshed < IDLE_LIFETIME and after - device.created < LIFETIME
        if is_young and not device.may_have_ended:
            raise Unexpected(f"{self.email} is signed out without a reason: {answer.text}")
        self.world.counts["sessions that had expired"] += 1
        self.devices = [other for other in self.devices if other is not device]
        return False

    def must_have_ended(self, device):
        answer = self.world.ask("GET", "/api/user", None, self.bearer(device.access), self.source)
        refresh = self.world.ask("POST", "/auth/session/refresh", None, self.bearer(device.refresh_token), self.source)
        if (answer.status, refresh.status) != (401, 401):
            raise Unexpected(f"a session that was ended answers {answer.status}, {refresh.status}")

    def refresh_any(self):
        self.refresh(self.choices.choice(self.devices))

    def lose_answer(self):
        """Refreshes, does not get the answer, and must be able to refresh with the same token again."""
        device = self.choices.choice(self.devices)
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", self.world.site.port, timeout=10)
            connection.request("POST", "/auth/session/refresh", headers=self.bearer(device.refresh_token))
            # Not before it is under way: the clock may jump, and then a late request would be one too many.
            connection.sock.recv(1)
            connection.close()
        self.refresh(device)

    def sign_out(self):
        device = self.choices.choice(self.devices)
        if self.signed_in(device, "POST", "/auth/signout") is None:
            return
        self.devices = [other for other in self.devices if other is not device]
        self.must_have_ended(device)

    def leave_device(self):
        """A device that is left behind: often for ever, sometimes it is used again, which `refresh` judges."""
        device = self.devices.pop(0)
        if self.choices.random() < 0.5:
            self.asleep.append(device)

    def wake_device(self):
        if self.asleep:
            self.refresh(self.asleep.pop(0))

    def listen(self):
        """Opens the stream of events, and leaves without a word."""
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", self.world.site.port, timeout=10)
            connection.request("GET", "/api/session/events", headers=self.bearer(self.devices[-1].access))
            time.sleep(0.2)
            connection.close()

    # --- Comments

    def comment(self):
        device = self.choices.choice(self.devices)
        if len(self.comments) >= COMMENTS:
            # What is deleted in an outage may be gone at the second attempt.
            self.signed_in(device, "DELETE", f"/api/comments/{self.comments.pop(0)}", expected=(204, 404))
        elif answer := self.signed_in(device, "POST", "/api/comments", {"text": f"Hello of {self.email}"}, (201,)):
            self.comments.append(answer.json()["id"])
            self.world.comments.append(self.comments[-1])

    def like(self):
        if not self.world.comments:
            return
        method = self.choices.choice(["PUT", "PUT", "DELETE"])
        path = f"/api/comments/{self.choices.choice(self.world.comments)}/like"
        self.signed_in(self.choices.choice(self.devices), method, path, expected=(200, 404))

    def read(self):
        self.world.ask("GET", "/api/comments?limit=20", source=self.source)
        self.world.ask("GET", "/", headers={"accept": "text/html"}, source=self.source)
        if answer := self.signed_in(self.choices.choice(self.devices), "GET", "/api/user"):
            assert answer.json()["email"] == self.email, answer.text

    # --- Experiments of the demo

    def on_page(self, path, form=None):
        """Submits a form of the demo as a browser does, signed in."""
        if not self.devices:
            self.find_out()
        for _ in range(ROUNDS):
            body = "&".join(f"{name}={value}" for name, value in (form or {}).items())
            connection = http.client.HTTPConnection("127.0.0.1", self.world.site.port, timeout=20)
            with contextlib.closing(connection):
                kind = {"content-type": "application/x-www-form-urlencoded"}
                connection.request("POST", path, body, {**kind, **self.bearer(self.devices[-1].access)})
                answer = connection.getresponse()
                status, text = answer.status, answer.read().decode()
            if status == 200 or (status == 303 and path == "/demo/fauna/start"):
                return
            if not self.refresh(self.devices[-1]) and not self.devices:
                self.find_out()
        raise Unexpected(f"{path}: {status} {text[:300]}")
