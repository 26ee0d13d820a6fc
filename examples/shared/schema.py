"""What results.json looks like, and a check of it in a few lines."""

from __future__ import annotations

from typing import Any, NamedTuple


class Each(NamedTuple):
    """A list, all of whose items look like ``item``."""

    item: Any


class Keyed(NamedTuple):
    """An object with any keys, whose values look like ``item``."""

    item: Any


class OneOf(NamedTuple):
    """One of these texts."""

    values: tuple[str, ...]


NUMBER = (int, float)
CELL = (int, float, str, bool, None)
"""Types in a tuple are alternatives, None is null; a dict has just these keys."""

SCHEMA: dict[str, Any] = {
    "format": int,
    "example": str,
    "title": str,
    "sentence": str,
    "description": str,
    "status": OneOf(("complete", "interrupted", "failed")),
    "error": str,
    "result": str,
    "command": str,
    "started": str,
    "seconds": NUMBER,
    "settings": dict,
    "quirks": Keyed({"on": bool, "sentence": str}),
    "versions": Keyed(str),
    "data": {
        "source": str,
        "is_sample": bool,
        "verified": bool,
        "parts": Keyed({"shape": Each(int), "dtype": str, "sha256": str}),
    },
    "caveats": Keyed(str),
    "series": Keyed(Each((int, float, None))),
    "values": dict,
    "tables": Keyed(
        {
            "caption": str,
            "columns": Each(str),
            "rows": Each(Each(CELL)),
            "formats": (list, None),
        }
    ),
    "comparisons": Each(
        {
            "what": str,
            "published": (int, float, str, None),
            "reproduced": (int, float, str, None),
            "values": Each((int, float, None)),
            "band": (list, None),
            "accepted": (list, None),
            "inside": (bool, None),
            "reason": str,
            "caveats": Each(str),
            "digits": int,
            "unit": str,
        }
    ),
    "figures": Keyed({"file": str, "caption": str, "main": bool}),
    "files": Keyed(str),
    "content": Each(dict),
}

KINDS = {
    "section": {"text": str},
    "text": {"text": str},
    "verbatim": {"text": str},
    "items": {"items": Each(str)},
    "figure": {"name": str},
    "table": {"name": str},
    "comparisons": {"rows": Each(int)},
}


def problems(results: Any) -> list[str]:
    """What is wrong with a results.json, a line each; empty where it is sound."""
    found = list(_compare(results, SCHEMA, "results"))
    if found:
        return found
    for k, block in enumerate(results["content"]):
        where, kind = f"results.content[{k}]", block.get("kind")
        if kind not in KINDS:
            found.append(f"{where}: unknown kind {kind!r}")
            continue
        found += _compare({a: b for a, b in block.items() if a != "kind"}, KINDS[kind], where)
        if kind in ("figure", "table") and block.get("name") not in results[f"{kind}s"]:
            found.append(f"{where}: no {kind} {block.get('name')!r}")
        if kind == "comparisons":
            n = len(results["comparisons"])
            found += [f"{where}: no row {row}" for row in block["rows"] if not 0 <= row < n]
    for name, table in results["tables"].items():
        width = len(table["columns"])
        if any(len(row) != width for row in table["rows"]):
            found.append(f"results.tables[{name!r}]: a row without {width} cells")
    return found


def _compare(value: Any, schema: Any, where: str) -> list[str]:
    if isinstance(schema, Each | Keyed):
        kind = list if isinstance(schema, Each) else dict
        if not isinstance(value, kind):
            return [f"{where}: expected {kind.__name__}, got {type(value).__name__}"]
        parts = enumerate(value) if isinstance(value, list) else value.items()
        return [p for key, part in parts for p in _compare(part, schema.item, f"{where}[{key!r}]")]
    if isinstance(schema, OneOf):
        ok = value in schema.values
        return [] if ok else [f"{where}: expected one of {schema.values}, got {value!r}"]
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            return [f"{where}: expected dict, got {type(value).__name__}"]
        found = [f"{where}: no key {key!r}" for key in schema if key not in value]
        found += [f"{where}: unknown key {key!r}" for key in value if key not in schema]
        both = [key for key in schema if key in value]
        return found + [p for k in both for p in _compare(value[k], schema[k], f"{where}.{k}")]
    types = schema if isinstance(schema, tuple) else (schema,)
    # bool is an int in Python, but true is no number in JSON
    if (bool in types or not isinstance(value, bool)) and any(
        value is None if t is None else isinstance(value, t) for t in types
    ):
        return []
    return [f"{where}: expected {schema}, got {value!r}"]
