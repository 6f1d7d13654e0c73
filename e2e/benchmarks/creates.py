"""Durable creates, on both databases."""

import os
import sqlite3
import statistics
import subprocess
import time

from bench import HERE, row
from postgres_creates import Creates


def raw_sqlite(path, count):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE vms (id TEXT PRIMARY KEY, ordinal INTEGER UNIQUE, project TEXT, name TEXT, spec TEXT, desired TEXT, observed TEXT, created TEXT, updated TEXT, UNIQUE (project, name))")
    begun = time.monotonic()
    for i in range(count):
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO vms VALUES (?,?,?,?,?,?,?,?,?)", (f"id-{i}-{'x' * 30}", i, "default", f"name-{i}", "s" * 300, "d" * 60, "o" * 60, "t" * 24, "t" * 24))
        db.execute("COMMIT")
    rate = count / (time.monotonic() - begun)
    db.close()
    return rate


def raw_sync(path, count):
    """A page written and waited for, again and again: what a durable change that shares nothing comes to at best. The pages are
    there before, as a database's log is: a file that grows has the file system's own journal to wait for as well."""
    page = b"x" * 4096
    file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    os.pwrite(file, page * count, 0)
    os.fsync(file)
    begun = time.monotonic()
    for i in range(count):
        os.pwrite(file, page, i * len(page))
        os.fdatasync(file)
    rate = count / (time.monotonic() - begun)
    os.close(file)
    return rate


def creates(b, connections, raw):
    ours, floor = [], []
    for turn in range(3):
        path = b.temp / f"creates{connections}-{turn}.db"
        floor.append(raw(path, 1000))
        for left in b.temp.glob("creates*"):
            left.unlink()
        before = {vm["id"] for vm in b.api.all_vms()}
        out = subprocess.run(["wrk", "-t1", f"-c{connections}", "-d1s", "-s", str(HERE / "create.lua"), f"http://127.0.0.1:{b.stack.server.port}"], capture_output=True, text=True, check=True).stdout
        rate = float(next(line.split()[1] for line in out.splitlines() if line.startswith("Requests/sec")))
        made = {vm["id"] for vm in b.api.all_vms()} - before
        assert len(made) >= rate * 0.9 and "Non-2xx" not in out, out
        ours.append(rate)
        for vm in made:
            b.api.delete(vm)
    return statistics.median(floor), statistics.median(ours), "/s"


@row(13, "durable creates/s at REST, one at a time", "≥ 0.85 × SQLite FULL")
def creates_alone(b):
    return creates(b, 1, raw_sqlite)


@row(13.2, "durable creates/s at REST, 16 connections (commits are shared)", "≥ 3 × fdatasync")
def creates_together(b):
    return creates(b, 16, raw_sync)


def creates_on_postgres(connections):
    both = Creates()
    try:
        turns = [(both.hand(connections), both.ours(connections)) for _ in range(3)]
    finally:
        both.close()
    return *(statistics.median(side) for side in zip(*turns)), "/s"


@row(13.3, "durable creates/s at REST on PostgreSQL, one at a time", "≥ 0.85 × the same statements by hand")
def creates_on_postgres_alone(_):
    return creates_on_postgres(1)


@row(13.4, "durable creates/s at REST on PostgreSQL, 16 connections", "≥ 0.85 × the same statements by hand, 16 clients")
def creates_on_postgres_together(_):
    return creates_on_postgres(16)
