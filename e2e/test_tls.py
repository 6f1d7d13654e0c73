"""Server to node over TLS with a token, with certificates made as config/README.md says; and what the host reports if one of the
two sides is set up wrong."""

import hashlib
import pathlib
import re
import shutil
import socket
import subprocess
import threading

import pytest

from framework import paths
from framework.stack import Stack, wait_for

ADDRESS = "10.0.0.7"  # the host's address in the README


def run_the_readme(folder: pathlib.Path, address: str, which: str = "") -> str:
    """Runs the README's commands that contain `which`, for the node at `address`; returns their output."""
    text = (paths.ROOT / "config" / "README.md").read_text().split("## TLS and token", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"```console\n(.*?)```", text, re.S)
    commands = [line[2:].replace(ADDRESS, address) for block in blocks for line in block.splitlines() if line.startswith("$ ") and which in line]
    done = subprocess.run(["bash", "-e", "-c", "\n".join(commands)], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Certificates:
    """A CA, the certificate that it signed for the node at `address`, and a token."""

    def __init__(self, folder: pathlib.Path, address: str = "127.0.0.1"):
        folder.mkdir()
        said = run_the_readme(folder, address)
        self.ca, self.cert, self.key, self.token_file = (folder / name for name in ("ca.crt", "node.crt", "node.key", "token"))
        self.token_sha256 = said.split()[0]

    def listen(self, **other) -> dict:
        return {"listen": {"unix_socket": "none", "tls": {"cert": str(self.cert), "key": str(self.key)}, "token_sha256": self.token_sha256, **other}}


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture
def secured(request, ours, tmp_path):
    """A server that trusts the CA, among others, and has the token."""
    both = tmp_path / "cas.crt"
    both.write_text(Certificates(tmp_path / "one of before").ca.read_text() + ours.ca.read_text())
    made = Stack(server_settings={"node": {"ca": str(both), "token_file": str(ours.token_file)}})
    yield from ended(made, request)


@pytest.fixture
def in_clear(request, ours):
    """A server that has only the token."""
    made = Stack(server_settings={"node": {"token_file": str(ours.token_file)}})
    yield from ended(made, request)


def ended(made: Stack, request):
    try:
        yield made
    finally:
        left = made.close(keep=getattr(getattr(request.node, "report_call", None), "failed", False))
        assert not left, left


def add(stack: Stack, name: str, settings: dict, register: bool = True):
    return stack.add_node(name, plugins=[stack.simulator_plugin()], boot={}, settings=settings, register=register)


def is_down_because(stack: Stack, name: str, port: int, words: str, address: str = "127.0.0.1") -> str:
    """Registers the host and waits until it is down with a reason that contains `words`."""
    host_id = stack.api.ok("POST", "/hosts", json={"name": name, "address": address, "port": port}).text

    def said():
        host = next(h for h in stack.api.hosts() if h["id"] == host_id)
        assert host["status"] == "down" and words in (host["status_reason"] or ""), f"{host['status']}: {host['status_reason']}"
        return host["status_reason"]

    return wait_for(f"{name} is down because of {words!r}", said)


def test_the_readme_makes_a_token_and_its_hash(ours):
    token = ours.token_file.read_text().strip()
    assert len(token) == 64 and hashlib.sha256(token.encode()).hexdigest() == ours.token_sha256
    for secret in (ours.key, ours.token_file, ours.key.with_name("ca.key")):
        assert secret.stat().st_mode & 0o077 == 0, f"{secret.name} can be read by others"


@pytest.mark.guest
def test_a_vm_runs_on_a_node_with_tls_and_token(secured, ours):
    node = secured.add_node(settings=ours.listen())
    vm = secured.api.create("web", hypervisor="qemu")
    assert secured.api.act(vm, "start")["status"] == "running"
    secured.wait_console(vm, "qarax guest:")
    # The node shows its certificate to every client, but serves only those with the token.
    with socket.create_connection(("127.0.0.1", node.port), timeout=5) as plain:
        plain.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert plain.recv(4096)[:1] in (b"", b"\x15"), "nothing in plain text but TLS's alert"
    node.kill()
    node.start()
    secured.wait_state(vm, "running")
    assert secured.api.act(vm, "force-stop")["status"] == "shutdown"


def test_what_is_set_up_wrong_is_said_with_the_way_out(secured, ours, tmp_path):
    other, elsewhere = Certificates(tmp_path / "other"), Certificates(tmp_path / "elsewhere", ADDRESS)
    good = add(secured, "good", ours.listen())
    add(secured, "token", ours.listen(token_sha256=other.token_sha256), register=False)
    add(secured, "ca", other.listen(token_sha256=ours.token_sha256), register=False)
    add(secured, "plain", {"listen": {"unix_socket": "none"}}, register=False)
    # A certificate by the right CA, but for another address.
    for part in ("ca.crt", "ca.key"):
        shutil.copy(ours.ca.with_name(part), elsewhere.ca.with_name(part))
    run_the_readme(elsewhere.ca.parent, ADDRESS, which=" x509 ")
    add(secured, "address", elsewhere.listen(token_sha256=ours.token_sha256), register=False)
    ports = {node.folder.name: node.port for node in secured.nodes}

    for name, words in {
        "token": "set node.token in the server's config to the token that this node's listen.token_sha256 was made from",
        "ca": "isn't signed by node.ca of the server's config",
        "plain": "The node doesn't speak TLS: set listen.tls in its config",
        "address": "Make the node's certificate anew with 127.0.0.1 among its names",
    }.items():
        is_down_because(secured, name, ports[name], words)
    down = [h for h in secured.api.hosts() if h["name"] == "token"][0]
    tried = secured.api.call("POST", f"/hosts/{down['id']}/init")
    assert tried.status_code == 503 and tried.json()["type"].endswith("/node-unauthorized")
    assert [h["name"] for h in secured.api.hosts() if h["status"] == "up"] == ["good"] and good.process.poll() is None
    token = ours.token_file.read_text().strip()
    for program in (secured.server, *secured.nodes):
        assert token not in program.log()


def test_a_server_without_tls_is_told_to_use_it(in_clear, ours):
    node = add(in_clear, "tls", ours.listen(), register=False)
    is_down_because(in_clear, "tls", node.port, "If the node has listen.tls, set node.ca in the server's config")


def test_a_token_goes_in_plain_text_to_this_machine_only(in_clear, ours):
    add(in_clear, "near", {"listen": {"unix_socket": "none", "token_sha256": ours.token_sha256}})
    # This machine by another address: a listener there must not even see a connection.
    own = own_address()
    heard = []
    with socket.create_server(("0.0.0.0", 0)) as listener:
        def listen():
            try:
                heard.append(listener.accept()[1])
            except OSError:
                pass

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            said = is_down_because(in_clear, "far", listener.getsockname()[1], "whoever is on the way to", own)
            assert "set node.ca" in said and "node.insecure: true" in said
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)
    assert heard == []


