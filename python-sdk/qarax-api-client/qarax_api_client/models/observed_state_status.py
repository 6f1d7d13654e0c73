from enum import StrEnum


class ObservedStateStatus(StrEnum):
    CREATED = "created"
    PAUSED = "paused"
    RUNNING = "running"
    SHUTDOWN = "shutdown"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return str(self.value)
