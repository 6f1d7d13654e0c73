"""A short run of the crash harness (crash/README.md); `python -m crash --kills 1000` is the long one."""

import os

import pytest

from crash.harness import Harness


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
