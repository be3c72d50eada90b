"""Reads within transaction blocks, and of sessions that keep their server connection, answered from memory where the rule says so: never
what the block itself would see otherwise, and nothing is kept that only the block can see."""
import pytest

from sportello_testing.waiting import wait_until
from sportello_testing.wire_client import errors, rows

pytestmark = pytest.mark.ours

READ = "SELECT v FROM t0 ORDER BY k"
RULES = [{"name": "open", "ttl": "1h", "tables": ["t0"], "in_transaction": "read_committed"},
         {"name": "closed", "ttl": "1h", "tables": ["t1"]}]


def _rule(proxy, name="open"):
    return next(row for row in proxy.show("CACHE RULES") if row["rule"] == name)


def _hits(proxy, name="open"):
    return int(_rule(proxy, name)["hits"])


def _active_servers(proxy):
    return [row for row in proxy.show("SERVERS") if row["state"] == "active"]


@pytest.fixture
def cached(make_cluster, make_proxy):
    """t0 holds 1..3 with v = 0. What is written past the proxy is not noticed, which tells memory from a server."""
    def make(**settings):
        cluster = make_cluster(0, None)
        cluster.primary.run("CREATE TABLE t0 (k int PRIMARY KEY, v bigint)", "INSERT INTO t0 SELECT g, 0 FROM generate_series(1, 3) g",
                            "CREATE TABLE t1 (k int PRIMARY KEY, v bigint)", "INSERT INTO t1 VALUES (1, 0)", "CREATE TABLE plain (a int)",
                            "INSERT INTO plain VALUES (1)", "CREATE SCHEMA other", "CREATE TABLE other.t0 (k int, v int)",
                            "GRANT ALL ON ALL TABLES IN SCHEMA public, other TO PUBLIC", "GRANT USAGE ON SCHEMA other TO PUBLIC")
        proxy = make_proxy({"sportello": {"workers": 2, "monitor_user": "postgres", "default_pool_size": 5, **settings},
                            "databases": {"app": {"primary": cluster.primary.dsn()}}, "cache": {"invalidation": "proxy", "rules": RULES}})
        with proxy.connect() as reader:
            def is_hit():
                before = _hits(proxy)
                reader.execute(READ)
                return _hits(proxy) > before
            wait_until(is_hit, "reads are answered from memory", 15)
        return cluster, proxy
    return make


def _from_memory(proxy, client, sql=READ):
    before = _hits(proxy)
    client.query(sql)
    return _hits(proxy) == before + 1


def test_a_block_whose_reads_are_all_known_needs_no_server(cached):
    _, proxy = cached()
    with proxy.wire() as client:
        for begin in ("BEGIN", "BEGIN READ ONLY", "START TRANSACTION ISOLATION LEVEL READ COMMITTED"):
            client.query(begin)
            assert _from_memory(proxy, client) and _from_memory(proxy, client)
            assert client.query(READ)[-1] == "ReadyForQuery T"
            assert _active_servers(proxy) == []
            assert client.query("COMMIT")[-1] == "ReadyForQuery I"


def test_a_read_from_memory_is_the_blocks_first_query(cached):
    _, proxy = cached()
    with proxy.wire() as client:
        client.query("BEGIN")
        assert _from_memory(proxy, client)
        assert errors(client.query("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")) == ["25001"]
        assert client.query("COMMIT") == ["CommandComplete ROLLBACK", "ReadyForQuery I"]


def test_the_extended_protocol_too(cached):
    _, proxy = cached()
    with proxy.connect(autocommit=False, prepare_threshold=0) as connection:
        for _ in range(4):
            connection.execute(READ)
            connection.commit()
        before = _hits(proxy)
        assert len(connection.execute(READ).fetchall()) == 3
        assert _hits(proxy) == before + 1 and _active_servers(proxy) == []
        connection.rollback()


