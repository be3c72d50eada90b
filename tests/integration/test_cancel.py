"""A cancel request stops its client's running query, and never anyone else's."""
import random

import pytest

from sportello_testing import wire
from sportello_testing.waiting import Stopwatch, wait_until
from sportello_testing.wire_client import WireClient, errors, rows


def cancel(process, client_or_key):
    process_id, key = (client_or_key.process_id, client_or_key.secret_key) if isinstance(client_or_key, WireClient) else client_or_key
    with WireClient(port=process.port) as canceller:
        canceller.send(wire.cancel_request(process_id & 0xFFFFFFFF, key))
        assert canceller.read_until_closed() == []


def wait_running(primary, text):
    wait_until(lambda: primary.link_pids(f"query LIKE '%{text}%' AND state = 'active'"), f"{text} runs")


def test_a_running_query_is_cancelled(proxy, primary, workers):
    process = proxy(default_pool_size=2, workers=workers)
    with process.wire() as client:
        client.send(wire.query("SELECT pg_sleep(30) /* one */"))
        wait_running(primary, "one")
        cancel(process, client)
        assert errors(client.read_until_ready()) == ["57014"]
        assert rows(client.query("SELECT 1")) == ["1"]


def test_a_cancel_in_a_transaction_fails_that_transaction(proxy, primary, workers):
    process = proxy(default_pool_size=1, workers=workers)
    with process.wire() as client:
        client.hold_link()
        client.send(wire.query("SELECT pg_sleep(30) /* two */"))
        wait_running(primary, "two")
        cancel(process, client)
        assert client.read_until_ready()[-1] == "ReadyForQuery E"
        assert client.query("ROLLBACK")[-1] == "ReadyForQuery I"


def test_a_cancel_works_when_the_pool_is_full(proxy, primary, workers):
    process = proxy(default_pool_size=1, reserve_pool_size=0, workers=workers)
    with process.wire() as client, process.wire() as waiter:
        client.send(wire.query("SELECT pg_sleep(30) /* three */"))
        wait_running(primary, "three")
        waiter.send(wire.query("SELECT 3"))
        cancel(process, client)
        assert errors(client.read_until_ready()) == ["57014"]
        assert rows(waiter.read_until_ready()) == ["3"]


@pytest.mark.ours
def test_a_cancel_of_an_idle_client_hurts_nobody(proxy, primary, workers):  # S34
    process = proxy(default_pool_size=1, workers=workers)
    with process.wire() as idle, process.wire() as busy:
        idle.query("SELECT 1")
        busy.send(wire.query("SELECT pg_sleep(0.5), 'done'"))
        wait_running(primary, "done")
        cancel(process, idle)
        assert rows(busy.read_until_ready()) == [" done"]
        assert rows(idle.query("SELECT 2")) == ["2"]


@pytest.mark.ours
def test_a_cancel_of_a_waiting_client_takes_it_out_of_the_queue(proxy, primary, workers):  # S34
    process = proxy(default_pool_size=1, reserve_pool_size=0, workers=workers)
    with process.wire() as holder, process.wire() as waiter:
        holder.hold_link()
        waiter.send(wire.query("SELECT 1"))
        wait_until(lambda: process.pool()["cl_waiting"] == 1, "one waits")
        cancel(process, waiter)
        assert errors(waiter.read_until("ErrorResponse")) == ["57014"]
        holder.query("COMMIT")


def test_random_keys_cancel_nothing(proxy, primary, workers):  # S32
    process = proxy(workers=workers)
    generator = random.Random(4711)
    with process.wire() as client:
        client.send(wire.query("SELECT pg_sleep(1), 'whole'"))
        wait_running(primary, "whole")
        for _ in range(50):
            cancel(process, (client.process_id, generator.randbytes(4)))
            cancel(process, (generator.getrandbits(31), client.secret_key))
        assert rows(client.read_until_ready()) == [" whole"]


