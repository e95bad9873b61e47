"""Tables of SQLite with all that they can have, and one change of each, made at random.

A `Model` knows the SQL of what it describes, and what a change makes of it, without reading SQL: a
database that is made of the changed model is what a revision is compared with.
"""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

# In templates of SQL, «name» is a column and § the table.
COLUMN = re.compile("«([^»]*)»")

NAMES = (
    "extra",
    "a",
    "b",
    "Title",
    "e_mail",
    "two words",
    "select",
    "naïve",
    "per%s",
    "c:d",
    "check",
)
TABLES = ("book", "Loans", "order", "two words", "größe", "t.x", "per%s")
TYPES = (
    *("INT", "INTEGER", "TEXT", "VARCHAR(50)", "NUMERIC(10, 2)", "REAL", "BLOB", "", "BOOLEAN"),
    *("DOUBLE PRECISION", "DATETIME", "JSON", "UNSIGNED BIG INT", '"my type" (3)'),
)
STRICT_TYPES = ("INT", "INTEGER", "TEXT", "REAL", "BLOB", "ANY")
DEFAULTS = ("1", "-2.5", "'x'", "'it''s, (ok)'", "NULL", "(1 + 2)", "x'ab'", "TRUE", "''", "+3")
CONFLICTS = ("", "", "", " ON CONFLICT REPLACE", " ON CONFLICT IGNORE", " ON CONFLICT FAIL")
VALUES: tuple[object, ...] = (
    *(None, 0, 1, 2, 3, -1, 12, 2**53 + 1, -(2**63), 1.5, 0.1 + 0.2, 1e300, "", "x", "X", "12"),
    *("007", "1.50", "it's", "größe", "2020-01-01", "a,b)", b"", b"\x00\xff", "a\nb", "true"),
)


def quote(name: str, style: str) -> str:
    """Quote a name where it has to be, or wherever the style is another one than none."""
    is_plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and name.upper() not in {
        *("ORDER", "SELECT", "CHECK")
    }
    if is_plain and not style:
        return name
    first, last = (style or '""')[0], (style or '""')[1]
    return f"{first}{name}{last}"


@dataclass
class Part:
    """A clause, a constraint, an index, a trigger or a view: SQL with the columns that it names."""

    kind: str
    template: str
    name: str = ""

    @property
    def columns(self) -> list[str]:
        """The columns that it names."""
        return COLUMN.findall(self.template)


@dataclass
class Column:
    """A column with its clauses."""

    name: str
    type: str
    clauses: list[Part] = field(default_factory=list)
    comment: str = ""

    def has(self, *kinds: str) -> bool:
        """Whether it has a clause of one of these kinds."""
        return any(clause.kind in kinds for clause in self.clauses)


@dataclass
class Model:
    """A table and what is around it."""

    table: str
    style: str
    columns: list[Column]
    constraints: list[Part] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    # Indexes, triggers, views and other tables.
    around: list[Part] = field(default_factory=list)
    rows: list[tuple[object, ...]] = field(default_factory=list)
    separator: str = ", "
    analyzed: bool = False

    def render(self, template: str) -> str:
        """Return SQL of a template."""
        text = COLUMN.sub(lambda found: quote(found[1], self.style), template)
        return text.replace("§", quote(self.table, self.style))

    @property
    def create(self) -> str:
        """The statement that creates the table."""
        elements = []
        for column in self.columns:
            clauses = " ".join(clause.template for clause in column.clauses)
            elements.append(" ".join(filter(None, (f"«{column.name}»", column.type, clauses))))
        elements += [constraint.template for constraint in self.constraints]
        comments = [column.comment for column in self.columns]
        comments += [""] * len(self.constraints)
        text = ""
        for place, (element, comment) in enumerate(zip(elements, comments, strict=True)):
            is_last = place == len(elements) - 1
            text += element + ("" if is_last else ",")
            text += f" -- {comment}\n" if comment else ("" if is_last else self.separator[1:])
        options = f" {', '.join(self.options)}" if self.options else ""
        return self.render(f"CREATE TABLE § ({text}){options}")

    @property
    def statements(self) -> list[str]:
        """What creates everything, without rows."""
        parent = "CREATE TABLE parent (id INTEGER PRIMARY KEY, code TEXT UNIQUE)"
        return [parent, self.create, *(self.render(part.template) for part in self.around)]

    def column(self, name: str) -> Column:
        """Return a column."""
        return next(column for column in self.columns if column.name == name)

    @property
    def stored(self) -> list[str]:
        """The columns that are not computed."""
        return [column.name for column in self.columns if not column.has("generated")]

    def users(self, name: str) -> list[Part]:
        """Return all else that names a column."""
        others = [
            clause for column in self.columns if column.name != name for clause in column.clauses
        ]
        return [part for part in (*others, *self.constraints, *self.around) if name in part.columns]


