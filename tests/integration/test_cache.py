"""Reads answered from memory: never staler than promised, never somebody else's, and the very bytes that the server sent."""
import threading

import psycopg
import pytest

from sportello_testing import wire
from sportello_testing.waiting import stays_true, wait_until
from sportello_testing.wire_client import errors

pytestmark = pytest.mark.ours

COUNT = "SELECT k, v FROM t0 WHERE k <= 20 ORDER BY k"
RULE = {"name": "all", "ttl": "1h", "tables": ["t0", "t1", "part", "child"]}


def _config(cluster, *rules, workers=2, invalidation="proxy", **settings):
    return {"sportello": {"workers": workers, "monitor_user": "postgres", "default_pool_size": 10, **settings},
            "databases": {"app": {"primary": cluster.primary.dsn()}},
            "cache": {"invalidation": invalidation, "rules": list(rules) or [RULE]}}


def _rule(proxy, name="all"):
    return [row for row in proxy.show("CACHE RULES") if row["rule"] == name][0]


def _is_known(proxy):
    return "not known" not in proxy.show("CACHE")[0]["guarantee"]


def _wait_cached(proxy, connection, query, name="all"):
    """The catalog is known, and what was asked is kept."""
    def hit():
        before = int(_rule(proxy, name)["hits"])
        connection.execute(query)
        return int(_rule(proxy, name)["hits"]) > before
    wait_until(hit, "reads are answered from memory", 15)


@pytest.fixture
def cached(make_cluster, make_proxy):
    def make(*rules, **options):
        cluster = make_cluster(0, None)
        cluster.primary.run("CREATE TABLE t0 (k int PRIMARY KEY, v bigint)", "INSERT INTO t0 SELECT g, 0 FROM generate_series(1, 100) g",
                            "CREATE TABLE t1 (k int PRIMARY KEY, v bigint)", "INSERT INTO t1 VALUES (1, 1)",
                            "CREATE TABLE part (k int, v int) PARTITION BY RANGE (k)",
                            "CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (0) TO (10)",
                            "CREATE TABLE child (k int REFERENCES t1 ON DELETE CASCADE)", "INSERT INTO child VALUES (1)",
                            "GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC")
        return cluster, make_proxy(_config(cluster, *rules, **options))
    return make


@pytest.mark.parametrize("workers", [1, 4])
def test_a_read_is_answered_from_memory_until_its_table_is_written(cached, workers):
    cluster, proxy = cached(workers=workers)
    with proxy.connect() as reader, proxy.connect() as writer:
        _wait_cached(proxy, reader, COUNT)
        for i in range(1, 20):
            writer.execute("UPDATE t0 SET v = %s WHERE k = 1", [i])
            assert reader.execute(COUNT).fetchone() == (1, i)
            assert writer.execute(COUNT).fetchone() == (1, i)
        before = int(_rule(proxy)["hits"])
        for _ in range(10):
            assert reader.execute(COUNT).fetchone() == (1, 19)
        assert int(_rule(proxy)["hits"]) == before + 10


def test_what_is_answered_from_memory_counts_as_a_transaction(cached):
    _, proxy = cached()

    def counted():
        row = next(row for row in proxy.show("STATS_TOTALS") if row["database"] == "app")
        return row["xact_count"], row["query_count"]
    with proxy.connect(prepare_threshold=None) as reader:  # each execution is one batch
        _wait_cached(proxy, reader, COUNT)
        reader.execute(COUNT)  # by now the worker has counted what it answered before
        hits, before = int(_rule(proxy)["hits"]), counted()
        for _ in range(10):
            reader.execute(COUNT)
        assert int(_rule(proxy)["hits"]) == hits + 10
        assert counted() == (before[0] + 10, before[1] + 10)


