"""What is answered from memory is what the database holds, whoever wrote it: the primary's log tells of writes past the proxy, and
when it cannot be followed nothing that it guards is served."""
import os
import signal
import threading
import time

import psycopg
import pytest

from sportello_testing.waiting import wait_until

pytestmark = pytest.mark.ours

_SCHEMA = [
    "CREATE TABLE a (id int PRIMARY KEY, x text)", "CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE)",
    "CREATE TABLE noted (id serial PRIMARY KEY, what text)", "CREATE TABLE quiet (id int PRIMARY KEY)",
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.noted (what) VALUES (TG_OP); RETURN NULL; END'",
    "CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON a FOR EACH ROW EXECUTE FUNCTION note()",
    "CREATE TABLE p (k int PRIMARY KEY, v int) PARTITION BY RANGE (k)", "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)",
    "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)",
    "CREATE TABLE parent (id int PRIMARY KEY)", "CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent)",
    "INSERT INTO a SELECT g, 'first' FROM generate_series(1, 10) g", "INSERT INTO b SELECT g, g FROM generate_series(1, 10) g",
    "INSERT INTO p SELECT g, 0 FROM generate_series(0, 19) g", "INSERT INTO parent VALUES (1)", "INSERT INTO child VALUES (2)",
    "CREATE VIEW names AS SELECT x FROM a", "GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC", "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC",
    # The keys alone, so that the rest does not travel.
    "CREATE PUBLICATION sportello FOR TABLE a (id), b (id), noted (id), p1 (k), p2 (k), ONLY parent (id), child (id)",
]
_TABLES = ["a", "b", "noted", "p", "p1", "p2", "parent", "child", "quiet"]

_READS = {
    "a": "SELECT count(*), max(x), min(x) FROM a", "view": "SELECT max(x), min(x), count(*) FROM names", "b": "SELECT count(*) FROM b",
    "noted": "SELECT count(*) FROM noted", "p": "SELECT count(*), sum(v) FROM p", "p2": "SELECT count(*), sum(v) FROM p2",
    "parent": "SELECT count(*), sum(id) FROM parent",
}


def _config(cluster, lag="5s", **cache):
    return {"sportello": {"workers": 2, "monitor_user": "postgres", "catalog_poll_interval": "100ms"},
            "databases": {"app": {"primary": cluster.primary.dsn()}},
            "cache": {"max_invalidation_lag": lag, **cache, "rules": [{"name": "all", "tables": _TABLES, "ttl": "1h"}]}}


@pytest.fixture
def followed(make_cluster, make_proxy):
    def make(replicas=0, settings=None, schema=_SCHEMA, wait=True, **cache):
        cluster = make_cluster(replicas, {"wal_level": "logical", "max_wal_senders": 10, "max_replication_slots": 10, **(settings or {})})
        cluster.primary.run(*schema)
        proxy = make_proxy(_config(cluster, **cache))
        if wait:
            _wait_followed(proxy)
        return cluster.primary, proxy, cluster
    return make


def _cache(proxy):
    return proxy.show("CACHE")[0]


def _hits(proxy):
    return int(proxy.show("CACHE RULES")[0]["hits"])


def _wait_followed(proxy):
    wait_until(lambda: _cache(proxy)["guarantee"] == "writes through this proxy at once, others as soon as the log tells", "the log is followed", 20)


def _wait_kept(proxy, connection, text):
    """Its answer comes from memory."""
    def kept():
        before = _hits(proxy)
        connection.execute(text)
        return _hits(proxy) > before
    wait_until(kept, "the read is answered from memory", 10)
    return connection.execute(text).fetchall()


def _wait_same(primary, connection, text, deadline=2.0):
    wait_until(lambda: connection.execute(text).fetchall() == primary.rows(text), f"{text} is up to date", deadline)


