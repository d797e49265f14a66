#!/usr/bin/env python3
"""The disk fills while people sign in, and is freed again: a small file system holds the data directory and the log.

While it is full, writes are 503 and /ready says so; no connection to the database may stay broken afterwards: within 5 s of
free space everything works again.
"""

import os

from disk import fill, in_private_mounts, small_disk
from program import PASSWORD, Site, credentials, wait_until

RECOVER_WITHIN = 5


def main():
    small = small_disk(megabytes=24)
    log, ballast = open(f"{small}/log", "wb"), f"{small}/ballast"
    with Site(directory=small, stdout=log) as site:
        ann = site.sign_up("ann@example.com")
        reset = {"formFields": [{"id": "email", "value": "ann@example.com"}]}
        asks = {
            "sign-in": lambda: site.sign_in("ann@example.com").status,
            "sign-up": lambda: site.ask("POST", "/auth/signup", credentials(f"{os.urandom(8).hex()}@example.com")).status,
            "comment": lambda: ann.ask("POST", "/api/comments", {"text": PASSWORD}).status,
            "reset": lambda: site.ask("POST", "/auth/user/password/reset/token", reset).status,
            "refresh": ann.refresh,
            "/ready": lambda: site.ask("GET", "/ready").status,
        }
        assert all(ask() in (200, 201) for ask in asks.values())

        fill(ballast)
        # What a log of the database has room for is still written.
        for _ in range(400):
            if asks["sign-in"]() == 503:
                break
            fill(ballast + "2")
        wait_until("/ready is 503", RECOVER_WITHIN, lambda: asks["/ready"]() == 503)
        seen = {name: [ask() for _ in range(4)] for name, ask in asks.items()}
        assert {status for statuses in seen.values() for status in statuses} <= {200, 201, 503}, seen
        assert seen["sign-in"] == seen["/ready"] == [503] * 4, seen
        assert site.ask("GET", "/health").status == 200

        os.remove(ballast)
        if os.path.exists(ballast + "2"):
            os.remove(ballast + "2")
        works = lambda: all(ask() in (200, 201) for ask in asks.values())
        print(f"everything works again after {wait_until('everything works again', RECOVER_WITHIN, works):.1f} s")
        site.stop()


if __name__ == "__main__":
    in_private_mounts()
    main()