def test_what_was_written_past_us_is_not_seen_without_the_log(cached):
    """The opposite of every other test: that it is stale shows that it comes from memory."""
    cluster, proxy = cached()
    with proxy.connect() as reader:
        _wait_cached(proxy, reader, COUNT)
        cluster.primary.run("UPDATE t0 SET v = 5 WHERE k = 1")
        assert reader.execute(COUNT).fetchone() == (1, 0)
        with proxy.admin() as console:
            console.execute("FLUSH CACHE TABLE t0")
        assert reader.execute(COUNT).fetchone() == (1, 5)


@pytest.mark.parametrize("write, read", [
    ("INSERT INTO part VALUES (3, 3)", "SELECT count(*) FROM part"),
    ("INSERT INTO part1 VALUES (4, 4)", "SELECT count(*) FROM part"),
    ("DELETE FROM t1", "SELECT count(*) FROM child"),
    ("TRUNCATE t0", "SELECT count(*) FROM t0"),
    ("WITH gone AS (DELETE FROM t0 RETURNING k) SELECT count(*) FROM gone", "SELECT count(*) FROM t0"),
    ("DO $$ BEGIN DELETE FROM t0; END $$", "SELECT count(*) FROM t0"),
    ("MERGE INTO t0 USING t1 ON t0.k = t1.k WHEN MATCHED THEN DELETE", "SELECT count(*) FROM t0"),
    ("ALTER TABLE t0 ADD COLUMN c int DEFAULT 7", "SELECT * FROM t0 WHERE k = 1"),
])
def test_every_kind_of_write_is_noticed(cached, write, read):
    cluster, proxy = cached()
    with proxy.connect() as reader, proxy.connect(user="postgres") as writer:
        _wait_cached(proxy, reader, read)
        before = reader.execute(read).fetchall()
        writer.execute(write)
        assert reader.execute(read).fetchall() == cluster.primary.rows(read) != before


def test_rows_are_not_given_to_who_was_told_that_they_are_others(cached):
    _, proxy = cached()
    query = "SELECT * FROM t0 WHERE k = 1"
    run = [wire.bind("", "s"), wire.execute(), wire.sync()]
    with proxy.wire() as told, proxy.connect() as reader, proxy.connect(user="postgres") as writer:
        _wait_cached(proxy, reader, query)
        told.exchange(wire.parse("s", query), wire.describe_statement("s"), wire.sync())
        assert "DataRow 1 0" in told.exchange(*run)
        before = int(_rule(proxy)["hits"])
        assert "DataRow 1 0" in told.exchange(*run)
        assert int(_rule(proxy)["hits"]) == before + 1, "rows as it knows them come from memory"
        writer.execute("ALTER TABLE t0 ADD COLUMN c int DEFAULT 7")
        _wait_cached(proxy, reader, query)
        assert errors(told.exchange(*run)) == ["0A000"]


def test_ddl_in_a_transaction_is_noticed_when_it_is_committed(cached):
    cluster, proxy = cached()
    cluster.primary.run("CREATE VIEW shown AS SELECT k FROM t1", "GRANT SELECT ON shown TO PUBLIC")
    query = "SELECT count(*) FROM shown"
    with proxy.connect() as reader, proxy.connect(user="postgres", autocommit=False) as writer:
        _wait_cached(proxy, reader, query)
        writer.execute("CREATE OR REPLACE VIEW shown AS SELECT k FROM t0")
        wait_until(lambda: _is_known(proxy), "the catalog was looked at once more, before the commit", 5)
        writer.commit()
        assert reader.execute(query).fetchone()[0] == 100
        with proxy.connect() as other:
            other.execute("DELETE FROM t0 WHERE k > 50")
        assert reader.execute(query).fetchone()[0] == 50


def test_an_open_transaction_reads_and_writes_on_its_server(cached):
    cluster, proxy = cached()
    with proxy.connect() as reader, proxy.connect(autocommit=False) as writer:
        _wait_cached(proxy, reader, COUNT)
        writer.execute("UPDATE t0 SET v = 9 WHERE k = 1")
        assert writer.execute(COUNT).fetchone() == (1, 9)
        assert reader.execute(COUNT).fetchone() == (1, 0)
        writer.rollback()
        assert reader.execute(COUNT).fetchone() == (1, 0)
        assert writer.execute(COUNT).fetchone() == (1, 0)