@pytest.mark.parametrize("read, write", [
    ("a", "INSERT INTO a VALUES (11, 'second')"),
    ("a", "UPDATE a SET x = 'zebra' WHERE id = 3"),
    ("view", "UPDATE a SET x = 'zebra' WHERE id = 3"),
    ("a", "DELETE FROM a WHERE id = 3"),
    ("b", "DELETE FROM a WHERE id = 3"),
    ("b", "TRUNCATE a, b"),
    ("a", "TRUNCATE a CASCADE"),
    ("b", "TRUNCATE a CASCADE"),
    ("noted", "UPDATE a SET x = 'zebra' WHERE id = 3"),
    ("p", "UPDATE p SET v = 5 WHERE k = 12"),
    ("p2", "UPDATE p SET v = 5 WHERE k = 12"),
    ("p", "UPDATE p1 SET v = 5 WHERE k = 2"),
    ("p", "TRUNCATE p"),
    ("p2", "TRUNCATE p"),
    ("parent", "INSERT INTO child VALUES (7)"),
    ("parent", "UPDATE parent SET id = id + 10"),
    ("a", "WITH gone AS (DELETE FROM a WHERE id = 4 RETURNING *) SELECT * FROM gone"),
    ("a", "DO $$ BEGIN UPDATE a SET x = 'zebra' WHERE id = 5; END $$"),
    ("a", "MERGE INTO a USING (VALUES (6, 'zebra')) v(id, x) ON a.id = v.id WHEN MATCHED THEN UPDATE SET x = v.x"),
])
def test_a_write_past_the_proxy_is_seen(followed, read, write):  # S52
    primary, proxy, _ = followed()
    with proxy.connect(autocommit=True) as connection:
        text = _READS[read]
        before = _wait_kept(proxy, connection, text)
        primary.run(write)
        _wait_same(primary, connection, text)
        assert connection.execute(text).fetchall() != before
        _wait_kept(proxy, connection, text)


def test_copy_and_large_transactions_past_the_proxy_are_seen(followed):
    primary, proxy, _ = followed()
    text = _READS["a"]
    with proxy.connect(autocommit=True) as connection:
        _wait_kept(proxy, connection, text)
        with primary.connect() as other, other.cursor().copy("COPY a FROM STDIN") as copy:
            for i in range(100, 5000):
                copy.write_row((i, "copied" * 20))
        _wait_same(primary, connection, text)
        _wait_kept(proxy, connection, text)
        with primary.connect(autocommit=False) as other:
            other.execute("UPDATE a SET x = 'rolled back'")
            other.rollback()
            other.execute("UPDATE a SET x = 'kept' WHERE id > 200")
            other.execute("SAVEPOINT s")
            other.execute("DELETE FROM a")
            other.execute("ROLLBACK TO s")
            other.commit()
        _wait_same(primary, connection, text)


def test_two_phase_commits_past_the_proxy_are_seen(followed):
    primary, proxy, _ = followed(settings={"max_prepared_transactions": 5})
    text = _READS["a"]
    with proxy.connect(autocommit=True) as connection:
        _wait_kept(proxy, connection, text)
        primary.run("BEGIN; UPDATE a SET x = 'zebra'; PREPARE TRANSACTION 'one'")
        kept = _wait_kept(proxy, connection, text)
        primary.run("COMMIT PREPARED 'one'")
        _wait_same(primary, connection, text)
        assert connection.execute(text).fetchall() != kept


def test_a_write_elsewhere_invalidates_nothing(followed):
    primary, proxy, _ = followed()
    with proxy.connect(autocommit=True) as connection:
        _wait_kept(proxy, connection, _READS["p"])
        before = int(_cache(proxy)["commits"])
        primary.run("UPDATE a SET x = 'zebra'")
        wait_until(lambda: int(_cache(proxy)["commits"]) > before, "the log told", 5)
        hits = _hits(proxy)
        connection.execute(_READS["p"])
        assert _hits(proxy) == hits + 1


def test_a_session_reads_what_its_own_write_did_by_a_trigger(followed):
    primary, proxy, _ = followed()
    text = _READS["noted"]
    with proxy.connect(autocommit=True) as connection:
        start = connection.execute(text).fetchone()[0]
        for i in range(50):
            connection.execute(text)
            connection.execute("UPDATE a SET x = %s WHERE id = 1", [str(i)])
            assert connection.execute(text).fetchone()[0] == start + i + 1
        _wait_kept(proxy, connection, text)


