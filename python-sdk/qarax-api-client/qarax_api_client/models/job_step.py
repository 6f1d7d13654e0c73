from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.job_step_state import JobStepState
from ..types import UNSET, Unset

T = TypeVar("T", bound="JobStep")


@_attrs_define
class JobStep:
    """
    Attributes:
        name (str): record: the job and the desired state; node: the command at the host's node.
        state (JobStepState): How far it is.
        started_at (str): When it began, UTC.
        finished_at (str | Unset): When it came to its end, UTC.
        detail (str | Unset): What more there is to say: the host, how often it was asked.
    """

    name: str
    state: JobStepState
    started_at: str
    finished_at: str | Unset = UNSET
    detail: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        state = self.state.value

        started_at = self.started_at

        finished_at = self.finished_at

        detail = self.detail

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "state": state,
                "started_at": started_at,
            }
        )
        if finished_at is not UNSET:
            field_dict["finished_at"] = finished_at
        if detail is not UNSET:
            field_dict["detail"] = detail

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        name = d.pop("name")

        state = JobStepState(d.pop("state"))

        started_at = d.pop("started_at")

        finished_at = d.pop("finished_at", UNSET)

        detail = d.pop("detail", UNSET)

        job_step = cls(
            name=name,
            state=state,
            started_at=started_at,
            finished_at=finished_at,
            detail=detail,
        )

        job_step.additional_properties = d
        return job_step

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
