"""Reads go to replicas and nobody notices: each client reads its own writes and what others were told is written, replicas
die without a failed read, and nothing that writes is ever sent twice."""
import contextlib
import random
import threading
import time

import psycopg
import pytest

from sportello_testing import wire
from sportello_testing.waiting import stays_true, wait_until
from sportello_testing.wire_client import errors, rows

pytestmark = pytest.mark.ours

WHERE = "SELECT inet_server_port()"


def _config(cluster, workers=2, **database):
    return {"sportello": {"workers": workers, "monitor_user": "postgres", "default_pool_size": 10},
            "databases": {"app": {"primary": cluster.primary.dsn(), "replicas": [r.dsn() for r in cluster.replicas], **database}}}


def _wait_routing(proxy, replicas):
    """The catalog is known and every replica has reached what was written before."""
    def ready():
        nodes = [n for n in proxy.show("NODES") if n["role"] == "replica" and n["reachable"] == "yes"]
        return len(nodes) == replicas and all(int(n["reached"]) >= int(n["newest"]) for n in nodes)
    wait_until(ready, "replicas are in service", 15)
    with proxy.connect() as connection:
        primary_port = int([n for n in proxy.show("NODES") if n["role"] == "primary"][0]["port"])
        wait_until(lambda: _port(connection) != primary_port, "reads go to a replica", 15)


def _port(connection):
    return connection.execute(WHERE).fetchone()[0]


def _reads(proxy):
    return {int(n["port"]): int(n["reads"]) for n in proxy.show("NODES")}


def _node_of(proxy, server):
    return next(n for n in proxy.show("NODES") if int(n["port"]) == server.port)


def _routes(proxy):
    return {row["reason"]: int(row["count"]) for row in proxy.show("ROUTES")}


@pytest.fixture
def routed(make_cluster, make_proxy):
    def make(replicas=1, settings=None, tables=1, **options):
        cluster = make_cluster(replicas, settings)
        for i in range(tables):
            cluster.primary.run(f"CREATE TABLE t{i} (k int PRIMARY KEY, v bigint)", f"INSERT INTO t{i} SELECT g, 0 FROM generate_series(1, 100) g",
                                f"GRANT ALL ON t{i} TO PUBLIC")
        cluster.wait_caught_up()
        proxy = make_proxy(_config(cluster, **options))
        return cluster, proxy
    return make


@pytest.mark.parametrize("workers", [1, 4])
def test_a_lone_read_goes_to_a_replica_and_a_write_to_the_primary(routed, workers):
    cluster, proxy = routed(1, workers=workers)
    _wait_routing(proxy, 1)
    replica = cluster.replicas[0].port
    with proxy.connect() as connection:
        assert _port(connection) == replica
        connection.execute("UPDATE t0 SET v = v + 1 WHERE k = 1")
        assert connection.execute("SELECT v FROM t0 WHERE k = 1").fetchone()[0] == 1
        with connection.transaction():
            assert _port(connection) == cluster.primary.port
            connection.execute("UPDATE t0 SET v = v + 1 WHERE k = 1")
            assert connection.execute("SELECT v FROM t0 WHERE k = 1").fetchone()[0] == 2
        assert connection.execute("SELECT v FROM t0 WHERE k = 1").fetchone()[0] == 2
    assert cluster.primary.value("SELECT v FROM t0 WHERE k = 1") == 2


def test_a_list_of_hosts_is_as_many_replicas(make_cluster, make_proxy):
    cluster = make_cluster(2, None)
    config = _config(cluster)
    ports = ",".join(str(replica.port) for replica in cluster.replicas)
    config["databases"]["app"]["replicas"] = [f"host=127.0.0.1,127.0.0.1 port={ports} dbname=app"]
    proxy = make_proxy(config)
    _wait_routing(proxy, 2)
    with proxy.connect() as connection:
        assert {_port(connection) for _ in range(50)} <= {replica.port for replica in cluster.replicas}


