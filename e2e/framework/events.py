"""A client of GET /events."""

import json
import threading

import requests

from .stack import wait_for


class Reader:
    """Follows /events on its own thread, like a browser: reconnects with Last-Event-ID whenever the connection ends."""

    def __init__(self, api, query: str = "", after: str | None = None):
        self.url = api.base + "/events" + query
        self.last = after
        self.events: list[dict] = []
        self.ids: list[str] = []
        self.controls: list[tuple[str, dict]] = []
        self.ready = threading.Event()
        self._ended = threading.Event()
        self._response = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self.ready.wait(20), "the stream begins with the id of now"

    def _run(self) -> None:
        session = requests.Session()
        session.trust_env = False
        while not self._ended.is_set():
            try:
                headers = {"Last-Event-ID": self.last} if self.last else {}
                with session.get(self.url, headers=headers, stream=True, timeout=(5, 60)) as response:
                    self._response = response
                    assert response.status_code == 200, response.text
                    self._read(response)
            except (requests.RequestException, OSError, AttributeError):
                self._ended.wait(0.05)  # the server is away for a moment

    def _read(self, response) -> None:
        frame: dict = {}
        for raw in response.iter_lines(chunk_size=1):
            if self._ended.is_set():
                return
            line = raw.decode()
            if line:
                key, _, value = line.partition(": ")
                frame[key] = value
                continue
            self.last = frame.get("id", self.last)
            if frame.get("event") in ("gap", "end"):
                self.controls.append((frame["event"], json.loads(frame["data"])))
            elif "data" in frame:
                self.ids.append(frame["id"])
                self.events.append({"event": frame["event"], **json.loads(frame["data"])})
            self.ready.set()
            frame = {}

    def wait(self, what: str, probe, timeout: float = 20) -> dict:
        return wait_for(what, lambda: next((e for e in list(self.events) if probe(e)), None), timeout, every=0.002)

    def close(self) -> None:
        self._ended.set()
        if self._response is not None and self._response.raw._fp is not None:
            self._response.raw._fp.fp.raw._sock.shutdown(2)
        self._thread.join(10)
        assert not self._thread.is_alive()


def becomes(vm_id: str, status: str):
    return lambda e: e["event"] == "vm.status_changed" and e["vm_id"] == vm_id and e["new_status"] == status
