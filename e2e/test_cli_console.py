"""`qarax console` with input: on a pseudo-terminal, like a person's, and in a pipe."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import termios
import time
import tty

import pytest

from framework import paths
from framework.stack import wait_for
from test_cli import DONE, REFUSED, UNREACHABLE, Cli


class Terminal:
    """A program on its own pseudo-terminal, of which the test has both ends."""

    def __init__(self, cli: Cli, *args: str):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.shown = b""
        self.process = subprocess.Popen([str(paths.program("qarax")), *args], stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                        env=cli.env, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def type(self, keys: str | bytes) -> None:
        os.write(self.master, keys.encode() if isinstance(keys, str) else keys)

    def sees(self, what: str, timeout: float = 60) -> bytes:
        """Reads until `what` is on the screen, and forgets the output up to there."""
        deadline = time.monotonic() + timeout
        while what.encode() not in self.shown:
            assert time.monotonic() < deadline, f"no {what!r} in {self.shown[-2000:]!r}"
            if select.select([self.master], [], [], 0.1)[0]:
                self.shown += os.read(self.master, 65536)
        before, self.shown = self.shown.split(what.encode(), 1)
        return before

    def answers(self, command: str, answer: str) -> None:
        """Repeats the command until it is answered: a shell that is just restarting loses what is typed before it is ready."""
        for _ in range(20):
            self.type(command + "\r")
            with contextlib.suppress(AssertionError):
                self.sees(answer, 3)
                return
        raise AssertionError(f"no {answer!r} in {self.shown[-2000:]!r}")

    def is_raw(self) -> bool:
        return termios.tcgetattr(self.slave)[tty.LFLAG] & (termios.ICANON | termios.ECHO | termios.ISIG) == 0

    def ends(self, code: int, timeout: float = 15) -> str:
        """Waits for the end; returns the last output. The terminal's settings must be as before."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it doesn't end: {self.shown[-2000:]!r}"
            if select.select([self.master], [], [], 0.05)[0]:
                self.shown += os.read(self.master, 65536)
        while select.select([self.master], [], [], 0)[0]:
            self.shown += os.read(self.master, 65536)
        assert self.process.returncode == code, (self.process.returncode, self.shown[-2000:])
        assert termios.tcgetattr(self.slave) == self.before, "the terminal isn't what it was"
        return self.shown.decode(errors="replace")


def launched(stack, name: str) -> Cli:
    cli = Cli(stack.server.base)
    cli.run("launch", name, "--memory", "128M")
    stack.wait_console(stack.api.vms()[0]["id"], "qarax uptime", 180)
    return cli


@pytest.mark.guest
def test_a_person_types_sees_the_answer_and_detaches(stack):
    cli = launched(stack, "web")
    with Terminal(cli, "console", "web") as terminal:
        terminal.sees("attached to the console of VM web; Ctrl-] detaches")
        terminal.sees("qarax uptime")
        assert terminal.is_raw()
        terminal.type("echo product=$((6 * 7))\r")
        terminal.sees("product=42")
        # The keys go to the guest: Ctrl-C ends the guest's shell, which is started again.
        terminal.type("sleep 1000\r")
        terminal.sees("sleep 1000")
        terminal.type("\x03")
        terminal.sees("^C")
        terminal.answers("echo sum=$((20 + 3))", "sum=23")
        terminal.type("echo last=$((3 * 3))\r\x1dnot for the guest\r")
        assert "detached; VM web runs on" in terminal.ends(DONE)
    assert stack.api.vms()[0]["status"] == "running"
    console = stack.wait_console(stack.api.vms()[0]["id"], "last=9")
    assert "not for the guest" not in console


@pytest.mark.guest
def test_read_only_and_another_key(stack):
    cli = launched(stack, "web")
    with Terminal(cli, "console", "web", "--read-only", "--detach-key", "^a") as terminal:
        terminal.sees("read only; Ctrl-A detaches")
        terminal.type("echo product=$((6 * 7))\r\x1d")
        for _ in range(3):
            terminal.sees("qarax uptime")
        terminal.type(b"\x01")
        terminal.ends(DONE)
    assert "product" not in stack.api.console(stack.api.vms()[0]["id"])


@pytest.mark.guest
def test_the_terminal_is_put_back_whatever_ends_it(stack):
    cli = launched(stack, "web")
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT):
        with Terminal(cli, "console", "web") as terminal:
            terminal.sees("qarax uptime")
            assert terminal.is_raw()
            terminal.process.send_signal(number)
            terminal.ends(-number)
    with Terminal(cli, "console", "web") as terminal:  # is stopped and continued
        terminal.sees("qarax uptime")
        terminal.process.send_signal(signal.SIGTSTP)
        wait_for("it stops", lambda: open(f"/proc/{terminal.process.pid}/stat").read().rsplit(")", 1)[1].split()[0] == "T")
        assert termios.tcgetattr(terminal.slave) == terminal.before
        terminal.process.send_signal(signal.SIGCONT)
        wait_for("it goes on", terminal.is_raw)
        terminal.type("echo sum=$((2 + 2))\r")
        terminal.sees("sum=4")
        stack.server.kill()
        assert "broke off" in terminal.ends(UNREACHABLE)
    stack.server.start()
    vm_id = wait_for("the server again", lambda: stack.api.vms())[0]["id"]
    stack.wait_state(vm_id, "running", 60)
    with Terminal(cli, "console", "web") as terminal:
        terminal.sees("qarax uptime")
        terminal.type("echo o >/proc/sysrq-trigger\r")
        assert "VM web is shutdown" in terminal.ends(DONE, 60)
    with Terminal(cli, "console", "web") as terminal:  # a log to read, and no guest to type to
        assert "qarax guest:" in terminal.ends(DONE)


@pytest.mark.guest
def test_what_is_piped_in_is_typed(stack):
    cli = launched(stack, "web")
    program = [str(paths.program("qarax")), "console", "web", "--linger", "0"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=cli.env) as piped:
        piped.stdin.write(b"echo product=$((6 * 7))\n")
        piped.stdin.flush()
        seen = b""
        deadline = time.monotonic() + 60
        while b"product=42" not in seen:
            assert time.monotonic() < deadline and piped.poll() is None, seen
            if select.select([piped.stdout], [], [], 0.1)[0]:
                seen += os.read(piped.stdout.fileno(), 65536)
        assert b"qarax guest:" not in seen, "what the guest said before isn't the answer"
        piped.stdin.write(b"echo late=$((5 * 5))\n")
        piped.stdin.close()
        assert piped.wait(15) == DONE
    stack.wait_console(stack.api.vms()[0]["id"], "late=25")
    # Without input it prints the log, like --follow and --tail.
    assert "product=42" in cli.run("console", "web").stdout
    cli.run("force-stop", "web")
    refused = subprocess.run(program, input=b"ls\n", capture_output=True, env=cli.env, timeout=30)
    assert refused.returncode == REFUSED and b"only a guest that runs has a console" in refused.stderr, refused
