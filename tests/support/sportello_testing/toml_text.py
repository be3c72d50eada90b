"""A Python dict as TOML text: tables are dicts, arrays of tables are lists of dicts."""
import json
import re

_BARE_KEY = re.compile(r"^[A-Za-z0-9_-]+$")


def _key(name):
    return name if _BARE_KEY.match(name) else json.dumps(name)


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    raise TypeError(f"no TOML for {value!r}")


def _is_array_of_tables(value):
    return isinstance(value, list) and value and all(isinstance(item, dict) for item in value)


def _lines(table, path):
    for name, value in table.items():
        if not isinstance(value, dict) and not _is_array_of_tables(value):
            yield f"{_key(name)} = {_value(value)}"
    for name, value in table.items():
        inner = path + [_key(name)]
        if isinstance(value, dict):
            yield ""
            yield "[" + ".".join(inner) + "]"
            yield from _lines(value, inner)
        elif _is_array_of_tables(value):
            for item in value:
                yield ""
                yield "[[" + ".".join(inner) + "]]"
                yield from _lines(item, inner)


def toml_text(config):
    return "\n".join(_lines(config, [])).lstrip("\n") + "\n"