def test_a_table_that_the_publication_leaves_out_is_not_served(followed):
    primary, proxy, _ = followed()
    text = "SELECT count(*) FROM quiet"
    with proxy.connect(autocommit=True) as connection:
        for i in range(10):
            hits = _hits(proxy)
            assert connection.execute(text).fetchone()[0] == i, "nobody told of the row"
            assert _hits(proxy) == hits
            primary.run(f"INSERT INTO quiet VALUES ({i})")
        primary.run("ALTER PUBLICATION sportello ADD TABLE quiet")
        _wait_kept(proxy, connection, text)
        primary.run("INSERT INTO quiet VALUES (100)")
        _wait_same(primary, connection, text)


def test_a_table_joins_the_publication_while_it_is_written(followed):
    primary, proxy, _ = followed()
    text = "SELECT count(*) FROM quiet"
    with proxy.connect(autocommit=True) as connection, primary.connect(autocommit=False) as writer:
        writer.execute("INSERT INTO quiet VALUES (1)")
        primary.run("ALTER PUBLICATION sportello ADD TABLE quiet")
        time.sleep(2.5)
        assert connection.execute(text).fetchone()[0] == 0
        writer.commit()
        assert connection.execute(text).fetchone()[0] == 1
        _wait_kept(proxy, connection, text)
        primary.run("INSERT INTO quiet VALUES (2)")
        _wait_same(primary, connection, text)


@pytest.mark.parametrize("change", ["ALTER PUBLICATION sportello SET (publish = 'insert')", "ALTER PUBLICATION sportello SET TABLE a WHERE (id > 100)"])
def test_a_publication_that_tells_less_than_all_covers_nothing(followed, change):
    primary, proxy, _ = followed()
    text = _READS["a"]
    with proxy.connect(autocommit=True) as connection:
        _wait_kept(proxy, connection, text)
        primary.run(change)

        def unserved():
            hits = _hits(proxy)
            connection.execute(text)
            return _hits(proxy) == hits
        wait_until(unserved, "nothing is served", 10)
        primary.run("UPDATE a SET x = 'zebra'")
        assert connection.execute(text).fetchall() == primary.rows(text)


def test_nothing_is_served_without_the_publication_and_it_comes_back(followed):
    primary, proxy, _ = followed()
    text = _READS["a"]
    with proxy.connect(autocommit=True) as connection:
        _wait_kept(proxy, connection, text)
        primary.run("DROP PUBLICATION sportello")
        wait_until(lambda: "not followed" in _cache(proxy)["guarantee"], "the loss is noticed", 10)
        wait_until(lambda: "sportello" in _cache(proxy)["last_error"], "the publication is named", 10)
        primary.run("UPDATE a SET x = 'unheard'")
        assert connection.execute(text).fetchall() == primary.rows(text)
        primary.run("CREATE PUBLICATION sportello FOR TABLE a")
        _wait_followed(proxy)
        _wait_kept(proxy, connection, text)


_FOLLOWER = "application_name = 'sportello follower'"


