"""Servers fail while clients read and write: no lone read fails, no read is older than what its client was told before it asked,
no write is done twice, and what was acknowledged is there."""
import collections
import contextlib
import os
import random
import threading
import time

import psycopg
import pytest

from sportello_testing.waiting import wait_until

pytestmark = [pytest.mark.ours, pytest.mark.slow]

CLIENTS = 10
TABLES = 5         # of the ledger: a client's numbers are in one of them
LEDGER = " UNION ALL ".join(f"SELECT client, n FROM ledger{i}" for i in range(TABLES))
# What a write may end with when its server goes away under it; anything else is a promise broken.
LOST = {"08006", "08007", "57P01"}


class Load:
    """Clients that append numbers to a ledger, each its own without gaps, and read their own and each other's newest."""

    def __init__(self, proxy, write_share=0.2, pause=0.004):
        self.proxy, self.write_share, self.pause = proxy, write_share, pause
        self.acknowledged = [set() for _ in range(CLIENTS)]
        self.newest = [0] * CLIENTS           # the newest acknowledged number of each client
        self.failed_writes = collections.Counter()
        self.problems = []
        self.reads = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, args=[number]) for number in range(CLIENTS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        if kind is None:
            assert not any(thread.is_alive() for thread in self._threads), "a client hangs\n" + self.proxy.log()
            assert not self.problems, str(self.problems[:5]) + "\n" + self.proxy.log()
            assert set(self.failed_writes) <= LOST, self.failed_writes

    def _client(self, number):
        rng = random.Random(number)
        next_number = 1
        try:
            with self.proxy.connect() as connection:
                while not self._stop.is_set() and not self.problems:
                    if rng.random() < self.write_share:
                        self._write(connection, number, next_number)
                        next_number += 1
                    else:
                        self._read(connection, rng, number)
                    time.sleep(self.pause)
        except psycopg.Error as problem:
            self.problems.append((number, repr(problem), problem.sqlstate))

    def _write(self, connection, number, value):
        try:
            connection.execute(f"INSERT INTO ledger{number % TABLES} (client, n) VALUES (%s, %s)", [number, value])
        except psycopg.Error as problem:
            self.failed_writes[problem.sqlstate] += 1
            return
        self.acknowledged[number].add(value)
        self.newest[number] = value

    def _read(self, connection, rng, number):
        whose = number if rng.random() < 0.5 else rng.randrange(CLIENTS)
        least = self.newest[whose]
        text = f"SELECT coalesce(max(n), 0) FROM ledger{whose % TABLES} WHERE client = "
        row = connection.execute(text + str(whose)) if rng.random() < 0.5 else connection.execute(text + "%s", [whose])
        found = row.fetchone()[0]
        self.reads += 1
        if found < least:
            self.problems.append((number, "old rows", whose, found, least))

    def wait_writes(self, count, what):
        """Goes on until every client has `count` more numbers acknowledged."""
        before = [len(numbers) for numbers in self.acknowledged]
        wait_until(lambda: bool(self.problems) or all(len(numbers) >= was + count for numbers, was in zip(self.acknowledged, before)), what, 60)
        assert not self.problems, str(self.problems[:5]) + "\n" + self.proxy.log()

    def check_ledger(self, server):
        rows = server.rows(f"SELECT client, n, count(*) FROM ({LEDGER}) l GROUP BY 1, 2")
        assert [row for row in rows if row[2] > 1] == []
        kept = collections.defaultdict(set)
        for client, n, _ in rows:
            kept[client].add(n)
        for client, numbers in enumerate(self.acknowledged):
            assert numbers <= kept[client], (client, sorted(numbers - kept[client])[:10])


def _nodes(proxy, role):
    return [n for n in proxy.show("NODES") if n["role"] == role]


def _node(proxy, server):
    return [n for n in proxy.show("NODES") if int(n["port"]) == server.port][0]


def _wait_routing(proxy, replicas):
    def ready():
        nodes = [n for n in _nodes(proxy, "replica") if n["reachable"] == "yes"]
        return len(nodes) == replicas and all(int(n["reached"]) >= int(n["newest"]) for n in nodes)
    wait_until(ready, "replicas are in service", 15)
    with proxy.connect() as connection:
        primary = int(_nodes(proxy, "primary")[0]["port"])
        wait_until(lambda: connection.execute("SELECT inet_server_port()").fetchone()[0] != primary, "reads go to a replica", 15)


@pytest.fixture
def routed(make_cluster, make_proxy):
    def make(replicas=2, settings=None, workers=2, **database):
        cluster = make_cluster(replicas, settings)
        # No key: a write that is done twice is to be seen, not refused.
        for i in range(TABLES):
            cluster.primary.run(f"CREATE TABLE ledger{i} (client int, n int)", f"CREATE INDEX ON ledger{i} (client, n)", f"GRANT ALL ON ledger{i} TO PUBLIC")
        cluster.wait_caught_up()
        proxy = make_proxy({"sportello": {"workers": workers, "monitor_user": "postgres", "default_pool_size": 12},
                            "databases": {"app": {"primary": cluster.primary.dsn(), "replicas": [r.dsn() for r in cluster.replicas], **database}}})
        _wait_routing(proxy, replicas)
        return cluster, proxy
    return make


@contextlib.contextmanager
def _frozen(server):
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def test_a_replica_that_is_killed_and_comes_back_fails_no_read(routed):
    cluster, proxy = routed()
    victim = cluster.replicas[0]
    with Load(proxy) as load:
        for _ in range(2):
            load.wait_writes(10, "writes before")
            reads = int(_node(proxy, victim)["reads"])
            victim.process.kill()
            victim.process.wait(10)
            load.wait_writes(10, "writes without the replica")
            # The children of a killed postmaster notice by themselves.
            wait_until(lambda: not os.path.exists(os.path.join(victim.data, "postmaster.pid")) or victim.start() is None, "the replica is back", 30)
            wait_until(lambda: int(_node(proxy, victim)["reads"]) > reads + 50, "it is read from again", 20)
    assert load.reads > 100
    load.check_ledger(cluster.primary)


def test_a_replica_that_is_frozen_and_thawed_fails_no_read(routed):
    cluster, proxy = routed()
    victim = cluster.replicas[1]
    with Load(proxy) as load:
        load.wait_writes(10, "writes before")
        with _frozen(victim):
            wait_until(lambda: _node(proxy, victim)["reachable"] == "no", "the frozen replica is out of rotation", 10)
            before = time.monotonic()
            load.wait_writes(20, "writes without the replica")
            assert time.monotonic() - before < 10
        reads = int(_node(proxy, victim)["reads"])
        wait_until(lambda: int(_node(proxy, victim)["reads"]) > reads + 50, "it is read from again", 20)
    load.check_ledger(cluster.primary)


def test_a_replica_that_stands_still_for_a_moment_gets_no_read_that_it_cannot_answer(routed):
    cluster, proxy = routed()
    rng = random.Random(7)
    with Load(proxy) as load:
        for _ in range(6):
            with _frozen(cluster.replicas[rng.randrange(2)]):
                time.sleep(0.4 * rng.random())
            time.sleep(0.1)
    load.check_ledger(cluster.primary)


def _follow(server, primary, directory):
    os.truncate(os.path.join(server.data, "postgresql.auto.conf"), 0)   # where pg_basebackup wrote whom to follow
    server.settings["primary_conninfo"] = f"'host={directory} port={primary.port} user=postgres'"
    server.configure()


def test_after_a_promotion_under_load_the_old_primary_is_never_written_to(routed):  # F8
    cluster, proxy = routed()
    old, new, other = cluster.primary, *cluster.replicas
    with Load(proxy) as load:
        load.wait_writes(10, "writes before")
        old.stop("fast")                           # its replicas have all that it acknowledged
        new.promote()
        load.wait_writes(10, "writes on the promoted server")
        _follow(other, new, cluster.directory)
        other.reload()
        left = old.log()
        old.start()                                # knows nothing of it: a second primary
        wait_until(lambda: _node(proxy, old)["role"] == "second primary", "the old primary is left alone", 10)
        ledger = old.value(f"SELECT count(*) FROM ({LEDGER}) l")
        load.wait_writes(10, "writes beside a second primary")
        assert old.value(f"SELECT count(*) FROM ({LEDGER}) l") == ledger, left
        old.stop("fast")
        reads = int(_node(proxy, other)["reads"])
        wait_until(lambda: int(_node(proxy, other)["reads"]) > reads + 50, "the other replica follows the new primary", 20)
    load.check_ledger(new)


def test_an_old_primary_that_comes_back_as_a_replica_is_read_from(routed):
    cluster, proxy = routed(1)
    old, new = cluster.primary, cluster.replicas[0]
    with Load(proxy) as load:
        load.wait_writes(10, "writes before")
        old.stop("fast")
        new.promote()
        load.wait_writes(10, "writes on the promoted server")
        _follow(old, new, cluster.directory)
        with open(os.path.join(old.data, "standby.signal"), "w", encoding="ascii"):
            pass
        os.chown(os.path.join(old.data, "standby.signal"), os.stat(old.data).st_uid, -1)
        old.start()
        wait_until(lambda: _node(proxy, old)["role"] == "replica", "the old primary is a replica", 15)
        reads = int(_node(proxy, old)["reads"])
        wait_until(lambda: int(_node(proxy, old)["reads"]) > reads + 50, "it is read from", 20)
        # And back again.
        new.stop("fast")
        old.promote()
        load.wait_writes(10, "writes on the first server")
    load.check_ledger(old)


def test_a_primary_that_crashes_loses_nothing_that_its_replica_has_confirmed(routed):
    cluster, proxy = routed()
    old, new, _ = cluster.primary, *cluster.replicas
    old.configure({"synchronous_standby_names": "'2 (*)'"})
    old.reload()
    wait_until(lambda: old.value("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == 2, "both replicas confirm")
    with Load(proxy) as load:
        load.wait_writes(10, "writes before")
        old.stop("immediate")
        new.promote()
        load.wait_writes(10, "writes on the promoted server")
    load.check_ledger(new)


def test_a_primary_that_restarts_under_load_fails_no_read(routed):
    cluster, proxy = routed()
    with Load(proxy) as load:
        for mode in ("fast", "immediate"):
            load.wait_writes(5, "writes before")
            cluster.primary.restart(mode)
            load.wait_writes(5, "writes after")
    load.check_ledger(cluster.primary)


def test_with_a_delayed_replica_more_than_nine_in_ten_go_to_replicas(routed):
    cluster, proxy = routed()
    cluster.replicas[1].configure({"recovery_min_apply_delay": "'100ms'"})
    cluster.replicas[1].reload()
    before = {n["port"]: int(n["reads"]) for n in proxy.show("NODES")}
    with Load(proxy, write_share=0.05, pause=0.03) as load:
        time.sleep(8)
    after = {n["port"]: int(n["reads"]) for n in proxy.show("NODES")}
    on_replicas = sum(after.values()) - sum(before.values())
    assert on_replicas > 0.9 * load.reads, (on_replicas, load.reads, {r["reason"]: r["count"] for r in proxy.show("ROUTES")})
    load.check_ledger(cluster.primary)
