"""Attaches killpoint.c to a program, either for one kill, which can be called off, or to list its calls."""

import pathlib
import select
import signal
import subprocess

from framework import paths
from framework.stack import wait_for

# A shell that stops itself before it becomes the program, so that its tracer is attached before the program's first call.
STOPPED = ["/bin/sh", "-c", 'kill -STOP $$; exec "$@"', "sh"]


def helper(name: str) -> str:
    path = paths.BUILD / "testing" / name
    if not path.exists():
        raise RuntimeError(f"{path} is missing: build first (cmake --build {paths.BUILD})")
    return str(path)


class Killpoint:
    def __init__(self, pid: int, at: int, victim: tuple | None = None):
        """Sends SIGKILL to pid (or to the process (text, name) that killpoint.c looks for) at pid's at-th call with an effect."""
        self.process = subprocess.Popen(
            [helper("killpoint"), str(pid), str(at), *(victim or ())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        line = self.process.stdout.readline().strip()
        assert line == "ready", f"killpoint can't attach to {pid}: {line!r}"

    def wait(self, timeout: float) -> bool:
        """Returns whether, within the time, it has killed or the program has ended."""
        return bool(select.select([self.process.stdout], [], [], timeout)[0])

    def end(self) -> tuple:
        """Returns ("killed", n, call), or ("counted", n, "") if the moment never came."""
        self.process.stdin.close()
        words = self.process.stdout.readline().split()
        self.process.wait(10)
        self.process.stdout.close()
        return (words[0], int(words[1]), words[2] if len(words) > 2 else "") if words else ("counted", 0, "")


class Listing:
    """Lists, in order, a program's calls with an effect that others could see while the block runs: (thread, call, path) when
    such a call begins, and (thread, call + " done", path) when a sync has succeeded."""

    def __init__(self, pid: int, file: pathlib.Path):
        self.pid = pid
        self.file = file
        self.calls: list = []

    def __enter__(self):
        self.process = subprocess.Popen(
            [helper("killpoint"), str(self.pid), "list", str(self.file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        line = self.process.stdout.readline().strip()
        assert line == "ready", f"killpoint can't attach to {self.pid}: {line!r}"
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.wait(10)
        self.process.stdout.close()
        for line in self.file.read_text(errors="replace").splitlines():
            thread, call, path = line.split(" ", 2)
            if path.endswith(" done") and call in ("fsync", "fdatasync"):
                call, path = call + " done", path.removesuffix(" done")
            self.calls.append((int(thread), call, path))


def start_under(program, at: int) -> Killpoint:
    """Starts the program (framework.stack.Program) and aims the kill at its at-th call with an effect, counted from its start."""
    before, program.under = program.under, STOPPED
    try:
        program.start()
    finally:
        program.under = before
    stat = pathlib.Path(f"/proc/{program.pid}/stat")
    wait_for("it has stopped itself", lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "T", 10, 0.002)
    shot = Killpoint(program.pid, at)
    # Otherwise it would stop again when its tracer detaches.
    program.process.send_signal(signal.SIGCONT)
    return shot
