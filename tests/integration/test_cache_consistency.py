"""Through one proxy, with every write through it, single-statement reads and writes are strictly serializable, cache and replicas or not:
who reads after a write was acknowledged, by anyone, sees it, and nobody sees it come and go."""
import random
import threading
import time

import psycopg
import pytest

from sportello_testing.waiting import wait_until

pytestmark = pytest.mark.ours

SECONDS = 6
KEYS = 4
READS = ["SELECT v FROM counted WHERE k = %s", "SELECT v FROM seen WHERE k = %s", "SELECT max(v) FROM counted WHERE k = %s GROUP BY k"]


class History:
    """What each counter was acknowledged to be, and asked to become; counters only grow by one."""

    def __init__(self):
        self.lock = threading.Lock()
        self.acknowledged = [0] * KEYS
        self.seen = [0] * KEYS  # by a read that ended
        self.asked = [0] * KEYS
        self.problems = []
        self.reads = self.writes = 0

    def before_read(self, k):
        with self.lock:
            return max(self.acknowledged[k], self.seen[k])

    def after_read(self, k, least, value, what):
        with self.lock:
            self.reads += 1
            if not least <= value <= self.asked[k]:
                self.problems.append(f"{what}, k = {k}: {value} is not between {least} and {self.asked[k]}")
            self.seen[k] = max(self.seen[k], value)


def _until(deadline, proxy, step):
    connection = None
    while time.monotonic() < deadline:
        try:
            if connection is None:
                connection = proxy.connect()
            step(connection)
        except psycopg.OperationalError:
            connection = None  # a fault of the test's making
    if connection is not None:
        connection.close()