def test_on_the_link_of_a_block_that_has_only_read(cached):
    _, proxy = cached()
    with proxy.wire() as client:
        client.query("BEGIN")
        client.query("SELECT a FROM plain")
        assert len(_active_servers(proxy)) == 1
        assert _from_memory(proxy, client)
        client.query("SAVEPOINT a")
        assert not _from_memory(proxy, client), "a savepoint is more than a plain read"
        client.query("COMMIT")


@pytest.mark.parametrize("first", ["UPDATE plain SET a = 2", "UPDATE t0 SET v = 7 WHERE k = 2", "LOCK TABLE t0 IN SHARE MODE",
                                   "SELECT k FROM t0 FOR UPDATE", "SET LOCAL search_path = other", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                                   "DECLARE c CURSOR FOR SELECT 1", "SELECT pg_advisory_xact_lock(1)"])
def test_after_anything_else_the_server_is_asked(cached, first):
    _, proxy = cached()
    with proxy.wire() as client:
        client.query("BEGIN")
        assert client.query(first)[-1] == "ReadyForQuery T"
        assert not _from_memory(proxy, client)
        client.query("ROLLBACK")
        client.query(READ)  # a write that was rolled back invalidates, too
        assert _from_memory(proxy, client)


@pytest.mark.parametrize("begin", ["BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY"])
def test_a_stricter_block_asks_the_server(cached, begin):
    _, proxy = cached()
    with proxy.wire() as client:
        client.query(begin)
        assert not _from_memory(proxy, client)
        client.query("COMMIT")


def test_a_rule_that_does_not_say_so_is_for_reads_that_stand_alone(cached):
    _, proxy = cached()
    read = "SELECT v FROM t1"
    with proxy.wire() as client:
        client.query(read)
        before = _hits(proxy, "closed")
        client.query(read)
        assert _hits(proxy, "closed") == before + 1
        client.query("BEGIN")
        client.query(read)
        assert _hits(proxy, "closed") == before + 1
        client.query("COMMIT")


def test_a_block_reads_its_own_writes_and_nobody_else_does(cached):
    _, proxy = cached()
    with proxy.wire() as writer, proxy.wire() as reader:
        writer.query("BEGIN")
        writer.query("UPDATE t0 SET v = 7 WHERE k = 1")
        assert rows(writer.query(READ)) == ["7", "0", "0"]
        assert rows(reader.query(READ)) == ["0", "0", "0"]
        writer.query("ROLLBACK")
        writer.query("BEGIN")
        assert rows(writer.query(READ)) == ["0", "0", "0"]
        writer.query("COMMIT")


def test_what_a_block_reads_is_kept_for_others(cached):
    cluster, proxy = cached()
    read = "SELECT v FROM t0 WHERE k = 2"
    with proxy.wire() as one, proxy.wire() as two:
        one.query("BEGIN")
        one.query(read)                      # a block's first statement
        one.query("SELECT a FROM plain")
        one.query(read + " AND true")        # on the link that it holds
        assert _from_memory(proxy, two, read) and _from_memory(proxy, two, read + " AND true")
        one.query("COMMIT")


def test_each_read_of_a_block_sees_what_was_committed_before_it(cached):
    _, proxy = cached()
    with proxy.wire() as reader, proxy.connect() as writer:
        for number in range(1, 40):
            reader.query("BEGIN")
            for step in range(3):
                value = number * 10 + step
                writer.execute("UPDATE t0 SET v = %s WHERE k = 1", [value])
                assert rows(reader.query(READ))[0] == str(value)
                if step == 1:
                    reader.query("SELECT a FROM plain")
            reader.query("COMMIT")


def test_a_session_that_keeps_its_link_is_answered_from_memory(cached):
    cluster, proxy = cached(pool_mode="session")
    with proxy.wire() as client:
        client.query(READ)
        assert _from_memory(proxy, client)
        client.query("CREATE TEMP TABLE t0 (k int, v int)")
        assert not _from_memory(proxy, client), "t0 is its own now"
