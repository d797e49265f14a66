#!/usr/bin/env python3
"""Nobody reads the log: both outputs are a pipe that is full, are closed, or are a full device.

No request waits for the log or fails with it, lines that do not fit are dropped and counted, and SIGTERM works.
"""

import fcntl
import os

from program import Site, connect, request

F_SETPIPE_SZ = 1031
# More than the lines that wait in memory.
REQUESTS = 6000
TOGETHER = 100


def ask_many(site, count):
    """So many requests, pipelined, each of which must be answered 200."""
    stream = connect(site.port)
    answers = stream.makefile("rb")
    for _ in range(count // TOGETHER):
        stream.sendall(request("GET", "/health").encode() * TOGETHER)
        for _ in range(TOGETHER):
            status = answers.readline().split(b" ")[1]
            assert status == b"200", status
            while answers.readline() not in (b"\r\n", b""):
                pass
            answers.read(len('{"status":"OK"}'))


def check(name, **outputs):
    with Site(**outputs) as site:
        site.sign_up("ann@example.com")
        ask_many(site, REQUESTS)
        assert site.sign_in("ann@example.com").status == 200
        dropped = site.metric("log_lines_dropped_total")
        assert dropped > 0, f"{name}: no dropped lines are counted"
        print(f"{name}: {dropped:.0f} lines dropped, stopped within {site.stop():.1f} s")


def main():
    reader, writer = os.pipe()
    fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
    check("a pipe that nobody reads", stdout=writer, stderr=writer)
    os.close(reader)
    check("closed outputs", stdout=writer, stderr=writer)
    with open("/dev/full", "wb") as full:
        check("full outputs", stdout=full, stderr=full)


if __name__ == "__main__":
    main()