def test_two_users_get_what_is_theirs(cached):
    cluster, proxy = cached({"name": "all", "ttl": "1h", "tables": ["t0"]})
    cluster.primary.run("REVOKE ALL ON t0 FROM PUBLIC", "GRANT SELECT ON t0 TO alice")
    with proxy.connect(user="alice") as allowed, proxy.connect(user="bob") as denied:
        _wait_cached(proxy, allowed, COUNT)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            denied.execute(COUNT)


def test_settings_that_change_a_result_keep_results_apart(cached):
    cluster, proxy = cached()
    query = "SELECT '2024-02-01'::timestamptz::text, count(*) FROM t0"
    with proxy.connect() as here, proxy.connect() as there:
        there.execute("SET TimeZone = 'Asia/Tokyo'")
        _wait_cached(proxy, here, query)
        mine = here.execute(query).fetchone()
        theirs = there.execute(query).fetchone()
        assert mine != theirs
        assert there.execute(query).fetchone() == theirs
        assert here.execute(query).fetchone() == mine


def test_parameters_and_formats_keep_results_apart(cached):
    cluster, proxy = cached()
    with proxy.connect() as connection:
        _wait_cached(proxy, connection, COUNT)
        for binary in (False, True, False, True):
            cursor = connection.cursor(binary=binary)
            for k in (1, 2, 3, 1, 2):
                assert cursor.execute("SELECT k, v FROM t0 WHERE k = %s", [k]).fetchone() == (k, 0)


def test_both_protocols_and_prepared_statements_are_answered(cached):
    cluster, proxy = cached()
    query = "SELECT k, v FROM t0 WHERE k = %s"
    with proxy.connect() as connection:
        _wait_cached(proxy, connection, COUNT)
        for _ in range(10):
            assert connection.execute(query, [7], prepare=True).fetchone() == (7, 0)
        before = int(_rule(proxy)["hits"])
        with proxy.connect() as another:
            assert another.execute(query, [7], prepare=True).fetchone() == (7, 0)
            assert another.execute(query, [7], prepare=True).fetchone() == (7, 0)
            assert another.execute(query, [8], prepare=True).fetchone() == (8, 0)  # asks a server for a statement it was never told
        assert int(_rule(proxy)["hits"]) >= before + 2


def test_pipelines_keep_their_order(cached):
    cluster, proxy = cached()
    with proxy.connect() as connection:
        _wait_cached(proxy, connection, COUNT)
        with connection.pipeline():
            for i in range(1, 30):
                before = connection.execute("SELECT v FROM t0 WHERE k = 2")
                connection.execute("UPDATE t0 SET v = %s WHERE k = 2", [i])
                after = connection.execute("SELECT v FROM t0 WHERE k = 2")
                assert before.fetchone()[0] == i - 1
                assert after.fetchone()[0] == i


