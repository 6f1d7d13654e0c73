from enum import StrEnum


class VmDesiredOrigin(StrEnum):
    GUEST = "guest"
    POLICY = "policy"
    USER = "user"

    def __str__(self) -> str:
        return str(self.value)
