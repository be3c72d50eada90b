"""SHOW QUERIES: what each shape of statement cost, counted exactly by whichever protocol, wherever it was answered, and without
anybody's data."""
import contextlib
import threading

import psycopg
import pytest

from sportello_testing import wire
from sportello_testing.waiting import wait_until
from sportello_testing.wire_client import errors

pytestmark = pytest.mark.ours

NUMBERS = ("calls", "rows", "primary", "replica", "cache", "errors")


def _queries(proxy):
    return [row for row in proxy.show("QUERIES") if row["database"] is not None]


def _row(proxy, text):
    """The one shape that is shown so."""
    (row,) = [row for row in _queries(proxy) if row["query"] == text]
    return row


def _numbers(proxy, text):
    return {name: int(_row(proxy, text)[name]) for name in NUMBERS}


def _counts(calls, rows, primary=None, replica=0, cache=0, errors=0):
    return {"calls": calls, "rows": rows, "primary": calls if primary is None else primary, "replica": replica, "cache": cache, "errors": errors}


@pytest.mark.parametrize("workers", [1, 4])
def test_every_call_of_a_shape_counts_once_whatever_the_protocol(proxy, table, workers):
    process = proxy(workers=workers)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(process.connect(prepare_threshold=None)) for _ in range(4)]
        raw = process.wire()
        for i, client in enumerate(clients):
            client.execute(f"INSERT INTO {table} VALUES ({i}), ({i + 10})")             # simple
            client.execute(f"SELECT id FROM {table} WHERE id < %s", [0])                # extended, unnamed
            client.execute(f"SELECT id FROM {table} WHERE id < %s", [-5], prepare=True)  # prepared
            client.execute(f"select id  from {table} where id < {-i} -- a comment")     # another writing of it
        raw.query(f"UPDATE {table} SET id = id WHERE id = 1")
        raw.extended(f"UPDATE {table} SET id = id WHERE id = $1 RETURNING id", ["11"])
        raw.terminate()
    shown = f"INSERT INTO {table} VALUES ($1), ($2)"
    assert _numbers(process, shown) == _counts(calls=4, rows=8)
    assert _numbers(process, f"SELECT id FROM {table} WHERE id < $1") == _counts(calls=12, rows=0)
    assert _numbers(process, f"UPDATE {table} SET id = id WHERE id = $1") == _counts(calls=1, rows=1)
    assert _numbers(process, f"UPDATE {table} SET id = id WHERE id = $1 RETURNING id") == _counts(calls=1, rows=1)
    row = _row(process, shown)
    assert len(row["fingerprint"]) == 16 and row["database"] == "app" and float(row["hit_rate"]) == 0
    assert 0 < int(row["mean_time"]) <= int(row["max_time"]) <= int(row["total_time"])
    assert int(row["mean_time"]) == int(row["total_time"]) // 4


def test_the_fingerprint_is_the_one_of_explain_and_of_rules(proxy):
    process = proxy()
    with process.connect() as client, process.admin() as console:
        client.execute("SELECT 41 + 1")
        explained = console.execute("EXPLAIN app alice 'SELECT 5 + 6'").fetchall()
    assert _row(process, "SELECT $1 + $2")["fingerprint"] in [value for row in explained for value in row.values()]


def test_time_is_the_servers(proxy):
    process = proxy()
    with process.connect() as client:
        client.execute("SELECT pg_sleep(0.3)")
        client.execute("SELECT pg_sleep(0.1)")
    row = _row(process, "SELECT pg_sleep($1)")
    assert 400_000 <= int(row["total_time"]) < 3_000_000
    assert 300_000 <= int(row["max_time"]) <= int(row["total_time"]) - 100_000
    assert _queries(process)[0] == row, "the costliest comes first"


