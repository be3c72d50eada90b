"""A server that stands still is out within three seconds, for nobody else, and back when it moves (F5, F6)."""
import contextlib
import os
import signal
import threading

import pytest

from sportello_testing import processes, wire
from sportello_testing.waiting import PATIENCE, Stopwatch, wait_until
from sportello_testing.wire_client import errors, rows

pytestmark = pytest.mark.ours


@contextlib.contextmanager
def frozen(server):
    """All of its processes; one that was being born meanwhile, too."""
    def stands_still():
        processes.signal_tree(server.process.pid, signal.SIGSTOP)
        return all(processes.state(pid) in "TZ" for pid in [server.process.pid, *processes.children_of(server.process.pid)])
    try:
        wait_until(lambda: stands_still() and stands_still(), "the server stands still")
        yield
    finally:
        processes.signal_tree(server.process.pid, signal.SIGCONT)


def in_front_of_two(proxy, primary, other, **settings):
    return proxy(databases={"app": {"primary": primary.dsn()}, "cold": {"primary": other.dsn()}}, **settings)


@pytest.mark.parametrize("login", [{}, {"monitor_user": "carol"}], ids=["greeted", "asked"])
def test_what_a_frozen_server_was_asked_fails_within_three_seconds(proxy, primary, make_cluster, workers, login):  # F5 F6
    cold = make_cluster().primary
    process = in_front_of_two(proxy, primary, cold, workers=workers, query_wait_timeout="20s", **login)
    with process.wire(database="cold") as writer, process.wire(database="cold") as reader, process.wire() as elsewhere:
        writer.query("CREATE TABLE t (id int)")
        for client in (writer, reader):
            client.hold_link()    # so that there are two links
        for client in (writer, reader):
            client.query("COMMIT")
        with frozen(cold):
            watch = Stopwatch()
            writer.send(wire.query("INSERT INTO t VALUES (1)"))
            reader.send(wire.query("SELECT 2"))
            assert errors(writer.read_until_ready()) == ["08007"]
            assert watch.seconds < 3.5 * PATIENCE
            assert rows(elsewhere.query("SELECT 1")) == ["1"]
            assert process.show("LISTS"), "the console answers"
            newcomer = process.wire(database="cold")
            newcomer.send(wire.query("SELECT 3"))
            assert newcomer.hears_nothing(0.5), "who comes waits"
            assert reader.hears_nothing(0.1), "a read waits for a server that can answer it"
        assert rows(reader.read_until_ready()) == ["2"]
        assert rows(newcomer.read_until_ready()) == ["3"]
        newcomer.close()
        assert errors(writer.query("SELECT 4")) == [], "its connection stayed"
    process.wait_log("is out")
    process.wait_log("answers again")


def test_who_waits_for_a_frozen_server_is_told_in_time(proxy, primary, make_cluster):
    cold = make_cluster().primary
    process = in_front_of_two(proxy, primary, cold, query_wait_timeout="2s")
    with process.wire(database="cold") as first, process.wire(database="cold") as second:
        first.query("SELECT 1")
        second.query("SELECT 1")
        with frozen(cold):
            first.send(wire.query("CREATE TABLE late (id int)"))
            assert errors(first.read_until_ready()) == ["08007"]
            watch = Stopwatch()
            assert errors(second.query("SELECT 1")) == ["57P03"]
            assert watch.seconds < 4 * PATIENCE
            assert "does not answer" in second.lines[-2]
        wait_until(lambda: errors(second.query("SELECT 1")) == [], "it is back")


def test_idle_links_to_a_frozen_server_are_closed(proxy, primary, make_cluster):
    cold = make_cluster().primary
    process = in_front_of_two(proxy, primary, cold)
    clients = [process.wire(database="cold") for _ in range(3)]
    for client in clients:
        client.hold_link()
    for client in clients:
        client.query("COMMIT")
    with frozen(cold):
        clients[0].send(wire.query("SELECT 1"))
        wait_until(lambda: process.pool("cold")["sv_idle"] == 0 and process.pool("cold")["sv_active"] == 0, "no link is left")
    assert rows(clients[0].read_until_ready()) == ["1"]
    for client in clients:
        client.close()


@pytest.mark.parametrize("login", [{}, {"monitor_user": "carol"}], ids=["greeted", "asked"])
def test_a_long_query_on_a_server_that_answers_is_left_alone(proxy, primary, login):
    process = proxy(server_health_interval="200ms", server_health_timeout="1s", **login)
    with process.wire() as client:
        assert rows(client.query("SELECT 'x' FROM pg_sleep(2.5)")) == ["x"]
    assert "is out" not in process.log()
    if login:
        assert "cannot be asked" not in process.log()


def test_one_frozen_backend_is_no_frozen_server(proxy, primary):
    process = proxy(server_health_interval="200ms", server_health_timeout="500ms", default_pool_size=2)
    with process.wire() as stuck, process.wire() as other:
        pid = int(rows(stuck.query("SELECT pg_backend_pid()"))[0])
        stuck.send(wire.query("SELECT 5"))
        stuck.read_until_ready()
        os.kill(pid, signal.SIGSTOP)
        try:
            stuck.send(wire.query("SELECT 6"))
            assert stuck.hears_nothing(1.5)
            assert rows(other.query("SELECT 7")) == ["7"]
        finally:
            os.kill(pid, signal.SIGCONT)
        assert rows(stuck.read_until_ready()) == ["6"]


def test_many_clients_of_a_frozen_server_all_get_answers(proxy, primary, make_cluster, workers):
    cold = make_cluster().primary
    process = in_front_of_two(proxy, primary, cold, workers=workers, default_pool_size=5, query_wait_timeout="30s")
    clients = [process.wire(database="cold") for _ in range(20)]
    problems = []

    def ask(client, number):
        try:
            for step in range(10):
                lines = client.query(f"SELECT {number * 100 + step} FROM pg_sleep(0.05)")
                assert rows(lines) == [str(number * 100 + step)] or set(errors(lines)) <= {"08006", "08007"}, lines
        except BaseException as problem:
            problems.append(problem)
    threads = [threading.Thread(target=ask, args=pair) for pair in zip(clients, range(20))]
    for thread in threads:
        thread.start()
    with frozen(cold):
        process.wait_log("is out")
    for thread in threads:
        thread.join(40)
    assert not problems, problems[0]
    for client in clients:
        client.close()


def test_a_server_that_waits_to_drop_a_database_is_not_frozen(proxy, make_cluster):
    """Whoever logs in there waits, too; and it is the first database that it could be asked in."""
    server = make_cluster().primary
    server.run("CREATE DATABASE briefly", dbname="postgres")
    process = proxy(databases={"aaa": {"primary": server.dsn("briefly")}, "app": {"primary": server.dsn()}}, monitor_user="carol")
    with server.connect(dbname="briefly"), process.wire("postgres") as client:
        assert errors(client.query("DROP DATABASE briefly")) == ["55006"]
    with process.wire("postgres") as client:
        assert errors(client.query("DROP DATABASE briefly")) == [], "nobody of ours has stayed there"
    assert "is out" not in process.log()
