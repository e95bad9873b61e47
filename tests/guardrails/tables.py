"""SQLite tables that are made up, and the ways to spell the statement that creates one."""

from dataclasses import dataclass, replace
from itertools import product
from random import Random

from hypothesis import strategies as st

NAMES = ("a", "Total", "order", "check", "first name", "größe")
TYPES = ("INTEGER", "varchar(20)", "DECIMAL(10, 2)", "BLOB", "")
DEFAULTS = ("", "0", "-1.5", "'it''s -- (no) comment'", "NULL", "(1 + 2)", "CURRENT_TIMESTAMP")
CHECKS = ("> 0", "IN ('x', 'y')", "<> '/* text */'", "IS NOT NULL")
SPACES = (" ", "  ", "\n", "\t", " /* comment */ ", " -- comment\n")


@dataclass(frozen=True)
class Column:
    """A column, with what is said of it."""

    name: str
    type: str = ""
    default: str = ""
    collation: str = ""
    not_null: bool = False
    unique: bool = False
    check: str = ""
    references: bool = False


@dataclass(frozen=True)
class Table:
    """A table; its first column may be its key."""

    columns: tuple[Column, ...]
    has_key: bool = False
    without_rowid: bool = False


columns = st.builds(
    Column,
    name=st.sampled_from(NAMES),
    type=st.sampled_from(TYPES),
    default=st.sampled_from(DEFAULTS),
    collation=st.sampled_from(("", "NOCASE", "RTRIM")),
    not_null=st.booleans(),
    unique=st.booleans(),
    check=st.sampled_from(("", *CHECKS)),
    references=st.booleans(),
)

tables = st.builds(
    Table,
    columns=st.lists(columns, min_size=1, max_size=4, unique_by=lambda column: column.name).map(
        tuple
    ),
    has_key=st.booleans(),
    without_rowid=st.booleans(),
).map(lambda table: replace(table, without_rowid=table.without_rowid and table.has_key))


class Speller:
    """Spells a statement, with a choice of many ways for each part."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def name(self, name: str) -> str:
        """Quote a name, or leave it as it is where SQLite allows that."""
        quoted = [f'"{name}"', f"`{name}`", f"[{name}]"]
        is_plain = name.isidentifier() and name not in ("order", "check")
        return self.random.choice([*quoted, name] if is_plain else quoted)

    def words(self, text: str) -> str:
        """Write key words in some case, with something between them."""
        written = [self.random.choice((word.upper(), word.lower())) for word in text.split()]
        return self.random.choice(SPACES).join(written)

    def constraint(self, text: str, name: str) -> str:
        """Give a constraint a name."""
        return f"{self.words('constraint')} {self.name(name)} {text}" if name else text

    def table(self, table: Table) -> str:
        """Write the statement that creates a table."""
        parts: list[str] = []
        last: list[str] = []
        for index, column in enumerate(table.columns):
            clauses = [*self.clauses(column)]
            constraints = [*self.constraints(column, is_key=table.has_key and index == 0)]
            for at_column, at_table in constraints:
                if self.random.random() < 0.5:
                    clauses.append(at_column)
                else:
                    last.append(at_table)
            self.random.shuffle(clauses)
            space = self.random.choice(SPACES)
            parts.append(space.join(filter(None, (self.name(column.name), column.type, *clauses))))
        self.random.shuffle(last)
        comma = self.random.choice(SPACES) + "," + self.random.choice(SPACES)
        options = self.words("without rowid") if table.without_rowid else ""
        create = f"{self.words('create table')} {self.name('thing')}"
        return f"{create} ({comma.join([*parts, *last])}) {options}"

    def clauses(self, column: Column) -> list[str]:
        """Write what can only stand at a column."""
        return [
            *([self.words("not null")] if column.not_null else []),
            *([f"{self.words('default')} {column.default}"] if column.default else []),
            *([f"{self.words('collate')} {column.collation}"] if column.collation else []),
        ]

    def constraints(self, column: Column, *, is_key: bool) -> list[tuple[str, str]]:
        """Write what can stand at a column or at the table, in both ways."""
        names = ["", f"ck_{column.name}"]
        result = []
        if is_key:
            key = self.words("primary key")
            result.append((key, f"{key} ({self.name(column.name)})"))
        if column.unique:
            unique = self.words("unique")
            result.append((unique, f"{unique} ({self.name(column.name)})"))
        if column.check:
            check = f"{self.words('check')} ({self.name(column.name)} {column.check})"
            named = self.constraint(check, names[1])
            result.append((named, named))
        if column.references:
            target = f"{self.words('references')} {self.name('parent')} ({self.name('a')})"
            target += f" {self.words('on delete set null')}"
            key = f"{self.words('foreign key')} ({self.name(column.name)}) {target}"
            result.append((target, key))
        return result


def changes(table: Table) -> list[Table]:
    """Return tables that differ from this one in one place."""
    first, *rest = table.columns
    values: dict[str, tuple[object, ...]] = {
        "name": ("other",),
        "type": ("REAL",),
        "default": ("7", "'It''s -- (no) comment'"),
        "collation": ("BINARY",),
        "not_null": (not first.not_null,),
        "unique": (not first.unique,),
        "check": ("> 1", "IN ('X', 'y')"),
        "references": (not first.references,),
    }
    changed = [
        replace(table, columns=(replace(first, **{field: value}), *rest))  # type: ignore[arg-type]
        for field, options in values.items()
        for field, value in product([field], options)
    ]
    return [
        *changed,
        replace(table, has_key=not table.has_key, without_rowid=False),
        replace(table, columns=(*table.columns, Column("other"))),
    ]