@pytest.mark.parametrize("statement", [
    "SELECT 1; UPDATE t0 SET v = 7 WHERE k = 1",
    "WITH x AS (UPDATE t0 SET v = 7 WHERE k = 1 RETURNING v) SELECT * FROM x",
    "SELECT writes()",
    "EXPLAIN ANALYZE UPDATE t0 SET v = 7 WHERE k = 1",
    "SELECT k, v INTO made FROM t0",
    "/* a comment */ ((SELECT nextval('s')))",
    "SELECT * FROM t0 WHERE k = 1 FOR UPDATE",
    "SELECT * FROM behind",
])
def test_what_writes_behind_a_read_is_the_primarys(routed, statement):  # S68
    cluster, proxy = routed(1)
    cluster.primary.run("CREATE SEQUENCE s", "GRANT ALL ON SEQUENCE s TO PUBLIC",
                        "CREATE FUNCTION writes() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'UPDATE t0 SET v = 7 WHERE k = 1 RETURNING 1'",
                        "CREATE VIEW behind AS SELECT writes() AS w", "GRANT SELECT ON behind TO PUBLIC")
    _wait_routing(proxy, 1)
    with proxy.connect() as connection:
        before = _reads(proxy)[cluster.replicas[0].port]
        connection.execute(statement)
        assert _reads(proxy)[cluster.replicas[0].port] == before


def test_a_write_behind_a_read_in_the_same_bytes_goes_to_the_primary_in_its_turn(routed):
    cluster, proxy = routed(1)
    _wait_routing(proxy, 1)
    with proxy.connect() as connection, connection.pipeline():
        for i in range(1, 30):
            before = connection.execute("SELECT v FROM t0 WHERE k = 2")
            connection.execute("UPDATE t0 SET v = %s WHERE k = 2", [i])
            after = connection.execute("SELECT v FROM t0 WHERE k = 2")
            assert before.fetchone()[0] == i - 1
            assert after.fetchone()[0] == i


@pytest.mark.parametrize("workers", [1, 4])
def test_pipelined_queries_are_answered_in_their_order_whoever_answers(routed, workers):
    _, proxy = routed(1, workers=workers)
    _wait_routing(proxy, 1)
    client = proxy.wire()
    texts = ("SELECT 1", "SELECT count(*) FROM t0", "UPDATE t0 SET v = v + 1 WHERE k = 3 RETURNING 3", "SELECT 4", "SELECT 5/0", "SELECT 6")
    for _ in range(20):
        lines = client.exchange(*[wire.query(text) for text in texts], ready=len(texts))
        assert rows(lines) == ["1", "100", "3", "4", "6"]
        assert len(errors(lines)) == 1
    client.terminate()


def test_a_delayed_replica_never_shows_old_rows(routed):
    cluster, proxy = routed(2)
    cluster.replicas[1].configure({"recovery_min_apply_delay": "'3s'"})
    cluster.replicas[1].reload()
    _wait_routing(proxy, 2)
    late = cluster.replicas[1].port
    with proxy.connect() as writer, proxy.connect("bob") as reader:
        cluster.primary.run("GRANT pg_read_all_data TO bob")
        time.sleep(1.5)
        for i in range(1, 100):
            writer.execute("UPDATE t0 SET v = %s WHERE k = 5", [i])
            assert reader.execute("SELECT v FROM t0 WHERE k = 5").fetchone()[0] == i
            assert writer.execute("SELECT v FROM t0 WHERE k = 5").fetchone()[0] == i
            time.sleep(0.004)
            assert reader.execute("SELECT v FROM t0 WHERE k = 5").fetchone()[0] == i
    assert late in _reads(proxy)


