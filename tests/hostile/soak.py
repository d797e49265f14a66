#!/usr/bin/env python3
"""Half an hour of everything at once, at a modest rate; not run by default (`tests/hostile/run soak`).

People sign up, sign in on several devices, write, like, lose answers, change and reset passwords, sign out, leave devices
behind, delete accounts. Every ten seconds the clock of the site moves by half a day, so that access tokens, idle sessions
and signing keys expire. The mail server refuses every third mail, Fauna is stopped and started twice, the disk fills once.

Every answer must be the expected one; 503 is one only while Fauna or the disk is away, the clock moves, or the whole
machine stood still. Memory, descriptors, threads, files and rows are sampled, and must not be larger in the last quarter
than in the one before. At the end everybody leaves, and no session, token or mail may be left.

SOAK_SECONDS sets the length (1800), SOAK_SEED the choices of the people, SOAK_LOG names a file for the site's log.
"""

import os
import random
import threading
import time

from disk import fill, in_private_mounts, small_disk
from mailserver import MailServer
from people import Person, World
from program import Site, wait_until
from samples import Samples

SECONDS = int(os.environ.get("SOAK_SECONDS", "1800"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
PEOPLE = 24
WORKERS = 6
CLOCK_EVERY = 10
SAMPLE_EVERY = 10
# Twelve hours and the life of a Fauna token beyond it: what one move of the demo's clock is.
ACCESS_TOKEN_LIFETIME = 12 * 3600
MOVE = ACCESS_TOKEN_LIFETIME + 31
# How long Fauna is away, and the disk full.
OUTAGE = 10


def live(world, people, number):
    """One worker: its people act, one after the other, a second or so apart."""
    choices = random.Random(SEED * 1000 + number)
    while not world.is_over:
        world.guard(lambda: choices.choice(people).act())
        time.sleep(choices.uniform(0.4, 1.4))


def move_clock(world, mover):
    """Moves the clock until the end; the demo lets anybody do it who is signed in."""
    while not world.is_over:
        time.sleep(CLOCK_EVERY)
        if world.is_calm():
            world.guard(lambda: world.move(mover, MOVE))


def stop_fauna(world, keeper):
    with world.trouble("Fauna is stopped"):
        world.switch_fauna(keeper, False)
        time.sleep(OUTAGE)
        world.switch_fauna(keeper, True)
        wait_until("Fauna is back", 10, lambda: world.site.ask("GET", "/ready").status == 200)


def fill_disk(world):
    ballast = f"{world.site.directory}/ballast"
    with world.trouble("the disk is full"):
        fill(ballast)
        ends = time.monotonic() + OUTAGE
        while time.monotonic() < ends:
            # What the logs of the databases give back is taken, too.
            fill(ballast + "2")
            time.sleep(0.2)
        assert world.site.ask("GET", "/health").status == 200
        os.remove(ballast)
        os.remove(ballast + "2")
        wait_until("the disk is used again", 10, lambda: world.site.ask("GET", "/ready").status == 200)


def main():
    directory, mails = small_disk(megabytes=192), MailServer(refuse_every=3)
    settings = {
        "DEMO": "true",
        "SMTP_URL": mails.url,
        "ACCESS_TOKEN_LIFETIME_S": str(ACCESS_TOKEN_LIFETIME),
        "INSECURE_NO_THROTTLE": "false",
        "DELETED_ACCOUNT_COMMENTS": "delete",
    }
    with open(os.environ.get("SOAK_LOG", os.devnull), "wb") as log, Site(settings, directory=directory, stdout=log) as site:
        # Hashing gives way to all others, and in half an hour others may need the machine; slow answers are counted.
        site.patience = 60
        world = World(site, mails)
        people = [Person(world, number, random.Random(SEED * 100 + number)) for number in range(PEOPLE)]
        mover, keeper = (Person(world, PEOPLE + number, random.Random(SEED)) for number in range(2))
        samples = Samples(site)
        workers = [
            threading.Thread(target=live, args=(world, people[number::WORKERS], number)) for number in range(WORKERS)
        ]
        workers += [threading.Thread(target=move_clock, args=(world, mover)), threading.Thread(target=world.watch)]
        for worker in workers:
            worker.start()
        plan = [(0.25, lambda: stop_fauna(world, keeper)), (0.4, lambda: fill_disk(world))]
        plan += [(0.55, lambda: stop_fauna(world, keeper))]
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < SECONDS and not world.failures:
            if plan and elapsed >= plan[0][0] * SECONDS:
                world.guard(plan.pop(0)[1])
            samples.take(elapsed, world)
            time.sleep(SAMPLE_EVERY)
        world.is_over = True
        for worker in workers:
            worker.join()
        print(world.summary(), flush=True)
        print(samples.table(), flush=True)
        assert not world.failures, world.failures[0]
        assert not plan, "not everything has happened"
        samples.check_flat()
        leave(world, samples, [*people, keeper, mover])
        print(f"stopped within {site.stop():.1f} s")


def leave(world, samples, people):
    """Everybody deletes the account; what is left behind expires or is swept."""
    for person in people[:-1]:
        person.leave()
    for _ in range(20):
        world.move(people[-1], MOVE)
    people[-1].leave()
    nothing = lambda: all(samples.rows(table) == 0 for table in ("fauna_token", "mail")) and samples.rows("session") == 0
    # Expired sessions are deleted once a minute.
    wait_until("nothing is left of people who are gone", 90, nothing)
    print("everybody is gone: no session, token or mail is left")


if __name__ == "__main__":
    in_private_mounts()
    main()
