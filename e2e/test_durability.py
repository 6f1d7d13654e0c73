"""Acknowledged changes are on disk. Checked by the system calls of server and agent, because a test can't cut the power."""

import pytest

from crash.killpoint import Listing, helper
from framework.stack import wait_for

pytestmark = pytest.mark.serial  # the tracer stops the program at each system call


@pytest.fixture
def idle(bare_stack):
    """A node with QEMU alone whose guest halts at once, and one VM."""
    node = bare_stack.add_node(plugins=[bare_stack.qemu_plugin()], boot={"kernel": helper("idle_guest"), "cmdline": "idle"})
    wait_for("the accelerator is settled", lambda: bare_stack.api.hosts()[0].get("accelerator") != "probing")
    return bare_stack, node, bare_stack.api.create("web")


def where(calls: list, what: str, path_has: str, after: int = -1) -> int:
    """Returns the index of the first such call behind `after`."""
    for i, (_, call, path) in enumerate(calls):
        if i > after and call in what.split("|") and path_has in path:
            return i
    raise AssertionError(f"no {what} of {path_has!r} behind {after} among:\n" + "\n".join(map(str, calls)))


def last(calls: list, what: str, path_has: str, before: int) -> int:
    found = [i for i, (_, call, path) in enumerate(calls[:before]) if call in what.split("|") and path_has in path]
    assert found, f"no {what} of {path_has!r} before {before} among:\n" + "\n".join(map(str, calls))
    return found[-1]


SYNCED = "fsync done|fdatasync done"
RENAMED = "rename|renameat|renameat2"
MADE = "clone|clone3|fork|vfork"
WRITTEN = "write|pwrite64|writev|pwritev"
SENT = "sendmsg|sendto|write|writev"


def kept(calls: list, path: str, parent: str) -> tuple:
    """Finds the rewriting of a file: the content is synced before the renaming, and the folder is synced after it."""
    content = where(calls, SYNCED, f"{path}.tmp")
    named = where(calls, RENAMED, path, content)
    listed = next((i for i, (_, call, at) in enumerate(calls) if i > named and call in SYNCED.split("|") and at == parent), None)
    assert listed is not None, f"the folder {parent} isn't synced behind {named}: {calls}"
    return content, named, listed


def test_a_start_is_recorded_before_there_is_a_process(idle, tmp_path):
    stack, node, vm_id = idle
    folder = str(node.vm_dir(vm_id))
    with Listing(node.pid, tmp_path / "first") as first:
        assert stack.api.act(vm_id, "start")["status"] == "running"
    # A VM's folder is made completely under a temporary name, and then renamed.
    unfinished = f"{node.data}/vms/.new-{vm_id}"
    written = where(first.calls, WRITTEN, f"{unfinished}/journal")
    synced = where(first.calls, SYNCED, f"{unfinished}/journal", written)
    document = kept(first.calls, f"{unfinished}/vm.json", unfinished)
    named = next(i for i, (_, call, path) in enumerate(first.calls) if call in RENAMED.split("|") and path == folder)
    listed = where(first.calls, SYNCED, f"{node.data}/vms", named)
    handle = kept(first.calls, f"{folder}/handle.json", folder)
    made = where(first.calls, MADE, "process", written)
    assert written < synced < named and document[-1] < named < listed < handle[0] and handle[-1] < made, first.calls

    stack.api.act(vm_id, "force-stop")
    with Listing(node.pid, tmp_path / "second") as second:
        assert stack.api.act(vm_id, "start")["status"] == "running"
    written = where(second.calls, WRITTEN, f"{folder}/journal")
    synced = where(second.calls, SYNCED, f"{folder}/journal", written)
    document = kept(second.calls, f"{folder}/vm.json", folder)
    handle = kept(second.calls, f"{folder}/handle.json", folder)
    made = where(second.calls, MADE, "process", written)
    assert synced < document[0] and document[-1] < handle[0] and handle[-1] < made, second.calls


def test_a_delete_is_recorded_before_it_is_acknowledged(idle, tmp_path):
    stack, node, vm_id = idle
    stack.api.act(vm_id, "start")
    stack.api.act(vm_id, "force-stop")
    with Listing(node.pid, tmp_path / "calls") as listing:
        stack.api.delete(vm_id)
    calls = listing.calls
    folder = str(node.vm_dir(vm_id))
    written = where(calls, WRITTEN, f"{folder}/journal")
    synced = where(calls, SYNCED, f"{folder}/journal", written)
    assert synced < where(calls, f"unlink|unlinkat|rmdir|{RENAMED}", folder), "its intent, before anything of it goes"
    buried = kept(calls, f"{node.data}/tombstones/{vm_id}.json", f"{node.data}/tombstones")
    # Only then its folder is removed, and the answer is sent after that.
    gone = next(i for i, (_, call, path) in enumerate(calls) if call in RENAMED.split("|") and path.endswith(f"/.removed-{vm_id}"))
    assert buried[-1] < gone, calls
    answered = [i for i, (_, call, path) in enumerate(calls) if call in SENT.split("|") and path.startswith("socket:")]
    assert answered and answered[-1] > gone, calls


def test_what_the_server_answers_is_on_disk(bare_stack, tmp_path):
    bare_stack.api.create("first")  # opens the connection, and makes the database's first pages
    with Listing(bare_stack.server.pid, tmp_path / "calls") as listing:
        bare_stack.api.create("web")
    calls = listing.calls
    answered = where(calls, SENT, "socket:")
    written = last(calls, WRITTEN, "qarax.db-wal", answered)
    assert last(calls, SYNCED, "qarax.db-wal", answered) > written, "a commit that was answered and not synced"
