"""The servers of a database given as a list of hosts, or as a name with several addresses: who is the primary is found out, whoever
is listed first, and what is known of one server is never believed of another."""
import os
import threading
import time

import psycopg
import pytest

from sportello_testing import processes
from sportello_testing.fault_proxy import FaultProxy
from sportello_testing.ports import free_port, release_port
from sportello_testing.proxy_process import IS_SANITIZED
from sportello_testing.waiting import wait_until

pytestmark = [pytest.mark.ours, pytest.mark.slow]

NSS_WRAPPER = "/usr/lib/x86_64-linux-gnu/libnss_wrapper.so"
NAME = "db.sportello.test"


def _list(*servers, **more):
    words = {"host": ",".join("127.0.0.1" for _ in servers), "port": ",".join(str(s.port) for s in servers), "dbname": "app", **more}
    return " ".join(f"{name}={value}" for name, value in words.items())


def _config(primary, database=None, **settings):
    return {"sportello": {"workers": 2, "monitor_user": "postgres", **settings}, "databases": {"app": {"primary": primary, **(database or {})}}}


def _table(cluster):
    cluster.primary.run("CREATE TABLE t (n int)", "GRANT ALL ON t TO PUBLIC")
    cluster.wait_caught_up()


def _port(connection):
    return connection.execute("SELECT inet_server_port()").fetchone()[0]


def _nodes(proxy, role):
    return [n for n in proxy.show("NODES") if n["role"] == role]


def _wait_read_at(connection, port):
    wait_until(lambda: _port(connection) == port, f"reads go to {port}", 20)


# ---- lists of hosts ----

def test_the_primary_is_whichever_of_the_list_takes_writes(make_cluster, make_proxy):
    cluster = make_cluster(2)
    _table(cluster)
    proxy = make_proxy(_config(_list(*cluster.replicas, cluster.primary)))
    # At once, by the first statement of the first client.
    with proxy.connect() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
        assert {int(n["port"]) for n in _nodes(proxy, "replica")} == {r.port for r in cluster.replicas}
        wait_until(lambda: _port(connection) in {r.port for r in cluster.replicas}, "reads go to the others", 20)
        shown = [row for row in proxy.show("DATABASES") if row["name"] == "app"][0]
        assert shown["host"] == "127.0.0.1,127.0.0.1,127.0.0.1"


def test_with_routing_off_reads_stay_and_a_promotion_is_followed_all_the_same(make_cluster, make_proxy):
    cluster = make_cluster(1)
    _table(cluster)
    proxy = make_proxy(_config(_list(cluster.primary, cluster.replicas[0]), {"routing": "off"}, query_wait_timeout="60s"))
    with proxy.connect() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
        wait_until(lambda: len(_nodes(proxy, "replica")) == 1, "the other is known", 15)
        assert {_port(connection) for _ in range(20)} == {cluster.primary.port}
        cluster.wait_caught_up()
        cluster.primary.stop("immediate")
        cluster.replicas[0].promote()
        with proxy.connect() as other:
            other.execute("INSERT INTO t VALUES (2)")
            assert _port(other) == cluster.replicas[0].port
    assert cluster.replicas[0].rows("SELECT n FROM t ORDER BY 1") == [(1,), (2,)]


