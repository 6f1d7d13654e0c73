from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.accepted import Accepted
from ...models.adopt_plan import AdoptPlan
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    id: UUID,
    *,
    plan: str | Unset = UNSET,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(prefer, Unset):
        headers["Prefer"] = prefer

    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key

    params: dict[str, Any] = {}

    params["plan"] = plan

    params["dry_run"] = dry_run

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/hosts/{id}/adopt".format(
            id=quote(str(id), safe=""),
        ),
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Accepted | AdoptPlan | Problem:
    if response.status_code == 200:
        response_200 = AdoptPlan.from_dict(response.json())

        return response_200

    if response.status_code == 202:
        response_202 = Accepted.from_dict(response.json())

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

    if response.status_code == 501:
        response_501 = Problem.from_dict(response.json())

        return response_501

    if response.status_code == 503:
        response_503 = Problem.from_dict(response.json())

        return response_503

    response_default = Problem.from_dict(response.json())

    return response_default


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Accepted | AdoptPlan | Problem]:
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
    plan: str | Unset = UNSET,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> Response[Accepted | AdoptPlan | Problem]:
    """Take over a host whose node knows more than this server's database.

     After the database was lost, or an old backup of it was restored: every VM that the node was given
    is defined
    here with its id, name, spec, tags and snapshots, what the node was told later than this database
    knows is
    taken over, numbers are raised above the node's, and the node obeys this server from then on. Guests
    don't
    notice. Without `plan` nothing is changed: the reply is the plan, and its `plan` is what
    confirms it.

    Args:
        id (UUID):
        plan (str | Unset):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):
        idempotency_key (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Accepted | AdoptPlan | Problem]
    """

    kwargs = _get_kwargs(
        id=id,
        plan=plan,
        dry_run=dry_run,
        prefer=prefer,
        idempotency_key=idempotency_key,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    plan: str | Unset = UNSET,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> Accepted | AdoptPlan | Problem | None:
    """Take over a host whose node knows more than this server's database.

     After the database was lost, or an old backup of it was restored: every VM that the node was given
    is defined
    here with its id, name, spec, tags and snapshots, what the node was told later than this database
    knows is
    taken over, numbers are raised above the node's, and the node obeys this server from then on. Guests
    don't
    notice. Without `plan` nothing is changed: the reply is the plan, and its `plan` is what
    confirms it.

    Args:
        id (UUID):
        plan (str | Unset):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):
        idempotency_key (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Accepted | AdoptPlan | Problem
    """

    return sync_detailed(
        id=id,
        client=client,
        plan=plan,
        dry_run=dry_run,
        prefer=prefer,
        idempotency_key=idempotency_key,
    ).parsed


async def asyncio_detailed(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    plan: str | Unset = UNSET,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> Response[Accepted | AdoptPlan | Problem]:
    """Take over a host whose node knows more than this server's database.

     After the database was lost, or an old backup of it was restored: every VM that the node was given
    is defined
    here with its id, name, spec, tags and snapshots, what the node was told later than this database
    knows is
    taken over, numbers are raised above the node's, and the node obeys this server from then on. Guests
    don't
    notice. Without `plan` nothing is changed: the reply is the plan, and its `plan` is what
    confirms it.

    Args:
        id (UUID):
        plan (str | Unset):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):
        idempotency_key (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Accepted | AdoptPlan | Problem]
    """

    kwargs = _get_kwargs(
        id=id,
        plan=plan,
        dry_run=dry_run,
        prefer=prefer,
        idempotency_key=idempotency_key,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    plan: str | Unset = UNSET,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> Accepted | AdoptPlan | Problem | None:
    """Take over a host whose node knows more than this server's database.

     After the database was lost, or an old backup of it was restored: every VM that the node was given
    is defined
    here with its id, name, spec, tags and snapshots, what the node was told later than this database
    knows is
    taken over, numbers are raised above the node's, and the node obeys this server from then on. Guests
    don't
    notice. Without `plan` nothing is changed: the reply is the plan, and its `plan` is what
    confirms it.

    Args:
        id (UUID):
        plan (str | Unset):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):
        idempotency_key (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Accepted | AdoptPlan | Problem
    """

    return (
        await asyncio_detailed(
            id=id,
            client=client,
            plan=plan,
            dry_run=dry_run,
            prefer=prefer,
            idempotency_key=idempotency_key,
        )
    ).parsed
