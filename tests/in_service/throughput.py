"""Requests for a page of customers: the service's CPU time against that of a minimal service.

Runs in a service's environment, and prints the ratio of each round as JSON. Both are called as
ASGI applications in one process, in turns, without a server, whose time would hide a difference.
"""

import asyncio
import json
import sys
import time
from datetime import datetime
from typing import Annotated, Any

import my_service.main as service
from alembic_guardrails import run_with_connection
from fastapi import Depends, FastAPI, Query
from my_service.models.customer import Customer
from my_service.settings import Settings
from pydantic import BaseModel
from sqlalchemy import URL, Connection, create_engine, func, insert, select

ROWS = 100


class Shown(BaseModel):
    """A customer in the response."""

    id: int
    email: str
    name: str
    created_at: datetime


class Page(BaseModel):
    """The response, as the service's own."""

    items: list[Shown]
    total: int


LIMIT = Annotated[int, Query(ge=1, le=100)]
OFFSET = Annotated[int, Query(ge=0)]
ROWS_OF_PAGE = select(Customer).order_by(Customer.id)
COUNT = select(func.count()).select_from(Customer)


def add_customers(connection: Connection) -> None:
    """Fill the table, unless it is full."""
    if not connection.scalar(COUNT):
        rows = [{"email": f"{number}@example.org", "name": "A"} for number in range(ROWS)]
        connection.execute(insert(Customer), rows)
        connection.commit()


def make_minimal(url: URL) -> FastAPI:
    """Return a service of one endpoint with the same response, as FastAPI's tutorial writes it."""
    app = FastAPI()
    if url.get_dialect().is_async:
        from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

        make_async = async_sessionmaker(create_async_engine(url), expire_on_commit=False)

        async def get_async() -> Any:
            async with make_async() as session:
                yield session

        @app.get("/customers", response_model=Page)
        async def list_async(
            session: Annotated[AsyncSession, Depends(get_async)],
            limit: LIMIT = 50,
            offset: OFFSET = 0,
        ) -> dict[str, Any]:
            items = (await session.scalars(ROWS_OF_PAGE.limit(limit).offset(offset))).all()
            return {"items": items, "total": await session.scalar(COUNT)}

        return app

    from sqlalchemy.orm import Session, sessionmaker

    make = sessionmaker(create_engine(url), expire_on_commit=False)

    def get() -> Any:
        with make() as session:
            yield session

    @app.get("/customers", response_model=Page)
    def list_customers(
        session: Annotated[Session, Depends(get)], limit: LIMIT = 50, offset: OFFSET = 0
    ) -> dict[str, Any]:
        items = session.scalars(ROWS_OF_PAGE.limit(limit).offset(offset)).all()
        return {"items": items, "total": session.scalar(COUNT)}

    return app


async def call(app: FastAPI, state: dict[str, Any]) -> Any:
    """Ask an application for a page; return what it answers."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    where = {"path": "/customers", "raw_path": b"/customers", "root_path": ""}
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET"}
    scope |= {"scheme": "http", "query_string": b"limit=50", "headers": [(b"host", b"localhost")]}
    scope |= {"server": ("localhost", 80), "client": ("127.0.0.1", 1), "state": {**state}, **where}
    await app(scope, receive, send)
    assert sent[0]["status"] == 200, sent
    return json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


async def main(rounds: int, requests: int) -> None:
    """Measure rounds of requests, after one that does not count."""
    minimal = make_minimal(Settings().database_url)
    ratios = []
    async with service.lifespan(service.app) as state:
        contenders = {"ours": (service.app, state), "minimal": (minimal, {})}
        answers = [await call(*contender) for contender in contenders.values()]
        assert answers[0] == answers[1]
        assert len(answers[0]["items"]) == 50
        for number in range(rounds + 1):
            seconds = {}
            for name in contenders if number % 2 else reversed(contenders):
                begun = time.process_time()
                for _ in range(requests):
                    await call(*contenders[name])
                seconds[name] = time.process_time() - begun
            ratios.append(seconds["minimal"] / seconds["ours"])
    print(json.dumps(ratios[1:]))


if __name__ == "__main__":
    run_with_connection(Settings().database_url, add_customers)
    asyncio.run(main(*map(int, sys.argv[1:])))
