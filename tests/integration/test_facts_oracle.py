"""What statement facts say of a text is what PostgreSQL does when it runs it: each statement of the corpus runs on a real
server, which says by SQLSTATE 25006 that it writes, and by the locks it holds which relations it read and wrote."""
import json
import os
import subprocess

import pytest
from psycopg import pq

from sportello_testing.proxy_process import BINARY
from sportello_testing.statements import SCHEMA, statements
from sportello_testing.waiting import wait_until

pytestmark = pytest.mark.ours

_FACTS_OF = os.path.join(os.environ.get("SPORTELLO_BUILD") or os.path.dirname(os.path.dirname(os.path.abspath(BINARY))), "tests", "facts_of")

# What lies behind these names is the catalog's to know, not the text's.
_BEHIND = {"v": {"a"}, "m": {"a"}, "p": {"p1"}, "par": {"ch"}, "ch": {"par"}, "a": {"m"}, "ai": {"a"}}
_WRITING_LOCKS = {"RowExclusiveLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"}
_LOCKS = """SELECT CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname, l.mode
            FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
              AND n.nspname IN ('public', 's')"""


@pytest.fixture(scope="module")
def facts():
    """[(text, facts)], as the program says them."""
    if not os.path.exists(_FACTS_OF):
        pytest.fail(f"no program at {_FACTS_OF}; build facts_of or set SPORTELLO_BUILD")
    texts = statements()
    output = subprocess.run([_FACTS_OF], input="\n".join(texts) + "\n", text=True, capture_output=True, check=True).stdout
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["text"] for line in lines] == texts
    return list(zip(texts, lines))


class _Session:
    """One connection with what the corpus takes for granted in a session: the statement pr and the cursor cu."""

    def __init__(self, server, begin):
        self._connection = server.connect()
        self._raw = self._connection.pgconn
        for statement in ("SET statement_timeout = '5s'", "PREPARE pr AS SELECT id FROM a", begin, "DECLARE cu CURSOR FOR SELECT 1"):
            assert self.run(statement) is None, statement

    def run(self, text):
        """The SQLSTATE it failed with, or None. The corpus' COPY FROM STDIN gets no rows."""
        self._raw.send_query(text.encode())
        failure = None
        while (result := self._raw.get_result()) is not None:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                failure = result.error_field(pq.DiagnosticField.SQLSTATE).decode()
            elif result.status == pq.ExecStatus.COPY_IN:
                self._raw.put_copy_end()
            elif result.status == pq.ExecStatus.COPY_OUT:
                while self._raw.get_copy_data(0)[0] > 0:
                    pass
        return failure

    def locks(self):
        """{relation: modes}; None if the transaction is over."""
        if self._raw.transaction_status != pq.TransactionStatus.INTRANS:
            return None
        result = self._raw.exec_(_LOCKS.encode())
        held = {}
        for row in range(result.ntuples):
            held.setdefault(result.get_value(row, 0).decode(), set()).add(result.get_value(row, 1).decode())
        return held

    def close(self):
        self.run("ROLLBACK")
        self.run("ROLLBACK PREPARED 'z'")
        self._connection.close()


@pytest.fixture
def server(make_cluster):
    server = make_cluster().primary
    server.run(*SCHEMA)
    return server


def _without_schema(names):
    return {name.removeprefix("public.") for name in names}


def _reaches(names):
    names = _without_schema(names)
    while more := {behind for name in names for behind in _BEHIND.get(name, ())} - names:
        names |= more
    return names


def test_what_a_read_only_transaction_refuses_is_called_no_read(server, facts):
    refused, ran = [], 0
    for text, fact in facts:
        session = _Session(server, "BEGIN READ ONLY")
        failure = session.run(text)
        session.close()
        ran += failure is None
        if failure == "25006":
            refused.append(text)
            # What functions do is not said by the text: `reads_only` stands under the condition that they only read.
            assert not fact["reads_only"] or "by-calls" in fact["facts"], text
            assert not fact["replay_safe"], text
    assert "delete from a" in refused and "select w()" in refused
    assert len(refused) > 80 and ran > 150, (len(refused), ran)


def test_locks_say_the_same_relations_as_facts(server, facts):
    compared = 0
    for text, fact in facts:
        session = _Session(server, "BEGIN")
        failure = session.run(text)
        locks = session.locks()
        session.close()
        # EXPLAIN locks as if it ran the statement, and does not run it.
        if failure is not None or locks is None or fact["kind"] in ("Lock", "Explain", "Utility"):
            continue
        compared += 1
        wrote = {name for name, modes in locks.items() if modes & _WRITING_LOCKS}
        if not fact["writes_unknown"] and not fact["cascades"]:
            assert wrote <= _reaches(fact["writes"]), text
        if not fact["reads_unknown"] and not fact["cascades"] and fact["kind"] != "Ddl" and " catalog" not in fact["facts"]:
            assert set(locks) <= _reaches(fact["reads"] + fact["writes"]), text
        if fact["reads_only"]:
            named = {name for name in _without_schema(fact["reads"]) if not name.startswith(("pg_", "information_schema.")) and not name.startswith("n")}
            assert named <= set(locks), text
            assert not wrote or "by-calls" in fact["facts"], text
    assert compared > 200, compared


def test_what_is_called_a_read_runs_on_a_replica(make_cluster, facts):
    cluster = make_cluster(replicas=1)
    primary, replica = cluster.primary, cluster.replicas[0]
    primary.run(*SCHEMA)
    end = primary.value("SELECT pg_current_wal_insert_lsn()")
    wait_until(lambda: replica.value("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [end], dbname="postgres"), "the replica has the schema")
    ran = 0
    for text, fact in facts:
        if not fact["reads_only"] or fact["reads_unknown"]:
            continue
        on_primary, on_replica = [], []
        for server, failures in ((primary, on_primary), (replica, on_replica)):
            session = _Session(server, "BEGIN READ ONLY")
            failures.append(session.run(text))
            session.close()
        assert on_replica == on_primary, text
        ran += on_replica == [None]
    assert ran > 120, ran