def own_address() -> str:
    """An address of this machine that isn't a loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # only selects a source address, sends nothing
        except OSError:
            pytest.skip("this machine has no address but its loopback's")
        return s.getsockname()[0]


def test_a_bad_pair_of_files_is_named(ours, tmp_path):
    other = Certificates(tmp_path / "other")
    (tmp_path / "empty.crt").write_text("nothing\n")

    def refused(program: str, config: str) -> str:
        file = tmp_path / "config.yaml"
        file.write_text(config)
        done = subprocess.run([str(paths.program(program)), "--config", str(file)], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode != 0
        return done.stderr + done.stdout

    node = f"data_dir: {tmp_path}/node\nlisten: {{port: 0, tls: {{cert: %s, key: %s}}}}\n"
    assert f"{other.key} isn't the key of the certificate in {ours.cert}" in refused("qarax-node", node % (ours.cert, other.key))
    assert f"{tmp_path}/empty.crt has no certificate in PEM" in refused("qarax-node", node % (tmp_path / "empty.crt", ours.key))
    server = f"data_dir: {tmp_path}/server\nlisten: {{port: 0}}\nnode: {{ca: {tmp_path}/empty.crt}}\n"
    assert f"node.ca: {tmp_path}/empty.crt has no certificate in PEM" in refused("qarax-server", server)
