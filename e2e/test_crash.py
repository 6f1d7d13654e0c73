"""A short run of the crash harness (crash/README.md); `python -m crash --kills 1000` is the long one."""

import os
import shutil

import pytest

from crash.harness import Harness
from framework.stack import Stack


@pytest.mark.guest
@pytest.mark.serial
def test_nothing_is_lost_whatever_is_killed():
    seed = int(os.environ.get("QARAX_CRASH_SEED", "20261125"))
    harness = Harness(seed, say=lambda text: print(f"seed {seed}: {text}"))
    try:
        report = harness.run(int(os.environ.get("QARAX_CRASH_KILLS", "60")))
    finally:
        left = harness.close()
    assert not report["faults"], report
    assert not left, left


def test_a_harness_that_cant_begin_leaves_nothing(monkeypatch):
    made = []

    def no_node(stack, **_):
        made.append(stack)
        raise RuntimeError("no node")

    monkeypatch.setattr(Stack, "add_node", no_node)
    with pytest.raises(RuntimeError, match="no node"):
        Harness(1)
    assert made[0].server.process is None, "the server was ended"
    shutil.rmtree(made[0].folder)
