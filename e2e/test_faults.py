"""Things that are missing, in the way or in the wrong place: the message is clear, and nothing is lost."""

import grp
import json
import os
import socket
import stat
import subprocess

import pytest
import requests
import yaml

from framework import paths
from framework.stack import Stack, free_port, wait_for

# Root may read and write everything; without these two capabilities its rights are like other users'.
AS_EVERYBODY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


def run(name: str, *args: str, env: dict | None = None) -> subprocess.CompletedProcess:
    return subprocess.run([str(paths.program(name)), *args], capture_output=True, text=True, timeout=30, env={**os.environ, **(env or {})})


@pytest.mark.parametrize("name", ["qarax-server", "qarax-node"])
def test_version_help_and_check_config(name, tmp_path):
    assert run(name, "--version").stdout.strip()
    assert "--config" in run(name, "--help").stdout
    good = tmp_path / "good.yaml"
    good.write_text("log:\n  level: info\n")
    checked = run(name, "--config", str(good), "--check-config")
    assert (checked.returncode, checked.stdout) == (0, f"{good}: valid\n")
    missing = tmp_path / "missing.yaml"
    missing.write_text("listen:\n  tls:\n    cert: /nonexistent/c.crt\n    key: /nonexistent/c.key\n")
    result = run(name, "--config", str(missing), "--check-config")
    assert result.returncode == 2
    for key, line in (("cert", 3), ("key", 4)):
        assert f"{missing}:{line}: listen.tls.{key}: /nonexistent/c." in result.stderr, result.stderr
    result = run(name, "--config", "/nonexistent.yaml")
    assert result.returncode == 2 and result.stderr.count("/nonexistent.yaml") == 1 and "--config" in result.stderr, result.stderr
    bad = tmp_path / "bad.yaml"
    bad.write_text("log:\n  level: info\nlisten:\n  prot: 1\n")
    result = run(name, "--config", str(bad), "--check-config")
    assert result.returncode == 2, "systemd doesn't start it again: RestartPreventExitStatus"
    assert f"{bad}:4: listen.prot: unknown key; did you mean listen.port?" in result.stderr + result.stdout


def test_the_database_is_its_users_only_and_the_port_is_for_all(tmp_path):
    """Also in a folder that an operator made, and with any umask."""
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump({"listen": {"port": 0}, "data_dir": str(data)}))
    port = tmp_path / "port"
    with subprocess.Popen([str(paths.program("qarax-server")), "--config", str(config), "--port-file", str(port)], umask=0o022,
                          stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
        try:
            wait_for("the port file is there", port.exists)
            made = requests.post(f"http://127.0.0.1:{port.read_text().strip()}/vms", json={"name": "web", "memory_size": 1 << 27}, timeout=10)
            assert made.status_code == 201, made.text
            modes = {file.name: oct(file.stat().st_mode & 0o777) for file in data.rglob("*") if file.is_file()}
            assert "qarax.db" in modes and "qarax.db-wal" in modes and set(modes.values()) == {"0o600"}, modes
            assert oct(port.stat().st_mode & 0o777) == "0o644" and not list(tmp_path.glob("port?*"))
        finally:
            server.terminate()


def test_a_short_token_gets_no_hash():
    def hashed(token: str) -> subprocess.CompletedProcess:
        return subprocess.run([str(paths.program("qarax-server")), "--hash-token"], input=token + "\n", capture_output=True, text=True, timeout=30, check=False)

    refused = hashed("x" * 15)
    assert refused.returncode != 0 and "openssl rand -hex 32" in refused.stderr and refused.stdout == ""
    assert "xxx" not in refused.stderr
    assert len(hashed("x" * 16).stdout.strip()) == 64


@pytest.mark.parametrize("name", ["qarax-server", "qarax-node"])
def test_port_in_use(name, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = tmp_path / "c.yaml"
        config.write_text(yaml.safe_dump({"listen": {"port": port}, "data_dir": str(tmp_path / "data")}))
        result = run(name, "--config", str(config))
    assert result.returncode != 0
    assert str(port) in result.stderr and "listen.port" in result.stderr, result.stderr


@pytest.mark.parametrize("name", ["qarax-server", "qarax-node"])
def test_data_folder_not_usable(name, tmp_path):
    (tmp_path / "file").write_text("in the way")
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump({"listen": {"port": free_port()}, "data_dir": str(tmp_path / "file" / "data")}))
    result = run(name, "--config", str(config))
    assert result.returncode != 0
    assert str(tmp_path / "file") in result.stderr
    assert "data_dir: " in result.stderr and "or set another data_dir" in result.stderr, result.stderr


@pytest.mark.parametrize("name", ["qarax-server", "qarax-node"])
def test_data_folder_where_nothing_can_be_made(name, tmp_path):
    """For every folder to be made in it, /proc answers "not found" and not "not permitted"."""
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump({"listen": {"port": free_port()}, "data_dir": "/proc/qarax"}))
    result = run(name, "--config", str(config))
    assert result.returncode > 0, "a refusal, no signal"
    assert "/proc/qarax" in result.stderr
    assert "data_dir: " in result.stderr and "or set another data_dir" in result.stderr, result.stderr


