"""While nobody can say what the names of a database mean, whatever reads from them may write: others find what it wrote, and it
is never run twice."""
import contextlib

import pytest

from sportello_testing import wire
from sportello_testing.waiting import wait_until
from sportello_testing.wire_client import errors, rows

pytestmark = pytest.mark.ours

TABLE = "SELECT v FROM t WHERE k = 1"
_SCHEMA = [
    "CREATE ROLE watcher LOGIN IN ROLE pg_monitor",
    "CREATE TABLE t (k int PRIMARY KEY, v bigint)", "INSERT INTO t VALUES (1, 0)", "CREATE TABLE gate (k int)", "CREATE SEQUENCE calls",
    "CREATE FUNCTION bump() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'UPDATE public.t SET v = v + 1 WHERE k = 1 RETURNING v'",
    "CREATE FUNCTION called() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS"
    " 'BEGIN PERFORM pg_catalog.nextval(''public.calls''); RETURN (SELECT count(*) FROM public.gate); END'",
    "CREATE VIEW bumps AS SELECT bump()", "CREATE VIEW calls_it AS SELECT called()",
    "CREATE SCHEMA apart", "CREATE VIEW apart.bumps_apart AS SELECT public.bump()", "GRANT USAGE ON SCHEMA apart TO PUBLIC",
    "GRANT ALL ON ALL TABLES IN SCHEMA public, apart TO PUBLIC",
]


@pytest.fixture
def watched(make_cluster, make_proxy):
    def make(replicas=0, rules=(), **options):
        cluster = make_cluster(replicas)
        cluster.primary.run(*_SCHEMA)
        cluster.wait_caught_up()
        proxy = make_proxy({"sportello": {"workers": 2, "monitor_user": "watcher", "default_pool_size": 5, **options},
                            "databases": {"app": {"primary": cluster.primary.dsn(), "replicas": [r.dsn() for r in cluster.replicas]}},
                            "cache": {"invalidation": "proxy", "rules": list(rules)}})
        return cluster, proxy
    return make


def _is_known(proxy):
    with proxy.admin() as console:
        return any("tables read" in row.values() for row in console.execute(f"EXPLAIN app postgres {TABLE}").fetchall())


@contextlib.contextmanager
def _names_unknown(cluster, proxy):
    """The catalog's own connection is lost and not had again; those that ask how far the log has come go on."""
    cluster.primary.run("ALTER ROLE watcher NOLOGIN")
    cluster.primary.terminate_links("application_name = 'sportello monitor'")
    wait_until(lambda: not _is_known(proxy), "the catalog is not known")
    yield
    cluster.primary.run("ALTER ROLE watcher LOGIN")
    wait_until(lambda: _is_known(proxy), "the catalog is known", 15)


def _is_kept(proxy, client):
    """The client's read of the table was answered from memory."""
    before = int(proxy.show("CACHE RULES")[0]["hits"])
    client.execute(TABLE)
    return int(proxy.show("CACHE RULES")[0]["hits"]) > before


def _replica_reads(proxy):
    return sum(int(node["reads"]) for node in proxy.show("NODES") if node["role"] == "replica")


