from dataclasses import replace
from typing import Any

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tohum.fetch.config import RULES, RowRules
from tohum.fetch.row_rules import REASONS, RowFilter, row_keys
from tohum.fetch.row_tables import TYPES
from tohum.repeats import KEY_BYTES

OPEN = RowRules(**{rule: off for rule, (_, off) in RULES.items()})
STRICT = replace(
    OPEN,
    min_file_bytes=10,
    max_file_bytes=100,
    license_types=["permissive"],
    languages=["Python", "C#"],
    exclude_vendored=True,
    exclude_generated=True,
    exclude_paths=["*.min.js", "dist/", "/docs/*.py"],
    min_stars=5,
)
GOOD = {
    "id": "a" * 40,
    "path": "/src/main.py",
    "license_type": "permissive",
    "bytes": 50,
    "language": "Python",
    "is_vendored": False,
    "is_generated": False,
    "stars": 5,
}


def verdicts(rows: list[dict[str, Any]], rules: RowRules) -> list[str]:
    """The rule that leaves each row out, or nothing."""
    names = [name for name in TYPES if name in rows[0]]
    columns = {name: pyarrow.array([row[name] for row in rows], TYPES[name]) for name in names}
    return [REASONS[number] for number in RowFilter(rules).decide(pyarrow.table(columns))]


def verdict(rules: RowRules = STRICT, **changes: Any) -> str:
    return verdicts([GOOD | changes], rules)[0]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({}, ""),
        ({"id": None}, "no id"),
        ({"id": ""}, "no id"),
        ({"license_type": "no_license"}, "license type"),
        ({"license_type": None}, "license type"),
        ({"is_vendored": True}, "vendored"),
        ({"is_vendored": None}, ""),
        ({"is_generated": True}, "generated"),
        ({"bytes": 9}, "smaller than min_file_bytes"),
        ({"bytes": 10}, ""),
        ({"bytes": 100}, ""),
        ({"bytes": 101}, "larger than max_file_bytes"),
        ({"bytes": None}, ""),
        ({"language": "JavaScript"}, "language"),
        ({"language": "C#"}, ""),
        ({"language": None}, "language"),
        ({"stars": 4}, "fewer than min_stars"),
        ({"stars": None}, "fewer than min_stars"),
        ({"path": "/web/dist/main.py"}, "excluded path"),
        ({"path": "web/a.min.js"}, "excluded path"),
        ({"path": "/docs/conf.py"}, "excluded path"),
        ({"path": "/src/docs/conf.py"}, ""),
        ({"path": "/web/distance.py"}, ""),
        ({"path": None}, ""),
        ({"path": ""}, ""),
    ],
)
def test_each_rule_applies_to_what_it_says(changes: dict[str, Any], rule: str) -> None:
    assert verdict(**changes) == rule
    assert verdict(OPEN, **changes) == ("no id" if rule == "no id" else "")


BAD = {
    "id": None,
    "license_type": "no_license",
    "is_vendored": True,
    "is_generated": True,
    "language": "C",
    "stars": 0,
    "path": "/dist/a.py",
}


@given(st.lists(st.sets(st.sampled_from([*BAD, "short", "long"])), min_size=1, max_size=9))
def test_the_first_rule_wins(broken: list[set[str]]) -> None:
    order = ["id", "license_type", "is_vendored", "is_generated", "short", "long"]
    order += ["language", "stars", "path"]
    rows = []
    for names in broken:
        row = GOOD | {name: BAD[name] for name in names if name in BAD}
        if "long" in names:
            row["bytes"] = 101
        if "short" in names:
            row["bytes"] = 9
        rows.append(row)
    expected = [
        REASONS[min((order.index(name) + 1 for name in names), default=0)] for names in broken
    ]
    assert verdicts(rows, STRICT) == expected


@pytest.mark.parametrize("column", sorted(GOOD))
def test_a_rule_on_a_column_that_is_not_there_applies_to_nothing(column: str) -> None:
    bad = GOOD | BAD | {"bytes": 1}
    names = [name for name in GOOD if name != column]
    for name in names:
        row = {key: GOOD[key] for key in names} | {name: bad[name]}
        assert verdicts([row], STRICT) != [""]
    assert verdicts([{key: GOOD[key] for key in names}], STRICT) == [""]


def test_no_row_is_no_verdict() -> None:
    table = pyarrow.table({name: pyarrow.array([], TYPES[name]) for name in GOOD})
    assert len(RowFilter(STRICT).decide(table)) == 0


def test_a_url_counts_as_the_id_where_there_is_one() -> None:
    rows = [{"id": None, "url": "http://host/a"}, {"id": "a" * 40, "url": None}]
    assert verdicts(rows, OPEN) == ["", "no id"]


SHA1S = st.integers(0, 9).map(lambda number: f"{number:040x}")


@given(st.lists(st.text(max_size=45) | SHA1S))
def test_a_name_has_the_same_key_in_any_company(names: list[str]) -> None:
    assert row_keys(names) == b"".join(row_keys([name]) for name in names)
    assert len(row_keys(names)) == KEY_BYTES * len(names)
    assert len({row_keys([name]) for name in names}) == len(set(names))