@pytest.mark.slow
def test_more_than_nine_reads_in_ten_go_to_replicas_and_all_are_fresh(routed):
    cluster, proxy = routed(2, tables=8)
    cluster.replicas[1].configure({"recovery_min_apply_delay": "'50ms'"})
    cluster.replicas[1].reload()
    _wait_routing(proxy, 2)
    written = [[0] * 101 for _ in range(8)]       # what an acknowledged write left at least
    reads = 0
    problems = []
    stop = time.monotonic() + 6

    def client(number):
        nonlocal reads
        rng = random.Random(number)
        with proxy.connect() as connection:
            while time.monotonic() < stop and not problems:
                table, k = rng.randrange(8), number + 1
                if rng.random() < 0.05:
                    value = connection.execute(f"UPDATE t{table} SET v = v + 1 WHERE k = {k} RETURNING v").fetchone()[0]
                    written[table][k] = value
                else:
                    k = rng.randrange(1, 13)
                    least = written[table][k]
                    value = connection.execute(f"SELECT v FROM t{table} WHERE k = {k}").fetchone()[0]
                    reads += 1
                    if value < least:
                        problems.append((table, k, value, least))
                time.sleep(0.02)

    before = sum(_reads(proxy).values())
    threads = [threading.Thread(target=client, args=[i]) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, proxy.log()
    on_replicas = sum(_reads(proxy).values()) - before
    assert on_replicas > 0.9 * reads, (on_replicas, reads, _routes(proxy))


@pytest.mark.slow
def test_a_replica_killed_under_load_fails_no_read(routed):
    cluster, proxy = routed(2)
    _wait_routing(proxy, 2)
    problems = []
    stop = time.monotonic() + 4

    def client(number):
        try:
            with proxy.connect() as connection:
                while time.monotonic() < stop:
                    connection.execute("SELECT count(*) FROM t0 a, t0 b").fetchone()
        except psycopg.Error as problem:
            problems.append(repr(problem))

    threads = [threading.Thread(target=client, args=[i]) for i in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    cluster.replicas[0].process.kill()
    for thread in threads:
        thread.join()
    assert not problems, proxy.log()


def test_a_read_that_conflicts_with_replay_is_asked_of_the_primary_unseen(routed):
    cluster, proxy = routed(1, settings={"max_standby_streaming_delay": "'100ms'"})
    _wait_routing(proxy, 1)
    before = sum(int(n["retried"]) for n in proxy.show("NODES"))
    # A big answer would already be on its way when the conflict comes; this one says nothing until its end.
    slow = "SELECT sum(length(repeat(a.v::text || b.v::text, 60))) FROM t0 a, t0 b, generate_series(1, 150) g"
    with proxy.connect() as connection:
        done = threading.Event()

        def disturb():
            while not done.is_set():
                cluster.primary.run("UPDATE t0 SET v = v WHERE k > 50", "VACUUM t0")
                time.sleep(0.02)
        thread = threading.Thread(target=disturb)
        thread.start()
        try:
            for _ in range(3):
                assert connection.execute(slow).fetchone()[0] > 0
        finally:
            done.set()
            thread.join()
    assert sum(int(n["retried"]) for n in proxy.show("NODES")) > before


def test_a_write_on_a_lost_link_is_not_sent_twice(routed):  # S45
    cluster, proxy = routed(1)
    _wait_routing(proxy, 1)
    cluster.primary.run("CREATE TABLE ledger (n int)", "GRANT ALL ON ledger TO PUBLIC")
    with proxy.connect() as connection:
        timer = threading.Timer(0.3, cluster.primary.terminate_links, ["query LIKE '%ledger%'"])
        timer.start()
        with pytest.raises(psycopg.Error) as failed:
            connection.execute("WITH w AS (INSERT INTO ledger VALUES (1)) SELECT pg_sleep(2)")
        timer.join()
        assert failed.value.sqlstate == "57P01"
        assert connection.execute("SELECT count(*) FROM ledger").fetchone()[0] == 0


def test_shadow_counts_and_moves_nothing(routed):
    cluster, proxy = routed(1, routing="shadow")
    wait_until(lambda: any(n["role"] == "replica" and n["reached"] == n["newest"] for n in proxy.show("NODES")), "the replica is known")
    time.sleep(0.5)
    before = _routes(proxy)["a replica may answer it"]
    with proxy.connect() as connection:
        for _ in range(10):
            assert _port(connection) == cluster.primary.port
    assert _routes(proxy)["a replica may answer it"] >= before + 10
    assert sum(_reads(proxy).values()) == 0


def _explain(proxy, text):
    with proxy.admin() as console:
        rows = console.execute("EXPLAIN " + text).fetchall()
    return {row["step"]: row["result"] for row in rows}


def test_the_console_explains_where_a_statement_would_go(routed):
    cluster, proxy = routed(1)
    cluster.primary.run("CREATE VIEW v0 AS SELECT k, v FROM t0", "GRANT SELECT ON v0 TO PUBLIC")
    _wait_routing(proxy, 1)
    wait_until(lambda: _explain(proxy, "app alice 'SELECT max(v) FROM v0'").get("tables read") == "public.t0", "the view is known")
    told = _explain(proxy, "app alice 'SELECT max(v) FROM v0 WHERE k = 1'")
    assert told["kind"] == "read" and told["reads"] == "v0" and told["tables read"] == "public.t0", told
    assert told["freshness"] == "table" and told["floor"].startswith("write "), told
    assert told["goes to"] == f"the replica at 127.0.0.1:{cluster.replicas[0].port}: a replica may answer it", told
    assert "come far enough" in told[f"node 127.0.0.1:{cluster.replicas[0].port}"], told
    for text, why in [("UPDATE t0 SET v = 1", "it may write"), ("SELECT nextval('s')", "it may write"), ("SELECT * FROM nowhere", "is not known"),
                      ("SELECT * FROM pg_class", "replicas do not have"), ("/* sportello: primary */ SELECT 1", "a comment asks"),
                      ("SELECT 1; SELECT 2", "it may write"), ("SELEKT 1", "it may write")]:
        told = _explain(proxy, f"app alice $x${text}$x$")
        assert told["goes to"].startswith("the primary: ") and why in told["goes to"], (text, told)
    with proxy.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("UPDATE t0 SET v = v + 1 WHERE k = 1")
        connection.execute("COMMIT")
    assert _explain(proxy, "SELECT v FROM t0")["kind"] == "read"    # the only database, the console's own user
    with pytest.raises(psycopg.Error) as failed:
        _explain(proxy, "nowhere 'SELECT 1'")
    assert failed.value.sqlstate == "3D000"


def test_with_freshness_session_others_writes_may_be_missed_but_not_ones_own(routed):
    cluster, proxy = routed(1, freshness="session")
    replica = cluster.replicas[0]
    _wait_routing(proxy, 1)
    replica.run("SELECT pg_wal_replay_pause()")
    with proxy.connect() as writer, proxy.connect() as reader:
        writer.execute("UPDATE t0 SET v = 5 WHERE k = 6")
        assert writer.execute("SELECT v FROM t0 WHERE k = 6").fetchone()[0] == 5
        assert _port(writer) == cluster.primary.port
        assert reader.execute("SELECT v FROM t0 WHERE k = 6").fetchone()[0] == 0
        assert _port(reader) == replica.port
        replica.run("SELECT pg_wal_replay_resume()")
        wait_until(lambda: _port(writer) == replica.port, "the replica has the write", 10)
        assert writer.execute("SELECT v FROM t0 WHERE k = 6").fetchone()[0] == 5


def test_with_freshness_bounded_a_replica_answers_until_it_lags_too_far(routed):
    cluster, proxy = routed(1, freshness="bounded", max_replica_lag="4s")
    replica = cluster.replicas[0]
    _wait_routing(proxy, 1)
    replica.run("SELECT pg_wal_replay_pause()")
    with proxy.connect() as connection:
        connection.execute("UPDATE t0 SET v = 5 WHERE k = 6")
        assert _port(connection) == replica.port                   # not too late yet, whoever has written
        wait_until(lambda: _port(connection) == cluster.primary.port, "the replica lags too far", 20)
        assert connection.execute("SELECT v FROM t0 WHERE k = 6").fetchone()[0] == 5
        replica.run("SELECT pg_wal_replay_resume()")
        wait_until(lambda: _port(connection) == replica.port, "the replica has caught up", 10)
        assert connection.execute("SELECT v FROM t0 WHERE k = 6").fetchone()[0] == 5


def _floor(connection, **how):
    return connection.execute("SHOW sportello.floor", **how).fetchone()[0]


def _lsn(text):
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
def test_a_floor_travels_from_session_to_session(routed, prepare):
    cluster, proxy = routed(1, freshness="session")
    _wait_routing(proxy, 1)
    replica = cluster.replicas[0]
    replica.run("SELECT pg_wal_replay_pause()")
    with proxy.connect() as writer, proxy.connect() as reader:
        first = _lsn(_floor(reader))                         # what was written before the proxy came, at most
        assert first <= _lsn(cluster.primary.value("SELECT pg_current_wal_insert_lsn()::text"))
        for i in (1, 2):
            writer.execute("UPDATE t0 SET v = %s WHERE k = 8", [i])
            floor = _floor(writer, prepare=prepare)      # at once: its position may not be known yet
            assert _lsn(floor) <= _lsn(cluster.primary.value("SELECT pg_current_wal_insert_lsn()::text"))
            assert reader.execute("SELECT v FROM t0 WHERE k = 8").fetchone()[0] == i - 1 or i == 2
            assert reader.execute(f"SET sportello.floor = '{floor}'", prepare=prepare).statusmessage == "SET"
            assert reader.execute("SELECT v FROM t0 WHERE k = 8").fetchone()[0] == i
            assert _port(reader) == cluster.primary.port
        reader.execute("SET sportello.floor = '0/1'")    # it only rises
        assert _port(reader) == cluster.primary.port
        with pytest.raises(psycopg.Error) as failed:
            reader.execute("SET sportello.floor = 'never'", prepare=prepare)
        assert failed.value.sqlstate == "22P02" and "never" in str(failed.value)
        with reader.transaction():
            assert _lsn(_floor(reader)) >= _lsn(floor)
            reader.execute(f"SET sportello.floor = '{floor}'")
        replica.run("SELECT pg_wal_replay_resume()")
        wait_until(lambda: _port(reader) == replica.port, "the replica has reached the floor")
        assert reader.execute("SELECT v FROM t0 WHERE k = 8").fetchone()[0] == 2


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "prepared"])
@pytest.mark.parametrize("hinted", ["/* sportello: primary */ {}", "{} -- sportello: primary", "{} /*SPORTELLO:PRIMARY*/", "/* one */ /* sportello: replica */ {} /* sportello: primary */",
                                    "-- sportello: primary\r\n{}"])
