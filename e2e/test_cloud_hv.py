"""The cloud_hv plugin in the whole stack. Without a real program named by CLOUD_HYPERVISOR it runs on fake_vmm. A result on the
fake says nothing about Cloud Hypervisor, so each test reports which of the two it ran on."""

import fcntl
import os
import shutil
import signal
import socket

import pytest

from framework import paths
from framework.stack import Stack, uptimes, wait_for

REAL = os.environ.get("CLOUD_HYPERVISOR")
FAKE = paths.BUILD / "testing" / "fake_vmm"


def can_open_kvm() -> bool:
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
        return True
    except OSError:
        return False


def can_make_vm() -> bool:
    """What a trial is begun for, whatever it shows: a /dev/kvm that opens and makes a VM."""
    create_vm = 0xAE01  # KVM_CREATE_VM of linux/kvm.h
    try:
        with open("/dev/kvm", "r+b", buffering=0) as kvm:
            os.close(fcntl.ioctl(kvm, create_vm, 0))
        return True
    except OSError:
        return False


@pytest.fixture
def cloud_stack(record_property):
    record_property("vmm", REAL or "fake_vmm")
    print(f"VMM: {REAL or 'fake_vmm, not Cloud Hypervisor'}")
    if REAL and not can_open_kvm():
        pytest.skip("no /dev/kvm that opens: the plugin is unhealthy here, as it should be")
    stack = Stack()
    config = {"binary": str(REAL or FAKE)}
    if not REAL:
        config["trial"] = "fake"  # the fake runs no guest and needs no KVM
    stack.add_node(plugins=[{"path": str(paths.BUILD / "plugins" / "cloud_hv.so"), "config": config}, stack.qemu_plugin()])
    yield stack
    left = stack.close()
    assert not left, left


def started(stack, name: str, **spec) -> str:
    vm = stack.api.create(name, hypervisor="cloud_hv", **spec)
    assert stack.api.act(vm, "start")["status"] == "running"
    stack.wait_console(vm, "qarax uptime", 60)
    return vm


def test_lifecycle(cloud_stack):
    api = cloud_stack.api
    vm = started(cloud_stack, "life")
    document = api.vm(vm)
    assert document["hypervisor"] == "cloud_hv" and document["accelerator"] == "kvm"
    assert document["accelerator_evidence"].startswith("no guest, fake") == (not REAL)
    assert api.act(vm, "pause")["status"] == "paused"
    assert api.act(vm, "pause")["status"] == "paused", "already so is success"
    before = len(uptimes(api.console(vm)))
    assert api.act(vm, "resume")["status"] == "running"
    wait_for("the guest counts on", lambda: len(uptimes(api.console(vm))) > before)
    assert api.act(vm, "reboot")["status"] == "running"
    assert api.act(vm, "stop")["status"] == "shutdown"
    assert api.act(vm, "start")["status"] == "running"
    api.delete(vm)
    assert not cloud_stack.nodes[0].vmm_pids()


def test_it_is_the_default_where_it_is_healthy(cloud_stack):
    vm = cloud_stack.api.create("default")
    assert cloud_stack.api.act(vm, "start")["hypervisor"] == "cloud_hv"


def test_vmm_killed(cloud_stack):
    vm = started(cloud_stack, "killed")
    os.kill(cloud_stack.nodes[0].vmm_pids()[vm], signal.SIGKILL)
    document = cloud_stack.wait_state(vm, "shutdown", 5)
    assert document["exit"]["signal"] == signal.SIGKILL
    assert cloud_stack.api.act(vm, "start")["status"] == "running"


