from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.observed_state_status import ObservedStateStatus

T = TypeVar("T", bound="ObservedState")


@_attrs_define
class ObservedState:
    """
    Attributes:
        status (ObservedStateStatus): What the VM is, as far as anybody knows.
        reason (str): Why, where that isn't plain.
        source (str): Whose word it is: the node's, with its session, or the server's own.
        observed_at (datetime.datetime | None): When the node saw it.
        incarnation (int): The start that it is about; 0: none.
        seq (int): Number of that report in the node's session.
    """

    status: ObservedStateStatus
    reason: str
    source: str
    observed_at: datetime.datetime | None
    incarnation: int
    seq: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status = self.status.value

        reason = self.reason

        source = self.source

        observed_at: None | str
        if isinstance(self.observed_at, datetime.datetime):
            observed_at = self.observed_at.isoformat()
        else:
            observed_at = self.observed_at

        incarnation = self.incarnation

        seq = self.seq

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
                "reason": reason,
                "source": source,
                "observed_at": observed_at,
                "incarnation": incarnation,
                "seq": seq,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        status = ObservedStateStatus(d.pop("status"))

        reason = d.pop("reason")

        source = d.pop("source")

        def _parse_observed_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                observed_at_type_0 = datetime.datetime.fromisoformat(data)

                return observed_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        observed_at = _parse_observed_at(d.pop("observed_at"))

        incarnation = d.pop("incarnation")

        seq = d.pop("seq")

        observed_state = cls(
            status=status,
            reason=reason,
            source=source,
            observed_at=observed_at,
            incarnation=incarnation,
            seq=seq,
        )

        observed_state.additional_properties = d
        return observed_state

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