@pytest.mark.parametrize("prepared", [False, True], ids=["simple", "prepared"])
def test_what_a_view_wrote_unnoticed_is_found_by_the_next_read(watched, prepared):
    cluster, proxy = watched(1)
    replica = cluster.replicas[0]
    with proxy.connect(prepare_threshold=0 if prepared else None) as client, proxy.connect() as other:
        def reaches_replica():
            before = _replica_reads(proxy)
            client.execute(TABLE)
            return _replica_reads(proxy) > before
        wait_until(reaches_replica, "reads go to the replica", 15)
        with _names_unknown(cluster, proxy):
            replica.run("SELECT pg_wal_replay_pause()", dbname="postgres")
            wait_until(lambda: replica.value("SELECT pg_get_wal_replay_pause_state()") == "paused", "replay is paused")
            assert client.execute("SELECT * FROM bumps").fetchone() == (1,)
        for _ in range(20):
            assert client.execute(TABLE).fetchone() == other.execute(TABLE).fetchone() == (1,)
        replica.run("SELECT pg_wal_replay_resume()", dbname="postgres")
        wait_until(reaches_replica, "reads go to the replica again", 15)


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
def test_what_may_write_unnoticed_is_not_run_again(watched, extended):
    cluster, proxy = watched(rules=[{"name": "t", "ttl": "1h", "tables": ["t"]}])
    wait_until(lambda: _is_known(proxy), "the catalog is known", 15)
    with _names_unknown(cluster, proxy), proxy.wire() as client, cluster.primary.connect(autocommit=False) as locker:
        locker.execute("LOCK TABLE gate")
        text = "SELECT * FROM calls_it /* once */"
        client.send(*([wire.parse("", text), wire.bind("", ""), wire.execute(), wire.sync()] if extended else [wire.query(text)]))
        running = "query LIKE '%once%' AND wait_event_type = 'Lock'"
        wait_until(lambda: cluster.primary.link_pids(running), "it has called and waits")
        cluster.primary.terminate_links(running)
        locker.rollback()
        assert errors(client.read_until_ready()) == ["57P01"]
        assert cluster.primary.value("SELECT last_value FROM calls") == 1
        assert rows(client.query("SELECT 1")) == ["1"]


def test_what_only_reads_is_run_again_once_that_is_known(watched):
    cluster, proxy = watched(rules=[{"name": "t", "ttl": "1h", "tables": ["t"]}])
    wait_until(lambda: _is_known(proxy), "the catalog is known", 15)
    with proxy.wire() as client, cluster.primary.connect(autocommit=False) as locker:
        locker.execute("LOCK TABLE gate")
        client.send(wire.query("SELECT count(*) FROM gate /* again */"))
        running = "query LIKE '%again%' AND wait_event_type = 'Lock'"
        wait_until(lambda: cluster.primary.link_pids(running), "it waits")
        cluster.primary.terminate_links(running)
        locker.rollback()
        assert rows(client.read_until_ready()) == ["0"]


@pytest.mark.parametrize("where", ["SET LOCAL search_path TO apart", "SELECT set_config('search_path', 'apart', true)"])
def test_what_a_view_wrote_in_a_schema_of_the_moment_is_found_by_the_next_read(watched, where):
    cluster, proxy = watched(rules=[{"name": "t", "ttl": "1h", "tables": ["t"]}])
    with proxy.connect() as client, proxy.connect() as other:
        wait_until(lambda: _is_kept(proxy, other), "it is answered from memory", 15)
        with client.transaction():
            client.execute(where)
            assert client.execute("SELECT * FROM bumps_apart").fetchone() == (1,)
        assert client.execute(TABLE).fetchone() == other.execute(TABLE).fetchone() == (1,)
        wait_until(lambda: _is_kept(proxy, other), "it is answered from memory again", 15)


@pytest.mark.parametrize("made", [["CREATE TEMP VIEW gate AS SELECT bump() AS k"],
                                  ["CREATE TEMP TABLE mine AS SELECT 1 AS n", "CREATE VIEW gate AS SELECT bump() AS k FROM mine"]],
                         ids=["said", "of a temporary table"])
def test_what_a_temporary_view_by_a_tables_name_wrote_is_found_by_the_next_read(watched, made):
    _, proxy = watched(rules=[{"name": "t", "ttl": "1h", "tables": ["t"]}])
    with proxy.connect() as client, proxy.connect() as other:
        for statement in made:
            client.execute(statement)
        wait_until(lambda: _is_kept(proxy, other), "it is answered from memory", 15)
        assert client.execute("SELECT * FROM gate").fetchone() == (1,)
        assert client.execute(TABLE).fetchone() == other.execute(TABLE).fetchone() == (1,)
        wait_until(lambda: _is_kept(proxy, other), "it is answered from memory again", 15)