@dataclass
class Change:
    """A change: the body of a revision, and the model that is to come of it.

    `may_refuse` is whether rows, or what else names the column, can forbid it.
    """

    kind: str
    body: str
    after: Model
    may_refuse: bool = False
    renamed: dict[str, str] = field(default_factory=dict)
    retyped: str = ""


def named(draw: DrawFn, text: str, prefix: str, used: list[str]) -> tuple[str, str]:
    """Return SQL of a constraint with a name or without one, and the name."""
    if draw(st.booleans()):
        return text, ""
    name = f"{prefix}_{len(used)}"
    used.append(name)
    return f"CONSTRAINT {name} {text}", name


def draw_columns(draw: DrawFn, *, is_strict: bool, used: list[str]) -> list[Column]:
    """Draw columns that are no key."""
    columns: list[Column] = []
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=5, unique=True))
    for place, name in enumerate(names):
        type_ = draw(st.sampled_from(STRICT_TYPES if is_strict else TYPES))
        column = Column(name, type_)
        kinds = st.sets(
            st.sampled_from(["not null", "default", "collate", "unique", "check", "reference"]),
            max_size=3,
        )
        for kind in sorted(draw(kinds)):
            column.clauses.append(draw_clause(draw, kind, name, used))
        if place and not is_strict and draw(st.integers(0, 5)) == 0:
            other = names[place - 1]
            if not columns[-1].has("generated"):
                word = draw(st.sampled_from(["GENERATED ALWAYS AS", "AS"]))
                end = draw(st.sampled_from(["", " VIRTUAL", " STORED"]))
                generated = Part("generated", f"{word} (coalesce(«{other}», 0) || 'x'){end}")
                column.clauses = [generated]
        column.comment = draw(st.sampled_from(["", "", "", "the column", "a, b) 'c"]))
        columns.append(column)
    return columns


def draw_clause(draw: DrawFn, kind: str, name: str, used: list[str]) -> Part:
    """Draw a clause of a column."""
    conflict = draw(st.sampled_from(CONFLICTS))
    actions = draw(
        st.sampled_from(
            ["", " ON DELETE CASCADE", " ON UPDATE SET NULL ON DELETE NO ACTION", " MATCH FULL"]
        )
    )
    more = draw(st.sampled_from(["", f" AND «{name}» <> ','", f" OR (§.«{name}» IN (1, 2))"]))
    defer = draw(st.sampled_from(["", " DEFERRABLE INITIALLY DEFERRED", " NOT DEFERRABLE"]))
    texts = {
        "not null": f"NOT NULL{conflict}",
        "default": f"DEFAULT {draw(st.sampled_from(DEFAULTS))}",
        "collate": f"COLLATE {draw(st.sampled_from(['NOCASE', 'RTRIM', 'BINARY']))}",
        "unique": f"UNIQUE{conflict}",
        "check": f"CHECK («{name}» IS NOT 'bad, (or worse'{more})",
        "reference": f"REFERENCES parent (id){actions}{defer}",
    }
    if kind in ("collate", "default"):
        return Part(kind, texts[kind])
    text, called = named(draw, texts[kind], kind.replace(" ", "_"), used)
    return Part(kind, text, called)


