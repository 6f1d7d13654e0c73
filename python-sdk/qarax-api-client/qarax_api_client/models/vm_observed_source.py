from enum import StrEnum


class VmObservedSource(StrEnum):
    NODE = "node"
    SERVER = "server"

    def __str__(self) -> str:
        return str(self.value)