@pytest.mark.parametrize("what", ["vm.shutdown", "vm.delete"])
@pytest.mark.parametrize("agent", ["runs", "is away"])
def test_a_guest_that_is_ended_over_the_vmms_api(cloud_stack, what, agent):
    vm = started(cloud_stack, "ended")
    node = cloud_stack.nodes[0]
    folder = os.open(next(node.data.rglob("api.sock")).parent, os.O_RDONLY)  # its path is too long for a socket address
    if agent == "is away":
        node.kill()
    with socket.socket(socket.AF_UNIX) as api:
        api.connect(f"/proc/self/fd/{folder}/api.sock")
        api.sendall(f"PUT /api/v1/{what} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert api.recv(4096).startswith(b"HTTP/1.1 204")
    os.close(folder)
    if agent == "is away":
        node.start()
    document = cloud_stack.wait_state(vm, "shutdown", 30)
    assert "ended through Cloud Hypervisor's own API" in document["status_reason"]
    assert not node.vmm_pids()


def test_agent_killed(cloud_stack):
    vm = started(cloud_stack, "agent")
    node = cloud_stack.nodes[0]
    pids = node.vmm_pids()
    node.kill()
    node.start()
    cloud_stack.wait_state(vm, "running", 30)
    assert node.vmm_pids() == pids
    assert cloud_stack.api.act(vm, "pause")["status"] == "paused"
    assert cloud_stack.api.act(vm, "stop")["status"] == "shutdown"


@pytest.mark.skipif(bool(REAL), reason="faults on demand are the fake's")
@pytest.mark.parametrize("fault,word", [("boot=refused", "kernel"), ("boot=dies", "fake fault")])
def test_a_start_that_fails_leaves_nothing(cloud_stack, fault, word):
    vm = cloud_stack.api.create("faulty", hypervisor="cloud_hv", config={"platform": {"oem_strings": [f"fake:{fault}"]}})
    failed = cloud_stack.api.call("POST", f"/vms/{vm}/start")
    assert failed.status_code == 502, failed.text
    assert word in failed.json()["detail"], failed.text
    assert cloud_stack.api.vm(vm)["status"] in ("created", "shutdown")
    assert not cloud_stack.nodes[0].vmm_pids()


@pytest.mark.skipif(not can_make_vm(), reason="no trial is begun without a /dev/kvm that makes a VM")
def test_a_default_kernel_that_can_not_be_booted_is_told_until_it_is_another(tmp_path):
    """The trial is the fake's, which refuses the kernel as the real program does, and boots none."""
    kernel = tmp_path / "kernel"
    kernel.write_text("not a kernel")
    stack = Stack()
    try:
        plugins = [{"path": str(paths.BUILD / "plugins" / "cloud_hv.so"), "config": {"binary": str(FAKE)}}]
        stack.add_node(plugins=plugins, boot={"kernel": str(kernel)})
        host = stack.api.hosts()[0]["id"]

        def said(words: str) -> str | None:
            [plugin] = stack.api.ok("GET", f"/hosts/{host}/plugins").json()
            reason = (plugin.get("description") or {}).get("health_reason", "")
            assert words in reason, reason
            return reason

        reason = wait_for("the trial's end", lambda: said(f"the trial's kernel {kernel} is no Linux kernel"))
        assert "correct boot.kernel in the node's config" in reason and "KVM doesn't run" not in reason
        new = tmp_path / "new"
        shutil.copy(paths.guest_dir() / "vmlinuz", new)
        new.rename(kernel)
        wait_for("another trial", lambda: said("KVM doesn't run a guest here"))
    finally:
        left = stack.close()
    assert not left, left


def test_what_a_document_may_not_say_is_refused(cloud_stack):
    """What the schema forbids is refused when the VM is created; what only the plugin knows, by its resolve, at a dry run or start."""
    body = {"name": "bad", "hypervisor": "cloud_hv", "boot_vcpus": 1, "max_vcpus": 2, "memory_size": 128 << 20}
    refused = cloud_stack.api.call("POST", "/vms", json=body | {"config": {"disks": []}})
    assert refused.status_code == 422, refused.text
    assert [e["pointer"] for e in refused.json()["errors"]] == ["/config/disks"]
    vm = cloud_stack.api.create("bad", hypervisor="cloud_hv", memory_hotplug_size=1 << 20)
    failed = cloud_stack.api.call("POST", f"/vms/{vm}/start")
    assert failed.status_code == 422, failed.text
    assert any(e["pointer"] == "/memory_hotplug_size" for e in failed.json()["errors"]), failed.text


def test_without_it_a_fallback_is_taken_only_where_the_node_says_so():
    plugins = [{"path": str(paths.BUILD / "plugins" / "cloud_hv.so"), "config": {"binary": "/nonexistent/cloud-hypervisor"}}]
    stack = Stack()
    try:
        node = stack.add_node(plugins=[*plugins, stack.qemu_plugin()])
        refused = stack.api.call("POST", "/vms", json={"name": "a", "hypervisor": "cloud_hv", "boot_vcpus": 1, "max_vcpus": 1, "memory_size": 128 << 20})
        assert refused.status_code == 422 and "/nonexistent/cloud-hypervisor" in refused.text
        node.kill()
        node.config["fallback"] = {"cloud_hv": "qemu"}
        node.write_config()
        node.start()
        stack.wait_host(stack.api.hosts()[0]["id"], "up")
        vm = stack.api.create("b", hypervisor="cloud_hv")
        document = stack.api.act(vm, "start")
        assert document["hypervisor"] == "cloud_hv" and document["effective_hypervisor"] == "qemu"
        assert "/nonexistent/cloud-hypervisor" in document["fallback_reason"] and document["accelerator"] == "tcg"
        assert stack.api.act(vm, "force-stop")["status"] == "shutdown"
        assert stack.api.act(vm, "start")["effective_hypervisor"] == "qemu"
    finally:
        left = stack.close()
    assert not left, left
