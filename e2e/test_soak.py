"""A short run of soak.py: everything that VMs took is given back, down to the last descriptor."""

import time

import pytest

from framework.stack import wait_for
from soak import Soak


@pytest.mark.parametrize("hypervisor", ["simulator", "qemu"])
def test_many_lifecycles_leave_nothing(hypervisor):
    soak = Soak(hypervisor)
    left = ["it didn't come to its end"]
    try:
        soak.run(8)
        soak.stack.api.session.close()

        def taken():
            return soak.things(), {name: one.fds for name, one in soak.programs().items()}

        def rested():
            """What is taken, once it no longer changes: kept connections are closed a moment after their clients."""
            one = taken()
            for _ in range(8):
                time.sleep(0.25)
                if taken() != one:
                    return None
            return one

        before = wait_for("rest", rested, 60, 0)
        soak.run(16)
        soak.stack.api.session.close()
        try:
            wait_for("everything as before", lambda: taken() == before, 30, 0.2)
        except AssertionError:
            assert taken() == before  # shows what isn't
            raise
    finally:
        left = soak.stack.close()
    assert not left, left