def test_cancel_keys_are_not_the_servers(proxy, primary):  # S32
    process = proxy(default_pool_size=1)
    keys = set()
    for _ in range(10):
        with process.wire() as client:
            keys.add((client.process_id, client.secret_key))
    assert len(keys) == 10
    assert len({key for _, key in keys}) == 10


@pytest.mark.ours
def test_a_late_cancel_never_hits_the_next_query(proxy, primary, fault_proxy, workers):  # S33
    """The cancel's own connection to the server is held; the link must not serve anyone until it is through."""
    between = fault_proxy(primary.port)
    process = proxy(databases={"app": {"primary": f"host=127.0.0.1 port={between.port} dbname=app"}}, default_pool_size=1,
                    reserve_pool_size=0, workers=workers, server_tls_sslmode="disable")
    generator = random.Random(33)
    for round_number in range(15):
        with process.wire() as victim, process.wire() as bystander:
            victim.send(wire.query("SELECT pg_sleep(0.05)"))
            bystander.send(wire.query(f"SELECT pg_sleep(0.05), 'round {round_number}'"))
            between.to_server.latency = generator.choice([0, 0.01, 0.05, 0.1])
            cancel(process, victim)
            victim.read_until_ready()
            assert rows(bystander.read_until_ready()) == [f" round {round_number}"]


@pytest.mark.ours
def test_a_cancel_that_the_server_never_answers_blocks_for_a_bounded_time(proxy, wire_server):  # S34
    def script(connection):
        connection.read_startup()
        connection.welcome()
        while True:
            kind, body = connection.read()
            if kind == b"Q":
                if b"slow" in body:
                    wait_until(lambda: len(server.connections) > 1, "the cancel's connection arrives", 10)
                connection.send(wire.row_description("a"), wire.data_row("1"), wire.command_complete("SELECT 1"), wire.ready_for_query())
            elif kind == b"X":
                return

    def silent_for_cancels(connection):
        if connection.number == 0:
            return script(connection)
        kind, body = connection.read()
        if wire.Fields(body).int32() == wire.CANCEL_CODE:
            return connection.wait_for_close()
        raise AssertionError("a second link")
    server = wire_server(silent_for_cancels)
    process = proxy(databases={"app": {"primary": f"host=127.0.0.1 port={server.port} dbname=app"}}, default_pool_size=1, cancel_wait_timeout="1s",
                    server_tls_sslmode="disable")
    with process.wire() as client:
        client.send(wire.query("SELECT slow"))
        wait_until(lambda: server.connections and any("slow" in line for line in server.connections[0].lines), "the query runs")
        with WireClient(port=process.port) as canceller:
            canceller.send(wire.cancel_request(client.process_id & 0xFFFFFFFF, client.secret_key))
            watch = Stopwatch()
            client.read_until_ready()
        assert watch.seconds < 10


def test_many_cancels_at_once(proxy, primary, workers):  # S35
    process = proxy(default_pool_size=2, workers=workers)
    with process.wire() as client:
        client.send(wire.query("SELECT pg_sleep(30) /* many */"))
        wait_running(primary, "many")
        cancellers = [WireClient(port=process.port) for _ in range(100)]
        for canceller in cancellers:
            canceller.send_ignoring_close(wire.cancel_request(client.process_id & 0xFFFFFFFF, client.secret_key))
        assert errors(client.read_until_ready()) == ["57014"]
        for canceller in cancellers:
            canceller.close()
        wait_until(lambda: rows(client.query("SELECT 1")) == ["1"], "the client works on")


def test_psycopg_cancels(proxy, primary):
    import psycopg
    import threading
    process = proxy()
    with process.connect() as connection:
        canceller = threading.Thread(target=lambda: (wait_running(primary, "by psycopg"), connection.cancel()))
        canceller.start()
        try:
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute("SELECT pg_sleep(30) /* by psycopg */")
        finally:
            canceller.join()
