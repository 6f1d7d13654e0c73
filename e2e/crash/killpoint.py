"""One shot at a program: killpoint.c attached to it, until it has killed or is called off."""

import select
import subprocess

from framework import paths


def helper(name: str) -> str:
    path = paths.BUILD / "testing" / name
    if not path.exists():
        raise RuntimeError(f"{path} is missing: build first (cmake --build {paths.BUILD})")
    return str(path)


class Killpoint:
    def __init__(self, pid: int, at: int, victim: tuple | None = None):
        """SIGKILL to pid (or to the process (text, name) that killpoint.c looks for) at its at-th call with an effect."""
        self.process = subprocess.Popen(
            [helper("killpoint"), str(pid), str(at), *(victim or ())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        line = self.process.stdout.readline().strip()
        assert line == "ready", f"killpoint can't attach to {pid}: {line!r}"

    def wait(self, timeout: float) -> bool:
        """Whether it has killed, or its program has ended, within the time."""
        return bool(select.select([self.process.stdout], [], [], timeout)[0])

    def end(self) -> tuple:
        """("killed", n, call), or ("counted", n, "") where the moment never came."""
        self.process.stdin.close()
        words = self.process.stdout.readline().split()
        self.process.wait(10)
        self.process.stdout.close()
        return (words[0], int(words[1]), words[2] if len(words) > 2 else "") if words else ("counted", 0, "")