def test_a_hint_sends_a_read_to_the_primary(routed, hinted, prepare):
    cluster, proxy = routed(1)
    _wait_routing(proxy, 1)
    with proxy.connect() as connection:
        for _ in range(3):
            assert connection.execute(hinted.format(WHERE), prepare=prepare).fetchone()[0] == cluster.primary.port
            assert connection.execute(WHERE, prepare=prepare).fetchone()[0] == cluster.replicas[0].port


def test_a_shape_that_a_replica_refuses_is_a_write_from_then_on(routed):
    """A function that is declared IMMUTABLE and writes: a replica finds it out."""
    cluster, proxy = routed(1, workers=1)
    cluster.primary.run("CREATE FUNCTION bump() RETURNS bigint LANGUAGE sql AS 'UPDATE public.t0 SET v = v + 1 WHERE k = 2 RETURNING v'",
                        "CREATE FUNCTION liar() RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN public.bump(); END'")
    _wait_routing(proxy, 1)
    replica = cluster.replicas[0]
    refused = "a replica has refused this shape before"
    with proxy.connect() as writer, proxy.connect() as reader:
        wait_until(lambda: _explain(proxy, "app alice 'SELECT liar()'")["goes to"].startswith("the replica"), "the function is known")
        replica.run("SELECT pg_wal_replay_pause()")
        retried, before = sum(int(n["retried"]) for n in proxy.show("NODES")), _routes(proxy)[refused]
        for i in (1, 2, 3):
            assert writer.execute("SELECT liar()").fetchone()[0] == i
            for connection in (writer, reader):
                assert connection.execute("SELECT v FROM t0 WHERE k = 2").fetchone()[0] == i
        assert sum(int(n["retried"]) for n in proxy.show("NODES")) == retried + 1
        assert _routes(proxy)[refused] == before + 2
        assert refused in _explain(proxy, "app alice 'SELECT liar()'")["goes to"]


