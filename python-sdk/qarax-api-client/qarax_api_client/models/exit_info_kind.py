from enum import StrEnum


class ExitInfoKind(StrEnum):
    EXITED = "exited"
    SIGNALED = "signaled"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return str(self.value)
