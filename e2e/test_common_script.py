"""scripts/lib/common.sh: when a signal ends a script, what the script had started is ended, or may first finish."""

import os
import pathlib
import signal
import subprocess

import pytest

from framework import paths
from framework.stack import wait_for

LOGGED = f"""
. {paths.ROOT}/scripts/lib/common.sh
in_a_function() {{ sleep $MARK; }}
a_pipeline() {{ sleep $MARK | cat; }}
trap 'echo left >>"$FOLDER/said"' EXIT
"""


def running(mark: str) -> list[str]:
    """Pids of processes that have `mark` among their arguments."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in entry.read_bytes().split(b"\0"):
                found.append(entry.parent.name)
        except OSError:
            continue
    return found


def script(tmp_path, lines: str, **env: str) -> subprocess.Popen:
    # The tests' parent may ignore these signals, and a shell can't trap signals that were ignored when it started.
    command = ["env", "--default-signal=INT,HUP", "bash", "-euc", LOGGED + lines]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env={"PATH": "/usr/bin:/bin", "FOLDER": str(tmp_path), **env})


INNER = f"bash -c '. {paths.ROOT}/scripts/lib/common.sh; must $FOLDER/inner sleep $MARK'"


@pytest.mark.parametrize("what", ["in_a_function", "a_pipeline", "sleep $MARK", INNER],
                         ids=["function", "pipeline", "program", "script"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_that_was_started(tmp_path, what, number):
    mark = f"4000.{abs(hash(tmp_path)) % 10**9:09}"
    started = script(tmp_path, f"must $FOLDER/log {what}", MARK=mark)
    try:
        wait_for("it runs", lambda: running(mark), 20, every=0.02)
        # Sent to the script alone: Ctrl-C doesn't reach children in their own process groups, and neither does kill.
        started.send_signal(number)
        said, _ = started.communicate(timeout=20)
        assert started.returncode == 130, said
        wait_for("nothing of it runs any more", lambda: not running(mark), 10, every=0.02)
    finally:
        for pid in running(mark):
            os.kill(int(pid), signal.SIGKILL)
    assert (tmp_path / "said").read_text() == "left\n", "the script has cleaned up"


def test_what_is_not_to_be_broken_off_comes_to_its_end(tmp_path):
    """A second signal ends it at once."""
    takes_its_time = """
slow() { touch $FOLDER/begun; until [ -e $FOLDER/go ]; do sleep 0.02; done; echo done >>$FOLDER/said; }
QARAX_UNBROKEN=1
must $FOLDER/log slow
"""
    for signals in (1, 2):
        for name in ("begun", "go", "said"):
            (tmp_path / name).unlink(missing_ok=True)
        started = script(tmp_path, takes_its_time)
        wait_for("it runs", (tmp_path / "begun").exists, 20, every=0.02)
        started.send_signal(signal.SIGTERM)
        assert "interrupted: waiting" in started.stdout.readline()
        if signals == 1:
            (tmp_path / "go").touch()
            assert started.wait(20) == 130 and (tmp_path / "said").read_text() == "done\nleft\n"
        else:
            started.send_signal(signal.SIGTERM)
            assert started.wait(20) == -signal.SIGTERM
            (tmp_path / "go").touch()
            wait_for("it ends by itself", lambda: "done" in (tmp_path / "said").read_text(), 20, every=0.02)
        started.stdout.close()
