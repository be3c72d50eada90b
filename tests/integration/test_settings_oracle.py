"""Random programs of SET, RESET and transactions: each session through the proxy sees what its twin sees that is connected to PostgreSQL itself.

The sessions share links that move between them, so that what one of them leaves behind would be seen by another.
"""
import random

import pytest

from sportello_testing import wire
from sportello_testing.postgres import DATABASE, PASSWORDS
from sportello_testing.wire_client import WireClient

pytestmark = pytest.mark.ours

SESSIONS, STEPS = 4, 120
VALUES = {"work_mem": ["1MB", "'2MB'", "3072"], "extra_float_digits": ["-1", "0", "- 2", "2"], "jit": ["on", "off"], "app.note": ["'a'", "b", "-7"],
          "TimeZone": ["'UTC'", "'Asia/Tokyo'"], "search_path": ["pg_catalog", "public", "'$user', public"], "enable_hashjoin": ["off", "true"]}
SEEN = "SELECT concat_ws('|', " + ", ".join(f"coalesce(current_setting('{name}', true), '')" for name in VALUES) + ")"
STARTS = [{}, {"options": "-c work_mem=5MB -c extra_float_digits=1"}, {"TimeZone": "Europe/Rome", "options": "-c jit=off"}, {"application_name": "shop"}]
# What asyncpg's pool and others send between their users.
POOL_RESETS = ["SELECT pg_advisory_unlock_all();CLOSE ALL;UNLISTEN *;RESET ALL;", "DISCARD ALL", "RESET ALL"]


def _set(chance):
    name = chance.choice(list(VALUES))
    value = chance.choice(VALUES[name])
    return chance.choice([f"SET {name} = {value}", f"SET SESSION {name} TO {value}", f"SET {name} = {value}"])


def _config(chance):
    name = chance.choice(list(VALUES))
    value = chance.choice([value for value in VALUES[name] if " " not in value]).strip("'")
    return f"SELECT set_config('{name}', '{value}', {chance.choice(['true', 'false'])})"


def _reset(chance):
    """Not of app.note: a server refuses that until somebody has set it there."""
    name = chance.choice([name for name in VALUES if name != "app.note"])
    return chance.choice([f"RESET {name}", f"SET {name} TO DEFAULT"])


def _statement(chance, together):
    """One simple query's text, of one statement or, `together`, also of two."""
    kind = chance.choices(["set", "config", "local", "reset", "all", "block", "savepoint", "error", "several", "plain"], [30, 4, 4, 14, 3, 24, 8, 3, 4 * together, 20])[0]
    if kind == "local":
        return _set(chance).replace("SET SESSION", "SET").replace("SET ", "SET LOCAL ")
    if kind == "several":
        return "; ".join(_statement(chance, together) for _ in range(2))
    texts = {"set": _set(chance), "config": _config(chance), "reset": _reset(chance), "all": chance.choice(POOL_RESETS), "error": "SELECT 1/0", "plain": SEEN,
             "block": chance.choice(["BEGIN", "BEGIN", "COMMIT", "ROLLBACK"]), "savepoint": chance.choice(["SAVEPOINT s", "ROLLBACK TO s", "RELEASE s"])}
    return texts[kind]


def _extended(*texts):
    messages = []
    for text in texts:
        messages += [wire.parse("", text), wire.bind(), wire.execute()]
    return [*messages, wire.sync()]


def _step(chance, together):
    """Messages, how many ReadyForQuery answer them, and words that say what they are."""
    how = chance.choices(["simple", "extended", "pipeline", "batch"], [60, 25, 7, 8] if together else [70, 30, 0, 0])[0]
    texts = [_statement(chance, together) for _ in range(1 if how in ("simple", "extended") else chance.randint(2, 4))]
    if how in ("extended", "batch"):
        texts = [text.split(";")[0] for text in texts]
    if how == "batch":   # a RESET ALL between others that end with it, or not: what it left is a guess
        texts = [SEEN if text in POOL_RESETS else text for text in texts]
    messages = _extended(*texts) if how in ("extended", "batch") else [wire.query(text) for text in texts]
    return messages, len(texts) if how == "pipeline" else 1, f"{how}: {texts}".replace(SEEN, "SEEN")


def _told(lines):
    return [line for line in lines if not line.startswith(("ParameterStatus", "NoticeResponse", "Notice"))]


def _run(chance, direct, behind, together):
    told = []
    for number in range(STEPS):
        which = chance.randrange(SESSIONS)
        messages, ready, words = _step(chance, together)
        told.append(f"{which} {words}")
        expected = _told(direct[which].exchange(*messages, ready=ready))
        got = _told(behind[which].exchange(*messages, ready=ready))
        assert got == expected, f"step {number}:\n" + "\n".join(told)
        which = chance.randrange(SESSIONS)
        seen = [each[which].query(SEEN) for each in (direct, behind)]
        assert _told(seen[1]) == _told(seen[0]), f"session {which} after step {number}:\n" + "\n".join(told)


@pytest.mark.parametrize("together", [False, True], ids=["alone", "together"])
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("seed", range(8))
def test_settings_are_what_they_would_be_straight_at_postgresql(primary, proxy, seed, workers, together):
    """Sessions that gave settings at login say one thing at a time: what comes in one piece with a RESET does not see those yet."""
    process = proxy(default_pool_size=SESSIONS, reserve_pool_size=0, workers=workers)
    chance = random.Random(seed)
    starts = [{} if together else chance.choice(STARTS) for _ in range(SESSIONS)]
    direct, behind = [WireClient(port=primary.port) for _ in starts], [process.raw() for _ in starts]
    try:
        for clients in (direct, behind):
            for client, start in zip(clients, starts):
                client.login("alice", DATABASE, PASSWORDS["alice"], **start)
        _run(chance, direct, behind, together)
    finally:
        for client in direct + behind:
            client.close()
