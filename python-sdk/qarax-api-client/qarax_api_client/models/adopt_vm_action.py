from enum import StrEnum


class AdoptVmAction(StrEnum):
    CREATE = "create"
    FORGET = "forget"
    LEAVE = "leave"
    NONE = "none"
    RAISE = "raise"

    def __str__(self) -> str:
        return str(self.value)
