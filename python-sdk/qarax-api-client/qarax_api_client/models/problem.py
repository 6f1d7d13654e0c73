from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.problem_error import ProblemError


T = TypeVar("T", bound="Problem")


@_attrs_define
class Problem:
    """
    Attributes:
        type_ (str): Names the failure; stable. x-problems lists all.
        title (str): The failure in general.
        status (int): The HTTP status.
        detail (str): This occurrence: the object, the reason, what to do.
        message (str): The same as detail.
        instance (str): The path asked for.
        request_id (str): As X-Request-Id; find it in the logs.
        errors (list[ProblemError] | Unset): Each thing that is wrong.
        hint (str | Unset): What the caller can do.
        job_id (UUID | Unset): The job that goes on, or stands in the way.
        step (str | Unset): The step of what was asked for that failed: placement, boot-files, start-vmm, …
        causes (list[str] | Unset): What led to it, each cause behind its consequence; the last is the root.
        log_tail (str | Unset): Last lines of the VMM's own log.
        console_tail (str | Unset): What the guest wrote last, where a wait for it was in vain.
    """

    type_: str
    title: str
    status: int
    detail: str
    message: str
    instance: str
    request_id: str
    errors: list[ProblemError] | Unset = UNSET
    hint: str | Unset = UNSET
    job_id: UUID | Unset = UNSET
    step: str | Unset = UNSET
    causes: list[str] | Unset = UNSET
    log_tail: str | Unset = UNSET
    console_tail: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        type_ = self.type_

        title = self.title

        status = self.status

        detail = self.detail

        message = self.message

        instance = self.instance

        request_id = self.request_id

        errors: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.errors, Unset):
            errors = []
            for errors_item_data in self.errors:
                errors_item = errors_item_data.to_dict()
                errors.append(errors_item)

        hint = self.hint

        job_id: str | Unset = UNSET
        if not isinstance(self.job_id, Unset):
            job_id = str(self.job_id)

        step = self.step

        causes: list[str] | Unset = UNSET
        if not isinstance(self.causes, Unset):
            causes = self.causes

        log_tail = self.log_tail

        console_tail = self.console_tail

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "type": type_,
                "title": title,
                "status": status,
                "detail": detail,
                "message": message,
                "instance": instance,
                "request_id": request_id,
            }
        )
        if errors is not UNSET:
            field_dict["errors"] = errors
        if hint is not UNSET:
            field_dict["hint"] = hint
        if job_id is not UNSET:
            field_dict["job_id"] = job_id
        if step is not UNSET:
            field_dict["step"] = step
        if causes is not UNSET:
            field_dict["causes"] = causes
        if log_tail is not UNSET:
            field_dict["log_tail"] = log_tail
        if console_tail is not UNSET:
            field_dict["console_tail"] = console_tail

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.problem_error import ProblemError  # noqa: PLC0415

        d = dict(src_dict)
        type_ = d.pop("type")

        title = d.pop("title")

        status = d.pop("status")

        detail = d.pop("detail")

        message = d.pop("message")

        instance = d.pop("instance")

        request_id = d.pop("request_id")

        _errors = d.pop("errors", UNSET)
        errors: list[ProblemError] | Unset = UNSET
        if _errors is not UNSET:
            errors = []
            for errors_item_data in _errors:
                errors_item = ProblemError.from_dict(errors_item_data)

                errors.append(errors_item)

        hint = d.pop("hint", UNSET)

        _job_id = d.pop("job_id", UNSET)
        job_id: UUID | Unset
        if isinstance(_job_id, Unset):
            job_id = UNSET
        else:
            job_id = UUID(_job_id)

        step = d.pop("step", UNSET)

        causes = cast(list[str], d.pop("causes", UNSET))

        log_tail = d.pop("log_tail", UNSET)

        console_tail = d.pop("console_tail", UNSET)

        problem = cls(
            type_=type_,
            title=title,
            status=status,
            detail=detail,
            message=message,
            instance=instance,
            request_id=request_id,
            errors=errors,
            hint=hint,
            job_id=job_id,
            step=step,
            causes=causes,
            log_tail=log_tail,
            console_tail=console_tail,
        )

        problem.additional_properties = d
        return problem

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
