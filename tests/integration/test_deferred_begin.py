"""A transaction costs no server connection until its first statement, and none at all if it has none; a READ ONLY one is
answered by replicas, under the same promise of freshness. What its client sees is what PostgreSQL would have shown it."""
import contextlib
import signal
import threading

import psycopg
import pytest

from sportello_testing import wire
from sportello_testing.waiting import wait_until
from sportello_testing.wire_client import ConnectionClosed, errors, rows

pytestmark = pytest.mark.ours

PORT = "SELECT inet_server_port()"


@pytest.fixture
def pooled(primary, make_proxy, workers):
    """One server connection for everybody."""
    return make_proxy({"sportello": {"workers": workers, "default_pool_size": 1, "reserve_pool_size": 0, "query_wait_timeout": "3s"},
                       "databases": {"app": {"primary": primary.dsn()}}})


@pytest.fixture
def routed(make_cluster, make_proxy):
    """A primary, replicas, and Sportello in front of them that sends reads there."""
    def make(replicas=1, settings=None, **options):
        cluster = make_cluster(replicas, settings)
        cluster.primary.run("CREATE TABLE t (k int PRIMARY KEY, v bigint)", "INSERT INTO t SELECT g, 0 FROM generate_series(1, 10) g",
                            "GRANT ALL ON t TO PUBLIC")
        cluster.wait_caught_up()
        proxy = make_proxy({"sportello": {"workers": 2, "monitor_user": "postgres", "default_pool_size": 5},
                            "databases": {"app": {"primary": cluster.primary.dsn(), "replicas": [r.dsn() for r in cluster.replicas], **options}}})
        with proxy.connect() as connection:
            wait_until(lambda: connection.execute(PORT).fetchone()[0] != cluster.primary.port, "reads go to a replica", 15)
        return cluster, proxy
    return make


def _active_servers(proxy):
    return [row for row in proxy.show("SERVERS") if row["state"] == "active"]


# ---- without a server ----

def test_transactions_that_have_only_begun_hold_no_link(pooled):
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(pooled.wire()) for _ in range(20)]
        for client in idle:
            assert client.query("BEGIN") == ["CommandComplete BEGIN", "ReadyForQuery T"]
        assert _active_servers(pooled) == []
        with pooled.wire() as worker:
            assert rows(worker.query("SELECT 1")) == ["1"]
        assert idle[0].query("COMMIT") == ["CommandComplete COMMIT", "ReadyForQuery I"]
        assert idle[1].query("ROLLBACK") == ["CommandComplete ROLLBACK", "ReadyForQuery I"]
        assert rows(idle[2].query("SELECT 2")) == ["2"]
        assert len(_active_servers(pooled)) == 1
        idle[2].query("COMMIT")
        assert _active_servers(pooled) == []


def test_begin_and_what_follows_in_the_same_write(pooled):
    with pooled.wire() as client:
        client.send(wire.query("START TRANSACTION ISOLATION LEVEL REPEATABLE READ"), wire.query("SHOW transaction_isolation"), wire.query("END"))
        answer = client.read_until_ready(3)
        assert answer == ["CommandComplete START TRANSACTION", "ReadyForQuery T", "RowDescription transaction_isolation",
                          "DataRow repeatable read", "CommandComplete SHOW", "ReadyForQuery T", "CommandComplete COMMIT", "ReadyForQuery I"]


