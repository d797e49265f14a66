#!/usr/bin/env python3
"""SIGTERM while bodies do not come, queries do not end, and streams are open: the process ends within 8 s.

Once with the embedded Fauna, which is evaluating the longest queries that a user may send; once with a Fauna elsewhere that
takes a query and does not answer.
"""

import json
import socket
import threading
import time

from program import Site, chunked, connect, credentials, request, wait_until

NEST = 200


def long_query():
    """FQL as drivers send it: four nested loops."""
    expression = {"add": [{"var": "x0"}, 1]}
    for level in range(4):
        body = {"lambda": f"x{level}", "expr": expression}
        expression = {"map": body, "collection": list(range(NEST))}
    return json.dumps(expression)


def occupy(site, token=None):
    """Everything that can keep a server from stopping."""
    held = [connect(site.port, text=chunked("/auth/signin")) for _ in range(20)]
    held += [connect(site.port, text=chunked("/x")) for _ in range(20)]
    held += [connect(site.port) for _ in range(20)]
    held += [connect(site.port, text="GET /health HT") for _ in range(20)]
    if token:
        query = long_query()
        head = [f"authorization: Bearer {token}", f"content-length: {len(query)}", "x-query-timeout: 600000"]
        held += [connect(site.fauna_port, text=request("POST", "/", *head, body=query)) for _ in range(4)]
        held += [connect(site.fauna_port, text=chunked("/", f"authorization: Bearer {token}")) for _ in range(20)]
    return held


def with_embedded_fauna():
    with Site() as site:
        ann = site.sign_up("ann@example.com")
        held = occupy(site, ann.fauna_token())
        events = request("GET", "/api/session/events", f"authorization: Bearer {ann.access}")
        held += [connect(site.port, text=events) for _ in range(5)]
        time.sleep(0.5)
        print(f"with the embedded Fauna: stopped within {site.stop():.1f} s, {len(held)} connections were open")


class SilentFauna:
    """Answers until it is told to be silent, then takes requests and answers none."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.is_silent = False
        self.taken = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def accept(self):
        while True:
            stream, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(stream,), daemon=True).start()

    def serve(self, stream):
        answer = b'{"resource":{"@ts":"2030-01-01T00:00:00Z"}}'
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(answer)}\r\n\r\n"
        while stream.recv(1 << 16):
            self.taken += 1
            if not self.is_silent:
                stream.sendall(head.encode() + answer)


def with_silent_fauna():
    fauna = SilentFauna()
    with Site({"FAUNA_ENDPOINT": fauna.url(), "FAUNA_SECRET": "secret"}) as site:
        fauna.is_silent, fauna.taken = True, 0
        body = json.dumps(credentials("ann@example.com"))
        head = ["content-type: application/json", f"content-length: {len(body)}"]
        held = [connect(site.port, text=request("POST", "/auth/signin", *head, body=body)) for _ in range(10)]
        held += occupy(site)
        wait_until("sign-ins wait for Fauna", 5, lambda: fauna.taken >= 10)
        print(f"with a silent Fauna: stopped within {site.stop():.1f} s, {len(held)} connections were open")


if __name__ == "__main__":
    with_embedded_fauna()
    with_silent_fauna()