def test_a_server_of_the_list_that_is_promoted_under_load_takes_the_writes(make_cluster, make_proxy):  # F8
    cluster = make_cluster(2)
    _table(cluster)
    proxy = make_proxy(_config(_list(cluster.primary, *cluster.replicas), query_wait_timeout="60s"))

    def is_known():
        with proxy.admin() as console:
            return any("tables read" in row.values() for row in console.execute("EXPLAIN app alice SELECT count(*) FROM t").fetchall())
    wait_until(is_known, "what only reads is known: before that no read is run again", 15)
    problems, acknowledged, stop = [], [], threading.Event()

    def client(number):
        n = number
        try:
            with proxy.connect() as connection:
                while not stop.is_set():
                    try:
                        connection.execute("INSERT INTO t VALUES (%s)", [n])
                        acknowledged.append(n)
                    except psycopg.Error as problem:
                        if problem.sqlstate not in ("08006", "08007", "57P01"):
                            problems.append(repr(problem))
                    n += 100
                    assert connection.execute("SELECT count(*) >= 0 FROM t").fetchone() == (True,)
        except (psycopg.Error, AssertionError) as problem:
            problems.append(repr(problem))

    threads = [threading.Thread(target=client, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(acknowledged) > 50 or problems, "there is load", 30)
        # What the one that takes over has not got is lost with the primary, and nobody's fault here.
        cluster.primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        cluster.wait_caught_up()
        cluster.primary.stop("immediate")
        cluster.replicas[1].promote()
        before = len(acknowledged)
        wait_until(lambda: len(acknowledged) > before + 50 or problems, "writes go on", 60)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not problems, str(problems[:5]) + proxy.log()
    kept = [row[0] for row in cluster.replicas[1].rows("SELECT n FROM t")]
    assert len(kept) == len(set(kept)), "a write was done twice"
    assert [int(n["port"]) for n in _nodes(proxy, "primary")] == [cluster.replicas[1].port]


def test_an_old_primary_that_is_listed_first_is_not_written_to_at_the_start(make_cluster, make_proxy):  # F8
    cluster = make_cluster(1)
    _table(cluster)
    cluster.replicas[0].promote()       # and the old one goes on: two servers take writes
    for primary, candidates in [(_list(cluster.primary, cluster.replicas[0]), {}),
                                (cluster.primary.dsn(), {"replicas": [cluster.replicas[0].dsn()]})]:
        for n in range(3):
            proxy = make_proxy(_config(primary, candidates))
            with proxy.connect() as connection:
                connection.execute("INSERT INTO t VALUES (%s)", [n])
                assert connection.execute("SELECT inet_server_port() FROM t LIMIT 1").fetchone() == (cluster.replicas[0].port,)
            proxy.stop()
    assert cluster.primary.rows("SELECT * FROM t") == []
    assert len(cluster.replicas[0].rows("SELECT * FROM t")) == 6


def test_a_server_of_the_list_that_does_not_answer_keeps_nobody_from_the_others(make_cluster, make_proxy):
    cluster = make_cluster(1)
    _table(cluster)
    cluster.replicas[0].freeze()
    try:
        proxy = make_proxy(_config(_list(cluster.replicas[0], cluster.primary), query_wait_timeout="60s"))
        with proxy.connect(connect_timeout=30) as connection:
            connection.execute("INSERT INTO t VALUES (1)")
            assert _port(connection) == cluster.primary.port
    finally:
        cluster.replicas[0].thaw()


def test_the_users_of_auth_query_are_looked_up_wherever_the_primary_is(make_cluster, make_proxy):
    cluster = make_cluster(1)
    cluster.primary.run("CREATE ROLE looked LOGIN PASSWORD 'looked-secret'", "GRANT pg_read_all_data TO looked")
    cluster.wait_caught_up()
    proxy = make_proxy({**_config(_list(cluster.primary, cluster.replicas[0]), query_wait_timeout="60s", auth_type="scram-sha-256",
                                  auth_user="postgres", auth_query="SELECT usename, passwd FROM pg_shadow WHERE usename=$1", auth_cache_ttl="0s")})
    with proxy.connect("looked", password="looked-secret") as connection:
        connection.execute("SELECT 1")
    cluster.primary.stop("immediate")
    cluster.replicas[0].promote()
    wait_until(lambda: [int(n["port"]) for n in _nodes(proxy, "primary")] == [cluster.replicas[0].port], "the promotion is noticed", 30)
    with proxy.connect("looked", password="looked-secret") as connection:
        connection.execute("CREATE TEMPORARY TABLE x AS SELECT 1")


def test_a_reload_that_makes_a_list_of_one_server_ends_nobodys_transaction(make_cluster, make_proxy):
    cluster = make_cluster(1)
    _table(cluster)
    proxy = make_proxy(_config(cluster.primary.dsn(), query_wait_timeout="60s"))
    with proxy.connect(autocommit=False) as in_block, proxy.connect() as other:
        in_block.execute("INSERT INTO t VALUES (1)")
        proxy.config["databases"]["app"]["primary"] = _list(cluster.replicas[0], cluster.primary)
        proxy.write_files()
        proxy.reload()
        other.execute("INSERT INTO t VALUES (2)")
        in_block.execute("INSERT INTO t VALUES (3)")
        in_block.commit()
        assert other.execute("SELECT count(*) FROM t").fetchone() == (3,)
        wait_until(lambda: _port(other) == cluster.replicas[0].port, "reads go to the replica", 20)
        proxy.config["databases"]["app"]["primary"] = cluster.primary.dsn()
        proxy.write_files()
        proxy.reload()
        assert proxy.show("NODES") == []
        other.execute("INSERT INTO t VALUES (4)")
        assert _port(other) == cluster.primary.port


# ---- names ----

class Names:
    """Names whose addresses the test decides; each address leads to a server."""

    def __init__(self, directory):
        self.path = os.path.join(directory, f"hosts{id(self)}")
        self.port = free_port()
        self.relays = {}
        self.changes = 0
        self.lead({})

    def at(self, address, server):
        self.relays[address] = FaultProxy(server.port, listen=(address, self.port))
        return address

    def lead(self, names):
        lines = [f"{address} {name}" for name, addresses in names.items() for address in addresses]
        processes.write_private_file(self.path, "\n".join(["127.0.0.1 localhost", *lines]) + "\n")
        # A change within one second is one, too: the wrapper looks at whole seconds.
        self.changes += 1
        os.utime(self.path, (self.changes, self.changes))

    def dsn(self, name=NAME):
        return f"host={name} port={self.port} dbname=app"

    def wrapper(self):
        return ["env", f"LD_PRELOAD={NSS_WRAPPER}", f"NSS_WRAPPER_HOSTS={self.path}"]

    def close(self):
        for relay in self.relays.values():
            relay.close()
        release_port(self.port)


@pytest.fixture
def names(session_directory):
    if IS_SANITIZED:
        pytest.skip("preloaded libraries and sanitizers exclude each other")
    made = Names(session_directory)
    yield made
    made.close()


def _addresses(proxy, role):
    return {n["addr"] for n in _nodes(proxy, role)}


def test_each_address_of_a_name_is_a_server_that_comes_and_goes(make_cluster, make_proxy, names):
    cluster = make_cluster(3)
    _table(cluster)
    first, *rest = [names.at(f"127.0.1.{i + 2}", replica) for i, replica in enumerate(cluster.replicas)]
    names.lead({NAME: [first, rest[0]]})
    proxy = make_proxy(_config(cluster.primary.dsn(), {"replicas": [names.dsn()]}, dns_max_ttl="1s"), wrapper=names.wrapper())
    problems, stop, reads = [], threading.Event(), [0]

    def client(number):
        try:
            with proxy.connect() as connection:
                n = number
                while not stop.is_set():
                    connection.execute("INSERT INTO t VALUES (%s)", [n])
                    for _ in range(5):
                        found = connection.execute(f"SELECT count(*) FROM t WHERE n = {n}").fetchone()
                        if found != (1,):
                            problems.append(("stale", n, found))
                        reads[0] += 1
                    n += 100
        except psycopg.Error as problem:
            problems.append(repr(problem))

    wait_until(lambda: _addresses(proxy, "replica") == {first, rest[0]}, "both are found", 20)
    threads = [threading.Thread(target=client, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for now in ([first, *rest], [rest[1]], [first], [first, rest[0]]):
            names.lead({NAME: now})
            wait_until(lambda: _addresses(proxy, "replica") == set(now) or problems, f"the name leads to {now}", 30)
            seen = reads[0]
            wait_until(lambda: reads[0] > seen + 50 or problems, "reads go on", 30)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not problems, str(problems[:5]) + proxy.log()
    wait_until(lambda: all(row["addr"] != rest[1] for row in proxy.show("SERVERS")), "no link is left where the name does not lead", 20)


def test_what_was_found_of_an_address_is_not_believed_of_the_next(make_cluster, make_proxy, names):
    cluster = make_cluster(1)
    cluster.add_replica({"recovery_min_apply_delay": "'20s'"})
    cluster.primary.run("CREATE TABLE t (n int)", "GRANT ALL ON t TO PUBLIC")
    wait_until(lambda: cluster.replicas[0].value("SELECT to_regclass('t') IS NOT NULL"), "the quick one has the table", 15)
    quick, slow = [names.at(f"127.0.2.{i + 2}", replica) for i, replica in enumerate(cluster.replicas)]
    names.lead({NAME: [quick]})
    proxy = make_proxy(_config(cluster.primary.dsn(), {"replicas": [names.dsn()]}, dns_max_ttl="1s"), wrapper=names.wrapper())
    with proxy.connect() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
        _wait_read_at(connection, cluster.replicas[0].port)
        names.lead({NAME: [slow]})
        end = time.monotonic() + 30
        while _addresses(proxy, "replica") != {slow} and time.monotonic() < end:
            connection.execute("INSERT INTO t VALUES (1)")
            before = connection.execute("SELECT count(*) FROM t").fetchone()
            assert connection.execute("SELECT count(*) FROM t").fetchone() == before
        assert _addresses(proxy, "replica") == {slow}
        counted = connection.execute("/* sportello: primary */ SELECT count(*) FROM t").fetchone()
        for _ in range(50):
            assert connection.execute("SELECT count(*) FROM t").fetchone() == counted


def test_a_primary_behind_a_name_with_several_addresses_is_found_and_followed(make_cluster, make_proxy, names):
    cluster = make_cluster(1)
    _table(cluster)
    replica, primary = names.at("127.0.3.2", cluster.replicas[0]), names.at("127.0.3.3", cluster.primary)
    names.lead({NAME: [replica, primary]})
    proxy = make_proxy(_config(names.dsn(), dns_max_ttl="1s", query_wait_timeout="60s"), wrapper=names.wrapper())
    wait_until(lambda: _addresses(proxy, "primary") == {primary} and _addresses(proxy, "replica") == {replica}, "both are found", 20)
    with proxy.connect() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
        cluster.wait_caught_up()
        cluster.primary.stop("immediate")
        cluster.replicas[0].promote()
    with proxy.connect() as connection:
        connection.execute("INSERT INTO t VALUES (2)")
        assert _addresses(proxy, "primary") == {replica}
    assert cluster.replicas[0].rows("SELECT n FROM t ORDER BY 1") == [(1,), (2,)]


def test_two_addresses_of_one_server_are_one(make_cluster, make_proxy, names):
    cluster = make_cluster(1)
    _table(cluster)
    by_two = [names.at("127.0.4.2", cluster.primary), names.at("127.0.4.3", cluster.primary)]
    names.lead({NAME: by_two})
    proxy = make_proxy(_config(names.dsn(), {"replicas": [cluster.replicas[0].dsn()]}, dns_max_ttl="1s"), wrapper=names.wrapper())
    wait_until(lambda: len(_addresses(proxy, "primary")) == 1 and len(_addresses(proxy, "same server")) == 1, "it is one server", 20)
    assert "second primary" not in proxy.log()
    with proxy.connect() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
        (address,) = _addresses(proxy, "primary")
        names.relays[address].refuse()
        names.relays[address].reset_all()
        wait_until(lambda: _addresses(proxy, "primary") == set(by_two) - {address}, "it is reached by the other address", 20)
    with proxy.connect() as connection:
        connection.execute("INSERT INTO t VALUES (2)")


def test_a_name_that_nobody_knows_yet_is_waited_for_by_nobody(make_cluster, make_proxy, names):
    cluster = make_cluster(1)
    _table(cluster)
    proxy = make_proxy(_config(cluster.primary.dsn(), {"replicas": [names.dsn()]}, dns_max_ttl="1s", dns_nxdomain_ttl="1s"), wrapper=names.wrapper())
    with proxy.connect() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
        proxy.wait_log(f'"{NAME}" could not be looked up')
        names.lead({NAME: [names.at("127.0.5.2", cluster.replicas[0])]})
        _wait_read_at(connection, cluster.replicas[0].port)