@pytest.mark.parametrize("statements", [
    ["BEGIN", "BEGIN", "COMMIT", "COMMIT"],
    ["BEGIN", "SELECT 1/0", "SELECT 1", "COMMIT", "SELECT 2"],
    ["BEGIN READ ONLY", "CREATE TABLE never (a int)", "ROLLBACK"],
    ["BEGIN", "DISCARD ALL", "ROLLBACK"],
    ["BEGIN", "VACUUM", "ROLLBACK"],
    ["BEGIN", "SET LOCAL work_mem = '77kB'", "SHOW work_mem", "COMMIT AND CHAIN", "SHOW work_mem", "ROLLBACK AND CHAIN", "END"],
    ["BEGIN", "SAVEPOINT a", "SELECT x", "ROLLBACK TO a", "SELECT 1", "COMMIT"],
    ["BEGIN", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SHOW transaction_isolation", "ABORT"],
    ["BEGIN", "SET default_transaction_read_only = on", "COMMIT", "BEGIN", "SHOW transaction_read_only", "END",
     "SET default_transaction_read_only = off"],
    ["begin; select 1", "select 2", "end"],
    ["BEGIN", "", "COMMIT"],
    ["BEGIN", "frobnicate", "COMMIT"],
    ["BEGIN", "DECLARE c CURSOR FOR SELECT 1", "FETCH c", "CLOSE c", "COMMIT"],
])
def test_a_block_is_answered_as_the_server_answers_it(pooled, primary, statements):
    from sportello_testing.wire_client import WireClient
    with pooled.wire() as ours, WireClient(primary.port) as direct:
        direct.login("alice", "app")
        for text in statements:
            assert ours.query(text) == direct.query(text), text


def test_the_extended_protocol_in_a_deferred_block(pooled, primary):
    from sportello_testing.wire_client import WireClient
    with pooled.wire() as ours, WireClient(primary.port) as direct:
        direct.login("alice", "app")
        for client_round in range(3):
            for client in (ours, direct):
                client.query("BEGIN")
            assert ours.extended("SELECT $1::int", ["7"]) == direct.extended("SELECT $1::int", ["7"])
            assert ours.exchange(wire.sync()) == direct.exchange(wire.sync()) == ["ReadyForQuery T"]
            assert ours.query("COMMIT") == direct.query("COMMIT"), client_round
        for client in (ours, direct):
            client.query("BEGIN")
        assert ours.exchange(wire.sync()) == ["ReadyForQuery T"]
        assert ours.extended("SELECT 1/0") == direct.extended("SELECT 1/0")
        assert ours.exchange(wire.sync()) == direct.exchange(wire.sync()) == ["ReadyForQuery E"]
        assert ours.query("ROLLBACK") == direct.query("ROLLBACK")


def _begin_batch(text, name="", more=()):
    return [wire.parse(name, text), wire.bind("", name), *more, wire.execute()]


@pytest.mark.parametrize("more", [(), (wire.describe_portal(),)])
def test_begin_in_the_extended_protocol_holds_no_link(pooled, primary, more):
    from sportello_testing.wire_client import WireClient
    with pooled.wire() as ours, WireClient(primary.port) as direct:
        direct.login("alice", "app")
        for text, active in (("BEGIN", 0), ("COMMIT", 0), ("START TRANSACTION READ ONLY", 0), ("SELECT 1", 1), ("ROLLBACK", 0)):
            batch = [*_begin_batch(text, more=more), wire.sync()]
            assert ours.exchange(*batch) == direct.exchange(*batch), text
            assert len(_active_servers(pooled)) == active, text
        # As JDBC does it: BEGIN in front of the first statement, one Sync for both, and under a name in the end.
        both = [*_begin_batch("BEGIN", "S_1"), wire.parse("", "SELECT 2"), wire.bind("", ""), wire.describe_portal(), wire.execute(), wire.sync()]
        assert ours.exchange(*both) == direct.exchange(*both)
        assert ours.query("COMMIT") == direct.query("COMMIT")
        again = [wire.bind("", "S_1"), wire.execute(), wire.close_portal(), wire.sync()]
        assert ours.exchange(*again) == direct.exchange(*again)
        # What is wrong with it is the server's to say (of the name that the statement has there).
        wrong = ours.exchange(wire.bind("", "S_1", ["1"]), wire.execute(), wire.sync())
        assert "08P01" in wrong[0] and wrong[1:] == ["ReadyForQuery E"]
        direct.exchange(wire.bind("", "S_1", ["1"]), wire.execute(), wire.sync())
        assert ours.query("ROLLBACK") == direct.query("ROLLBACK")


def test_what_a_block_wrote_is_rolled_back_with_it(pooled, primary):
    primary.run("CREATE TABLE IF NOT EXISTS deferred (a int)", "TRUNCATE deferred", "GRANT ALL ON deferred TO PUBLIC")
    with pooled.wire() as one, pooled.wire() as two:
        one.query("BEGIN")
        two.query("BEGIN")
        one.query("INSERT INTO deferred VALUES (1)")
        one.query("ROLLBACK")
        two.query("INSERT INTO deferred VALUES (2)")
        two.query("COMMIT")
        assert rows(one.query("SELECT a FROM deferred")) == ["2"]


def test_no_link_in_time_fails_the_block(pooled):
    with pooled.wire() as holder, pooled.wire() as client:
        holder.hold_link()
        client.query("BEGIN")
        answer = client.query("SELECT 1", deadline=10)
        assert errors(answer) and answer[-1] == "ReadyForQuery E"
        assert "25P02" in errors(client.query("SELECT 1"))[0]
        assert client.query("COMMIT") == ["CommandComplete ROLLBACK", "ReadyForQuery I"]
        holder.query("COMMIT")
        assert rows(client.query("SELECT 3")) == ["3"]


@pytest.mark.parametrize("setting", ["idle_transaction_timeout", "transaction_timeout"])
def test_a_block_that_only_waits_times_out(primary, make_proxy, setting):
    proxy = make_proxy({"sportello": {setting: "300ms"}, "databases": {"app": {"primary": primary.dsn()}}})
    with proxy.wire() as client:
        client.query("BEGIN")
        assert any("FATAL" in line for line in client.read_until_closed(deadline=10))
    with proxy.wire() as client:
        client.query("BEGIN")
        client.query("COMMIT")
        assert client.hears_nothing(0.8)


def test_a_drain_waits_for_a_block_that_has_begun(primary, make_proxy):
    proxy = make_proxy({"databases": {"app": {"primary": primary.dsn()}}})
    with proxy.wire() as begun, proxy.wire() as idle:
        begun.query("BEGIN")
        proxy.send_signal(signal.SIGTERM)
        idle.read_until_closed(deadline=10)
        assert rows(begun.query("SELECT 1")) == ["1"]
        with contextlib.suppress(ConnectionClosed):
            begun.query("COMMIT")
    assert proxy.wait_exit() == 0


def test_begin_and_commit_are_counted(pooled):
    def counted():
        row = next(row for row in pooled.show("STATS_TOTALS") if row["database"] == "app")
        return row["xact_count"], row["query_count"]
    with pooled.wire() as client:
        before = counted()
        client.query("BEGIN")
        client.query("COMMIT")
        wait_until(lambda: counted() == (before[0] + 1, before[1] + 2), "a transaction of two commands is counted")


def test_session_mode_begins_at_once(primary, make_proxy):
    proxy = make_proxy({"sportello": {"pool_mode": "session", "default_pool_size": 1}, "databases": {"app": {"primary": primary.dsn()}}})
    with proxy.wire() as client:
        client.query("BEGIN")
        assert len(_active_servers(proxy)) == 1


# ---- READ ONLY ----

def test_a_read_only_transaction_is_read_at_a_replica_and_holds_no_link(routed):
    cluster, proxy = routed()
    with proxy.connect(autocommit=False) as connection:
        connection.read_only = True
        for _ in range(3):
            assert connection.execute(PORT).fetchone()[0] == cluster.replicas[0].port
            assert connection.execute("SELECT pg_is_in_recovery()").fetchone()[0] is True
            assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
            assert _active_servers(proxy) == []
            connection.commit()
            assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_a_read_only_session_reads_at_a_replica_too(routed):
    cluster, proxy = routed()
    with proxy.connect() as connection:
        connection.execute("SET default_transaction_read_only = on")
        with connection.transaction():
            assert connection.execute(PORT).fetchone()[0] == cluster.replicas[0].port


@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN READ WRITE", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                                   "/* sportello: primary */ BEGIN READ ONLY"])
def test_other_transactions_stay_on_the_primary(routed, begin):
    cluster, proxy = routed()
    with proxy.wire() as client:
        client.query(begin)
        assert client.value(PORT) == str(cluster.primary.port)
        assert len(_active_servers(proxy)) == 1
        client.query("COMMIT")


@pytest.mark.parametrize("begin", ["query", "batch"])
def test_rows_are_fetched_in_pieces(routed, begin):
    """As JDBC does it with setFetchSize() and setReadOnly(true): BEGIN in the first statement's batch, and a portal that is asked again."""
    _, proxy = routed()
    with proxy.wire() as client:
        start = [wire.parse("", "BEGIN READ ONLY"), wire.bind(), wire.execute()] if begin == "batch" else []
        if not start:
            client.query("BEGIN READ ONLY")
        client.send(*start, wire.parse("", "SELECT k FROM t ORDER BY k"), wire.bind("C_1"), wire.describe_portal("C_1"), wire.execute("C_1", 4), wire.sync())
        told = client.read_until_ready()
        while told[-2] == "PortalSuspended":
            told += client.exchange(wire.execute("C_1", 4), wire.sync())
        assert rows(told) == [str(k) for k in range(1, 11)]
        assert client.query("COMMIT") == ["CommandComplete COMMIT", "ReadyForQuery I"]


def test_what_tells_of_the_transaction_is_one_transaction(routed):
    cluster, proxy = routed()
    with proxy.wire() as client:
        client.query("BEGIN READ ONLY")
        assert client.value(PORT) == str(cluster.replicas[0].port)
        first = client.value("SELECT now()")
        assert client.value("SELECT now()") == first
        assert client.value("SELECT current_setting('transaction_read_only')") == "on"
        assert client.value(PORT) == str(cluster.primary.port)
        assert client.query("COMMIT")[-1] == "ReadyForQuery I"


def test_a_write_in_it_fails_as_the_server_fails_it(routed):
    _, proxy = routed()
    with proxy.wire() as client:
        client.query("BEGIN READ ONLY")
        client.query("SELECT v FROM t WHERE k = 1")
        assert "25006" in errors(client.query("UPDATE t SET v = 1 WHERE k = 1"))[0]
        assert client.query("COMMIT") == ["CommandComplete ROLLBACK", "ReadyForQuery I"]


@pytest.mark.parametrize("late", ["SET TRANSACTION READ WRITE", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET transaction_read_only = off"])
def test_what_a_transaction_is_cannot_be_changed_after_its_first_read(routed, late):
    cluster, proxy = routed()
    with proxy.wire() as client:
        client.query("BEGIN READ ONLY")
        assert client.query(late)[-1] == "ReadyForQuery T"
        client.query("ROLLBACK")
        client.query("BEGIN READ ONLY")
        assert client.value(PORT) == str(cluster.replicas[0].port)
        assert errors(client.query(late)) == ["25001"]
        assert client.query("COMMIT") == ["CommandComplete ROLLBACK", "ReadyForQuery I"]


def test_an_error_fails_the_block(routed):
    _, proxy = routed()
    with proxy.wire() as client:
        client.query("BEGIN READ ONLY")
        answer = client.query("SELECT 1/(v-v) FROM t")
        assert "22012" in errors(answer)[0] and answer[-1] == "ReadyForQuery E"
        assert "25P02" in errors(client.query("SELECT 1"))[0]
        assert client.query("ROLLBACK") == ["CommandComplete ROLLBACK", "ReadyForQuery I"]
        assert rows(client.query("SELECT 1")) == ["1"]


def test_pipelined_statements_of_a_read_only_block(routed):
    _, proxy = routed()
    with proxy.wire() as client:
        for _ in range(20):
            client.send(wire.query("BEGIN READ ONLY"), wire.query("SELECT v FROM t WHERE k = 1"), wire.query("SELECT 1/(v-v) FROM t"),
                        wire.query("SELECT 2"), wire.query("COMMIT"), wire.query("SELECT 3"))
            answer = client.read_until_ready(6)
            assert [line for line in answer if line.startswith("ReadyForQuery")] == [f"ReadyForQuery {s}" for s in "TTEEII"]
            assert rows(answer) == ["0", "3"]


def test_each_statement_sees_what_was_committed_before_it(routed):
    _, proxy = routed(2)
    with proxy.connect() as writer, proxy.wire() as reader:
        for number in range(1, 60):
            reader.query("BEGIN READ ONLY")
            for step in (1, 2, 3):
                writer.execute("UPDATE t SET v = %s WHERE k = 1", [number * 10 + step])
                assert reader.value("SELECT v FROM t WHERE k = 1") == str(number * 10 + step)
            reader.query("COMMIT")


def test_a_stricter_default_isolation_is_noticed(routed):
    cluster, proxy = routed()
    cluster.primary.run("ALTER DATABASE app SET default_transaction_isolation = 'repeatable read'")

    def port_in_block(begin="BEGIN READ ONLY"):
        with proxy.wire() as client:
            client.query(begin)
            port = client.value(PORT)
            client.query("COMMIT")
            return port
    wait_until(lambda: port_in_block() == str(cluster.primary.port), "a plain BEGIN is not READ COMMITTED", 10)
    # The ALTER DATABASE has moved the log on, and the catalog.
    wait_until(lambda: port_in_block("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY") == str(cluster.replicas[0].port), "said, it is", 10)


def test_replicas_die_and_no_read_only_transaction_fails(routed):
    cluster, proxy = routed(2)
    stop = threading.Event()
    problems, done = [], [0] * 6

    def read(number):
        try:
            with proxy.connect(autocommit=False) as connection:
                connection.read_only = True
                while not stop.is_set():
                    for _ in range(3):
                        assert connection.execute("SELECT count(*) FROM t").fetchone()[0] == 10
                    connection.commit()
                    done[number] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not happen
            problems.append(repr(error))

    threads = [threading.Thread(target=read, args=[number]) for number in range(len(done))]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: min(done) > 20, "all read", 20)
        for replica in cluster.replicas:
            before = list(done)
            replica.stop("immediate")
            wait_until(lambda b=before: problems or all(now > then + 20 for now, then in zip(done, b)), "reads go on", 20)
            replica.start()
        for _ in range(20):
            cluster.replicas[0].terminate_links("usename = 'alice'")
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert not problems, f"{problems[:3]}\n{proxy.log()}"
