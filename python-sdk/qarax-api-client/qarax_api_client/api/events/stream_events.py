from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    after: str | Unset = UNSET,
    follow: bool | Unset = True,
    type_: str | Unset = UNSET,
    vm_id: UUID | Unset = UNSET,
    status: str | Unset = UNSET,
    tag: str | Unset = UNSET,
    last_event_id: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(last_event_id, Unset):
        headers["Last-Event-ID"] = last_event_id

    params: dict[str, Any] = {}

    params["after"] = after

    params["follow"] = follow

    params["type"] = type_

    json_vm_id: str | Unset = UNSET
    if not isinstance(vm_id, Unset):
        json_vm_id = str(vm_id)
    params["vm_id"] = json_vm_id

    params["status"] = status

    params["tag"] = tag

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/events",
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Problem | str:
    if response.status_code == 200:
        response_200 = response.text
        return response_200

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 503:
        response_503 = Problem.from_dict(response.json())

        return response_503

    response_default = Problem.from_dict(response.json())

    return response_default


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Problem | str]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    after: str | Unset = UNSET,
    follow: bool | Unset = True,
    type_: str | Unset = UNSET,
    vm_id: UUID | Unset = UNSET,
    status: str | Unset = UNSET,
    tag: str | Unset = UNSET,
    last_event_id: str | Unset = UNSET,
) -> Response[Problem | str]:
    """What happens, from a durable log, as server-sent events.

     `id:` is the epoch and the number of the event, in the order of commits; `event:` its type; `data:`
    an Event. The
    stream begins with the id of now, or goes on after the one that `after` or Last-Event-ID names,
    without a hole.
    Where something between isn't kept any more an event `gap` says so first, with `reason` (retention,
    or epoch: the
    database was set back), `after` and `resumes_after`. A silent stream has a comment every 15 s. The
    server's last
    words, where it ends a stream, are an event `end` with the reason (slow-reader, shutting-down).

    Args:
        after (str | Unset):
        follow (bool | Unset):  Default: True.
        type_ (str | Unset):
        vm_id (UUID | Unset):
        status (str | Unset):
        tag (str | Unset):
        last_event_id (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | str]
    """

    kwargs = _get_kwargs(
        after=after,
        follow=follow,
        type_=type_,
        vm_id=vm_id,
        status=status,
        tag=tag,
        last_event_id=last_event_id,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    after: str | Unset = UNSET,
    follow: bool | Unset = True,
    type_: str | Unset = UNSET,
    vm_id: UUID | Unset = UNSET,
    status: str | Unset = UNSET,
    tag: str | Unset = UNSET,
    last_event_id: str | Unset = UNSET,
) -> Problem | str | None:
    """What happens, from a durable log, as server-sent events.

     `id:` is the epoch and the number of the event, in the order of commits; `event:` its type; `data:`
    an Event. The
    stream begins with the id of now, or goes on after the one that `after` or Last-Event-ID names,
    without a hole.
    Where something between isn't kept any more an event `gap` says so first, with `reason` (retention,
    or epoch: the
    database was set back), `after` and `resumes_after`. A silent stream has a comment every 15 s. The
    server's last
    words, where it ends a stream, are an event `end` with the reason (slow-reader, shutting-down).

    Args:
        after (str | Unset):
        follow (bool | Unset):  Default: True.
        type_ (str | Unset):
        vm_id (UUID | Unset):
        status (str | Unset):
        tag (str | Unset):
        last_event_id (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | str
    """

    return sync_detailed(
        client=client,
        after=after,
        follow=follow,
        type_=type_,
        vm_id=vm_id,
        status=status,
        tag=tag,
        last_event_id=last_event_id,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    after: str | Unset = UNSET,
    follow: bool | Unset = True,
    type_: str | Unset = UNSET,
    vm_id: UUID | Unset = UNSET,
    status: str | Unset = UNSET,
    tag: str | Unset = UNSET,
    last_event_id: str | Unset = UNSET,
) -> Response[Problem | str]:
    """What happens, from a durable log, as server-sent events.

     `id:` is the epoch and the number of the event, in the order of commits; `event:` its type; `data:`
    an Event. The
    stream begins with the id of now, or goes on after the one that `after` or Last-Event-ID names,
    without a hole.
    Where something between isn't kept any more an event `gap` says so first, with `reason` (retention,
    or epoch: the
    database was set back), `after` and `resumes_after`. A silent stream has a comment every 15 s. The
    server's last
    words, where it ends a stream, are an event `end` with the reason (slow-reader, shutting-down).

    Args:
        after (str | Unset):
        follow (bool | Unset):  Default: True.
        type_ (str | Unset):
        vm_id (UUID | Unset):
        status (str | Unset):
        tag (str | Unset):
        last_event_id (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | str]
    """

    kwargs = _get_kwargs(
        after=after,
        follow=follow,
        type_=type_,
        vm_id=vm_id,
        status=status,
        tag=tag,
        last_event_id=last_event_id,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    after: str | Unset = UNSET,
    follow: bool | Unset = True,
    type_: str | Unset = UNSET,
    vm_id: UUID | Unset = UNSET,
    status: str | Unset = UNSET,
    tag: str | Unset = UNSET,
    last_event_id: str | Unset = UNSET,
) -> Problem | str | None:
    """What happens, from a durable log, as server-sent events.

     `id:` is the epoch and the number of the event, in the order of commits; `event:` its type; `data:`
    an Event. The
    stream begins with the id of now, or goes on after the one that `after` or Last-Event-ID names,
    without a hole.
    Where something between isn't kept any more an event `gap` says so first, with `reason` (retention,
    or epoch: the
    database was set back), `after` and `resumes_after`. A silent stream has a comment every 15 s. The
    server's last
    words, where it ends a stream, are an event `end` with the reason (slow-reader, shutting-down).

    Args:
        after (str | Unset):
        follow (bool | Unset):  Default: True.
        type_ (str | Unset):
        vm_id (UUID | Unset):
        status (str | Unset):
        tag (str | Unset):
        last_event_id (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | str
    """

    return (
        await asyncio_detailed(
            client=client,
            after=after,
            follow=follow,
            type_=type_,
            vm_id=vm_id,
            status=status,
            tag=tag,
            last_event_id=last_event_id,
        )
    ).parsed