@pytest.mark.parametrize("name", ["qarax-server", "qarax-node"])
@pytest.mark.parametrize("why", ["Permission denied", "Read-only file system"])
def test_data_folder_that_is_there_and_not_writable(name, why, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump({"listen": {"port": free_port()}, "data_dir": str(data)}))
    if why == "Permission denied":
        data.chmod(0o500)
        under = AS_EVERYBODY
    else:
        if os.geteuid() != 0:
            pytest.skip("mounting takes root")
        under = ["unshare", "--mount", "sh", "-c", 'mount --bind -o ro "$0" "$0" && exec "$@"', str(data)]
    result = subprocess.run([*under, str(paths.program(name)), "--config", str(config)], capture_output=True, text=True, timeout=30)
    assert result.returncode == 1, result.stderr
    assert str(data) in result.stderr and why in result.stderr, result.stderr
    assert "make it writable for this user" in result.stderr and "data_dir" in result.stderr, result.stderr
    assert list(data.iterdir()) == []


@pytest.mark.parametrize("name", ["qarax-server", "qarax-node"])
def test_an_open_address_needs_credentials(name, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump({"listen": {"address": "0.0.0.0"}, "data_dir": str(tmp_path / "data")}))
    result = run(name, "--config", str(config), "--check-config")
    assert result.returncode != 0
    assert "insecure" in result.stderr + result.stdout


def test_second_server_on_one_database_stands_by(bare_stack, tmp_path):
    port = free_port()
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump({"listen": {"port": port}, "data_dir": str(bare_stack.server.data)}))
    log = tmp_path / "log"
    with open(log, "w") as out:
        second = subprocess.Popen([str(paths.program("qarax-server")), "--config", str(config)], stderr=out, stdout=out)
    try:
        wait_for("the second server's word", lambda: "standing by" in log.read_text())
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{port}/vms", timeout=2)
        vm = bare_stack.api.create("kept")
        bare_stack.server.kill()

        def took_over():
            try:
                return requests.get(f"http://127.0.0.1:{port}/vms/{vm}", timeout=2).status_code == 200
            except requests.ConnectionError:
                return False
        wait_for("the second server takes over", took_over, 10)
    finally:
        second.terminate()
        assert second.wait(10) == 0
    bare_stack.server.start()
    wait_for("the VM at the first server again", lambda: bare_stack.api.ok("GET", f"/vms/{vm}").json()["name"] == "kept")


def test_no_host_at_all(bare_stack):
    vm_id = bare_stack.api.create("homeless")
    response = bare_stack.api.call("POST", f"/vms/{vm_id}/start")
    assert response.status_code == 422
    assert "host" in response.json()["detail"]
    assert bare_stack.api.vm(vm_id)["status"] == "created"