def draw_key(draw: DrawFn, model: Model, used: list[str]) -> None:
    """Draw a primary key, and give the model a column for it."""
    style = draw(st.sampled_from(["rowid", "rowid", "auto", "table", "text", "composite", "none"]))
    if style == "none":
        return
    if style in ("rowid", "auto"):
        words = draw(st.sampled_from(["", "NOT NULL "]))
        text = "PRIMARY KEY" + (" AUTOINCREMENT" if style == "auto" else draw(ORDERS))
        text, name = named(draw, text, "pk", used)
        clauses = [Part("not null", words.strip())] if words else []
        column = Column("id", "INTEGER", [*clauses, Part("key", text, name)])
        model.columns.insert(0, column)
        return
    type_ = {"table": "INTEGER", "text": "TEXT", "composite": "INT"}[style]
    model.columns.insert(0, Column("id", type_, [Part("not null", "NOT NULL")]))
    second = model.columns[1]
    columns = ["id"]
    if style == "composite" and not second.has("generated"):
        columns.append(second.name)
    listed = ", ".join(f"«{name}»" for name in columns)
    text, name = named(draw, f"PRIMARY KEY ({listed})", "pk", used)
    model.constraints.append(Part("key", text, name))
    if draw(st.booleans()):
        model.options.append("WITHOUT ROWID")


ORDERS = st.sampled_from(["", " ASC", " DESC"])


def draw_constraints(draw: DrawFn, model: Model, used: list[str]) -> None:
    """Draw constraints of the table."""
    names = st.lists(st.sampled_from(model.stored), min_size=1, max_size=2, unique=True)
    for kind in draw(st.lists(st.sampled_from(["unique", "check", "reference"]), max_size=2)):
        columns = draw(names)
        listed = ", ".join(f"«{name}»" for name in columns)
        texts = {
            "unique": f"UNIQUE ({listed}){draw(st.sampled_from(CONFLICTS))}",
            "check": "CHECK (" + " AND ".join(f"«{name}» IS NOT 'no'" for name in columns) + ")",
            "reference": f"FOREIGN KEY («{columns[0]}») REFERENCES parent (code)"
            " ON DELETE SET NULL",
        }
        text, name = named(draw, texts[kind], f"t_{kind}", used)
        model.constraints.append(Part(kind, text, name))


def draw_around(draw: DrawFn, model: Model) -> None:
    """Draw indexes, views, triggers, and a table that refers to the table."""
    names = st.sampled_from([column.name for column in model.columns])
    stored = st.sampled_from(model.stored)
    one, two = draw(names), draw(names)
    kept = draw(stored)
    makers: dict[str, str] = {
        "index": f"CREATE INDEX ix_plain ON § («{one}» DESC, «{two}»)",
        "single index": f"CREATE INDEX ix_single ON § («{one}» COLLATE NOCASE)",
        "partial index": f"CREATE INDEX ix_partial ON § («{one}») WHERE «{two}» IS NOT NULL",
        "expression index": f"CREATE INDEX [ix expression] ON § (lower(«{one}») /* , */)",
        "view": f"CREATE VIEW titles AS SELECT §.«{one}» FROM §",
        "all view": "CREATE VIEW everything AS SELECT * FROM §",
        "far view": "CREATE VIEW numbers AS SELECT count(*) AS number FROM §, parent",
        "trigger": f"CREATE TRIGGER own AFTER UPDATE OF «{one}» ON § BEGIN"
        f" INSERT INTO log SELECT new.«{two}»; END",
        "quiet trigger": "CREATE TRIGGER quiet AFTER INSERT ON § BEGIN"
        " INSERT INTO log VALUES (1); END",
        "foreign trigger": f"CREATE TRIGGER elsewhere AFTER DELETE ON log BEGIN"
        f" UPDATE § SET «{kept}» = «{kept}» WHERE old.entry = 1; END",
        "child": "CREATE TABLE child (number INT"
        f" REFERENCES § («{draw(stored)}») ON DELETE CASCADE)",
    }
    model.around.append(Part("table", "CREATE TABLE log (entry)"))
    for kind in draw(st.lists(st.sampled_from([*makers]), max_size=4, unique=True)):
        model.around.append(Part(kind, makers[kind]))


