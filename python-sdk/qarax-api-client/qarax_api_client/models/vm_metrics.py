from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.counter import Counter


T = TypeVar("T", bound="VmMetrics")


@_attrs_define
class VmMetrics:
    """
    Attributes:
        vm_id (UUID): The VM.
        counters (list[Counter]): What its VMM has counted since it started.
    """

    vm_id: UUID
    counters: list[Counter]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        vm_id = str(self.vm_id)

        counters = []
        for counters_item_data in self.counters:
            counters_item = counters_item_data.to_dict()
            counters.append(counters_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "vm_id": vm_id,
                "counters": counters,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.counter import Counter  # noqa: PLC0415

        d = dict(src_dict)
        vm_id = UUID(d.pop("vm_id"))

        counters = []
        _counters = d.pop("counters")
        for counters_item_data in _counters:
            counters_item = Counter.from_dict(counters_item_data)

            counters.append(counters_item)

        vm_metrics = cls(
            vm_id=vm_id,
            counters=counters,
        )

        vm_metrics.additional_properties = d
        return vm_metrics

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
