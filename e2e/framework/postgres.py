"""A PostgreSQL for the tests, which they may stop and kill, and a link to it that can be cut at the worst moment."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse

from . import paths

SCRIPT = paths.ROOT / "scripts" / "lib" / "postgres.sh"


def installed() -> bool:
    return any(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))


class Postgres:
    def __init__(self):
        self.parent = pathlib.Path(tempfile.mkdtemp(prefix="qarax-e2e-postgres-"))
        self.parent.chmod(0o755)  # when the tests run as root, PostgreSQL runs as another user
        self.folder = self.parent / "cluster"
        self.url = self._script("start")
        self.databases = 0

    def _script(self, action: str) -> str:
        done = subprocess.run([str(SCRIPT), action, str(self.folder)], stdout=subprocess.PIPE, text=True, timeout=120)
        assert done.returncode == 0, f"postgres.sh {action} failed; {self.folder}/log: " + (
            (self.folder / "log").read_text()[-2000:] if (self.folder / "log").exists() else "none")
        return done.stdout.strip()

    def stop(self):
        self._script("stop")

    def kill(self):
        self._script("kill")

    def resume(self):
        self._script("resume")

    @contextlib.contextmanager
    def paused(self):
        """Stops all of its processes: the kernel still accepts connections, but nothing is answered."""
        main = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(main, signal.SIGSTOP)  # first, so that it starts no other process
        children = pathlib.Path(f"/proc/{main}/task/{main}/children").read_text().split()
        pids = [*map(int, children), main]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def sql(self, statement: str, url: str | None = None) -> str:
        done = subprocess.run(["psql", "-XAtq", url or self.url, "-c", statement], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def database(self) -> str:
        """Creates a database and returns its URL."""
        self.databases += 1
        name = f"test{self.databases}"
        self.sql(f"CREATE DATABASE {name}")
        return self.url.rsplit("/", 1)[0] + "/" + name

    def end(self):
        self._script("end")
        shutil.rmtree(self.parent, ignore_errors=True)


class Link:
    """Forwards to PostgreSQL. `at_commit` takes effect once: "lost" cuts the connection before a COMMIT arrives, "unanswered"
    before its answer is back. "swallowed" and "unheard" don't cut at these points but forward nothing more, in either direction,
    not even the end of the other side. While `closed`, new connections are cut at once. `late`: delay of each answer in seconds."""

    AT_COMMIT = {"lost": (True, True), "unanswered": (False, True), "swallowed": (True, False), "unheard": (False, False)}  # up, cuts

    def __init__(self, url: str):
        parts = urllib.parse.urlsplit(url)
        self.target = (parts.hostname, parts.port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        self.url = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()
        self.at_commit = None
        self.closed = False
        self.late = 0.0
        self.cuts = 0
        self.pairs = []
        self.silent = []
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = None if self.closed else socket.create_connection(self.target, timeout=5)
            except OSError:
                server = None
            if server is None:
                client.close()
                continue
            server.settimeout(None)
            pair = (client, server)
            self.pairs.append(pair)
            for source, sink, up in [(client, server, True), (server, client, False)]:
                thread = threading.Thread(target=self._pump, args=(source, sink, up, pair))
                thread.start()
                self.threads.append(thread)

    def _pump(self, source, sink, up, pair):
        try:
            while data := source.recv(65536):
                at_up, cuts = self.AT_COMMIT.get(self.at_commit, (None, None))
                if at_up == up and b"COMMIT\0" in data:
                    self.at_commit = None
                    self.closed = True
                    if not cuts:
                        self.silent.append(pair)
                    self.cuts += 1
                    if cuts:
                        break
                if not up and self.late:
                    time.sleep(self.late)
                if pair not in self.silent:
                    sink.sendall(data)
        except OSError:
            pass
        if pair not in self.silent:
            self._cut(pair)

    def _cut(self, pair):
        for end in pair:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.closed = True
        for pair in list(self.pairs):
            self._cut(pair)

    def open(self):
        self.closed = False

    def end(self):
        self.cut()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join()
        for pair in self.pairs:
            for one in pair:
                one.close()
