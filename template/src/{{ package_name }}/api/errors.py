"""Error responses, and how the OpenAPI schema documents them."""

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
    """An error, in one sentence."""

    detail: str


class InvalidValue(BaseModel):
    """A value of a request that is invalid, and its place in the request."""

    type: str
    loc: list[str | int]
    msg: str


class InvalidRequest(BaseModel):
    """All invalid values of a request."""

    detail: list[InvalidValue]


# The error responses of endpoints that take input: `APIRouter(responses=RESPONSES)`.
RESPONSES: dict[int | str, dict[str, Any]] = {
    status.HTTP_400_BAD_REQUEST: {"model": Problem},
    status.HTTP_404_NOT_FOUND: {"model": Problem},
    status.HTTP_409_CONFLICT: {"model": Problem},
    status.HTTP_422_UNPROCESSABLE_CONTENT: {"model": InvalidRequest},
}


async def handle_conflict(request: Request, error: DBAPIError | StaleDataError) -> JSONResponse:
    """Return 409 if a constraint refuses a change, or another request changed the row first."""
    if isinstance(error, DBAPIError) and not violates_constraint(error):
        raise error
    return JSONResponse(
        {"detail": "This conflicts with what is stored."}, status_code=status.HTTP_409_CONFLICT
    )


async def handle_invalid_request(request: Request, error: RequestValidationError) -> JSONResponse:
    """Return 422 without the input, which may be secret, or not even JSON."""
    fields = ("type", "loc", "msg")
    detail = [{field: invalid[field] for field in fields} for invalid in error.errors()]
    return JSONResponse({"detail": detail}, status_code=status.HTTP_422_UNPROCESSABLE_CONTENT)


async def handle_wrong_method(request: Request, error: HTTPException) -> JSONResponse:
    """Return 405 with all methods of the path, because each route knows only its own."""
    allowed = (
        method
        for method in METHODS
        for route in request.app.routes
        if route.matches({**request.scope, "method": method})[0] is Match.FULL
    )
    headers = {"Allow": ", ".join(dict.fromkeys(allowed))} if error.headers else None
    return JSONResponse({"detail": error.detail}, error.status_code, headers)


async def handle_unexpected_error(request: Request, error: Exception) -> JSONResponse:
    """Return 500 with the id of the request, under which the log has the traceback."""
    headers = {"X-Request-ID": correlation_id.get() or ""}
    return JSONResponse(
        {"detail": "Internal Server Error"}, status.HTTP_500_INTERNAL_SERVER_ERROR, headers
    )


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    DBAPIError: handle_conflict,
    StaleDataError: handle_conflict,
    RequestValidationError: handle_invalid_request,
    status.HTTP_405_METHOD_NOT_ALLOWED: handle_wrong_method,
    Exception: handle_unexpected_error,
}