def test_waiting_for_a_connection_is_not_in_it(proxy):
    process = proxy(default_pool_size=1, reserve_pool_size=0)
    with process.connect(autocommit=False) as holder, process.connect() as waiter:
        holder.execute("SELECT 1")
        thread = threading.Thread(target=waiter.execute, args=("SELECT 1 AS waited",))
        thread.start()
        wait_until(lambda: int(process.pool()["cl_waiting"]) == 1, "somebody waits")
        wait_until(lambda: int(process.pool()["maxwait_us"]) > 300_000 or int(process.pool()["maxwait"]) > 0, "for a while")
        holder.rollback()
        thread.join()
    assert int(_row(process, "SELECT $1 AS waited")["total_time"]) < 250_000


def test_a_pipeline_counts_each_execution(proxy):
    process = proxy()
    client = process.wire()
    one = [wire.parse("", "SELECT 1 AS a WHERE 0 < $1"), wire.bind(values=["1"]), wire.execute()]
    two = [wire.parse("", "SELECT 2 AS b, $1::int"), wire.bind(values=["1"]), wire.execute()]
    client.exchange(*one, *two, *one, wire.sync(), *two, wire.sync(), wire.query("SELECT 3 AS c; SELECT 4"), ready=3)
    assert _numbers(process, "SELECT $1 AS a WHERE $2 < $3") == _counts(calls=2, rows=2)
    assert _numbers(process, "SELECT $1 AS b, $2::int") == _counts(calls=2, rows=2)
    assert _numbers(process, "SELECT $1 AS c; SELECT $2") == _counts(calls=1, rows=2)


def test_a_portal_in_pieces_counts_its_rows(proxy):
    process = proxy()
    client = process.wire()
    client.exchange(wire.query("BEGIN"))
    client.exchange(wire.parse("", "SELECT g FROM generate_series(1, 25) g"), wire.bind(),
                    *[wire.execute(max_rows=10)] * 3, wire.sync())
    client.exchange(wire.query("COMMIT"))
    assert _numbers(process, "SELECT g FROM generate_series($1, $2) g") == _counts(calls=3, rows=25)


def test_rows_of_copy_and_of_commands(proxy, table):
    process = proxy()
    with process.connect(autocommit=False) as client:
        with client.cursor().copy(f"COPY {table} (id) FROM STDIN") as copy:
            copy.write("1\n2\n3\n")
        with client.cursor().copy(f"COPY {table} (id) TO STDOUT") as copy:
            assert len(list(copy.rows())) == 3
        client.execute(f"CREATE TEMP TABLE made ON COMMIT DROP AS SELECT * FROM {table}")
        client.execute(f"DELETE FROM {table}")
        client.commit()
    assert _numbers(process, f"COPY {table} (id) FROM STDIN") == _counts(calls=1, rows=3)
    assert _numbers(process, f"COPY {table} (id) TO STDOUT") == _counts(calls=1, rows=3)
    assert _numbers(process, f"CREATE TEMP TABLE made ON COMMIT DROP AS SELECT * FROM {table}") == _counts(calls=1, rows=3)
    assert _numbers(process, f"DELETE FROM {table}") == _counts(calls=1, rows=3)


def test_errors_count_for_what_was_asked(proxy):
    process = proxy()
    client = process.wire()
    assert errors(client.query("SELECT 1 / 0"))                                          # while it ran
    assert errors(client.extended("SELECT 1 / $1::int", ["0"]))
    assert errors(client.query("SELECT 1 FROM no_such_table"))                           # before
    assert errors(client.extended("SELECT $1::int FROM no_such_table", ["1"]))           # by its Parse
    assert errors(client.extended("SELECT 7 + $1::int", ["seven"]))                      # by its Bind
    skipped = [wire.parse("", "SELECT 'skipped' || $1"), wire.bind(values=["x"]), wire.execute()]
    failing = [wire.parse("", "SELECT 8 / $1::int"), wire.bind(values=["0"]), wire.execute()]
    client.exchange(*failing, *skipped, wire.sync())
    client.extended("SELECT 8 / $1::int", ["2"])
    assert errors(client.query("SELEKT 9"))
    assert _numbers(process, "SELECT $1 / $2") == _counts(calls=1, rows=0, errors=1)
    assert _numbers(process, "SELECT $1 / $2::int") == _counts(calls=3, rows=1, errors=2)
    assert _numbers(process, "SELECT $1 FROM no_such_table") == _counts(calls=1, rows=0, errors=1)
    assert _numbers(process, "SELECT $1::int FROM no_such_table") == _counts(calls=1, rows=0, errors=1)
    assert _numbers(process, "SELECT $1 + $2::int") == _counts(calls=1, rows=0, errors=1)
    assert _numbers(process, "SELEKT $1") == _counts(calls=1, rows=0, errors=1)
    assert "skipped" not in str(_queries(process)) and not [r for r in _queries(process) if r["query"] == "SELECT $1 || $2"]


