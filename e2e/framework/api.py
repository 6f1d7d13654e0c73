"""The REST API as a client sees it. Every response is checked against the OpenAPI document the server itself serves."""

import re

import jsonschema
import requests

from . import ran_on


class ContractViolation(Exception):
    """A response that the OpenAPI document doesn't allow. It isn't an AssertionError, because wait_for() retries on
    those and the next response might hide the violation."""


class Contract:
    """The server's OpenAPI document; checks responses against it."""

    def __init__(self, document: dict):
        self.document = document
        self.patterns = []
        for path, item in document["paths"].items():
            pattern = re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", path) + "$")
            self.patterns.append((pattern, path.count("{"), path, item))
        self.patterns.sort(key=lambda entry: entry[1])

    def check(self, method: str, path: str, response: requests.Response) -> None:
        for pattern, _, template, item in self.patterns:
            if pattern.match(path) and method.lower() in item:
                operation = item[method.lower()]
                break
        else:
            if response.status_code not in (404, 405):
                raise ContractViolation(f"{method} {path} isn't in the OpenAPI document")
            return
        responses = operation["responses"]
        status = str(response.status_code)
        declared = responses.get(status, responses.get("default"))
        if declared is None:
            raise ContractViolation(f"{method} {template} answered {status}, which the OpenAPI document doesn't know")
        while "$ref" in declared:
            declared = self._resolve(declared["$ref"])
        content = declared.get("content")
        if not content or response.status_code == 204:
            return
        kind = response.headers.get("Content-Type", "").split(";")[0].strip()
        if kind not in content:
            raise ContractViolation(f"{method} {template} answered {kind!r}; the document has {sorted(content)}")
        schema = content[kind].get("schema")
        if schema and "json" in kind:
            jsonschema.Draft202012Validator({**schema, "components": self.document["components"]}).validate(response.json())

    def _resolve(self, ref: str) -> dict:
        node = self.document
        for step in ref.removeprefix("#/").split("/"):
            node = node[step]
        return node


class Problem(Exception):
    """The server answered with a problem document."""

    def __init__(self, response: requests.Response):
        self.status = response.status_code
        self.response = response
        try:
            self.body = response.json()
        except ValueError:
            self.body = {"detail": response.text}
        super().__init__(f"{response.request.method} {response.url}: {self.status} {self.body.get('detail')}")

    @property
    def slug(self) -> str:
        return self.body.get("type", "").rsplit("/", 1)[-1]


class Api:
    def __init__(self, base: str, contract: Contract | None = None, timeout: float = 90):
        self.base = base
        self.contract = contract
        self.timeout = timeout
        self.session = requests.Session()
        self.session.trust_env = False

    def call(self, method: str, path: str, **kwargs) -> requests.Response:
        """Returns the response, whatever its status."""
        kwargs.setdefault("timeout", self.timeout)
        response = self.session.request(method, self.base + path, **kwargs)
        if not response.headers.get("X-Request-Id"):
            raise ContractViolation(f"{method} {path}: no X-Request-Id")
        if self.contract is not None:
            self.contract.check(method, path.split("?")[0], response)
        ran_on.see(path.split("?")[0], response)
        return response

    def ok(self, method: str, path: str, **kwargs) -> requests.Response:
        response = self.call(method, path, **kwargs)
        if response.status_code >= 400:
            raise Problem(response)
        return response

    def load_contract(self) -> None:
        self.contract = Contract(self.session.get(self.base + "/api-docs/openapi.json", timeout=10).json())

    # -- VMs --
    def create(self, name: str, **spec) -> str:
        body = {"name": name, "boot_vcpus": 1, "max_vcpus": 1, "memory_size": 128 * 1024 * 1024, **spec}
        response = self.ok("POST", "/vms", json=body)
        assert response.status_code == 201
        return response.text

    def vm(self, vm_id: str) -> dict:
        return self.ok("GET", f"/vms/{vm_id}").json()

    def vms(self) -> list:
        return self.ok("GET", "/vms").json()

    def all_vms(self) -> list:
        """Follows the pages: a list without a limit ends after a thousand VMs."""
        answer = self.ok("GET", "/vms")
        found = answer.json()
        while "next" in answer.links:
            answer = self.ok("GET", answer.links["next"]["url"])
            found += answer.json()
        return found

    def act(self, vm_id: str, action: str) -> dict:
        return self.ok("POST", f"/vms/{vm_id}/{action}").json()

    def delete(self, vm_id: str) -> None:
        assert self.ok("DELETE", f"/vms/{vm_id}").status_code == 204

    def console(self, vm_id: str) -> str:
        return self.ok("GET", f"/vms/{vm_id}/console").content.decode(errors="replace")

    def hosts(self) -> list:
        return self.ok("GET", "/hosts").json()
