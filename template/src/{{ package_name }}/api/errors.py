"""Answers to what goes wrong, and how they are documented."""

from collections.abc import Callable, Coroutine
from typing import Any

from alembic_guardrails import violates_constraint
from asgi_correlation_id import correlation_id
from fastapi import Request, Response, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException
from starlette.routing import Match

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


class Problem(BaseModel):
    """What went wrong."""

    detail: str


class Mistake(BaseModel):
    """What is wrong with one value of a request, and where it is."""

    type: str
    loc: list[str | int]
    msg: str


class Mistakes(BaseModel):
    """All that is wrong with a request."""

    detail: list[Mistake]


# What endpoints that take input may answer: `APIRouter(responses=RESPONSES)`.
RESPONSES: dict[int | str, dict[str, Any]] = {
    status.HTTP_400_BAD_REQUEST: {"model": Problem},
    status.HTTP_404_NOT_FOUND: {"model": Problem},
    status.HTTP_409_CONFLICT: {"model": Problem},
    status.HTTP_422_UNPROCESSABLE_CONTENT: {"model": Mistakes},
}


async def conflict(request: Request, error: DBAPIError | StaleDataError) -> JSONResponse:
    """Answer 409 where a constraint refuses what was asked, or somebody was faster."""
    if isinstance(error, DBAPIError) and not violates_constraint(error):
        raise error
    return JSONResponse(
        {"detail": "This conflicts with what is stored."}, status_code=status.HTTP_409_CONFLICT
    )


async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Answer 422 without repeating the input, which may be secret, or no JSON at all."""
    detail = [{key: it[key] for key in ("type", "loc", "msg")} for it in error.errors()]
    return JSONResponse({"detail": detail}, status_code=status.HTTP_422_UNPROCESSABLE_CONTENT)


async def not_allowed(request: Request, error: HTTPException) -> JSONResponse:
    """Answer 405 with all methods of the path; each route knows only its own."""
    allowed = (
        method
        for method in METHODS
        for route in request.app.routes
        if route.matches({**request.scope, "method": method})[0] is Match.FULL
    )
    headers = {"Allow": ", ".join(dict.fromkeys(allowed))} if error.headers else None
    return JSONResponse({"detail": error.detail}, error.status_code, headers)


async def broken(request: Request, error: Exception) -> JSONResponse:
    """Answer 500 with the id under which the log has the traceback."""
    headers = {"X-Request-ID": correlation_id.get() or ""}
    return JSONResponse(
        {"detail": "Internal Server Error"}, status.HTTP_500_INTERNAL_SERVER_ERROR, headers
    )


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    DBAPIError: conflict,
    StaleDataError: conflict,
    RequestValidationError: invalid,
    status.HTTP_405_METHOD_NOT_ALLOWED: not_allowed,
    Exception: broken,
}