def test_a_replica_of_more_weight_answers_more(routed):
    cluster, proxy = routed(2)
    _wait_routing(proxy, 2)
    heavy, light = cluster.replicas
    proxy.config["databases"]["app"]["replicas"] = [heavy.dsn(weight=9), light.dsn()]
    proxy.write_files()
    proxy.reload()
    _wait_routing(proxy, 2)
    assert {int(n["port"]): int(n["weight"]) for n in proxy.show("NODES")} == {cluster.primary.port: 1, heavy.port: 9, light.port: 1}
    in_flight = lambda: {int(n["port"]): int(n["in_flight"]) for n in proxy.show("NODES")}
    with cluster.primary.connect(autocommit=False) as holder, contextlib.ExitStack() as stack:
        holder.execute("LOCK TABLE t0 IN ACCESS EXCLUSIVE MODE")     # replicas hold it, too
        cluster.primary.run("SELECT pg_switch_wal()")                # nobody else flushes the log
        for replica in cluster.replicas:
            wait_until(lambda: replica.value("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL", dbname="postgres"), "it is locked")
        slow = [stack.enter_context(proxy.wire()) for _ in range(8)]
        for number, client in enumerate(slow, 1):
            client.send(wire.query("SELECT count(*) FROM t0"))
            wait_until(lambda: sum(in_flight().values()) == number, "it waits at a replica")
        assert in_flight() == {cluster.primary.port: 0, heavy.port: 8, light.port: 0}
        holder.rollback()
        assert [rows(client.read_until_ready()) for client in slow] == [["100"]] * len(slow)
    assert set(in_flight().values()) == {0}