def test_a_lost_server_connection_is_an_error_of_what_ran(make_cluster, make_proxy):
    cluster = make_cluster(0, None)
    cluster.primary.run("CREATE TABLE t (k int)", "GRANT ALL ON t TO PUBLIC")
    proxy = make_proxy({"sportello": {"workers": 1}, "databases": {"app": {"primary": cluster.primary.dsn()}}})
    with proxy.connect() as client:
        thread = threading.Thread(target=_fails, args=(client, "INSERT INTO t SELECT 1 FROM pg_sleep(30)"))
        thread.start()
        asked = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO t SELECT%' AND state = 'active'"
        wait_until(lambda: cluster.primary.rows(asked), "the server process is ended")
        thread.join()
    assert _numbers(proxy, "INSERT INTO t SELECT $1 FROM pg_sleep($2)") == _counts(calls=1, rows=0, errors=1)


def _fails(client, sql):
    with pytest.raises(psycopg.Error):
        client.execute(sql)


def test_what_is_run_again_unseen_counts_once(make_cluster, make_proxy):
    cluster = make_cluster(0, None)
    proxy = make_proxy({"sportello": {"workers": 1, "default_pool_size": 1}, "databases": {"app": {"primary": cluster.primary.dsn()}}})
    with proxy.connect(user="postgres") as client:
        client.execute("SELECT 1 AS again")
        asked = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%count(*) FROM generate_series%' AND state = 'active' AND pid <> pg_backend_pid()"
        thread = threading.Thread(target=client.execute, args=("SELECT count(*) FROM generate_series(1, 8000000) g",))
        thread.start()
        wait_until(lambda: cluster.primary.rows(asked) or not thread.is_alive(), "the server process is ended")
        thread.join()
    assert _numbers(proxy, "SELECT count(*) FROM generate_series($1, $2) g") == _counts(calls=1, rows=1)


def test_a_stale_plan_that_is_healed_counts_once(proxy, primary, table):
    process = proxy(default_pool_size=1)
    with process.connect() as client:
        for _ in range(3):
            client.execute(f"SELECT * FROM {table}", prepare=True)
        primary.run(f"ALTER TABLE {table} ADD COLUMN more int")
        client.execute(f"SELECT * FROM {table}", prepare=True)
    assert _numbers(process, f"SELECT * FROM {table}") == _counts(calls=4, rows=0)


