"""The test guest in a bare QEMU, nothing of ours between: what every other test reads on its console can be relied on."""

import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from framework import paths
from framework.stack import no_line_missing, uptimes

pytestmark = pytest.mark.guest


class BareGuest:
    def __init__(self, cmdline: str = "", vcpus: int = 1, mib: int = 128):
        self.folder = tempfile.TemporaryDirectory(prefix="qarax-guest-")
        serial, monitor = (pathlib.Path(self.folder.name) / n for n in ("serial", "monitor"))
        guest = paths.guest_dir()
        with socket.socket(socket.AF_UNIX) as listening:
            # We listen and QEMU connects: not a byte of the console can be missed.
            listening.bind(str(serial))
            listening.listen()
            self.qemu = subprocess.Popen(
                ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-m", str(mib), "-smp", str(vcpus), "-nodefaults", "-no-user-config",
                 "-display", "none", "-no-reboot", "-kernel", str(guest / "vmlinuz"), "-initrd", str(paths.guest_initramfs(guest)),
                 "-append", f"console=ttyS0 reboot=k panic=1 {cmdline}", "-serial", f"unix:{serial}",
                 "-monitor", f"unix:{monitor},server=on,wait=off"],
                stdin=subprocess.DEVNULL)
            listening.settimeout(30)
            self.serial, _ = listening.accept()
        self.monitor_path = str(monitor)
        self.changed = threading.Condition()
        self.output = b""
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        while True:
            try:
                piece = self.serial.recv(65536)
            except OSError:
                piece = b""
            with self.changed:
                self.output += piece
                self.changed.notify_all()
            if not piece:
                return

    def wait(self, pattern: str, timeout: float = 60) -> re.Match:
        with self.changed:
            found = self.changed.wait_for(lambda: re.search(pattern.encode(), self.output, re.M), timeout)
        assert found, f"no {pattern!r} within {timeout} s; the end of the console: {self.output[-800:].decode(errors='replace')}"
        return found

    def type(self, line: str) -> None:
        self.serial.sendall(line.encode() + b"\n")

    def monitor(self, command: str) -> None:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(self.monitor_path)
            answer = b""
            for prompt in (1, 2):
                while answer.count(b"(qemu) ") < prompt:
                    piece = s.recv(4096)
                    if not piece:
                        return
                    answer += piece
                if prompt == 1:
                    s.sendall(command.encode() + b"\n")

    def close(self) -> None:
        if self.qemu.poll() is None:
            self.qemu.kill()
        self.qemu.wait()
        self.reader.join()
        self.serial.close()
        self.folder.cleanup()


@pytest.fixture
def boot():
    started = []

    def start(*args, **kwargs) -> BareGuest:
        started.append(BareGuest(*args, **kwargs))
        return started[-1]

    yield start
    for guest in started:
        guest.close()


def test_banner_uptime_and_shell(boot):
    guest = boot(vcpus=2, mib=192)
    banner = guest.wait(r"^qarax guest: (\d+) vCPU, (\d+) MiB, kernel (\S+)\r$")
    assert (banner[1], banner[2]) == (b"2", b"192")
    guest.wait(r"(?s)(^qarax uptime.*?){4}")
    seen = uptimes(guest.output.decode())
    steps = [round(b - a, 2) for a, b in zip(seen[1:], seen[2:])]
    assert all(0.9 <= s <= 1.5 for s in steps), f"not a line each second: {seen}"
    no_line_missing(guest.output.decode())
    # The answer can't be the echo of the question.
    guest.type("echo shell-$((40 + 2)) on $(uname -r)")
    assert guest.wait(r"^shell-42 on (\S+)\r$")[1] == banner[3]
    guest.type("exit")
    guest.type("")
    time.sleep(1)  # the guest's own pause between two shells
    guest.type("echo again-$((6 * 7))")
    guest.wait(r"^again-42\r$")
    console = guest.output[banner.end():].decode()
    assert "\x1b" not in console, "escape codes on the console"
    assert all(re.fullmatch(r"qarax uptime \d+\.\d\d line \d+\r", line) for line in console.split("\n")[1:-1] if "uptime" in line)


def test_power_button_after_the_first_uptime_line(boot):
    guest = boot()
    guest.wait("^qarax uptime")
    guest.monitor("system_powerdown")
    assert guest.qemu.wait(20) == 0
    guest.reader.join()
    assert b"qarax guest: power off, power button" in guest.output


def test_powers_off_after_n_seconds(boot):
    guest = boot("qarax.poweroff_after=5")
    guest.wait(r"power off, qarax\.poweroff_after=5")
    assert guest.qemu.wait(20) == 0
    assert 4 <= uptimes(guest.output.decode())[-1] < 7


def test_crashes_after_n_seconds(boot):
    guest = boot("qarax.crash_after=4")
    guest.wait(r"Kernel panic - not syncing: sysrq triggered crash")
    guest.qemu.wait(20)  # panic=1 resets, -no-reboot ends


def test_a_second_build_changes_nothing(tmp_path):
    script = paths.ROOT / "e2e" / "guest" / "build.sh"
    subprocess.run([script, tmp_path], check=True, stdout=subprocess.DEVNULL)
    first = {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in tmp_path.iterdir()}
    assert {"vmlinuz", "initramfs.cpio"} <= set(first)
    subprocess.run([script, tmp_path], check=True, stdout=subprocess.DEVNULL)
    assert first == {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in tmp_path.iterdir()}
    # A file that is gone comes back, and two at once don't trip over each other.
    (tmp_path / "vmlinuz").unlink()
    both = [subprocess.Popen([script, tmp_path], stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [p.wait(120) for p in both] == [0, 0]
    assert (tmp_path / "vmlinuz").stat().st_size > 1_000_000
