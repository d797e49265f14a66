"""What a running site uses, over time. Linux only."""

import contextlib
import os
import sqlite3
from statistics import median

# The database of sessions, and of the embedded Fauna.
FILES = ["sessions.sqlite", "fauna.sqlite"]
TABLES = ["session", "session_key", "fauna_token", "mail", "throttle"]
# How much the last quarter may exceed the one before: a share, and what is noise in a small number. Counters of attempts are
# swept once in 256 attempts only.
SHARE = 1.1
NOISE = {"MB": 12, "descriptors": 16, "threads": 4, "wal": 5 << 20, "size": 2 << 20, "rows": 100}


class Samples:
    def __init__(self, site):
        self.site = site
        self.taken = []

    def take(self, elapsed, world):
        sample = {
            "MB": round(self.site.memory(), 1),
            "descriptors": self.site.descriptors(),
            "threads": len(os.listdir(f"/proc/{self.site.process.pid}/task")),
        }
        for file in FILES:
            short = file.split(".")[0]
            sample[f"{short} size"] = self.size(file)
            sample[f"{short} wal"] = self.size(file + "-wal")
        if world.is_calm():
            for table in TABLES:
                sample[f"{table} rows"] = self.rows(table)
        self.taken.append((elapsed, sample))

    def size(self, file):
        path = f"{self.site.directory}/{file}"
        return os.path.getsize(path) if os.path.exists(path) else 0

    def rows(self, table):
        uri = f"file:{self.site.directory}/{FILES[0]}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as database:
            return database.execute(f"select count(*) from {table}").fetchone()[0]

    def quarters(self):
        """For each measure its medians in the four quarters, `None` where there are no samples, and its peak."""
        end = self.taken[-1][0]
        measures = self.taken[0][1]
        for measure in measures:
            parts = [[] for _ in range(4)]
            for elapsed, sample in self.taken:
                if measure in sample:
                    parts[min(3, int(4 * elapsed / end))].append(sample[measure])
            yield measure, [median(part) if part else None for part in parts], max(max(part) for part in parts if part)

    def table(self):
        lines = [f"{'medians of each quarter':24}" + "".join(f"{name:>12}" for name in "1 2 3 4 peak".split())]
        for measure, medians, peak in self.quarters():
            lines.append(f"{measure:24}" + "".join(f"{value:>12.0f}" if value is not None else f"{'-':>12}" for value in [*medians, peak]))
        return "\n".join(lines)

    def check_flat(self):
        for measure, (_, _, third, fourth), _ in self.quarters():
            if third is None or fourth is None:
                continue
            most = third * SHARE + NOISE[measure.split(" ")[-1]]
            assert fourth <= most, f"{measure} still grows: {third:.0f} in the third quarter, {fourth:.0f} in the last"