def test_replicas_and_memory_are_told_apart(make_cluster, make_proxy):
    cluster = make_cluster(1, None)
    cluster.primary.run("CREATE TABLE t (k int)", "INSERT INTO t SELECT generate_series(1, 10)", "CREATE TABLE u (k int)", "GRANT ALL ON t, u TO PUBLIC")
    cluster.wait_caught_up()
    proxy = make_proxy({"sportello": {"workers": 2, "monitor_user": "postgres"},
                        "databases": {"app": {"primary": cluster.primary.dsn(), "replicas": [cluster.replicas[0].dsn()]}},
                        "cache": {"invalidation": "proxy", "rules": [{"name": "all", "tables": ["t"], "ttl": "1h"}]}})
    cached, at_replica = "SELECT k FROM t WHERE k <= $1", "SELECT count(*) FROM u"
    with proxy.connect(prepare_threshold=None) as client:
        def warm():
            client.execute("SELECT k FROM t WHERE k <= 3")
            client.execute("SELECT count(*) FROM u")
            return _numbers(proxy, cached)["cache"] and _numbers(proxy, at_replica)["replica"]
        wait_until(warm, "reads go to the replica, and come from memory", 15)
        before = {text: _numbers(proxy, text) for text in (cached, at_replica)}
        for _ in range(10):
            client.execute("SELECT k FROM t WHERE k <= 3")
            client.execute("SELECT k FROM t WHERE k <= %s", [3], binary=False)
            client.execute("SELECT count(*) FROM u")
        # An error of a replica is the primary's to tell: it is asked again, unseen.
        _fails(client, "SELECT 1 / count(*) - 1 / (count(*) - count(*)) FROM u")
        assert [int(node["retried"]) for node in proxy.show("NODES") if node["role"] == "replica"] == [1]
        with client.transaction():
            client.execute("INSERT INTO u VALUES (1)")
            client.execute("SELECT count(*) FROM u")
    assert _numbers(proxy, "SELECT $1 / count(*) - $2 / (count(*) - count(*)) FROM u") == _counts(calls=1, rows=0, errors=1)
    grown = {text: {name: _numbers(proxy, text)[name] - before[text][name] for name in NUMBERS} for text in before}
    # The one with a parameter is asked once; then nine come from memory.
    asked = grown[cached]["primary"] + grown[cached]["replica"]
    assert grown[cached] == {**_counts(calls=20, rows=60), "primary": grown[cached]["primary"], "replica": grown[cached]["replica"], "cache": 19} and asked == 1
    assert grown[at_replica] == _counts(calls=11, rows=11, primary=1, replica=10)
    row = _row(proxy, cached)
    assert float(row["hit_rate"]) == pytest.approx(100 * int(row["cache"]) / int(row["calls"]), abs=0.1)


# S29
def test_no_literal_is_ever_shown(proxy, primary):
    process = proxy()
    secret = "hunter2"
    client = process.wire(user="postgres")
    for text in [f"SELECT '{secret}'", f"SELECT $${secret}$$", f"SELECT E'\\'{secret}', 12345", f"SELECT /* {secret} */ 1 -- {secret}", f"SET my.token TO {secret}",
                 f"SET LOCAL my.token = '{secret}'", f"ALTER ROLE bob PASSWORD '{secret}'", "ALTER ROLE bob PASSWORD NULL", f"DO $$ BEGIN PERFORM '{secret}'; END $$",
                 f"SELECT 'without end {secret}", f"SELECT '{secret}' FROM nowhere", f"SELECT set_config('my.token', '{secret}', true)",
                 f"SELECT '{'x' * 70_000}{secret}'", f"SELEKT '{secret}'", f"SELECT 1; SET my.token = {secret}"]:
        client.query(text)
    client.extended(f"SELECT $1 || '{secret}'", [secret])
    client.terminate()
    shown = process.show("QUERIES")
    assert len(shown) >= 14 and secret not in str(shown) and "12345" not in str(shown)
    assert [row["calls"] for row in shown if row["fingerprint"] is None] == [1], "what is too long is not looked into"


# S61
def test_ten_thousand_shapes_stay_bounded_and_nothing_is_lost(proxy):
    process = proxy(workers=1)
    shapes = 3000
    with process.connect() as client:
        with client.pipeline():
            for i in range(shapes):
                client.execute(f"SELECT 1 AS c{i}")
                client.execute("SELECT 1 AS often")
    rows = process.show("QUERIES")
    assert len(rows) <= 1001
    assert sum(int(row["calls"]) for row in rows) == 2 * shapes
    assert _numbers(process, "SELECT $1 AS often")["calls"] == shapes
    (rest,) = [row for row in rows if row["database"] is None]
    assert "no longer kept" in rest["query"] and int(rest["calls"]) > 0


def test_the_console_shows_it_to_those_who_may_look(proxy):
    process = proxy(stats_users=["bob"])
    with process.connect() as client:
        client.execute("SELECT 1")
    with process.admin(user="bob") as console:
        assert [row["query"] for row in console.execute("SHOW QUERIES").fetchall()] == ["SELECT $1"]
    with process.admin() as console:
        assert console.execute("SHOW QUERIES").fetchall(), "and again"
