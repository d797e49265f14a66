#!/usr/bin/env python3
"""A thousand connections that say nothing, or begin a body and stop, against a process with 1 024 file descriptors.

Visitors of another address are answered meanwhile, also where Fauna is needed; the silent connections are closed by the
server; no descriptor is lost.
"""

import time

from program import Site, chunked, connect, open_after, raise_own_limit, wait_until

DESCRIPTORS = 1024
ATTACKERS = 1000
ATTACKER = "127.0.0.9"
# Time in which a visitor is answered.
ANSWER_WITHIN = 3
# Requests whose body does not come are answered 408 after 20 s.
CLOSE_WITHIN = 25


def visit(site, kind):
    """A sign-in needs the database and Fauna."""
    assert site.descriptors() < DESCRIPTORS, "all descriptors are taken"
    for path in ("/health", "/ready"):
        began = time.monotonic()
        status = site.ask("GET", path).status
        assert (status, time.monotonic() - began < ANSWER_WITHIN) == (200, True), (kind, path, status)
    began = time.monotonic()
    answer = site.sign_in("ann@example.com")
    assert answer.status == 200 and answer.json()["status"] == "OK", (kind, answer.text)
    assert time.monotonic() - began < ANSWER_WITHIN, f"{kind}: a sign-in took {time.monotonic() - began:.1f} s"


def main():
    raise_own_limit()
    with Site(descriptors=DESCRIPTORS) as site:
        site.sign_up("ann@example.com")
        visit(site, "nobody else")
        before = site.descriptors()
        held = []
        for kind, port, text in [
            ("bodies that are not read", site.port, chunked("/x")),
            ("bodies that are waited for", site.port, chunked("/auth/signin")),
            ("silent connections", site.port, ""),
            ("silent connections to Fauna", site.fauna_port, ""),
            ("bodies that Fauna does not read", site.fauna_port, chunked("/x")),
            ("bodies that Fauna waits for", site.fauna_port, chunked("/", "authorization: Bearer wrong")),
        ]:
            streams = [connect(port, ATTACKER, text) for _ in range(ATTACKERS)]
            visit(site, kind)
            held += streams
        began = time.monotonic()
        left = open_after(CLOSE_WITHIN, held)
        assert not left, f"{len(left)} of {len(held)} connections are still open"
        print(f"{len(held)} connections were closed within {time.monotonic() - began:.0f} s")
        wait_until("all descriptors are free again", 5, lambda: site.descriptors() <= before + 8)
        visit(site, "afterwards")
        site.stop()


if __name__ == "__main__":
    main()