def test_a_cut_follower_serves_nothing_and_comes_back_with_everything_flushed(followed):
    primary, proxy, _ = followed()
    text = _READS["a"]
    with proxy.connect(autocommit=True) as connection:
        _wait_kept(proxy, connection, text)
        reconnects = int(_cache(proxy)["reconnects"])
        primary.rows(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {_FOLLOWER}")
        wait_until(lambda: int(_cache(proxy)["reconnects"]) > reconnects, "the cut is noticed", 5)
        _wait_followed(proxy)
        _wait_kept(proxy, connection, text)
        primary.run("UPDATE a SET x = 'zebra'")
        _wait_same(primary, connection, text)
    slots = primary.value("SELECT count(*) FROM pg_replication_slots")
    assert slots == 1, "the old slot is gone"


def test_a_restarted_primary_is_followed_again(followed):
    primary, proxy, _ = followed()
    text = _READS["a"]
    with proxy.connect(autocommit=True) as connection:
        _wait_kept(proxy, connection, text)
    primary.stop()
    wait_until(lambda: _cache(proxy)["follower"] != "following", "the loss is noticed", 5)
    primary.start()
    primary.run("UPDATE a SET x = 'zebra'")
    _wait_followed(proxy)
    with proxy.connect(autocommit=True) as connection:
        _wait_same(primary, connection, text)
        _wait_kept(proxy, connection, text)


def test_a_frozen_follower_serves_nothing_after_its_time(followed):
    primary, proxy, _ = followed(lag="1s")
    text = _READS["a"]
    with proxy.connect(autocommit=True) as connection:
        _wait_kept(proxy, connection, text)
        pid = primary.value(f"SELECT pid FROM pg_stat_activity WHERE {_FOLLOWER}")
        os.kill(pid, signal.SIGSTOP)
        try:
            primary.run("UPDATE a SET x = 'zebra'")
            time.sleep(1.2)
            assert connection.execute(text).fetchall() == primary.rows(text)
            assert "not followed" in _cache(proxy)["guarantee"]
        finally:
            os.kill(pid, signal.SIGCONT)
        _wait_followed(proxy)
        assert int(_cache(proxy)["reconnects"]) == 0, "it goes on with the same stream"
        _wait_kept(proxy, connection, text)


def test_a_commit_that_waits_for_its_standby_is_fenced_until_it_is_visible(followed):
    primary, proxy, cluster = followed(1, {"synchronous_standby_names": "'*'", "synchronous_commit": "local"})
    text = _READS["a"]
    replica = cluster.replicas[0]
    with proxy.connect(autocommit=True) as connection, primary.connect() as writer:
        before = _wait_kept(proxy, connection, text)
        replica.run("SELECT pg_wal_replay_pause()")
        writer.execute("SET synchronous_commit = remote_apply")
        with psycopg.connect(**_like(primary)) as looking:
            thread = threading.Thread(target=lambda: writer.execute("UPDATE a SET x = 'zebra'"))
            thread.start()
            wait_until(lambda: int(_cache(proxy)["fences"]) == 1, "the commit was streamed", 5)
            hits = _hits(proxy)
            for _ in range(20):
                assert connection.execute(text).fetchall() == before, "not visible yet"
                assert looking.execute(text).fetchall() == before
            assert _hits(proxy) == hits, "a table that is fenced is not served"
            replica.run("SELECT pg_wal_replay_resume()")
            thread.join(10)
        wait_until(lambda: int(_cache(proxy)["fences"]) == 0, "the fence came down", 5)
        assert connection.execute(text).fetchall() == primary.rows(text) != before
        _wait_kept(proxy, connection, text)


def _like(server):
    return {"host": server.socket_directory, "port": server.port, "user": "postgres", "dbname": "app", "autocommit": True}


def test_log_of_others_does_not_pile_up_and_the_position_follows(followed):
    primary, proxy, _ = followed(lag="1s")
    for _ in range(20):
        primary.run("INSERT INTO quiet SELECT g FROM generate_series(1, 2000) g", "TRUNCATE quiet")
    end = primary.value("SELECT pg_current_wal_flush_lsn()")
    wait_until(lambda: primary.value("SELECT %s::pg_lsn <= confirmed_flush_lsn FROM pg_replication_slots", [end]), "the server is told how far we are", 5)
    wait_until(lambda: primary.value("SELECT %s::pg_lsn <= %s::pg_lsn", [end, _cache(proxy)["applied"]]), "SHOW CACHE tells it", 5)


def test_a_server_without_logical_log_is_not_followed_and_the_console_says_why(make_cluster, make_proxy):
    cluster = make_cluster(settings={"wal_level": "replica"})
    cluster.primary.run(*_SCHEMA[:-1])
    proxy = make_proxy(_config(cluster))
    wait_until(lambda: "wal_level" in (_cache(proxy)["last_error"] or ""), "the reason is told", 10)
    with proxy.connect(autocommit=True) as connection:
        for i in range(3):
            connection.execute(_READS["a"])
        assert _hits(proxy) == 0


def test_a_reload_stops_following_and_begins_again(followed):
    primary, proxy, cluster = followed()
    proxy.config["cache"]["invalidation"] = "proxy"
    proxy.write_files()
    proxy.reload()
    wait_until(lambda: primary.value("SELECT count(*) FROM pg_replication_slots") == 0, "the slot is gone", 5)
    proxy.config["cache"]["invalidation"] = "wal"
    proxy.write_files()
    proxy.reload()
    _wait_followed(proxy)