@st.composite
def models(draw: DrawFn) -> Model:
    """Draw a table with what is around it, and rows."""
    used: list[str] = []
    is_strict = draw(st.integers(0, 4)) == 0
    model = Model(
        draw(st.sampled_from(TABLES)), draw(st.sampled_from(["", "", '""', "``", "[]"])), []
    )
    model.columns = draw_columns(draw, is_strict=is_strict, used=used)
    draw_key(draw, model, used)
    draw_constraints(draw, model, used)
    if is_strict:
        model.options.append("STRICT")
        model.options = draw(st.permutations(model.options))
    draw_around(draw, model)
    model.separator = draw(st.sampled_from([", ", ",", ",\n  ", ", /* , ) */ "]))
    # A few values, so that rows have some in common.
    value = st.sampled_from([None, 1, *draw(st.lists(st.sampled_from(VALUES), max_size=3))])
    row = st.tuples(*(value for _ in model.stored))
    model.rows = draw(st.lists(row, max_size=6))
    model.analyzed = draw(st.booleans())
    return model


def drop_column(model: Model, name: str) -> tuple[Model, bool]:
    """Return a model without a column, and whether something else may need the column."""
    after = deepcopy(model)
    users = model.users(name)
    own = model.column(name)
    may_refuse = any({*clause.columns} - {name} for clause in own.clauses if clause.kind == "check")
    for part in users:
        only = {*part.columns} == {name}
        if part in after.constraints and part.kind == "key" and not only:
            place = after.constraints.index(part)
            listed = ", ".join(f"«{one}»" for one in part.columns if one != name)
            text = re.sub(r"\([^)]*\)", f"({listed})", part.template)
            after.constraints[place] = Part("key", text, part.name)
        elif part in after.constraints and (only or part.kind in ("unique", "reference", "key")):
            after.constraints.remove(part)
        elif part in after.around and "index" in part.kind and only:
            after.around.remove(part)
        else:
            may_refuse = True
    after.columns = [column for column in after.columns if column.name != name]
    # Without a key there is no table of this kind, and without columns none.
    has_key = any(part.kind == "key" for part in after.constraints) or any(
        column.has("key") for column in after.columns
    )
    may_refuse |= "WITHOUT ROWID" in after.options and not has_key
    may_refuse |= not after.stored
    if any(part.kind == "key" for part in users) or own.has("key"):
        may_refuse = True  # two rows can have what is left of the key, or a table refers to it
    return after, may_refuse


def batch(model: Model, line: str, recreate: str = "auto") -> str:
    """Return the body of a revision with one operation in a batch."""
    return f"with op.batch_alter_table({model.table!r}, recreate={recreate!r}) as b:\n    {line}"


def change_drop(draw: DrawFn, model: Model) -> Change:
    """Drop a column."""
    name = draw(st.sampled_from([column.name for column in model.columns]))
    after, may_refuse = drop_column(model, name)
    recreate = draw(st.sampled_from(["auto", "always"]))
    return Change("drop", batch(model, f"b.drop_column({name!r})", recreate), after, may_refuse)


