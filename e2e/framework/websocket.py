"""A WebSocket client (RFC 6455) that needs only the standard library. Strict about what the server sends; a test may send anything."""

import base64
import hashlib
import json
import os
import socket
import ssl
import struct
import time
import urllib.parse

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Refused(Exception):
    """The server answered with a status other than 101."""

    def __init__(self, status: int, headers: dict, body: bytes):
        self.status, self.headers, self.body = status, headers, body
        super().__init__(f"{status}: {body[:500]!r}")

    @property
    def problem(self) -> dict:
        return json.loads(self.body)

    @property
    def slug(self) -> str:
        return self.problem.get("type", "").rsplit("/", 1)[-1]


class Closed(Exception):
    """The server's close frame; code 1006 if the connection ended without one."""

    def __init__(self, code: int, reason: str = ""):
        self.code, self.reason = code, reason
        super().__init__(f"{code} {reason}")


class WebSocket:
    def __init__(self, base: str, path: str, headers: dict | None = None, timeout: float = 30, context: ssl.SSLContext | None = None):
        url = urllib.parse.urlsplit(base)
        self.timeout = timeout
        self.pending = b""
        self.pings = 0  # number of pings received
        self.answers_pings = True
        self.socket = socket.create_connection((url.hostname, url.port), timeout=timeout)
        if url.scheme == "https":
            self.socket = (context or ssl.create_default_context()).wrap_socket(self.socket, server_hostname=url.hostname)
        try:
            self._handshake(url.netloc, path, headers or {})
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _handshake(self, host: str, path: str, more: dict) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        fields = {"Host": host, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key, **more}
        self.socket.sendall((f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items() if v is not None) + "\r\n").encode())
        while b"\r\n\r\n" not in self.pending:
            self._more(time.monotonic() + self.timeout)
        head, self.pending = self.pending.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        status = int(first.split()[1])
        headers = {k.strip().lower(): v.strip() for k, v in (line.split(":", 1) for line in lines)}
        if status != 101:
            size = int(headers.get("content-length", 0))
            raise Refused(status, headers, self._take(size, time.monotonic() + self.timeout))
        proof = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        assert headers["upgrade"].lower() == "websocket" and headers["connection"].lower() == "upgrade", headers
        assert headers["sec-websocket-accept"] == proof, headers
        assert "sec-websocket-extensions" not in headers and "sec-websocket-protocol" not in headers, headers

    def _more(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing came")
        self.socket.settimeout(left)
        try:
            piece = self.socket.recv(65536)
        except ConnectionError as e:
            raise Closed(1006, repr(e)) from e
        if not piece:
            raise Closed(1006, "the connection ended without a close frame")
        self.pending += piece

    def _take(self, size: int, deadline: float) -> bytes:
        while len(self.pending) < size:
            self._more(deadline)
        out, self.pending = self.pending[:size], self.pending[size:]
        return out

    def _frame(self, deadline: float) -> tuple:
        # Nothing is consumed before the whole frame is here, so that a timeout leaves the stream intact.
        def held(size: int) -> bytes:
            while len(self.pending) < size:
                self._more(deadline)
            return self.pending[:size]

        first, second = held(2)
        assert first & 0x70 == 0 and second & 0x80 == 0, "a server's frames have no reserved bits and no mask"
        size, head = second, 2
        if second == 126:
            size, head = struct.unpack("!H", held(4)[2:])[0], 4
        elif second == 127:
            size, head = struct.unpack("!Q", held(10)[2:])[0], 10
        payload = held(head + size)[head:]
        self.pending = self.pending[head + size:]
        return first & 0x80 != 0, first & 0x0F, payload

    def receive(self, timeout: float | None = None) -> bytes:
        """Returns the next binary message. TimeoutError: none came in time. Closed: the connection has ended."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            final, opcode, payload = self._frame(deadline)
            if opcode == CLOSE:
                code, reason = (struct.unpack("!H", payload[:2])[0], payload[2:].decode()) if payload else (1005, "")
                try:
                    self.send(payload, CLOSE)
                except OSError:
                    pass
                raise Closed(code, reason)
            if opcode == PING:
                self.pings += 1
                if self.answers_pings:
                    self.send(payload, PONG)
            elif opcode == BINARY:
                assert final
                return payload
            else:
                assert opcode == PONG, opcode

    def read_until(self, what: bytes, timeout: float | None = None) -> bytes:
        """Returns all bytes from here on, up to the message that completes `what`."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        seen = b""
        while what not in seen:
            try:
                seen += self.receive(deadline - time.monotonic())
            except (TimeoutError, Closed) as e:
                raise AssertionError(f"no {what!r} ({e!r}) in {seen[-2000:]!r}") from e
        return seen

    def read_to_end(self, timeout: float | None = None) -> tuple:
        """Returns the rest of the bytes, and the close frame."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        seen = b""
        while True:
            try:
                seen += self.receive(deadline - time.monotonic())
            except Closed as e:
                return seen, e

    def send(self, payload: bytes | str, opcode: int = BINARY, final: bool = True) -> None:
        if isinstance(payload, str):
            payload, opcode = payload.encode(), TEXT if opcode == BINARY else opcode
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([(0x80 if final else 0) | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += bytes([0x80 | 126]) + struct.pack("!H", size)
        else:
            head += bytes([0x80 | 127]) + struct.pack("!Q", size)
        key = (mask * (size // 4 + 1))[:size]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
        self.socket.settimeout(self.timeout)
        self.socket.sendall(head + mask + masked)

    def close(self, code: int = 1000, reason: str = "") -> Closed:
        """Closes the connection properly; returns the server's close frame."""
        self.send(struct.pack("!H", code) + reason.encode(), CLOSE)
        deadline = time.monotonic() + self.timeout
        while True:
            _, opcode, payload = self._frame(deadline)
            if opcode == CLOSE:
                self.socket.close()
                return Closed(struct.unpack("!H", payload[:2])[0] if payload else 1005, payload[2:].decode())
