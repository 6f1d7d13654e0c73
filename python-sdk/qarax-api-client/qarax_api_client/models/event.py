from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Event")


@_attrs_define
class Event:
    """
    Attributes:
        type_ (str): vm.created, vm.changed, vm.status_changed, vm.deleted, host.added, host.changed,
            host.status_changed, host.removed, job.started, job.finished; more may come.
        timestamp (str): When it was seen, UTC. The order is the id's.
        tags (list[str]): Of the VM, then.
        vm_id (UUID | Unset): The VM it is about.
        vm_name (str | Unset): Its name then.
        host_id (UUID | Unset): The host it is about, or that the VM is on.
        host_name (str | Unset): Of events about a host.
        job_id (UUID | Unset): The job that did it.
        action (str | Unset): What the job does: start, stop, …
        previous_status (str | Unset): Of the VM or the host, before.
        new_status (str | Unset): Of the VM, the host or the job, from now on.
        reason (str | Unset): Why, where there is more to say than the status.
    """

    type_: str
    timestamp: str
    tags: list[str]
    vm_id: UUID | Unset = UNSET
    vm_name: str | Unset = UNSET
    host_id: UUID | Unset = UNSET
    host_name: str | Unset = UNSET
    job_id: UUID | Unset = UNSET
    action: str | Unset = UNSET
    previous_status: str | Unset = UNSET
    new_status: str | Unset = UNSET
    reason: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        type_ = self.type_

        timestamp = self.timestamp

        tags = self.tags

        vm_id: str | Unset = UNSET
        if not isinstance(self.vm_id, Unset):
            vm_id = str(self.vm_id)

        vm_name = self.vm_name

        host_id: str | Unset = UNSET
        if not isinstance(self.host_id, Unset):
            host_id = str(self.host_id)

        host_name = self.host_name

        job_id: str | Unset = UNSET
        if not isinstance(self.job_id, Unset):
            job_id = str(self.job_id)

        action = self.action

        previous_status = self.previous_status

        new_status = self.new_status

        reason = self.reason

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "type": type_,
                "timestamp": timestamp,
                "tags": tags,
            }
        )
        if vm_id is not UNSET:
            field_dict["vm_id"] = vm_id
        if vm_name is not UNSET:
            field_dict["vm_name"] = vm_name
        if host_id is not UNSET:
            field_dict["host_id"] = host_id
        if host_name is not UNSET:
            field_dict["host_name"] = host_name
        if job_id is not UNSET:
            field_dict["job_id"] = job_id
        if action is not UNSET:
            field_dict["action"] = action
        if previous_status is not UNSET:
            field_dict["previous_status"] = previous_status
        if new_status is not UNSET:
            field_dict["new_status"] = new_status
        if reason is not UNSET:
            field_dict["reason"] = reason

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        type_ = d.pop("type")

        timestamp = d.pop("timestamp")

        tags = cast(list[str], d.pop("tags"))

        _vm_id = d.pop("vm_id", UNSET)
        vm_id: UUID | Unset
        if isinstance(_vm_id, Unset):
            vm_id = UNSET
        else:
            vm_id = UUID(_vm_id)

        vm_name = d.pop("vm_name", UNSET)

        _host_id = d.pop("host_id", UNSET)
        host_id: UUID | Unset
        if isinstance(_host_id, Unset):
            host_id = UNSET
        else:
            host_id = UUID(_host_id)

        host_name = d.pop("host_name", UNSET)

        _job_id = d.pop("job_id", UNSET)
        job_id: UUID | Unset
        if isinstance(_job_id, Unset):
            job_id = UNSET
        else:
            job_id = UUID(_job_id)

        action = d.pop("action", UNSET)

        previous_status = d.pop("previous_status", UNSET)

        new_status = d.pop("new_status", UNSET)

        reason = d.pop("reason", UNSET)

        event = cls(
            type_=type_,
            timestamp=timestamp,
            tags=tags,
            vm_id=vm_id,
            vm_name=vm_name,
            host_id=host_id,
            host_name=host_name,
            job_id=job_id,
            action=action,
            previous_status=previous_status,
            new_status=new_status,
            reason=reason,
        )

        event.additional_properties = d
        return event

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
