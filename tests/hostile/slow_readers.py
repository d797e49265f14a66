#!/usr/bin/env python3
"""Clients open event streams, of the site and of the embedded Fauna, and read nothing while much happens.

The number of streams and what waits for them is bounded, others are answered, and the site closes its streams.
"""

import json

from program import Site, connect, request, wait_until

# Eight streams each is what a user may have.
USERS = 20
STREAMS = 200
CHANGES = 60
# What waits for streams, MB.
MEMORY_MAX = 64
# The site ends a stream after 25 s, seconds.
CLOSE_WITHIN = 35


def listen(site, user):
    """Opens the event stream of a user's sessions."""
    head = [f"authorization: Bearer {user.access}", "connection: close"]
    return connect(site.port, text=request("GET", "/api/session/events", *head))


def main():
    with Site() as site:
        ann, bob = site.sign_up("ann@example.com"), site.sign_up("bob@example.com")
        comment = ann.ask("POST", "/api/comments", {"text": "Hello"}).json()["id"]
        users = [ann] + [site.sign_up(f"user{number}@example.com") for number in range(1, USERS)]
        document = {"ref": {"collection": "comments"}, "id": comment}
        stream = request(
            "POST",
            "/stream",
            f"authorization: Bearer {bob.fauna_token()}",
            f"content-length: {len(json.dumps(document))}",
            body=json.dumps(document),
        )
        before, descriptors = site.memory(), site.descriptors()
        held = [listen(site, users[number % USERS]) for number in range(STREAMS)]
        wait_until("streams are open", 5, lambda: site.descriptors() >= descriptors + USERS * 8)
        fauna = [connect(site.fauna_port, text=stream) for _ in range(STREAMS)]
        for _ in range(CHANGES):
            assert bob.ask("PUT", f"/api/comments/{comment}/like").status == 200
            assert bob.ask("DELETE", f"/api/comments/{comment}/like").status == 200
            assert site.sign_in("ann@example.com").status == 200
        grown = site.memory() - before
        assert grown < MEMORY_MAX, f"memory has grown by {grown:.0f} MB"
        for stream in fauna:
            stream.close()
        free = lambda: site.descriptors() <= descriptors + 8
        ended = wait_until("streams that nobody reads are ended", CLOSE_WITHIN, free)
        print(f"memory grew by {grown:.0f} MB; all streams ended within {ended:.0f} s; {len(held)} were never read")
        assert site.ask("GET", "/ready").status == 200
        site.stop()


if __name__ == "__main__":
    main()
