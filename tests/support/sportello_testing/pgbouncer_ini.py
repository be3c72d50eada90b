"""Our configuration dict as PgBouncer's ini file.

With SPORTELLO_BIN=/usr/sbin/pgbouncer the tests run against PgBouncer: what both promise must pass there too, so a test
that fails there has to say what we promise beyond it. That is how the tests themselves are tested.
"""
import re

_UNKNOWN = {"workers", "http_listen"}
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"^([0-9.]+)(ms|s|m|min|h|d)$")


def _value(value):
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list):
        return ", ".join(value)
    found = _DURATION.match(str(value))
    return "%g" % (float(found[1]) * _SECONDS[found[2]]) if found else str(value)


def _database(settings):
    words = [settings["primary"]] if "primary" in settings else []
    words += [f"{name}={_value(value)}" for name, value in settings.items() if name not in ("primary", "replicas")]
    return " ".join(words)


def ini_text(config):
    lines = ["[databases]"]
    lines += [f"{name} = {_database(settings)}" for name, settings in config.get("databases", {}).items()]
    lines += ["[users]"]
    for name, settings in config.get("users", {}).items():
        lines.append(f"{name} = " + " ".join(f"{key}={_value(value)}" for key, value in settings.items()))
    lines += ["[pgbouncer]"]
    settings = {"pool_mode": "transaction", **config["sportello"]}  # our default, not PgBouncer's
    lines += [f"{name} = {_value(value)}" for name, value in settings.items() if name not in _UNKNOWN]
    return "\n".join(lines) + "\n"
