"""Two proxies on one database, and somebody who writes past both: each proxy's clients read their own writes and each other's at once, and
once a proxy's follower has applied a commit, no read through it that begins later misses it (F24)."""
import random
import threading
import time

import pytest

from sportello_testing.waiting import wait_until

pytestmark = pytest.mark.ours

SECONDS = 6
READ = "SELECT v FROM counted WHERE k = %s"
WAYS = 3  # through one proxy, through the other, past both; a counter each, of one writer


@pytest.fixture
def pair(make_cluster, make_proxy):
    cluster = make_cluster(0, {"wal_level": "logical", "max_wal_senders": 10, "max_replication_slots": 10})
    cluster.primary.run("CREATE TABLE counted (k int PRIMARY KEY, v bigint)", f"INSERT INTO counted SELECT g, 0 FROM generate_series(0, {WAYS - 1}) g",
                        "GRANT ALL ON counted TO PUBLIC", "CREATE PUBLICATION sportello FOR TABLE counted (k)")
    config = {"sportello": {"workers": 2, "monitor_user": "postgres", "default_pool_size": 6},
              "databases": {"app": {"primary": cluster.primary.dsn()}},
              "cache": {"invalidation": "wal", "rules": [{"name": "all", "ttl": "1h", "tables": ["counted"], "in_transaction": "read_committed"}]}}
    proxies = [make_proxy(config), make_proxy(config)]
    for proxy in proxies:
        with proxy.connect() as connection:
            def is_hit(proxy=proxy, connection=connection):
                before = _hits(proxy)
                connection.execute(READ, [0])
                return _hits(proxy) > before
            wait_until(is_hit, "reads are answered from memory", 20)
    return cluster.primary, proxies


def _hits(proxy):
    return int(proxy.show("CACHE RULES")[0]["hits"])


class Run:
    """Writers that count, readers that compare; `applied` is what each proxy's follower is known to have applied."""

    def __init__(self, primary, proxies):
        self.primary, self.proxies = primary, proxies
        self.lock = threading.Lock()
        self.acknowledged = [0] * WAYS
        self.applied = [[0] * WAYS for _ in proxies]
        self.reads, self.problems = [0] * len(proxies), []
        self.deadline = time.monotonic() + SECONDS

    def go_on(self):
        return time.monotonic() < self.deadline and not self.problems

    def write(self, k):
        server = self.proxies[k] if k < len(self.proxies) else self.primary
        with server.connect() as connection:
            while self.go_on():
                connection.execute("UPDATE counted SET v = v + 1 WHERE k = %s", [k])
                with self.lock:
                    self.acknowledged[k] += 1
                time.sleep(random.random() * 0.01)

    def follow(self, number):
        """What was acknowledged before the log's end was asked for is applied when the follower has come that far."""
        with self.primary.connect() as connection:
            while self.go_on():
                with self.lock:
                    acknowledged = list(self.acknowledged)
                end = connection.execute("SELECT pg_current_wal_insert_lsn()").fetchone()[0]
                wait_until(lambda e=end: connection.execute("SELECT %s::pg_lsn <= %s::pg_lsn", [e, self.proxies[number].show("CACHE")[0]["applied"]]).fetchone()[0],
                           "the follower comes that far", 10)
                with self.lock:
                    self.applied[number] = acknowledged

    def read(self, number):
        with self.proxies[number].connect() as connection:
            while self.go_on():
                k = random.randrange(WAYS)
                with self.lock:
                    least = self.acknowledged[k] if k == number else self.applied[number][k]
                value = connection.execute(READ, [k]).fetchone()[0]
                with self.lock:
                    self.reads[number] += 1
                    if value < least:
                        self.problems.append(f"proxy {number}, k = {k}: {value} is older than {least}")

    def guarded(self, step, *arguments):
        try:
            step(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not happen
            self.problems.append(repr(error))


def test_no_read_is_older_than_promised_whoever_writes(pair):
    primary, proxies = pair
    run = Run(primary, proxies)
    before = [_hits(proxy) for proxy in proxies]
    threads = [threading.Thread(target=run.guarded, args=(run.write, k)) for k in range(WAYS)]
    for number in range(len(proxies)):
        threads.append(threading.Thread(target=run.guarded, args=(run.follow, number)))
        threads += [threading.Thread(target=run.guarded, args=(run.read, number)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not run.problems, run.problems[:3]
    assert min(run.acknowledged) > 20 and min(run.reads) > 100
    assert all(max(applied) > 0 for applied in run.applied)
    assert [_hits(proxy) > hits for proxy, hits in zip(proxies, before)] == [True, True]
    for proxy in proxies:
        with proxy.connect() as connection:
            for k in range(WAYS):
                wait_until(lambda k=k, c=connection: c.execute(READ, [k]).fetchone()[0] == run.acknowledged[k], "all have come through", 5)
