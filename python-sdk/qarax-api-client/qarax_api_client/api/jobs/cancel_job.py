from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.job import Job
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    id: UUID,
    *,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(prefer, Unset):
        headers["Prefer"] = prefer

    if not isinstance(if_match, Unset):
        headers["If-Match"] = if_match

    params: dict[str, Any] = {}

    params["dry_run"] = dry_run

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "delete",
        "url": "/jobs/{id}".format(
            id=quote(str(id), safe=""),
        ),
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Job | Problem:
    if response.status_code == 200:
        response_200 = Job.from_dict(response.json())

        return response_200

    if response.status_code == 202:
        response_202 = Job.from_dict(response.json())

        return response_202

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())

        return response_404

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())

        return response_409

    if response.status_code == 412:
        response_412 = Problem.from_dict(response.json())

        return response_412

    if response.status_code == 503:
        response_503 = Problem.from_dict(response.json())

        return response_503

    if response.status_code == 504:
        response_504 = Problem.from_dict(response.json())

        return response_504

    response_default = Problem.from_dict(response.json())

    return response_default


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Job | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
) -> Response[Job | Problem]:
    """End a start, stop, snapshot or restore that is under way; what it did is undone, and the VM shall be
    what it was to be before.

     Answers when the node has decided. 409: the job has ended (also where its end came first), or is of
    a kind that is
    done in a moment or can't be undone.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):
        if_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Job | Problem]
    """

    kwargs = _get_kwargs(
        id=id,
        dry_run=dry_run,
        prefer=prefer,
        if_match=if_match,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
) -> Job | Problem | None:
    """End a start, stop, snapshot or restore that is under way; what it did is undone, and the VM shall be
    what it was to be before.

     Answers when the node has decided. 409: the job has ended (also where its end came first), or is of
    a kind that is
    done in a moment or can't be undone.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):
        if_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Job | Problem
    """

    return sync_detailed(
        id=id,
        client=client,
        dry_run=dry_run,
        prefer=prefer,
        if_match=if_match,
    ).parsed


async def asyncio_detailed(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
) -> Response[Job | Problem]:
    """End a start, stop, snapshot or restore that is under way; what it did is undone, and the VM shall be
    what it was to be before.

     Answers when the node has decided. 409: the job has ended (also where its end came first), or is of
    a kind that is
    done in a moment or can't be undone.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):
        if_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Job | Problem]
    """

    kwargs = _get_kwargs(
        id=id,
        dry_run=dry_run,
        prefer=prefer,
        if_match=if_match,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
) -> Job | Problem | None:
    """End a start, stop, snapshot or restore that is under way; what it did is undone, and the VM shall be
    what it was to be before.

     Answers when the node has decided. 409: the job has ended (also where its end came first), or is of
    a kind that is
    done in a moment or can't be undone.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):
        if_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Job | Problem
    """

    return (
        await asyncio_detailed(
            id=id,
            client=client,
            dry_run=dry_run,
            prefer=prefer,
            if_match=if_match,
        )
    ).parsed
