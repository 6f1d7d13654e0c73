"""`qarax jobs`, `job`, `cancel` and `events`."""

import json
import os
import signal

from framework.stack import wait_for
from test_cli import DONE, REFUSED, TIMED_OUT, Cli, rows


def test_jobs_one_of_them_and_its_end(simulated):
    cli = Cli(simulated.server.base)
    vm_id = simulated.api.create("told", hypervisor="simulator")
    simulated.api.act(vm_id, "start")
    listed = rows(cli.run("jobs", "told").stdout)
    assert [(r["ACTION"], r["OF"], r["STATE"]) for r in listed] == [("start", "told", "completed"), ("create", "told", "completed")]
    shown = cli.run("job", listed[0]["ID"]).stdout
    assert "record completed" in shown and "node completed" in shown and "host node1" in shown
    assert cli.json("job", listed[0]["ID"])["state"] == "completed"
    simulated.api.delete(vm_id)
    assert rows(cli.run("jobs", vm_id).stdout)[0]["ACTION"] == "delete", "of a VM that is gone by its id"
    assert "no job" in cli.run("job", "6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55", expect=REFUSED).stderr


def test_the_jobs_of_a_host(simulated):
    cli = Cli(simulated.server.base)
    simulated.api.create("elsewhere", hypervisor="simulator")
    simulated.api.ok("POST", f"/hosts/{simulated.api.hosts()[0]['id']}/leftovers/collect")
    actions = [r["ACTION"] for r in rows(cli.run("jobs", "--host", "node1").stdout)]
    assert actions[0] == "collect-leftovers" and "create" not in actions, actions
    assert "nowhere" in cli.run("jobs", "--host", "nowhere", expect=REFUSED).stderr


def test_a_host_that_is_late_is_no_vm_to_ask_about(simulated):
    node, host = simulated.nodes[0], simulated.api.hosts()[0]
    os.kill(node.pid, signal.SIGSTOP)
    try:
        late = Cli(simulated.server.base).run("--wait", "2", "leftovers", "node1", "--collect", expect=TIMED_OUT)
        assert "may still be done" in late.stderr and "next: qarax jobs --host node1" in late.stderr, late.stderr
    finally:
        os.kill(node.pid, signal.SIGCONT)
    simulated.wait_host(host["id"], "up")
    wait_for("no job is left", lambda: not simulated.api.ok("GET", "/jobs?state=running").json())


def test_a_start_is_cancelled(simulated):
    cli = Cli(simulated.server.base)
    vm_id = simulated.api.create("slow", hypervisor="simulator", config={"start_delay_ms": 60_000})
    job = cli.json("--wait", "0", "start", "slow")
    assert job["action"] == "start" and job["vm_id"] == vm_id, "what a script waits for or cancels"
    waiting = cli.popen("job", job["id"], "--wait")
    assert "cancelled" in cli.run("cancel", job["id"]).stdout
    out, err = waiting.communicate(timeout=30)
    assert waiting.returncode == DONE and b"cancelled" in out, err
    assert "ended already" in cli.run("cancel", job["id"], expect=REFUSED).stderr
    simulated.api.delete(vm_id)


def test_what_is_left_to_the_server_is_a_job_for_scripts(simulated):
    cli = Cli(simulated.server.base)
    job = cli.json("--wait", "0", "launch", "left", "--config", '{"start_delay_ms": 500}')
    assert job["action"] == "start" and job["vm_name"] == "left"
    assert cli.json("job", job["id"], "--wait")["state"] == "completed"
    assert cli.json("--wait", "0", "start", "left")["status"] == "running", "nothing to do, no job"
    assert cli.json("--wait", "0", "snapshot", "left", "--name", "one")["action"] == "snapshot"
    wait_for("the snapshot", lambda: cli.json("snapshots", "left")[0]["status"] == "ready")
    assert cli.run("--wait", "0", "delete-snapshot", "left", "one").stdout == "snapshot one is being deleted\n"
    wait_for("it is gone", lambda: not cli.json("snapshots", "left"))
    job = cli.json("--wait", "0", "delete", "left")
    assert job["action"] == "delete" and job["vm_name"] == "left"
    assert cli.json("job", job["id"], "--wait")["state"] == "completed"
    simulated.api.create("gone", hypervisor="simulator")
    assert cli.run("--wait", "0", "delete", "gone").stdout in ("gone is being deleted\n", "gone is deleted\n"), "it may be done already"
    wait_for("it is gone", lambda: "gone" not in cli.run("list", "--names").stdout)


def test_events_before_and_from_now_on(simulated):
    cli = Cli(simulated.server.base)
    vm_id = simulated.api.create("seen", hypervisor="simulator")
    simulated.api.act(vm_id, "start")
    told = cli.run("events", "seen").stdout
    assert "vm.created" in told and "created → running" in told
    types = [json.loads(line)["type"] for line in cli.run("events", "seen", "-o", "json").stdout.splitlines()]
    assert types[0] == "vm.created" and "vm.status_changed" in types
    follower = cli.popen("events", "seen", "--follow", "--after", "oldest")
    try:
        assert b"vm.created" in follower.stdout.readline()
        simulated.api.act(vm_id, "pause")
        while b"paused" not in (line := follower.stdout.readline()):
            assert line, follower.stderr.read()
    finally:
        follower.kill()
        follower.communicate()
    simulated.api.delete(vm_id)