def test_qemu_binary_missing(bare_stack):
    stack = bare_stack
    stack.add_node(plugins=[stack.qemu_plugin(binary="/nonexistent/qemu")])
    host = stack.api.hosts()[0]
    plugin = next(p for p in stack.api.ok("GET", f"/hosts/{host['id']}/plugins").json() if p["name"] == "qemu")
    assert plugin["state"] == "loaded"
    assert plugin["description"]["healthy"] is False
    assert "/nonexistent/qemu" in plugin["description"]["health_reason"]
    response = stack.api.call("POST", "/vms", json={"name": "x", "memory_size": 134217728, "hypervisor": "qemu"})
    if response.status_code == 201:
        response = stack.api.call("POST", f"/vms/{response.text}/start")
    assert response.status_code == 422
    assert "/nonexistent/qemu" in response.text


def test_refused_plugin_stays_visible_with_the_reason(bare_stack, tmp_path):
    stack = bare_stack
    broken = stack.folder / "broken.so"
    broken.write_text("not a library")
    stack.add_node(plugins=[{"path": str(broken)}, stack.simulator_plugin()], boot={})
    host = stack.api.hosts()[0]
    plugins = stack.api.ok("GET", f"/hosts/{host['id']}/plugins").json()
    refused = next(p for p in plugins if p["state"] == "refused")
    assert str(broken) in refused["path"] and refused["reason"]
    # The simulator isn't the node's only plugin, so a VM that names none isn't simulated for want of the other one.
    unnamed = stack.api.call("POST", "/vms", json={"name": "unnamed", "memory_size": 134217728})
    assert unnamed.status_code == 422 and unnamed.json()["type"].endswith("/hypervisor-unavailable"), unnamed.text
    assert "simulator" in unnamed.json()["detail"] and refused["reason"] in unnamed.json()["detail"]
    assert stack.api.create("named", hypervisor="simulator")


def test_a_plugin_that_hangs_at_load_holds_up_no_other_vms(bare_stack, tmp_path):
    stack = bare_stack
    node = stack.add_node(plugins=[stack.simulator_plugin()], boot={})
    host = stack.api.hosts()[0]["id"]
    vm_id = stack.api.create("guest", hypervisor="simulator")
    stack.api.act(vm_id, "start")
    node.kill()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    slow = paths.BUILD / "core" / "src" / "plugin_host" / "fixtures" / "slow_create.so"
    # First in the list, before the other plugin's file. Its create returns when the FIFO is opened.
    node.config["plugins"].insert(0, {"path": str(slow), "config": {"fifo": str(fifo)}})
    node.write_config()
    node.start()

    def state_of_slow():
        return next((p["state"] for p in stack.api.ok("GET", f"/hosts/{host}/plugins").json() if p["name"] == "slow_create"), None)

    wait_for("the agent answers while a plugin hangs", lambda: state_of_slow() == "loading", 20)
    wait_for("the VM is taken up again", lambda: stack.api.call("POST", f"/vms/{vm_id}/pause").status_code < 300, 10)
    assert stack.api.vm(vm_id)["status"] == "paused"
    assert state_of_slow() == "loading"
    with fifo.open("w"):
        pass
    wait_for("the node says that it is loaded", lambda: state_of_slow() == "loaded", 10)
    assert stack.api.act(vm_id, "resume")["status"] == "running"


def test_a_server_on_the_same_machine_uses_the_nodes_socket(bare_stack):
    stack = bare_stack
    group = grp.getgrgid(os.getegid())
    node = stack.add_node(plugins=[stack.simulator_plugin()], boot={}, settings={"listen": {"unix_socket_group": group.gr_name}})
    made = (node.data / "node.sock").stat()
    assert (made.st_gid, stat.S_IMODE(made.st_mode)) == (group.gr_gid, 0o660)
    wait_for("the server has it over the socket", lambda: "over=unix" in stack.server.log(), 10)


def test_an_agent_that_cannot_have_its_socket_says_so_and_takes_nobody_elses(bare_stack, tmp_path):
    stack = bare_stack
    node = stack.add_node(plugins=[stack.simulator_plugin()], boot={})
    theirs = node.data / "node.sock"

    def second(**listen) -> str:
        config = tmp_path / "c.yaml"
        config.write_text(yaml.safe_dump({"listen": listen, "data_dir": str(tmp_path / "data")}))
        result = run("qarax-node", "--config", str(config))
        assert result.returncode == 1, result.stderr
        return result.stderr

    assert f"listen.unix_socket: another process listens on {theirs}" in second(port=free_port(), unix_socket=str(theirs))
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(theirs))  # is where it was
    assert f"listen.unix_socket: the folder {tmp_path / 'none'}" in second(port=free_port(), unix_socket=str(tmp_path / "none" / "s"))
    assert "set listen.port" in second(port=node.port)