def test_a_users_freshness_comes_before_its_databases(routed):
    cluster, proxy = routed(1)
    proxy.config["users"] = {"bob": {"freshness": "session"}}
    proxy.write_files()
    proxy.reload()
    _wait_routing(proxy, 1)
    replica = cluster.replicas[0]
    read = "SELECT v FROM t0 WHERE k = 6"
    assert [_explain(proxy, f"app {user} '{read}'")["freshness"] for user in ("alice", "bob")] == ["table", "session"]
    replica.run("SELECT pg_wal_replay_pause()")
    with proxy.connect() as writer, proxy.connect("bob") as reader:
        writer.execute("UPDATE t0 SET v = 5 WHERE k = 6")
        before = _reads(proxy)[replica.port]
        assert writer.execute(read).fetchone()[0] == 5
        assert reader.execute(read).fetchone()[0] == 0      # a replica's answer, behind what others wrote
        assert _reads(proxy)[replica.port] == before + 1
        reader.execute("UPDATE t0 SET v = 6 WHERE k = 6")
        assert reader.execute(read).fetchone()[0] == 6      # but never behind its own


def test_without_a_primary_reads_go_on_at_every_worker(routed):
    """Also at those that nobody has asked of the database before."""
    cluster, proxy = routed(1, workers=4)
    _wait_routing(proxy, 1)
    wait_until(lambda: _explain(proxy, "app alice 'SELECT v FROM t0'").get("tables read") == "public.t0", "the catalog is known")
    cluster.primary.stop("immediate")
    wait_until(lambda: _node_of(proxy, cluster.primary)["reachable"] == "no", "the primary is gone")
    with contextlib.ExitStack() as stack:
        for client in [stack.enter_context(proxy.wire()) for _ in range(12)]:
            assert rows(client.query("SELECT count(*) FROM t0")) == ["100"]


def test_writes_wait_for_a_primary_in_the_order_in_which_they_came(routed):
    cluster, proxy = routed(1, pool_size=1, reserve_pool_size=0)
    proxy.set(query_wait_timeout="60s")
    proxy.reload()
    _wait_routing(proxy, 1)
    cluster.primary.stop("immediate")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(proxy.wire()) for _ in range(6)]
        for number, client in enumerate(clients):
            client.send(wire.query(f"INSERT INTO t0 (k, v) VALUES ({1000 + number}, 0)"))
            wait_until(lambda: int(proxy.pool()["cl_waiting"]) == number + 1, "it waits")
        assert rows(stack.enter_context(proxy.wire()).query("SELECT count(*) FROM t0")) == ["100"]   # reads go on
        cluster.replicas[0].promote()
        for client in clients:
            assert client.read_until_ready(deadline=30) == ["CommandComplete INSERT 0 1", "ReadyForQuery I"]
    assert [row[0] for row in cluster.replicas[0].rows("SELECT k FROM t0 WHERE k >= 1000 ORDER BY xmin::text::bigint")] == list(range(1000, 1006))


def test_the_console_tells_of_nodes_and_tables(routed):
    cluster, proxy = routed(1, tables=2)
    _wait_routing(proxy, 1)
    replica = cluster.replicas[0]
    with proxy.connect() as connection, cluster.primary.connect(autocommit=False) as holder:
        connection.execute("UPDATE t0 SET v = 1 WHERE k = 1")
        connection.execute("SELECT v FROM t1")
        wait_until(lambda: all(n["reached"] == n["newest"] for n in proxy.show("NODES")), "the write is everywhere")
        first, second = proxy.show("NODES")
        assert (first["database"], first["host"], int(first["port"]), first["role"], first["reachable"]) == ("app", "127.0.0.1", cluster.primary.port, "primary", "yes")
        assert (int(second["port"]), second["role"], second["reachable"], int(second["timeline"]), int(second["weight"])) == (replica.port, "replica", "yes", 1, 1)
        assert int(second["lag_bytes"]) >= 0 and int(second["lag_us"]) >= 0 and int(second["in_flight"]) == 0
        assert _lsn(first["position"]) >= _lsn(second["position"]) > 0
        tables = {row["table"]: row for row in proxy.show("TABLES")}
        assert _lsn(tables["public.t0"]["floor"]) <= _lsn(second["position"])
        epoch = int(tables["public.t0"]["epoch"])
        replica.run("SELECT pg_wal_replay_pause()")
        holder.execute("SELECT * FROM t0 WHERE k = 1 FOR UPDATE")
        with proxy.wire() as writer:
            writer.send(wire.query("UPDATE t0 SET v = 2 WHERE k = 1"))
            wait_until(lambda: {row["table"]: int(row["fences"]) for row in proxy.show("TABLES")}["public.t0"] == 1, "the table is fenced")
            holder.rollback()
            writer.read_until_ready()
        after = {row["table"]: row for row in proxy.show("TABLES")}["public.t0"]
        assert (int(after["fences"]), int(after["epoch"])) == (0, epoch + 1)
        wait_until(lambda: all(int(_node_of(proxy, replica)[lag]) > 0 for lag in ("lag_bytes", "lag_us")), "it lags")
        assert int(_node_of(proxy, replica)["reached"]) < int(_node_of(proxy, replica)["newest"])
        replica.stop("immediate")
        wait_until(lambda: _node_of(proxy, replica)["reachable"] == "no", "it is gone")


