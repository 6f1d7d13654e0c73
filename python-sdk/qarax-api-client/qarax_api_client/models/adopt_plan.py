from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.adopt_vm import AdoptVm


T = TypeVar("T", bound="AdoptPlan")


@_attrs_define
class AdoptPlan:
    """
    Attributes:
        plan (str): Names this plan; POST it as ?plan= to carry it out.
        host_id (UUID): The host.
        host (str): Its name.
        node_id (str): The node that answers there.
        reason (str): Why the host needs it; empty: it doesn't.
        applied (bool): Whether it was carried out just now.
        vms (list[AdoptVm]): Every VM that either side knows on this host.
    """

    plan: str
    host_id: UUID
    host: str
    node_id: str
    reason: str
    applied: bool
    vms: list[AdoptVm]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        plan = self.plan

        host_id = str(self.host_id)

        host = self.host

        node_id = self.node_id

        reason = self.reason

        applied = self.applied

        vms = []
        for vms_item_data in self.vms:
            vms_item = vms_item_data.to_dict()
            vms.append(vms_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "plan": plan,
                "host_id": host_id,
                "host": host,
                "node_id": node_id,
                "reason": reason,
                "applied": applied,
                "vms": vms,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.adopt_vm import AdoptVm  # noqa: PLC0415

        d = dict(src_dict)
        plan = d.pop("plan")

        host_id = UUID(d.pop("host_id"))

        host = d.pop("host")

        node_id = d.pop("node_id")

        reason = d.pop("reason")

        applied = d.pop("applied")

        vms = []
        _vms = d.pop("vms")
        for vms_item_data in _vms:
            vms_item = AdoptVm.from_dict(vms_item_data)

            vms.append(vms_item)

        adopt_plan = cls(
            plan=plan,
            host_id=host_id,
            host=host,
            node_id=node_id,
            reason=reason,
            applied=applied,
            vms=vms,
        )

        adopt_plan.additional_properties = d
        return adopt_plan

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
