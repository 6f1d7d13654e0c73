"""The stack in containers as people use it, and its database stopped and killed under a running guest."""

import os
import pathlib
import shlex
import socket
import subprocess

import httpx
import pytest
from qarax_api_client.api.vms import get_vm, pause_vm, resume_vm, start_vm
from qarax_api_client.models import Problem, VmStatus

from framework.stack import uptimes, wait_for

pytestmark = pytest.mark.compose


def compose(*arguments: str) -> str:
    """Runs docker compose: run_e2e_tests.sh names the command in QARAX_COMPOSE and the files in COMPOSE_FILE."""
    done = subprocess.run([*shlex.split(os.environ["QARAX_COMPOSE"]), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def ready(qarax) -> bool:
    return httpx.get(qarax.base + "/readyz", trust_env=False, timeout=15).status_code == 200


def test_what_people_type(qarax):
    assert "listening on 0.0.0.0:50051" in compose("logs", "--no-color", "qarax-node")
    assert "plugins" in compose("exec", "-T", "qarax-node", "sh", "-c", "ls /usr/lib/qarax")
    with socket.create_connection(("localhost", int(os.environ.get("QARAX_NODE_PORT", "50051"))), timeout=5):
        pass
    assert httpx.get(qarax.base + "/vms", trust_env=False).status_code == 200


def test_the_nodes_container_has_the_hosts_kvm(qarax):
    if " kvm\n" not in pathlib.Path("/proc/misc").read_text():
        pytest.skip("this machine has no KVM")
    if "node-start: " in (said := compose("logs", "--no-color", "qarax-node")):
        pytest.skip(said.partition("node-start: ")[2].splitlines()[0])
    assert compose("exec", "-T", "qarax-node", "stat", "-c", "%t:%T", "/dev/kvm").strip() == "a:e8"
    [host] = qarax.hosts()
    assert "there is no /dev/kvm" not in host.accelerator_evidence and "no right to open" not in host.accelerator_evidence


@pytest.mark.parametrize("how", ["stop", "kill", "pause"])
def test_the_database_goes_and_comes_back(qarax, how):
    if os.environ.get("QARAX_DATABASE_URL", "postgres:").split(":")[0] not in ("postgres", "postgresql"):
        pytest.skip("this stack's database isn't PostgreSQL")
    vm_id = qarax.create(f"database-{how}")
    qarax.act(start_vm, vm_id)
    qarax.wait_console(vm_id, "qarax uptime")
    compose(how, "postgres")
    try:
        wait_for("the server says that its store is gone", lambda: not ready(qarax), 30)
        assert qarax.vm(vm_id).status == VmStatus.RUNNING, "what is known is still shown"
        refused = pause_vm.sync(vm_id, client=qarax.client)
        assert isinstance(refused, Problem) and refused.status == 503 and refused.type_.endswith("/store-unavailable")
        seen = len(uptimes(qarax.console(vm_id)))
        wait_for("the guest doesn't notice", lambda: len(uptimes(qarax.console(vm_id))) > seen, 30, every=0.2)
    finally:
        compose("unpause" if how == "pause" else "start", "postgres")
    wait_for("the server has its store again", lambda: ready(qarax), 60, every=0.2)
    assert qarax.act(pause_vm, vm_id).status == VmStatus.PAUSED
    assert qarax.act(resume_vm, vm_id).status == VmStatus.RUNNING
    qarax.delete(vm_id)
    assert get_vm.sync_detailed(vm_id, client=qarax.client).status_code == 404
