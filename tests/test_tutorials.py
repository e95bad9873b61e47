"""Endpoints of well-known tutorials, pasted into a service, sync and async.

https://fastapi.tiangolo.com/tutorial/sql-databases/ and https://sqlmodel.tiangolo.com/tutorial/fastapi/
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from matrix import ASYNC, SETUPS, Setup
from project import Project

pytestmark = pytest.mark.slow

# On SQLite, whose two drivers are a sync and an async one.
BOTH = [SETUPS[0], next(setup for setup in ASYNC if setup.backend is SETUPS[0].backend)]
both = pytest.mark.parametrize("setup", BOTH, ids=str)

MODELS = """
from sqlmodel import Field, SQLModel


class HeroBase(SQLModel):
    name: str = Field(index=True)
    age: int | None = Field(default=None, index=True)


class Hero(HeroBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    secret_name: str


class HeroPublic(HeroBase):
    id: int


class HeroCreate(HeroBase):
    secret_name: str


class HeroUpdate(HeroBase):
    name: str | None = None
    age: int | None = None
    secret_name: str | None = None
"""
CREATE = """
from alembic_guardrails import run_with_connection
from my_service.api.models_of_heroes import SQLModel
from my_service.settings import DatabaseSettings

def create(connection):
    SQLModel.metadata.create_all(connection)
    connection.commit()

run_with_connection(DatabaseSettings().database_url, create)
"""
# But for the session's name, and for `await` in an async service, as they are in the tutorials.
SQLMODEL = """
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from sqlmodel import select

from my_service.api.models_of_heroes import Hero, HeroCreate, HeroPublic, HeroUpdate
from my_service.db.session import SessionDep

router = APIRouter()


@router.post("/heroes/", response_model=HeroPublic)
def create_hero(hero: HeroCreate, session: SessionDep):
    db_hero = Hero.model_validate(hero)
    session.add(db_hero)
    session.commit()
    session.refresh(db_hero)
    return db_hero


@router.get("/heroes/", response_model=list[HeroPublic])
def read_heroes(
    session: SessionDep,
    offset: int = 0,
    limit: Annotated[int, Query(le=100)] = 100,
):
    heroes = (session.exec(select(Hero).offset(offset).limit(limit))).all()
    return heroes


@router.get("/heroes/{hero_id}", response_model=HeroPublic)
def read_hero(hero_id: int, session: SessionDep):
    hero = session.get(Hero, hero_id)
    if not hero:
        raise HTTPException(status_code=404, detail="Hero not found")
    return hero


@router.patch("/heroes/{hero_id}", response_model=HeroPublic)
def update_hero(hero_id: int, hero: HeroUpdate, session: SessionDep):
    hero_db = session.get(Hero, hero_id)
    if not hero_db:
        raise HTTPException(status_code=404, detail="Hero not found")
    hero_data = hero.model_dump(exclude_unset=True)
    hero_db.sqlmodel_update(hero_data)
    session.add(hero_db)
    session.commit()
    session.refresh(hero_db)
    return hero_db


@router.delete("/heroes/{hero_id}")
def delete_hero(hero_id: int, session: SessionDep):
    hero = session.get(Hero, hero_id)
    if not hero:
        raise HTTPException(status_code=404, detail="Hero not found")
    session.delete(hero)
    session.commit()
    return {"ok": True}
"""
SQLALCHEMY = """
from fastapi import APIRouter, HTTPException
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from my_service.db.session import SessionDep
from my_service.models.customer import Customer

router = APIRouter()


@router.post("/users/{name}")
def create_user(name: str, session: SessionDep):
    db_user = Customer(name=name, email=name)
    session.add(db_user)
    session.commit()
    session.refresh(db_user)
    return {"id": db_user.id, "name": db_user.name}


@router.post("/open/{name}")
def leave_open(name: str, session: SessionDep):
    session.add(Customer(name=name, email=name))


@router.post("/raise/{name}")
def commit_and_raise(name: str, session: SessionDep):
    session.add(Customer(name=name, email=name))
    session.commit()
    session.add(Customer(name=name, email=name + "2"))
    session.flush()
    raise HTTPException(418, "teapot")


@router.post("/twice/{name}")
def roll_back_and_go_on(name: str, session: SessionDep):
    session.add(Customer(name=name, email=name))
    session.commit()
    session.add(Customer(name=name, email=name))
    try:
        session.commit()
    except IntegrityError:
        session.rollback()
    session.add(Customer(name=name, email=name + "2"))


@router.post("/begin/{name}")
def begin(name: str, session: SessionDep):
    session.add(Customer(name=name, email=name))
    session.rollback()
    with session.begin():
        session.add(Customer(name=name, email=name + "2"))
    return session.scalar(select(func.count(Customer.id)))


@router.get("/count")
def count(session: SessionDep):
    return session.scalar(select(func.count(Customer.id)))
"""
AWAITED = "commit refresh rollback flush exec get delete scalar"


def paste(service: Project, name: str, endpoints: str, is_async: bool) -> None:
    """Add a module of endpoints to the service; in an async one, as its author would have it."""
    if is_async:
        calls = rf"(session\.(?:{AWAITED.replace(' ', '|')})\()"
        endpoints = re.sub(calls, r"await \1", endpoints)
        endpoints = re.sub(r"(?m)^def |with session", r"async \g<0>", endpoints)
    source = service.path / "src" / service.package
    (source / "api" / f"{name}.py").write_text(endpoints, encoding="utf-8")
    main = source / "main.py"
    text = main.read_text("utf-8")
    text += f"\nfrom my_service.api import {name}\n\napp.include_router({name}.router)\n"
    main.write_text(text, encoding="utf-8")


def call(method: str, address: str, **content: Any) -> tuple[int, Any]:
    """Call an endpoint with JSON; return the status and what it answers."""
    body, headers = json.dumps(content).encode(), {"Content-Type": "application/json"}
    try:
        request = Request(address, body if content else None, headers, method=method)
        with urlopen(request, timeout=30) as response:
            return response.status, json.loads(response.read())
    except HTTPError as error:
        return error.code, json.loads(error.read())


@both
def test_endpoints_can_commit_and_roll_back(service: Project, setup: Setup) -> None:
    paste(service, "users", SQLALCHEMY, setup.is_async)
    service.run("alembic", "upgrade", "head")

    with service.serving() as address:
        assert call("POST", f"{address}/users/ada") == (200, {"id": 1, "name": "ada"})
        assert call("POST", f"{address}/users/ada")[0] == 409
        assert call("GET", f"{address}/count") == (200, 1)
        assert call("POST", f"{address}/open/bob")[0] == 200
        assert call("GET", f"{address}/count") == (200, 2)
        assert call("POST", f"{address}/raise/cid")[0] == 418
        assert call("GET", f"{address}/count") == (200, 3)
        assert call("POST", f"{address}/twice/dan")[0] == 200
        assert call("GET", f"{address}/count") == (200, 5)
        assert call("POST", f"{address}/begin/eve") == (200, 6)


@both
def test_endpoints_of_sqlmodel(
    service: Project, setup: Setup, tmp_path: Path, environment: Callable[[Setup], Path]
) -> None:
    """With SQLModel's session, which has `exec()`: a word in main.py."""
    python = environment(setup) / "python"
    folder = tmp_path / "sqlmodel"
    service.run(
        *("uv", "pip", "install", "--quiet", "--no-deps"),
        *("--python", str(python), "--target", str(folder), "sqlmodel>=0.0.27"),
    )
    service.environment["PYTHONPATH"] += f":{folder}"
    paste(service, "heroes", SQLMODEL, setup.is_async)
    source = service.path / "src" / service.package
    (source / "api" / "models_of_heroes.py").write_text(MODELS, encoding="utf-8")
    main = (source / "main.py").read_text("utf-8")
    module = "sqlmodel.ext.asyncio.session" if setup.is_async else "sqlmodel"
    session = "AsyncSession" if setup.is_async else "Session"
    changed = main.replace("expire_on_commit=False", f"class_={session}, expire_on_commit=False")
    changed = changed.replace(
        "import asyncio\n", f"import asyncio\nfrom {module} import {session}\n"
    )
    (source / "main.py").write_text(changed, encoding="utf-8")
    service.run("python", "-c", CREATE)

    with service.serving() as address:
        ada = {"name": "Ada", "age": 36, "secret_name": "Lovelace"}
        assert call("POST", f"{address}/heroes/", **ada) == (
            200,
            {"name": "Ada", "age": 36, "id": 1},
        )
        assert call("PATCH", f"{address}/heroes/1", age=37)[1]["age"] == 37
        assert call("GET", f"{address}/heroes/1")[1]["age"] == 37
        assert [hero["id"] for hero in call("GET", f"{address}/heroes/")[1]] == [1]
        assert call("DELETE", f"{address}/heroes/1") == (200, {"ok": True})
        assert call("GET", f"{address}/heroes/1")[0] == 404
