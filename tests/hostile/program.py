"""Starts the program for one script of this folder, and asks it as a client does. Linux only."""

import base64
import contextlib
import http.client
import json
import os
import resource
import select
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("BIN", os.path.join(ROOT, "target/debug/actix-fauna-starter"))
PASSWORD = "correct horse 1"
METRICS_TOKEN = "metrics-token-of-this-test"
# A request that takes longer has failed, seconds.
PATIENCE = 10
# Container runtimes kill after ten seconds.
STOP_WITHIN = 8


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    def json(self):
        return json.loads(self.text)


class Site:
    """The running program. `descriptors` limits its file descriptors, hard."""

    def __init__(self, settings=None, directory=None, descriptors=None, stdout=subprocess.DEVNULL, stderr=None):
        self.port, self.fauna_port = free_port(), free_port()
        self.patience = PATIENCE
        self.directory = directory or tempfile.mkdtemp()
        environment = {
            "PATH": os.environ["PATH"],
            "LISTEN": f"127.0.0.1:{self.port}",
            "EMBEDDED_FAUNA_LISTEN": f"127.0.0.1:{self.fauna_port}",
            "DATA_DIR": self.directory,
            "DEMO": "false",
            "INSECURE_NO_THROTTLE": "true",
            "WRITES_PER_USER_MINUTE": "10000",
            "ACCESS_FAUNADB_TOKEN_FROM_FRONTEND": "true",
            "METRICS_TOKEN": METRICS_TOKEN,
        }

        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        self.process = subprocess.Popen(
            [PROGRAM],
            cwd=self.directory,
            env=environment | (settings or {}),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            preexec_fn=limit if descriptors else None,
        )
        try:
            wait_until("the site starts", 30, lambda: self.is_healthy())
        except BaseException:
            self.process.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def is_healthy(self):
        assert self.process.poll() is None, "the program has ended"
        try:
            return self.ask("GET", "/health").status == 200
        except OSError:
            return False

    def ask(self, method, path, body=None, headers=None, source="127.0.0.1"):
        """One request on a connection of its own, from an address of this machine."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.patience, source_address=(source, 0))
        with contextlib.closing(connection):
            headers = {"st-auth-mode": "header", **(headers or {})}
            if body is not None:
                headers["content-type"] = "application/json"
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            return Answer(connection.getresponse())

    def sign_up(self, email):
        return User(self, email, "/auth/signup")

    def sign_in(self, email, source="127.0.0.1"):
        return self.ask("POST", "/auth/signin", credentials(email), source=source)

    def metric(self, name):
        """Sum of a metric over its labels."""
        text = self.ask("GET", "/metrics", headers={"authorization": f"Bearer {METRICS_TOKEN}"}).text
        lines = (line for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name)
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def memory(self):
        """Resident memory in MB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            line = next(line for line in status if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self):
        """Sends SIGTERM; fails if the process does not end in time."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it still runs {STOP_WITHIN} s after SIGTERM") from None
        return time.monotonic() - began


class User:
    """A user with one session, whose tokens travel in headers."""

    def __init__(self, site, email, path):
        self.site, self.email = site, email
        self.keep(site.ask("POST", path, credentials(email)))

    def keep(self, answer):
        assert answer.status == 200, (answer.status, answer.text)
        self.access, self.refresh_token = answer.headers["st-access-token"], answer.headers["st-refresh-token"]
        assert self.access, answer.text

    def ask(self, method, path, body=None):
        return self.site.ask(method, path, body, {"authorization": f"Bearer {self.access}"})

    def refresh(self):
        """The status; the new tokens are kept."""
        headers = {"authorization": f"Bearer {self.refresh_token}"}
        answer = self.site.ask("POST", "/auth/session/refresh", headers=headers)
        if answer.status == 200:
            self.keep(answer)
        return answer.status

    def fauna_token(self):
        payload = self.access.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["faunadbToken"]


def credentials(email):
    return {"formFields": [{"id": "email", "value": email}, {"id": "password", "value": PASSWORD}]}


def connect(port, source="127.0.0.1", text=""):
    """A connection that has sent `text` and then falls silent."""
    stream = socket.socket()
    # Small, so that a client that does not read is soon noticed.
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stream.settimeout(PATIENCE)
    stream.bind((source, 0))
    stream.connect(("127.0.0.1", port))
    with contextlib.suppress(ConnectionError):
        stream.sendall(text.encode())
    return stream


def request(method, path, *headers, body=""):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: localhost", *headers, "", body])


def chunked(path, *headers):
    """A request whose body begins and does not end."""
    return request("POST", path, "transfer-encoding: chunked", "content-type: application/json", *headers, body="1\r\n{\r\n")


def open_after(seconds, streams):
    """Of these connections those that the server has not closed after that time."""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    waiting = {stream.fileno(): stream for stream in streams}
    for number, stream in waiting.items():
        stream.setblocking(False)
        poll.register(number, select.POLLIN | select.POLLRDHUP)
    while waiting and time.monotonic() < deadline:
        for number, _ in poll.poll(100):
            try:
                ended = not waiting[number].recv(1 << 16)
            except BlockingIOError:
                continue
            except OSError:
                ended = True
            if ended:
                poll.unregister(number)
                del waiting[number]
    return list(waiting.values())


def wait_until(what, seconds, ask):
    """Asks until the answer is true, and returns how long that took."""
    began = time.monotonic()
    while not ask():
        assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - began


def raise_own_limit():
    """Lets this script open as many connections as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert hard == resource.RLIM_INFINITY or hard >= 4096, "this script needs 4096 file descriptors"