def is_refused(model: Model, statement: str) -> bool:
    """Whether SQLite itself refuses a statement about these tables.

    It cannot rename every key with quotes in a table WITHOUT ROWID.
    """
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            for one in (*model.statements, model.render(statement)):
                connection.execute(one)
        except sqlite3.Error:
            return True
    return False


def change_name(draw: DrawFn, model: Model) -> Change:
    """Rename a column; SQLite can forbid it."""
    name = draw(st.sampled_from([column.name for column in model.columns]))
    new = draw(st.sampled_from(["renamed", "new name", "ORDER"]))
    after = deepcopy(model)
    after.column(name).name = new
    for part in (
        *(clause for column in after.columns for clause in column.clauses),
        *after.constraints,
        *after.around,
    ):
        part.template = part.template.replace(f"«{name}»", f"«{new}»")
    line = f"b.alter_column({name!r}, new_column_name={new!r})"
    may_refuse = is_refused(model, f"ALTER TABLE § RENAME COLUMN «{name}» TO «{new}»")
    return Change("rename", batch(model, line), after, may_refuse, renamed={name: new})


SA_TYPES = {
    "sa.Integer()": "INTEGER",
    "sa.String(80)": "VARCHAR(80)",
    "sa.Text()": "TEXT",
    "sa.Numeric(12, 3)": "NUMERIC(12, 3)",
    "sa.Float()": "FLOAT",
    "sa.DateTime()": "DATETIME",
    "sa.LargeBinary()": "BLOB",
    "sa.REAL()": "REAL",
}


def change_type(draw: DrawFn, model: Model) -> Change:
    """Give a column another type; rows can forbid it."""
    name = draw(st.sampled_from([column.name for column in model.columns]))
    types = {
        call: sql
        for call, sql in SA_TYPES.items()
        if "STRICT" not in model.options or sql in STRICT_TYPES
    }
    call = draw(st.sampled_from([*types]))
    after = deepcopy(model)
    after.column(name).type = types[call]
    line = f"b.alter_column({name!r}, type_={call}, existing_type=sa.String())"
    return Change("retype", batch(model, line), after, may_refuse=True, retyped=name)


def change_null(draw: DrawFn, model: Model) -> Change:
    """Allow or forbid NULL."""
    column = model.column(draw(st.sampled_from(model.stored)))
    nullable = column.has("not null")
    after = deepcopy(model)
    changed = after.column(column.name)
    if nullable:
        changed.clauses = [one for one in changed.clauses if one.kind != "not null"]
    else:
        changed.clauses.insert(0, Part("not null", "NOT NULL"))
    line = f"b.alter_column({column.name!r}, nullable={nullable}, existing_type=sa.String())"
    return Change("nullable", batch(model, line), after, may_refuse=not nullable)


def change_default(draw: DrawFn, model: Model) -> Change:
    """Set or drop a default."""
    name = draw(st.sampled_from(model.stored))
    after = deepcopy(model)
    column = after.column(name)
    value = draw(st.sampled_from([None, "'it''s'", "7", "(1 + 2)"]))
    place = next((place for place, one in enumerate(column.clauses) if one.kind == "default"), 0)
    column.clauses = [one for one in column.clauses if one.kind != "default"]
    if value is not None:
        column.clauses.insert(place, Part("default", f"DEFAULT {value}"))
    given = f"sa.text({value!r})" if value else "None"
    line = f"b.alter_column({name!r}, server_default={given}, existing_type=sa.String())"
    return Change("default", batch(model, line), after)


# How a revision writes a column, and its type and its clauses in SQL.
NEW_COLUMNS = (
    ("sa.Text()", "TEXT", ""),
    ("sa.Integer(), server_default=sa.text('5'), nullable=False", "INTEGER", "DEFAULT 5 NOT NULL"),
    ("sa.Text(), server_default='x'", "TEXT", "DEFAULT 'x'"),
    ("sa.Text(), server_default=sa.text('(1 + 2)')", "TEXT", "DEFAULT (1 + 2)"),
    ("sa.Text(), sa.Computed('1 + 2')", "TEXT", "GENERATED ALWAYS AS (1 + 2)"),
    (
        "sa.Text(), sa.Computed('1 + 2', persisted=True)",
        "TEXT",
        "GENERATED ALWAYS AS (1 + 2) STORED",
    ),
)


