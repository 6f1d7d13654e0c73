"""A qarax, used through its generated Python client: one that the test started itself, or one that is up already."""

import functools
import os
import uuid

import httpx
import requests
from qarax_api_client import AuthenticatedClient, Client
from qarax_api_client.api.hosts import list_hosts
from qarax_api_client.api.vms import create_vm, delete_vm, get_vm, get_vm_console, list_vms
from qarax_api_client.models import Host, HostStatus, NewVm, Problem, Vm

from . import paths, ran_on
from .api import Contract
from .stack import Stack, wait_for


def _answers(url: str) -> bool:
    session = requests.Session()
    session.trust_env = False
    try:
        return session.get(url + "/version", timeout=3).json().get("name") == "qarax-server"
    except (OSError, ValueError, AttributeError):
        return False


@functools.cache
def running_url() -> str | None:
    """URL of a running server that the tests shall use; None: each test starts its own, from a build of this tree.

    QARAX_URL names it (empty: none). QARAX_BUILD means that a build is to be tested. Without either it is the server that
    `KEEP=1 run_e2e_tests.sh` left running, else one that answers on port 8000, provided that nothing is built.
    """
    given = os.environ.get("QARAX_URL")
    if given is not None:
        return given.rstrip("/") or None
    if "QARAX_BUILD" in os.environ:
        return None
    kept = paths.ROOT / "build" / "e2e-url"
    if kept.exists() and _answers(kept.read_text().strip()):
        return kept.read_text().strip()
    if not (paths.BUILD / "bin" / "qarax-server").exists() and _answers("http://localhost:8000"):
        return "http://localhost:8000"
    return None


def expect(kind: type, got):
    """Returns what the client parsed, which must be of this type. A problem document becomes a readable failure."""
    assert not isinstance(got, Problem), f"{got.instance}: {got.status} {got.detail}"
    assert isinstance(got, kind), f"expected {kind.__name__}, got {got!r}"
    return got


class Qarax:
    def __init__(self, base: str, stack: Stack | None = None):
        self.base = base
        self.stack = stack  # None: its programs run elsewhere, and only REST can be used to look at it
        self.owned: list[uuid.UUID] = []
        self._settings = {"timeout": httpx.Timeout(150), "httpx_args": {"trust_env": False}}
        with self._client() as client:
            self._contract = Contract(client.get_httpx_client().get("/api-docs/openapi.json").raise_for_status().json())
        self.client = self._client(event_hooks={"response": [self._check]})

    def _client(self, **httpx_args) -> Client | AuthenticatedClient:
        settings = {**self._settings, "httpx_args": {**self._settings["httpx_args"], **httpx_args}}
        token = os.environ.get("QARAX_TOKEN")
        return AuthenticatedClient(base_url=self.base, token=token, **settings) if token else Client(base_url=self.base, **settings)

    def async_client(self) -> Client | AuthenticatedClient:
        async def see(response: httpx.Response) -> None:
            await response.aread()
            ran_on.see(response.request.url.path, response)

        return self._client(event_hooks={"response": [see]})

    def _check(self, response: httpx.Response) -> None:
        response.read()
        assert response.headers.get("X-Request-Id"), f"{response.request.url}: no X-Request-Id"
        self._contract.check(response.request.method, response.request.url.path, response)
        ran_on.see(response.request.url.path, response)

    def wait_ready(self) -> None:
        """Waits until a host is up and knows what its VMs will run on."""
        wait_for("a host that can start VMs", lambda: any(h.status == HostStatus.UP and h.accelerator != "probing" for h in self.hosts()), 60)

    def close(self) -> None:
        for vm_id in self.owned:
            delete_vm.sync_detailed(vm_id, client=self.client)

    # -- VMs --
    def name(self, what: str) -> str:
        """Returns a unique name, because others may use the server as well."""
        return f"{what}-{uuid.uuid4().hex[:8]}"

    def create(self, what: str, **spec) -> uuid.UUID:
        body = NewVm(name=self.name(what), **{"boot_vcpus": 1, "max_vcpus": 1, "memory_size": 128 * 1024 * 1024, **spec})
        vm_id = expect(uuid.UUID, create_vm.sync(client=self.client, body=body))
        self.owned.append(vm_id)
        return vm_id

    def vm(self, vm_id: uuid.UUID) -> Vm:
        return expect(Vm, get_vm.sync(vm_id, client=self.client))

    def vms(self) -> list[Vm]:
        return expect(list, list_vms.sync(client=self.client))

    def act(self, action, vm_id: uuid.UUID) -> Vm:
        """`action` is a module of the client, such as start_vm."""
        return expect(Vm, action.sync(vm_id, client=self.client))

    def delete(self, vm_id: uuid.UUID) -> None:
        assert delete_vm.sync_detailed(vm_id, client=self.client).status_code == 204

    def console(self, vm_id: uuid.UUID) -> str:
        return expect(str, get_vm_console.sync(vm_id, client=self.client))

    def wait_console(self, vm_id: uuid.UUID, text: str, timeout: float = 90) -> str:
        return wait_for(f"{text!r} on the console of {vm_id}", lambda: (lambda c: c if text in c else None)(self.console(vm_id)), timeout, every=0.1)

    def hosts(self) -> list[Host]:
        return expect(list, list_hosts.sync(client=self.client))

    def host_of(self, vm: Vm) -> Host:
        return next(h for h in self.hosts() if h.id == vm.host_id)

    def assert_vmms(self, *vm_ids: uuid.UUID) -> None:
        """Checks that exactly these VMs have a running VMM. Asks the kernel, if the programs run on this machine."""
        if self.stack is not None:
            assert {vm for node in self.stack.nodes for vm in node.vmm_pids()} == {str(vm_id) for vm_id in vm_ids}