@pytest.mark.slow
def test_a_promoted_replica_takes_the_writes_and_the_old_primary_none(routed):  # F8
    cluster, proxy = routed(2)
    _wait_routing(proxy, 2)
    old, new = cluster.primary, cluster.replicas[0]
    with proxy.connect() as connection:
        connection.execute("UPDATE t0 SET v = 1 WHERE k = 9")
        wait_until(lambda: all(n["reached"] == n["newest"] for n in proxy.show("NODES")), "the write's position is known")
        old.stop("immediate")
        assert _port(connection) in [r.port for r in cluster.replicas]   # reads go on
        new.promote()
        connection.execute("UPDATE t0 SET v = v + 1 WHERE k = 9")        # waits, then goes to the new one
        assert connection.execute("SELECT v FROM t0 WHERE k = 9").fetchone()[0] == 2
        assert new.value("SELECT v FROM t0 WHERE k = 9") == 2
        old.start()                                                       # as a second primary
        wait_until(lambda: any(n["role"] == "second primary" for n in proxy.show("NODES")), "the old primary is fenced")
        proxy.wait_log(f'has a second primary, which is left alone: 127.0.0.1:{old.port}')
        for _ in range(20):
            connection.execute("UPDATE t0 SET v = v + 1 WHERE k = 9")
        assert new.value("SELECT v FROM t0 WHERE k = 9") == 22
        assert old.value("SELECT v FROM t0 WHERE k = 9") == 1


@pytest.mark.slow
def test_a_second_primary_is_not_asked_what_became_of_the_firsts_processes(make_cluster, make_proxy, fault_proxy):  # cache/README.md, F8
    cluster = make_cluster(1)
    cluster.primary.run("CREATE TABLE t0 (k int PRIMARY KEY, v bigint)", "INSERT INTO t0 VALUES (9, 0)", "GRANT ALL ON t0 TO PUBLIC")
    cluster.wait_caught_up()
    old, new = cluster.primary, cluster.replicas[0]
    between = fault_proxy(new.port)
    config = _config(cluster)
    config["databases"]["app"]["replicas"] = [f"host=127.0.0.1 port={between.port} dbname=app"]
    proxy = make_proxy(config)
    _wait_routing(proxy, 1)
    old.stop("immediate")
    new.promote()
    with proxy.wire() as writer, proxy.connect() as reader, new.connect(autocommit=False) as holder:
        assert errors(writer.query("UPDATE t0 SET v = 1 WHERE k = 9")) == []
        old.start()
        wait_until(lambda: any(n["role"] == "second primary" for n in proxy.show("NODES")), "the old primary is fenced")
        holder.execute("SELECT * FROM t0 FOR UPDATE")
        writer.send(wire.query("UPDATE t0 SET v = 2 WHERE k = 9"))
        wait_until(lambda: new.link_pids("wait_event_type = 'Lock'"), "it waits")
        between.reset_all()
        assert errors(writer.read_until_ready()) == ["08007"]

        def fenced():
            return any(int(row["fences"]) for row in proxy.show("TABLES"))
        stays_true(fenced, "the table stays fenced", 6)
        holder.rollback()
        wait_until(lambda: not fenced(), "it is over")
        assert reader.execute("SELECT v FROM t0 WHERE k = 9").fetchone()[0] == 2