def test_many_who_miss_ask_once(cached):
    cluster, proxy = cached({"name": "slow", "ttl": "1h", "tables": ["t0"], "stable_functions": True})
    query = "SELECT count(*) FROM t0 WHERE k <= 20 AND (SELECT count(*) FROM t0 a, t0 b, t0 c WHERE a.k + b.k > c.k) > 0"
    answers = []
    with proxy.connect() as connection:
        _wait_cached(proxy, connection, "SELECT count(*) FROM t0", "slow")

        def ask():
            with proxy.connect() as client:
                answers.append(client.execute(query).fetchone()[0])
        threads = [threading.Thread(target=ask) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    rule = _rule(proxy, "slow")
    assert answers == [20] * 40
    assert int(rule["stored"]) <= 3


def test_notices_and_errors_are_not_kept(cached):
    cluster, proxy = cached({"name": "all", "ttl": "1h", "tables": ["t0"], "stable_functions": True})
    cluster.primary.run("CREATE FUNCTION says(k int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'hear'; RETURN k; END$$")
    with proxy.connect() as connection:
        _wait_cached(proxy, connection, COUNT)
        heard = []
        connection.add_notice_handler(lambda notice: heard.append(notice.message_primary))
        for _ in range(3):
            connection.execute("SELECT count(says(k)) FROM t0 WHERE k = 1")
        assert len(heard) >= 3
        for _ in range(3):
            with pytest.raises(psycopg.errors.DivisionByZero):
                connection.execute("SELECT k / (k - 1) FROM t0 WHERE k = 1")


def test_a_rule_in_shadow_answers_from_the_server_and_compares(cached):
    cluster, proxy = cached({"name": "all", "ttl": "1h", "tables": ["t0"], "mode": "shadow"})
    with proxy.connect() as reader:
        wait_until(lambda: reader.execute(COUNT) and int(_rule(proxy)["shadow_hits"]) > 0, "the rule is watched", 15)
        cluster.primary.run("UPDATE t0 SET v = 5 WHERE k = 1")
        assert reader.execute(COUNT).fetchone() == (1, 5)
        assert int(_rule(proxy)["shadow_differences"]) >= 1


def test_a_ttl_ends_a_result(cached):
    cluster, proxy = cached({"name": "all", "ttl": "300ms", "tables": ["t0"]})
    with proxy.connect() as reader:
        _wait_cached(proxy, reader, COUNT)
        cluster.primary.run("UPDATE t0 SET v = 5 WHERE k = 1")
        wait_until(lambda: reader.execute(COUNT).fetchone() == (1, 5), "the result expires", 5)


def test_a_client_that_takes_no_answers_costs_no_memory(cached):
    cluster, proxy = cached()
    big = "SELECT repeat('x', 200000), k FROM t0 WHERE k = 1"
    with proxy.connect() as connection:
        _wait_cached(proxy, connection, big)
    count = 3000  # 600 MB
    before = proxy.resident_bytes()
    with proxy.wire() as client:
        client.send(wire.query(big) * count)
        wait_until(lambda: int(_rule(proxy)["hits"]) > 2, "it is being answered", 5)
        with proxy.connect() as other:
            assert other.execute(COUNT).fetchone() == (1, 0)
        assert proxy.resident_bytes() - before < 20 << 20
        for _ in range(count):
            lines = client.read_until_ready()
            assert lines[-1] == "ReadyForQuery I" and not errors(lines)


def test_explain_says_whether_and_why(cached):
    cluster, proxy = cached({"name": "all", "ttl": "1h", "tables": ["t0"]})

    def explained(statement):
        with proxy.admin() as console:
            return {row["step"]: row["result"] for row in console.execute(f"EXPLAIN app alice '{statement}'").fetchall()}
    with proxy.connect() as connection:
        _wait_cached(proxy, connection, COUNT)
    assert explained(COUNT)["cached"].startswith("yes, for 3600000 ms at most")
    assert explained(COUNT)["cache rule"] == "all"
    assert explained("SELECT random() FROM t0")["cached"] == "no: it calls VOLATILE functions or samples a table"
    assert explained("SELECT now() FROM t0")["cached"] == "no: it calls STABLE functions, and stable_functions is off"
    assert explained("SELECT * FROM t1")["cached"] == "no: no rule takes it"


_WRITES_BEHIND_NAMES = [
    "CREATE TYPE pair AS (a int)",
    "CREATE TABLE pairs (p pair)", "INSERT INTO pairs VALUES (ROW(1)::pair)",
    "CREATE FUNCTION bump() RETURNS int LANGUAGE sql AS 'UPDATE public.t0 SET v = v + 1 WHERE k = 1; SELECT 1'",
    "CREATE FUNCTION bump_row(t1) RETURNS int LANGUAGE sql AS 'SELECT public.bump()'",
    "CREATE FUNCTION bump_pair(pair) RETURNS int LANGUAGE sql AS 'SELECT public.bump()'",
    "CREATE VIEW bumps AS SELECT bump()",
    "GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC",
]


@pytest.mark.parametrize("read", ["SELECT * FROM bumps", "SELECT t1.bump_row FROM t1", "SELECT (p).bump_pair FROM pairs", "SELECT bump()",
                                  "SELECT (ROW(1)::pair).bump_pair"])
@pytest.mark.parametrize("prepared", [False, True], ids=["simple", "prepared"])
def test_what_looks_like_a_read_and_writes_is_noticed(cached, read, prepared):
    cluster, proxy = cached()
    with proxy.connect() as reader, proxy.connect(user="postgres", prepare_threshold=0 if prepared else None) as writer:
        for statement in _WRITES_BEHIND_NAMES:
            writer.execute(statement)
        for i in range(1, 4):
            _wait_cached(proxy, reader, COUNT)
            writer.execute(read)
            assert cluster.primary.rows(COUNT)[0] == reader.execute(COUNT).fetchone() == (1, i)


def test_a_function_that_is_called_like_a_field_is_no_field(cached):
    cluster, proxy = cached()
    query = "SELECT (v).counted FROM (SELECT ROW(k)::pair AS v FROM t1) x"
    with proxy.connect() as reader, proxy.connect(user="postgres") as writer:
        writer.execute("CREATE TYPE pair AS (a int)")
        writer.execute("CREATE FUNCTION counted(pair) RETURNS bigint STABLE LANGUAGE sql AS 'SELECT count(*) FROM public.t0'")
        _wait_cached(proxy, reader, "SELECT (v).a FROM (SELECT ROW(k)::pair AS v FROM t1) x")
        for _ in range(2):
            assert reader.execute(query).fetchone() == (100,)
        writer.execute("DELETE FROM t0 WHERE k > 50")
        assert reader.execute(query).fetchone() == (50,)


def test_a_parameter_may_name_a_moment(cached):
    _, proxy = cached()
    query = "SELECT k FROM t0 WHERE k = 1 AND %s::text <> ''"
    with proxy.connect() as reader:
        _wait_cached(proxy, reader, COUNT)
        for value, is_kept in [("monday", True), ("today", False), ("{Now,infinity}", False), ("yesterday 10:00", False), ("tonow", True)]:
            before = int(_rule(proxy)["hits"])
            for _ in range(3):
                reader.execute(query, [value])
            assert int(_rule(proxy)["hits"]) == before + (2 if is_kept else 0), value
    assert "STABLE" in _rule(proxy)["reasons"]


def test_a_savepoint_keeps_nobody_from_memory(cached):
    _, proxy = cached()
    with proxy.connect() as reader, proxy.connect(autocommit=False) as writer:
        _wait_cached(proxy, reader, COUNT)
        writer.execute("UPDATE t0 SET v = 1 WHERE k = 1")
        for statement in ("SAVEPOINT a", "UPDATE t0 SET v = 2 WHERE k = 1", "ROLLBACK TO a", "RELEASE a"):
            writer.execute(statement)
            before = int(_rule(proxy)["hits"])
            assert reader.execute(COUNT).fetchone() == (1, 0)
            assert int(_rule(proxy)["hits"]) == before + 1, statement
        writer.commit()
        assert reader.execute(COUNT).fetchone() == (1, 1)


def test_a_commit_and_chain_is_a_commit(cached):
    cluster, proxy = cached()
    with proxy.connect() as reader, proxy.connect(user="postgres") as writer:
        for i in range(1, 4):
            _wait_cached(proxy, reader, COUNT)
            for statement in ("BEGIN" if i == 1 else "SELECT 1", f"UPDATE t0 SET v = {i} WHERE k = 1", "COMMIT AND CHAIN"):
                writer.execute(statement)
            assert reader.execute(COUNT).fetchone() == (1, i)
        _wait_cached(proxy, reader, COUNT)
        writer.execute("UPDATE t0 SET v = 7 WHERE k = 1")
        writer.execute("ROLLBACK AND CHAIN")
        writer.execute("ALTER TABLE t0 ALTER v TYPE int USING v + 10")
        writer.execute("COMMIT AND CHAIN")
        assert reader.execute(COUNT).fetchone() == (1, 13)
        writer.execute("UPDATE t0 SET v = 8 WHERE k = 1")
        writer.execute("COMMIT")
        assert reader.execute(COUNT).fetchone() == cluster.primary.rows(COUNT)[0] == (1, 8)


def test_a_call_of_a_function_does_not_spoil_what_is_written_later(cached):
    _, proxy = cached()
    with proxy.connect() as reader, proxy.connect(user="postgres") as writer:
        writer.execute("CREATE FUNCTION pure() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT 1::bigint'")
        for i in range(3):
            _wait_cached(proxy, reader, COUNT)
            writer.execute("SELECT pure()")
            writer.execute("UPDATE t1 SET v = v + 1")
            before = int(_rule(proxy)["hits"])
            reader.execute(COUNT)
            assert int(_rule(proxy)["hits"]) == before + 1, i


@pytest.mark.slow
@pytest.mark.parametrize("then", ["the link is lost", "the primary is cut off", "reloads come", "the process is not known"])
def test_what_a_lost_link_may_still_commit_is_waited_for(make_cluster, make_proxy, fault_proxy, then):  # cache/README.md, F8
    """A server process that waits for a lock does not notice that nobody hears it any more."""
    cluster = make_cluster()
    cluster.primary.run("CREATE TABLE t0 (k int PRIMARY KEY, v bigint)", "INSERT INTO t0 VALUES (1, 0)", "GRANT ALL ON t0 TO PUBLIC")
    between = fault_proxy(cluster.primary.port)
    between.to_client.drop(*([b"K"] if then == "the process is not known" else []))
    is_cut_off = then == "the primary is cut off"
    config = _config(cluster, {"name": "all", "ttl": "1h", "tables": ["t0"]})
    config["databases"]["app"]["primary"] = f"host=127.0.0.1 port={between.port} dbname=app"
    proxy = make_proxy(config)
    failed = []

    def write(connection):
        try:
            connection.execute("UPDATE t0 SET v = v + 10 WHERE k = 1")
        except psycopg.Error as error:
            failed.append(error.sqlstate)

    with proxy.connect() as reader, proxy.connect() as writer, cluster.primary.connect(autocommit=False) as holder:
        _wait_cached(proxy, reader, COUNT)
        holder.execute("SELECT * FROM t0 FOR UPDATE")
        thread = threading.Thread(target=write, args=[writer])
        thread.start()
        wait_until(lambda: cluster.primary.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == 1, "it waits")
        between.refuse(is_cut_off)
        between.reset_all()
        thread.join()
        assert failed == ["08007"]
        def fenced():
            return any(int(row["fences"]) for row in proxy.show("TABLES"))
        if is_cut_off:
            stays_true(fenced, "nobody can tell, and the table stays fenced", 6)
            between.refuse(False)
        elif then == "reloads come":
            stays_true(lambda: proxy.reload() or fenced(), "a reload does not take the fence down", 6)
        elif then == "the process is not known":
            stays_true(fenced, "the transaction is open", 6)
        stays_true(lambda: reader.execute(COUNT).fetchone() == (1, 0), "it has not committed yet", 4)
        holder.rollback()
        wait_until(lambda: cluster.primary.value("SELECT v FROM t0") == 10, "it has committed")
        assert reader.execute(COUNT).fetchone() == (1, 10)
        _wait_cached(proxy, reader, COUNT)


def test_who_leaves_in_a_block_leaves_no_fence(cached):
    """The link is rolled back and kept: its process is not gone for long."""
    _, proxy = cached()
    with proxy.connect() as reader:
        _wait_cached(proxy, reader, COUNT)
        with proxy.wire() as writer:
            writer.query("UPDATE t0 SET v = 1 WHERE k = 1; COMMIT; BEGIN")
        wait_until(lambda: not any(int(row["fences"]) for row in proxy.show("TABLES")), "all fences are down", 2)
        assert reader.execute(COUNT).fetchone() == (1, 1)


def test_a_collation_that_is_made_past_us_is_noticed(make_cluster, make_proxy):
    """It changes what a name means, and no table."""
    cluster = make_cluster()
    cluster.primary.run("CREATE SCHEMA later", 'CREATE COLLATION later.odd FROM "C"', "CREATE TABLE words (w text)",
                        "INSERT INTO words VALUES ('a'), ('B')", "GRANT ALL ON words TO PUBLIC", "GRANT USAGE ON SCHEMA later TO PUBLIC")
    proxy = make_proxy(_config(cluster, {"name": "all", "ttl": "1h", "tables": ["words"]}))
    query = "SELECT w FROM words ORDER BY w COLLATE odd"
    with proxy.connect(options="-c search_path=public,later") as reader:
        reader.prepare_threshold = None  # a statement that is prepared keeps its meaning
        _wait_cached(proxy, reader, query)
        assert reader.execute(query).fetchall() == [("B",), ("a",)]
        cluster.primary.run("CREATE COLLATION public.odd (provider = icu, locale = 'en')")
        wait_until(lambda: reader.execute(query).fetchall() == [("a",), ("B",)], "the name means the new one")


def test_what_is_parsed_again_after_ddl_past_us_means_what_its_names_mean_now(make_cluster, make_proxy):
    """Also where the text is so well known that links keep it prepared."""
    cluster = make_cluster()
    cluster.primary.run("CREATE SCHEMA later", "CREATE TABLE later.meant (v text)", "INSERT INTO later.meant VALUES ('old')",
                        "GRANT USAGE ON SCHEMA later TO PUBLIC", "GRANT ALL ON later.meant TO PUBLIC", "CREATE TABLE other ()")
    proxy = make_proxy(_config(cluster, {"name": "other", "ttl": "1h", "tables": ["other"]}))
    with proxy.connect(options="-c search_path=public,later") as reader:
        reader.prepare_threshold = None  # it parses each time

        def meant():
            return reader.execute("SELECT v FROM meant WHERE v <> %s", ["nothing"]).fetchall()
        assert [meant() for _ in range(20)] == [[("old",)]] * 20
        cluster.primary.run("CREATE TABLE public.meant (v text)", "INSERT INTO public.meant VALUES ('new')", "GRANT ALL ON public.meant TO PUBLIC")
        wait_until(lambda: meant() == [("new",)], "the name means the new one")


@pytest.mark.parametrize("become, be_oneself", [
    ("SET ROLE carol", "RESET ROLE"),
    ("SELECT set_config('role', 'carol', false)", "RESET ROLE"),
    ("SET SESSION AUTHORIZATION carol", "RESET SESSION AUTHORIZATION"),
    ("BEGIN; SET LOCAL ROLE carol", "ROLLBACK"),
    ("BEGIN; SAVEPOINT a; SET LOCAL ROLE carol", "ROLLBACK TO a"),
])
def test_who_has_become_somebody_else_is_not_answered_from_memory(cached, become, be_oneself):  # S48
    rule = {**RULE, "tables": ["t0", "secret"], "in_transaction": "read_committed"}
    cluster, proxy = cached(rule)
    query = "SELECT k FROM secret ORDER BY k"
    with proxy.connect(user="postgres") as session:
        session.execute("CREATE TABLE secret (k int)")
        session.execute("INSERT INTO secret VALUES (1)")
        _wait_cached(proxy, session, query)
        session.execute(become)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(query)
        session.execute(be_oneself)
        assert session.execute(query).fetchone() == (1,)
