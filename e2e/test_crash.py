"""A short run of the crash harness (crash/README.md); `python -m crash --kills 1000` is the long one."""

import os
import shutil
from types import SimpleNamespace

import pytest

from crash.harness import Harness
from crash.judge import Judge
from crash.model import Asked, Vm
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


def test_what_changes_by_itself_is_counted(simulated):
    api = simulated.api
    judge = Judge(simulated, simulated.nodes[0], print)
    for name in ("vanishes", "is-described", "stays"):
        judge.vms.append(Vm(api.create(name, hypervisor="simulator"), name, "created"))
    api.delete(judge.vms[0].id)
    api.ok("PATCH", f"/vms/{judge.vms[1].id}", json={"description": "by somebody else"})
    judge.judge([], None)
    assert (len(judge.faults["vm lost"]), len(judge.faults["lost"]), judge.count()) == (1, 1, 2), judge.faults
    judge.judge([], None)
    assert judge.count() == 2, "each once"
    judge.judge_events(["5-1", "5-2", "7-3"], [])
    assert judge.count() == 2, "a server that began anew"
    for told in (["5-1", "5-3"], ["5-1", "5-1"], ["7-1", "5-2"]):
        judge.judge_events(told, [])
    judge.judge_events([], [{"reason": "epoch"}])
    assert len(judge.faults["events"]) == 4
    for vm in judge.vms:
        api.delete(vm.id)


def test_a_failed_job_is_an_answer_even_without_an_error():
    job = {"state": "failed", "error": None}
    api = SimpleNamespace(ok=lambda *_: SimpleNamespace(json=lambda: job))
    judge = Judge(SimpleNamespace(api=api), None, print)
    for error, status, faults in (({"status": 409}, 409, 0), (None, 500, 1)):
        job["error"] = error
        asked = Asked(Vm("1", "web", "created"), "start", "created", 202, '{"job_id": "2"}')
        judge.await_job(asked)
        assert (asked.status, judge.count()) == (status, faults)


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
