"""Network faults between a server and its node: a TCP proxy on its own thread in the test."""

import asyncio
import socket
import struct
import threading

TO_NODE, FROM_NODE = "to the node", "from the node"


class Line:
    """The server connects to `port`, the proxy to `node_port`. While the line is only silent nothing that was sent is
    lost: it arrives late, like over a network that retransmits."""

    def __init__(self, node_port: int):
        self._node_port = node_port
        self._loop = asyncio.new_event_loop()
        self._delay = 0.0
        self._open = {}  # direction → event that is set while data passes
        self._pairs = set()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="line")
        self._thread.start()
        started.wait()

    def _run(self, started) -> None:
        asyncio.set_event_loop(self._loop)

        async def listen():
            self._open = {TO_NODE: asyncio.Event(), FROM_NODE: asyncio.Event()}
            for gate in self._open.values():
                gate.set()
            self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
            self.port = self._server.sockets[0].getsockname()[1]
            started.set()

        self._loop.run_until_complete(listen())
        self._loop.run_forever()
        self._loop.close()

    async def _accepted(self, reader, writer) -> None:
        try:
            node_reader, node_writer = await asyncio.open_connection("127.0.0.1", self._node_port)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, node_writer)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._carry(reader, node_writer, TO_NODE), self._carry(node_reader, writer, FROM_NODE))
        except OSError:
            pass
        finally:
            self._pairs.discard(pair)
            for end in pair:
                end.transport.abort()

    async def _carry(self, reader, writer, direction: str) -> None:
        queue = asyncio.Queue()

        async def deliver():
            while True:
                due, data = await queue.get()
                await asyncio.sleep(due - self._loop.time())
                await self._open[direction].wait()
                if not data:
                    raise ConnectionResetError("the other end has closed")
                writer.write(data)
                await writer.drain()

        async def receive():
            data = b"-"
            while data:
                data = await reader.read(1 << 16)
                queue.put_nowait((self._loop.time() + self._delay, data))

        await asyncio.gather(receive(), deliver())

    def _do(self, work):
        """Runs `work` on the loop's thread, so that the proxy doesn't change meanwhile; returns its result."""
        async def run():
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def delay(self, seconds: float) -> None:
        """Delays data by this time in each direction."""
        self._do(lambda: setattr(self, "_delay", seconds))

    def silence(self, *directions: str) -> None:
        """Holds all data back in these directions (none named: in both) without closing connections."""
        self._do(lambda: [self._open[d].clear() for d in directions or self._open])

    def heal(self) -> None:
        self._do(lambda: [gate.set() for gate in self._open.values()])

    def reset(self) -> int:
        """Sends RST to both ends of every connection; returns the number of connections."""
        def rst():
            pairs, self._pairs = self._pairs, set()
            ends = [end.transport for pair in pairs for end in pair if not end.transport.is_closing()]
            for end in ends:
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.abort()
            return len(ends) // 2

        return self._do(rst)

    def close(self) -> None:
        def end():
            self._server.close()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.call_later(0.1, self._loop.stop)

        self._loop.call_soon_threadsafe(end)
        self._thread.join(10)
