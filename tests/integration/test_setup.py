"""What a DBA has to do so that the log can be followed is printed as SQL that runs, and what is still missing is said precisely."""
import os
import subprocess

import pytest

from sportello_testing.proxy_process import BINARY
from sportello_testing.waiting import wait_until

pytestmark = pytest.mark.ours

_SCHEMA = [
    "CREATE TABLE a (id int, year int, x text, PRIMARY KEY (year, id))", 'CREATE TABLE "Keyless" (x text)', "CREATE SCHEMA other", "CREATE TABLE other.c (id int PRIMARY KEY)",
    "CREATE TABLE p (k int PRIMARY KEY) PARTITION BY RANGE (k)", "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)",
    "CREATE VIEW v AS SELECT * FROM other.c", "CREATE UNLOGGED TABLE u (id int PRIMARY KEY)",
]
_RULES = [{"name": "some", "tables": ["a", "Keyless", "p"], "ttl": "1h"}, {"name": "one", "query": "SELECT id FROM v WHERE id = 1", "ttl": "1h"}]


def _config(server, rules=None, monitor_user="watcher", **more):
    return {"sportello": {"monitor_user": monitor_user, "catalog_poll_interval": "100ms"},
            "databases": {"app": {"primary": server.dsn(), **more}}, "cache": {"rules": rules or _RULES}}


def _run(proxy, *arguments):
    done = subprocess.run([os.path.abspath(BINARY), *arguments, proxy.config_path], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def _check(proxy):
    return _run(proxy, "--check", "--connect")


def _psql(server, sql):
    return subprocess.run(["psql", "-X", "-v", "ON_ERROR_STOP=1", "-h", server.socket_directory, "-p", str(server.port), "-U", "postgres", "postgres"],
                          input=sql, capture_output=True, text=True, timeout=60)


@pytest.fixture
def server(make_cluster):
    cluster = make_cluster(settings={"wal_level": "logical", "max_wal_senders": 10, "max_replication_slots": 10})
    cluster.primary.run(*_SCHEMA)
    return cluster.primary


def test_the_sql_runs_twice_and_the_check_is_content_then(server, make_proxy):
    server.run("CREATE ROLE watcher LOGIN")
    proxy = make_proxy(_config(server), start=False)
    code, _, complaints = _check(proxy)
    assert code == 1
    for words in ('"watcher" has not the attribute REPLICATION', '"watcher" is not a member of pg_monitor', 'no publication "sportello"'):
        assert words in complaints
    for _ in range(2):
        code, sql, complaints = _run(proxy, "setup-sql")
        assert code == 0, complaints
        done = _psql(server, sql)
        assert done.returncode == 0, sql + done.stderr
        code, said, complaints = _check(proxy)
        assert (code, complaints) == (0, ""), sql
        assert "OK" in said
    names = {row[0] for row in server.rows("SELECT schemaname || '.' || tablename FROM pg_publication_tables WHERE pubname = 'sportello'")}
    assert names == {"public.a", "public.Keyless", "public.p1", "other.c"}
    assert server.value("SELECT attnames::text FROM pg_publication_tables WHERE tablename = 'a'") in ("{id,year}", "{year,id}")
    server.run("INSERT INTO a VALUES (1, 1, 'x')", "UPDATE a SET x = 'y'", "INSERT INTO \"Keyless\" VALUES ('x')", "UPDATE \"Keyless\" SET x = 'y'", "DELETE FROM \"Keyless\"")
    proxy.start()
    wait_until(lambda: "as soon as the log tells" in proxy.show("CACHE")[0]["guarantee"], "the log is followed", 20)


def test_the_role_is_made_if_there_is_none(server, make_proxy):
    proxy = make_proxy(_config(server), start=False)
    code, sql, _ = _run(proxy, "setup-sql")
    assert code == 0 and "not complete" in sql, "nobody can ask yet"
    done = _psql(server, sql)
    assert done.returncode == 0, sql + done.stderr
    assert server.value("SELECT rolreplication AND pg_has_role('watcher', 'pg_monitor', 'member') FROM pg_roles WHERE rolname = 'watcher'")
    done = _psql(server, _run(proxy, "setup-sql")[1])
    assert done.returncode == 0, done.stderr
    assert _check(proxy)[0] == 0


@pytest.mark.parametrize("change, words", [
    ("DROP PUBLICATION sportello", 'no publication "sportello"'),
    ("ALTER PUBLICATION sportello DROP TABLE other.c", 'publication "sportello" is without table other.c'),
    ("ALTER PUBLICATION sportello SET (publish = 'insert')", "leaves out some of"),
    ("ALTER PUBLICATION sportello SET (publish_via_partition_root = true)", "publish_via_partition_root"),
    ("ALTER TABLE \"Keyless\" REPLICA IDENTITY DEFAULT", 'public."Keyless" is published without a replica identity'),
    ("ALTER ROLE watcher NOREPLICATION", "has not the attribute REPLICATION"),
    ("ALTER ROLE watcher NOLOGIN", "not permitted to log in"),
    ("REVOKE pg_monitor FROM watcher", "not a member of pg_monitor"),
    ("DROP TABLE a CASCADE", "there is no table a"),
])
def test_the_check_names_what_is_missing(server, make_proxy, change, words):
    server.run("CREATE ROLE watcher LOGIN")
    proxy = make_proxy(_config(server), start=False)
    assert _psql(server, _run(proxy, "setup-sql")[1]).returncode == 0
    server.run(change)
    code, _, complaints = _check(proxy)
    assert code == 1
    assert words in complaints
    assert 'database "app"' in complaints


def test_a_server_that_is_not_there_and_a_replica_that_is_none_are_named(server, make_cluster, make_proxy):
    server.run("CREATE ROLE watcher LOGIN")
    other = make_cluster().primary
    other.run("CREATE ROLE watcher LOGIN")
    proxy = make_proxy(_config(server, replicas=[other.dsn(), "host=127.0.0.1 port=1 dbname=app"]), start=False)
    code, _, complaints = _check(proxy)
    assert code == 1
    assert f"port {other.port}: it is listed as a replica, but it is no standby" in complaints
    assert "port 1: " in complaints


def test_too_small_a_wal_level_is_told_by_both(make_cluster, make_proxy):
    server = make_cluster(settings={"wal_level": "replica", "max_replication_slots": 0}).primary
    server.run(*_SCHEMA)
    proxy = make_proxy(_config(server, monitor_user="postgres"), start=False)
    sql = _run(proxy, "setup-sql")[1]
    assert "-- ALTER SYSTEM SET wal_level = 'logical';" in sql
    assert "-- ALTER SYSTEM SET max_replication_slots" in sql
    complaints = _check(proxy)[2]
    assert 'wal_level is "replica"' in complaints
    assert "no replication slot is left" in complaints


def test_connect_goes_with_check(server, make_proxy):
    proxy = make_proxy(_config(server), start=False)
    assert _run(proxy, "--connect")[0] == 1


@pytest.mark.parametrize("arguments", [["--check"], ["--check", "--connect"], []], ids=" ".join)
def test_a_file_that_was_not_named_is_asked_for(arguments):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert done.stderr == "sportello: no configuration file given; see --help\n"
