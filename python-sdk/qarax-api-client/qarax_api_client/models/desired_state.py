from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.desired_state_status import DesiredStateStatus

T = TypeVar("T", bound="DesiredState")


@_attrs_define
class DesiredState:
    """
    Attributes:
        status (DesiredStateStatus): What the VM shall be.
        origin (str): Who wants it so: user, guest (it powered itself off) or policy.
        revision (int): Of the job that asked for it; 0: none did.
    """

    status: DesiredStateStatus
    origin: str
    revision: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status = self.status.value

        origin = self.origin

        revision = self.revision

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
                "origin": origin,
                "revision": revision,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        status = DesiredStateStatus(d.pop("status"))

        origin = d.pop("origin")

        revision = d.pop("revision")

        desired_state = cls(
            status=status,
            origin=origin,
            revision=revision,
        )

        desired_state.additional_properties = d
        return desired_state

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
