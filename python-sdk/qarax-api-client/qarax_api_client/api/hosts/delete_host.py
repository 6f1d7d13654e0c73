from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.dry_run import DryRun
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    id: UUID,
    *,
    dry_run: bool | Unset = False,
    forget: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(if_match, Unset):
        headers["If-Match"] = if_match

    params: dict[str, Any] = {}

    params["dry_run"] = dry_run

    params["forget"] = forget

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "delete",
        "url": "/hosts/{id}".format(
            id=quote(str(id), safe=""),
        ),
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | DryRun | Problem:
    if response.status_code == 200:
        response_200 = DryRun.from_dict(response.json())

        return response_200

    if response.status_code == 204:
        response_204 = cast(Any, None)
        return response_204

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

    response_default = Problem.from_dict(response.json())

    return response_default


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Any | DryRun | Problem]:
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
    forget: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> Response[Any | DryRun | Problem]:
    """Forget the host. Refused while it has VMs, in whatever state.

     Its qarax-node goes on and can be added again. Tombstones of VMs that were forgotten there go too,
    and with them
    the memory that is still reserved for those VMs. A host that has proved that this database was set
    back, or
    wasn't heard since that was found out, and never comes back, can be forgotten while changes are
    refused as
    `read-only`; if it was the last of them, they are possible again.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        forget (bool | Unset):  Default: False.
        if_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | DryRun | Problem]
    """

    kwargs = _get_kwargs(
        id=id,
        dry_run=dry_run,
        forget=forget,
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
    forget: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> Any | DryRun | Problem | None:
    """Forget the host. Refused while it has VMs, in whatever state.

     Its qarax-node goes on and can be added again. Tombstones of VMs that were forgotten there go too,
    and with them
    the memory that is still reserved for those VMs. A host that has proved that this database was set
    back, or
    wasn't heard since that was found out, and never comes back, can be forgotten while changes are
    refused as
    `read-only`; if it was the last of them, they are possible again.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        forget (bool | Unset):  Default: False.
        if_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | DryRun | Problem
    """

    return sync_detailed(
        id=id,
        client=client,
        dry_run=dry_run,
        forget=forget,
        if_match=if_match,
    ).parsed


async def asyncio_detailed(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    dry_run: bool | Unset = False,
    forget: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> Response[Any | DryRun | Problem]:
    """Forget the host. Refused while it has VMs, in whatever state.

     Its qarax-node goes on and can be added again. Tombstones of VMs that were forgotten there go too,
    and with them
    the memory that is still reserved for those VMs. A host that has proved that this database was set
    back, or
    wasn't heard since that was found out, and never comes back, can be forgotten while changes are
    refused as
    `read-only`; if it was the last of them, they are possible again.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        forget (bool | Unset):  Default: False.
        if_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | DryRun | Problem]
    """

    kwargs = _get_kwargs(
        id=id,
        dry_run=dry_run,
        forget=forget,
        if_match=if_match,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    dry_run: bool | Unset = False,
    forget: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> Any | DryRun | Problem | None:
    """Forget the host. Refused while it has VMs, in whatever state.

     Its qarax-node goes on and can be added again. Tombstones of VMs that were forgotten there go too,
    and with them
    the memory that is still reserved for those VMs. A host that has proved that this database was set
    back, or
    wasn't heard since that was found out, and never comes back, can be forgotten while changes are
    refused as
    `read-only`; if it was the last of them, they are possible again.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        forget (bool | Unset):  Default: False.
        if_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | DryRun | Problem
    """

    return (
        await asyncio_detailed(
            id=id,
            client=client,
            dry_run=dry_run,
            forget=forget,
            if_match=if_match,
        )
    ).parsed