def test_required_plugin_that_is_refused_stops_the_node(tmp_path):
    config = tmp_path / "c.yaml"
    broken = tmp_path / "broken.so"
    broken.write_text("not a library")
    config.write_text(yaml.safe_dump({"listen": {"port": free_port()}, "data_dir": str(tmp_path / "data"), "plugins": [{"path": str(broken), "required": True}]}))
    result = run("qarax-node", "--config", str(config))
    assert result.returncode != 0
    assert str(broken) in result.stderr


def test_boot_files_missing(bare_stack):
    stack = bare_stack
    stack.add_node(boot={"kernel": "/nonexistent/vmlinuz"})
    vm_id = stack.api.create("noboot", hypervisor="qemu")
    response = stack.api.call("POST", f"/vms/{vm_id}/start")
    assert response.status_code == 422 and response.json()["type"].endswith("/boot-files-missing")
    assert "/nonexistent/vmlinuz" in response.json()["detail"] and response.json()["hint"]
    assert stack.api.vm(vm_id)["status"] in ("created", "shutdown")
    assert stack.nodes[0].vmm_pids() == {}


UNREADABLE = {
    "a folder": (lambda path: path.mkdir(), "isn't a regular file"),
    "a link to nowhere": (lambda path: path.symlink_to("/nonexistent/kernel"), "No such file or directory"),
    "forbidden": (lambda path: path.touch(0), "Permission denied"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_boot_files_that_cant_be_read(bare_stack, what):
    stack = bare_stack
    make, why = UNREADABLE[what]
    kernel = stack.folder / "vmlinuz"
    make(kernel)
    stack.add_node(boot={"kernel": str(kernel)}, under=AS_EVERYBODY)
    vm_id = stack.api.create("noboot", hypervisor="qemu")
    refused = stack.api.call("POST", f"/vms/{vm_id}/start")
    assert refused.status_code == 422 and refused.json()["type"].endswith("/boot-files-missing")
    assert str(kernel) in refused.json()["detail"] and why in refused.json()["detail"]
    assert stack.nodes[0].vmm_pids() == {}


def test_a_vmm_that_pauses_by_itself_is_paused(bare_stack, tmp_path):
    """As after an I/O error. The agent holds QEMU's monitor, so QEMU gets a second one, by which the test pauses it."""
    stack = bare_stack
    monitor = tmp_path / "monitor"
    twice = tmp_path / "qemu-system-x86_64"
    twice.write_text(f'#!/bin/sh\ncase "$*" in *" -uuid "*) set -- "$@" -qmp unix:{monitor},server=on,wait=off;; esac\nexec /usr/bin/qemu-system-x86_64 "$@"\n')
    twice.chmod(0o755)
    stack.add_node(plugins=[stack.qemu_plugin(binary=str(twice))])
    vm_id = stack.api.create("stalls")
    stack.api.act(vm_id, "start")
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(30)
        line.connect(str(monitor))
        replies = line.makefile()
        for command in ("qmp_capabilities", "stop"):
            line.sendall(json.dumps({"execute": command}).encode())
            while "return" not in json.loads(replies.readline()):
                pass
    # No event reports it: the agent looks every ten seconds.
    vm = stack.wait_state(vm_id, "paused", 30)
    assert vm["desired_status"] == "running" and vm["drift"] == "asked for: running, seen: paused"
    assert stack.api.act(vm_id, "resume")["status"] == "running"


LAST_WORDS = ["qemu: first, what it was doing", "qemu: then what was wrong", "qemu: and that it gives up"]


def test_a_vmm_that_fails_at_its_start_is_quoted_to_whoever_asks(bare_stack, tmp_path):
    """The start's answer, the job and the diagnosis each have the complete message."""
    stack, api = bare_stack, bare_stack.api
    binary = tmp_path / "qemu"
    words = "".join(f"echo '{line}' >&2\n" for line in LAST_WORDS)
    binary.write_text('#!/bin/sh\ncase "$*" in\n--version | *"-machine help") exec /usr/bin/qemu-system-x86_64 "$@" ;;\nesac\n' + words + "exit 1\n")
    binary.chmod(0o755)
    kernel = tmp_path / "kernel"
    kernel.write_text("never booted")
    node = stack.add_node(plugins=[stack.qemu_plugin(binary=str(binary))], boot={"kernel": str(kernel)})
    vm = api.create("broken", memory_size=32 << 20)
    answer = api.call("POST", f"/vms/{vm}/start")
    problem = answer.json()
    assert (answer.status_code, problem["type"].rsplit("/", 1)[-1]) == (502, "vmm-failed"), problem
    assert problem["step"] == "start-vmm" and problem["hint"]
    assert problem["log_tail"].splitlines() == LAST_WORDS
    # Consequence before cause: the detail begins with the request that failed; the last cause has the VMM's own last line.
    assert problem["detail"].startswith("VM broken could not start: "), problem
    assert problem["causes"] and LAST_WORDS[-1] in problem["causes"][-1] and "QEMU" in problem["causes"][-1], problem
    for outer, inner in zip([problem["detail"], *problem["causes"]], problem["causes"]):
        assert inner in outer and inner != outer, problem
    # Members that belong to this answer alone.
    own = ("instance", "request_id")
    same = {key: value for key, value in problem.items() if key not in own}
    (listed,) = [job for job in api.ok("GET", "/jobs").json() if job["action"] == "start"]
    (of_vm,) = [job for job in api.ok("GET", f"/vms/{vm}/diagnosis").json()["jobs"] if job["action"] == "start"]
    for job in (listed, of_vm, api.ok("GET", f"/jobs/{listed['id']}").json()):
        assert {key: value for key, value in job["error"].items() if key not in own} == same
    after = api.ok("GET", f"/vms/{vm}/diagnosis").json()
    assert after["vmm_log"].splitlines() == LAST_WORDS, after
    assert LAST_WORDS[-1] in after["observed"]["reason"], after
    assert str(stack.folder) not in str(after) + answer.text, "no document names a path of the host"
    assert not node.vmm_pids()
    api.delete(vm)


@pytest.mark.guest
def test_kvm_demanded_is_never_silently_tcg(bare_stack):
    """On a host whose KVM runs guests the VM boots under KVM; on any other host the start fails with the reason."""
    stack = bare_stack
    stack.add_node(plugins=[stack.qemu_plugin(accelerator="kvm")])
    host = stack.api.hosts()[0]

    def settled():
        plugin = next(p for p in stack.api.ok("GET", f"/hosts/{host['id']}/plugins").json() if p["name"] == "qemu")
        return plugin["description"] if plugin["description"]["accelerator"] != "probing" else None

    description = wait_for("the accelerator's verdict", settled, 60)  # an inconclusive trial is repeated
    assert description["accelerator_evidence"] or description["health_reason"]
    response = stack.api.call("POST", "/vms", json={"name": "k", "memory_size": 134217728, "hypervisor": "qemu"})
    if response.status_code == 201:
        response = stack.api.call("POST", f"/vms/{response.text}/start")
    if description["healthy"]:
        assert response.json()["accelerator"] == "kvm"
    else:
        assert response.status_code == 422, response.text
        # Look at the detail only, because a VM's document contains kvm_hyperv in any case.
        assert "kvm" in response.json()["detail"].lower(), response.text


@pytest.mark.guest
def test_auto_says_what_it_chose_and_why(bare_stack):
    stack = bare_stack
    stack.accelerator = "auto"
    stack.add_node()
    vm_id = stack.api.create("auto", hypervisor="qemu")
    vm = stack.api.act(vm_id, "start")
    assert vm["accelerator"] in ("kvm", "tcg")
    assert len(vm["accelerator_evidence"]) > 10
    stack.wait_console(vm_id, "qarax guest:")


def test_operational_routes(simulated):
    for path in ("/", "/livez", "/readyz", "/version", "/metrics", "/api-docs/openapi.json"):
        assert simulated.api.call("GET", path).status_code == 200, path
    assert "qarax" in simulated.api.call("GET", "/metrics").text
    host = simulated.api.hosts()[0]
    assert host["status"] == "up" and "password" not in host
    assert simulated.api.ok("GET", f"/hosts/{host['id']}").json()["id"] == host["id"]
    assert simulated.api.ok("POST", f"/hosts/{host['id']}/init").json()["status"] == "up"


def test_node_registers_by_environment():
    port = free_port()
    from framework.stack import Node, Server  # a stack made by hand, because the server's environment must be known before the node

    stack = Stack.__new__(Stack)
    import pathlib
    import tempfile

    stack.folder = pathlib.Path(tempfile.mkdtemp(prefix="qarax-e2e-"))
    stack.accelerator = "tcg"
    stack.nodes = []
    (stack.folder / "server").mkdir()
    stack.server = Server(stack.folder / "server", {}, {"QARAX_NODE_HOST": "127.0.0.1", "QARAX_NODE_PORT": str(port)})
    stack.server.start()
    from framework.api import Api

    stack.api = Api(stack.server.base)
    wait_for("livez", lambda: stack.api.session.get(stack.server.base + "/livez", timeout=5).status_code == 200)
    try:
        (stack.folder / "n").mkdir()
        node = Node(stack.folder / "n", [stack.simulator_plugin()], {}, {"listen": {"address": "127.0.0.1", "port": port}})
        stack.nodes.append(node)
        node.start()
        wait_for("the host by environment up", lambda: [h for h in stack.api.hosts() if h["status"] == "up" and h["port"] == port], 20)
    finally:
        left = stack.close()
    assert not left, left


def restart_server(stack, **env: str) -> None:
    stack.server.env = env
    stack.server.stop()
    stack.server.start()
    wait_for("livez", lambda: stack.api.session.get(stack.server.base + "/livez", timeout=5).status_code == 200)


def test_a_node_of_the_config_moves_to_another_port(bare_stack):
    stack = bare_stack
    node = stack.add_node(plugins=[stack.simulator_plugin()], boot={}, register=False)
    restart_server(stack, QARAX_NODE_PORT=str(node.port))
    host = wait_for("the host up", lambda: next((h for h in stack.api.hosts() if h["status"] == "up"), None))
    vm = stack.api.create("stays")
    stack.api.act(vm, "start")
    node.stop()
    node.port = node.config["listen"]["port"] = free_port()
    node.write_config()
    node.start()
    restart_server(stack, QARAX_NODE_PORT=str(node.port))
    assert stack.wait_host(host["id"], "up")["port"] == node.port
    assert len(stack.api.hosts()) == 1
    assert stack.wait_state(vm, "running")


def test_nodes_of_the_config_that_share_a_name_do_not_move_each_other(bare_stack):
    """Two nodes on one machine that have no names are both named by its address, so the second isn't registered."""
    stack = bare_stack
    ports = free_port(), free_port()
    for _ in range(2):
        restart_server(stack, QARAX_SERVER_NODES=f"[{{address: 127.0.0.1, port: {ports[0]}}}, {{address: 127.0.0.1, port: {ports[1]}}}]")
        assert [h["port"] for h in stack.api.hosts()] == [ports[0]]
    assert "a node of the config isn't registered" in stack.server.log()


def test_the_journal_is_told_the_priority_of_each_line(tmp_path):
    """If JOURNAL_STREAM names the stream that stderr is connected to, each line gets a priority prefix; otherwise none."""
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump({"listen": {"port": 0}, "data_dir": str(tmp_path / "data")}))
    for journal in (True, False):
        log = tmp_path / "log"
        with log.open("w") as stream:
            file = os.fstat(stream.fileno())
            stream_name = f"{file.st_dev}:{file.st_ino + (0 if journal else 1)}"
            server = subprocess.Popen([str(paths.program("qarax-server")), "--config", str(config)], stderr=stream,
                                      env={**os.environ, "JOURNAL_STREAM": stream_name})
            try:
                wait_for("it listens", lambda: "listening" in log.read_text(), 10)
            finally:
                server.terminate()
                server.wait(10)
        listening = next(line for line in log.read_text().splitlines() if "listening" in line)
        assert listening.startswith("<6>20" if journal else "20"), listening
