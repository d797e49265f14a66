"""A small file system for one script, and how to fill it. Linux only."""

import os
import subprocess
import sys
import tempfile

MOUNTS_ARE_PRIVATE = "MOUNTS_ARE_PRIVATE"


def in_private_mounts():
    """Starts the script again where its mounts are seen by nobody else and end with it; returns in that second run."""
    if MOUNTS_ARE_PRIVATE in os.environ:
        return
    ways = [["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]]
    ways += [["sudo", "--non-interactive", "--preserve-env", "unshare", "--mount"]]
    for way in ways:
        if subprocess.run([*way, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode == 0:
            os.environ[MOUNTS_ARE_PRIVATE] = "yes"
            os.execvp(way[0], [*way, sys.executable, *sys.argv])
    sys.exit("no file system can be mounted here: run this as root, or where unshare may")


def small_disk(megabytes):
    """A directory that is a file system of this size."""
    directory = tempfile.mkdtemp()
    options = f"size={megabytes}m,mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", directory], check=True)
    return directory


def fill(path):
    """Writes to a file until nothing more fits."""
    with open(path, "wb", buffering=0) as ballast:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    ballast.write(b"x" * size)
            except OSError:
                pass