def _run(proxy, history, faults=None):
    deadline = time.monotonic() + SECONDS
    errors = []

    def writer(k):
        def step(connection):
            with history.lock:
                history.asked[k] += 1
            way = random.randrange(4)
            if way == 0:
                connection.execute("UPDATE counted SET v = v + 1 WHERE k = %s", [k])
            elif way == 1:
                with connection.transaction():
                    connection.execute("UPDATE counted SET v = v + 1 WHERE k = %s", [k])
            elif way == 2:
                connection.execute("SELECT bump(%s)", [k])
            else:
                connection.execute(f"UPDATE shown SET v = v + 1 WHERE k = {k}", prepare=False)
            with history.lock:
                history.acknowledged[k] += 1
                history.writes += 1

        def careful(connection):
            try:
                step(connection)
            except psycopg.OperationalError:
                # It happened, or did not: what the server has is what counts.
                with proxy.connect() as other:
                    value = other.execute("SELECT v FROM counted WHERE k = %s FOR UPDATE", [k]).fetchone()[0]
                with history.lock:
                    history.acknowledged[k] = value
                    history.asked[k] = value
                raise
        _until(deadline, proxy, careful)

    def reader():
        def step(connection):
            # Alone, or as a statement of a READ COMMITTED block: each sees what was committed before it.
            begin = random.choice(["", "", "BEGIN", "BEGIN READ ONLY"])
            if begin:
                connection.execute(begin)
            for _ in range(random.randrange(3) if begin else 1):
                read(connection)
            if begin:
                connection.execute("COMMIT")

        def read(connection):
            k = random.randrange(KEYS)
            query = random.choice(READS)
            least = history.before_read(k)
            value = connection.execute(query, [k], prepare=random.choice([True, False, None])).fetchone()[0]
            history.after_read(k, least, value, query)

        def careful(connection):
            try:
                step(connection)
            except psycopg.Error:
                if not connection.closed and connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                    connection.execute("ROLLBACK")
                raise
        _until(deadline, proxy, careful)

    def guarded(target, *arguments):
        try:
            target(*arguments)
        except Exception as error:  # pylint: disable=broad-except
            errors.append(repr(error))
    threads = [threading.Thread(target=guarded, args=(writer, k)) for k in range(KEYS)]
    threads += [threading.Thread(target=guarded, args=(reader,)) for _ in range(6)]
    if faults:
        threads.append(threading.Thread(target=guarded, args=(faults, deadline)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and not history.problems, (errors[:3], history.problems[:5])
    assert history.writes > 20 and history.reads > 100


@pytest.fixture
def counted(make_cluster, make_proxy):
    def make(replicas, workers, **rule):
        cluster = make_cluster(replicas, None)
        cluster.primary.run(
            "CREATE TABLE counted (k int PRIMARY KEY, v bigint)", f"INSERT INTO counted SELECT g, 0 FROM generate_series(0, {KEYS - 1}) g",
            "CREATE TABLE seen (k int PRIMARY KEY, v bigint)", "INSERT INTO seen SELECT * FROM counted",
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
            "'BEGIN UPDATE seen SET v = NEW.v WHERE k = NEW.k; RETURN NEW; END'",
            "CREATE TRIGGER noted AFTER UPDATE ON counted FOR EACH ROW EXECUTE FUNCTION note()",
            "CREATE FUNCTION bump(which int) RETURNS void LANGUAGE sql AS 'UPDATE counted SET v = v + 1 WHERE k = which'",
            "CREATE VIEW shown AS SELECT * FROM counted", "GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC")
        cluster.wait_caught_up()
        return cluster, make_proxy({
            "sportello": {"workers": workers, "monitor_user": "postgres", "default_pool_size": 6},
            "databases": {"app": {"primary": cluster.primary.dsn(), "replicas": [r.dsn() for r in cluster.replicas]}},
            "cache": {"invalidation": "proxy", "rules": [{"name": "all", "ttl": "1h", "tables": ["counted", "seen"],
                                                                      "in_transaction": "read_committed", **rule}]}})
    return make


def _hits(proxy):
    rule = proxy.show("CACHE RULES")[0]
    return int(rule["hits"]) + int(rule["joined"])


def _wait_hits(proxy):
    def hit():
        before = _hits(proxy)
        with proxy.connect() as connection:
            for _ in range(2):
                connection.execute(READS[0], [0])
        return _hits(proxy) > before
    wait_until(hit, "reads are answered from memory", 20)


@pytest.mark.parametrize("replicas", [0, 2])
@pytest.mark.parametrize("workers", [1, 4])
def test_nobody_reads_anything_stale(counted, replicas, workers):
    _cluster, proxy = counted(replicas, workers)
    _wait_hits(proxy)
    before = _hits(proxy)
    _run(proxy, History())
    assert _hits(proxy) > before


@pytest.mark.parametrize("replicas", [0, 2])
def test_links_that_die_in_a_commit_leave_nothing_stale(counted, replicas):
    cluster, proxy = counted(replicas, 2)
    _wait_hits(proxy)

    def kill_links(deadline):
        while time.monotonic() < deadline:
            cluster.primary.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'alice' ORDER BY random() LIMIT 1")
            time.sleep(0.1)
    _run(proxy, History(), kill_links)


_READ = "SELECT v FROM counted WHERE k = 0"


def _wait_replica(proxy, replica):
    with proxy.connect() as connection:
        wait_until(lambda: connection.execute("SELECT inet_server_port()").fetchone()[0] == replica.port, "reads go to the replica", 20)


@pytest.mark.parametrize("freshness", ["session", "bounded"])
@pytest.mark.parametrize("invalidation", ["wal", "proxy"])
def test_what_a_replica_answers_that_lags_is_not_kept(make_cluster, make_proxy, invalidation, freshness):
    """Freshness allows a read that is behind; kept, it would stay behind until its ttl, and be given to whoever wrote what it misses."""
    cluster = make_cluster(1, None)
    cluster.primary.run("CREATE TABLE counted (k int PRIMARY KEY, v bigint)", "INSERT INTO counted VALUES (0, 0)", "GRANT ALL ON counted TO PUBLIC",
                        "CREATE PUBLICATION sportello FOR TABLE counted")
    cluster.wait_caught_up()
    replica = cluster.replicas[0]
    proxy = make_proxy({
        "sportello": {"workers": 1, "monitor_user": "postgres"},
        "databases": {"app": {"primary": cluster.primary.dsn(), "replicas": [replica.dsn()], "freshness": freshness, "max_replica_lag": "1h"}},
        "cache": {"invalidation": invalidation, "rules": [{"name": "all", "ttl": "1h", "tables": ["counted"]}]}})
    _wait_replica(proxy, replica)
    _wait_kept(proxy)
    replica.run("SELECT pg_wal_replay_pause()")
    wait_until(lambda: replica.value("SELECT pg_get_wal_replay_pause_state()") == "paused", "replay is paused")
    with proxy.connect() as writer, proxy.connect() as reader:
        writer.execute("UPDATE counted SET v = 5")
        if invalidation == "wal":
            written = cluster.primary.value("SELECT pg_current_wal_flush_lsn()")
            wait_until(lambda: cluster.primary.value("SELECT %s::pg_lsn >= %s::pg_lsn", [proxy.show("CACHE")[0]["applied"], written]), "the log tells of the write")
        assert reader.execute(_READ).fetchone()[0] == 0
        if freshness == "session":
            assert writer.execute(_READ).fetchone()[0] == 5
        replica.run("SELECT pg_wal_replay_resume()")
        wait_until(lambda: replica.value(_READ) == 5, "the replica has the write")
        assert reader.execute(_READ).fetchone()[0] == 5
    _wait_kept(proxy)


def _wait_kept(proxy):
    with proxy.connect() as connection:
        def kept():
            before = _hits(proxy)
            connection.execute(_READ)
            return _hits(proxy) > before
        wait_until(kept, "reads are answered from memory", 20)