def change_new(draw: DrawFn, model: Model) -> Change:
    """Add a column."""
    call, type_, clauses = draw(st.sampled_from(NEW_COLUMNS))
    after = deepcopy(model)
    kind = "generated" if "GENERATED" in clauses else "default"
    column = Column("fresh", type_, [Part(kind, clauses)] if clauses else [])
    after.columns.append(column)
    recreate = draw(st.sampled_from(["auto", "always"]))
    line = f"b.add_column(sa.Column('fresh', {call}))"
    return Change("add", batch(model, line, recreate), after)


def change_constraint(draw: DrawFn, model: Model) -> Change:
    """Add a constraint; rows can forbid it."""
    name = draw(st.sampled_from(model.stored))
    foreign_key = f"b.create_foreign_key('new', 'parent', [{name!r}], ['id'], ondelete='CASCADE')"
    choices = [
        (f"b.create_unique_constraint('new', [{name!r}])", f"UNIQUE («{name}»)", "unique"),
        ("b.create_check_constraint('new', '1 < 2')", "CHECK (1 < 2)", "check"),
        (
            foreign_key,
            f"FOREIGN KEY(«{name}») REFERENCES parent (id) ON DELETE CASCADE",
            "reference",
        ),
    ]
    line, text, kind = draw(st.sampled_from(choices))
    after = deepcopy(model)
    after.constraints.append(Part(kind, f"CONSTRAINT new {text}", "new"))
    return Change("add constraint", batch(model, line), after, may_refuse=kind != "check")


def change_unconstraint(draw: DrawFn, model: Model) -> Change:
    """Drop a constraint that has a name, or else a column."""
    found: list[tuple[list[Part], Part]] = [
        (column.clauses, clause)
        for column in model.columns
        for clause in column.clauses
        if clause.name and clause.kind not in ("key", "not null")
    ]
    found += [(model.constraints, one) for one in model.constraints if one.name]
    found = [pair for pair in found if pair[1].kind != "key"]
    if not found:
        return change_drop(draw, model)
    place = draw(st.integers(0, len(found) - 1))
    part = found[place][1]
    after = deepcopy(model)
    for column in after.columns:
        column.clauses = [one for one in column.clauses if one.name != part.name]
    after.constraints = [one for one in after.constraints if one.name != part.name]
    type_ = {"unique": "unique", "check": "check", "reference": "foreignkey"}[part.kind]
    line = f"b.drop_constraint({part.name!r}, type_={type_!r})"
    has_child = any(one.kind == "child" for one in model.around)
    may_refuse = part.kind == "unique" and has_child
    return Change("drop constraint", batch(model, line), after, may_refuse)


def change_table_name(draw: DrawFn, model: Model) -> Change:
    """Rename the table, which SQLite does by itself."""
    after = deepcopy(model)
    after.table = draw(st.sampled_from(["renamed", "new table"]))
    return Change("rename table", f"op.rename_table({model.table!r}, {after.table!r})", after)


CHANGES: dict[str, Callable[[DrawFn, Model], Change]] = {
    "drop": change_drop,
    "rename": change_name,
    "retype": change_type,
    "nullable": change_null,
    "default": change_default,
    "add": change_new,
    "add constraint": change_constraint,
    "drop constraint": change_unconstraint,
    "rename table": change_table_name,
}


@st.composite
def changed_models(draw: DrawFn) -> tuple[Model, Change]:
    """Draw a table and a change of it."""
    model = draw(models())
    kind = draw(st.sampled_from([*CHANGES]))
    return model, CHANGES[kind](draw, model)
