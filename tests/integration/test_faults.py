"""When servers die, freeze or restart, clients lose what was in flight and no more (design: the failure table)."""
import contextlib
import signal
import threading

import psycopg
import pytest

from sportello_testing import processes, wire
from sportello_testing.waiting import Stopwatch, wait_until
from sportello_testing.wire_client import ConnectionClosed, errors, rows

pytestmark = pytest.mark.ours


def in_front_of(proxy, port, **settings):
    return proxy(databases={"app": {"primary": f"host=127.0.0.1 port={port} dbname=app"}}, server_tls_sslmode="disable", server_login_retry="100ms", **settings)


def wait_running(server, text):
    wait_until(lambda: server.link_pids(f"query LIKE '%{text}%' AND state = 'active'"), f"{text} runs")


def terminate_running(server, text):
    wait_running(server, text)
    server.terminate_links(f"query LIKE '%{text}%' AND state = 'active'")


# ---- one link dies ----

def test_an_idle_links_death_is_unseen(proxy, primary, workers):  # F4
    process = proxy(default_pool_size=3, workers=workers)
    clients = [process.wire() for _ in range(3)]
    for round_number in range(5):
        for client in clients:
            assert rows(client.query("SELECT 1")) == ["1"]
        primary.terminate_links()
    for client in clients:
        assert rows(client.extended("SELECT $1::int", [5])) == ["5"]
        client.close()


@contextlib.contextmanager
def locked(primary, table):
    """Reads of the table wait as long as this lasts: a pure read that is in flight and has sent nothing."""
    with primary.connect(autocommit=False) as connection:
        connection.execute(f"LOCK TABLE {table}")
        yield
        connection.rollback()


def test_a_lone_read_is_run_again_unseen(proxy, primary, table, workers):  # F1
    process = proxy(default_pool_size=1, workers=workers)
    with process.wire() as client:
        with locked(primary, table):
            client.send(wire.query(f"SELECT count(*) FROM {table} /* again */"))
            terminate_running(primary, "again")
        assert rows(client.read_until_ready()) == ["0"]


def test_a_lone_extended_read_is_run_again_unseen(proxy, primary, table, workers):  # F1
    process = proxy(default_pool_size=1, workers=workers)
    with process.wire() as client:
        client.exchange(wire.parse("s", f"SELECT count(*) + $1::int FROM {table} /* anew */"), wire.sync())
        with locked(primary, table):
            client.send(wire.bind("", "s", ["5"]), wire.execute(), wire.sync())
            terminate_running(primary, "anew")
        assert rows(client.read_until_ready()) == ["5"]


def test_a_volatile_function_is_not_called_twice(proxy, primary, workers):  # S45
    process = proxy(default_pool_size=1, workers=workers)
    with process.wire() as client:
        client.send(wire.query("SELECT pg_sleep(2) /* volatile */"))
        terminate_running(primary, "volatile")
        assert errors(client.read_until_ready()) == ["57P01"]
        assert rows(client.query("SELECT 1")) == ["1"]


def test_a_read_whose_rows_have_begun_is_not_run_again(proxy, primary, workers):
    """An ERROR between two rows; in the middle of a row nothing lawful can follow, and the connection is closed."""
    process = proxy(default_pool_size=1, workers=workers)
    with process.wire() as client:
        client.send(wire.query("SELECT repeat('x', 1000) || /* begun */ g FROM generate_series(1, 2000000) g"))
        client.read_until("DataRow")
        primary.terminate_links("query LIKE '%begun%'")
        try:
            lines = client.read_until_ready(deadline=30)
            assert errors(lines)[-1] in ("08006", "57P01")
            assert rows(client.query("SELECT 1")) == ["1"]
        except ConnectionClosed:
            pass
        assert not any(line.startswith("Malformed") for line in client.lines)
    with process.wire() as client:
        assert rows(client.query("SELECT 1")) == ["1"]


def test_a_transactions_link_dies(proxy, primary, table, workers):  # F2
    process = proxy(default_pool_size=1, workers=workers)
    with process.wire() as client:
        client.query("BEGIN")
        client.query(f"INSERT INTO {table} VALUES (1)")
        primary.terminate_links()
        lines = client.query("SELECT 1")
        assert errors(lines) and all("FATAL" not in line for line in lines), lines
        assert lines[-1] == "ReadyForQuery E"
        assert errors(client.query("SELECT 2")) == ["25P02"]
        assert errors(client.extended("SELECT 2")) == ["25P02"]
        assert client.query("ROLLBACK") == ["CommandComplete ROLLBACK", "ReadyForQuery I"]
        assert rows(client.query(f"SELECT count(*) FROM {table}")) == ["0"]


def test_commit_of_a_lost_transaction_is_a_rollback(proxy, primary, table, workers):  # F2
    process = proxy(default_pool_size=1, workers=workers)
    with process.wire() as client:
        client.query("BEGIN")
        client.query(f"INSERT INTO {table} VALUES (1)")
        primary.terminate_links()
        client.query("SELECT 1")
        lines = client.query("COMMIT")
        assert "CommandComplete ROLLBACK" in lines and lines[-1] == "ReadyForQuery I", lines
    assert primary.value(f"SELECT count(*) FROM {table}") == 0


@pytest.mark.parametrize("prepare", [False, True])
def test_commit_does_not_pretend_when_the_transaction_was_lost(proxy, primary, table, workers, prepare):  # F2
    process = proxy(default_pool_size=1, workers=workers)
    with process.connect() as client:
        with pytest.raises(psycopg.OperationalError), client.transaction():
            client.execute(f"INSERT INTO {table} VALUES (1)", prepare=prepare)
            primary.terminate_links()
        assert client.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0


def test_a_write_in_flight_has_an_unknown_outcome(proxy, primary, table, fault_proxy, workers):  # F3
    between = fault_proxy(primary.port)
    process = in_front_of(proxy, between.port, default_pool_size=1, workers=workers)
    with process.wire() as client:
        with locked(primary, table):
            client.send(wire.query(f"INSERT INTO {table} VALUES (1) /* effect */"))
            wait_running(primary, "effect")
            between.reset_all()
            lines = client.read_until_ready()
        assert errors(lines)[-1] == "08007", lines
        assert all("FATAL" not in line for line in lines)
        wait_until(lambda: rows(client.query(f"SELECT count(*) FROM {table}")) == ["1"], "it has happened after all")


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
def test_a_write_that_the_server_ended_is_told_the_servers_own_error(proxy, primary, table, workers, extended):  # F3
    """As PostgreSQL tells it, which has rolled it back; but as an ERROR, as the client has lost no connection."""
    process = proxy(default_pool_size=1, workers=workers)
    with process.wire() as client:
        text = f"INSERT INTO {table} SELECT 1 FROM pg_sleep(5) /* effect */"
        client.send(*([wire.parse("", text), wire.bind("", ""), wire.execute(), wire.sync()] if extended else [wire.query(text)]))
        terminate_running(primary, "effect")
        lines = client.read_until_ready()
        assert errors(lines) == ["57P01"] and lines[-1] == "ReadyForQuery I", lines
        assert client.last_error["S"] == "ERROR"
        assert client.last_error["M"] == "terminating connection due to administrator command"
        assert rows(client.query(f"SELECT count(*) FROM {table}")) == ["0"]


def test_a_servers_timeout_of_an_idle_transaction_is_told_by_the_next_statement(proxy, primary, table, workers):  # F2
    process = proxy(default_pool_size=1, workers=workers)
    with process.wire() as client:
        client.query("BEGIN")
        client.query("SET LOCAL idle_in_transaction_session_timeout = '100ms'")
        client.query(f"INSERT INTO {table} VALUES (1)")
        wait_until(lambda: not primary.link_pids(), "the server has ended it")
        lines = client.query("SELECT 1")
        assert errors(lines) == ["25P03"] and lines[-1] == "ReadyForQuery E", lines
        assert client.query("ROLLBACK") == ["CommandComplete ROLLBACK", "ReadyForQuery I"]
        assert rows(client.query(f"SELECT count(*) FROM {table}")) == ["0"]


def test_a_pinned_session_whose_server_ended_hears_its_last_words(proxy, primary, workers):
    process = proxy(default_pool_size=1, workers=workers)
    with process.wire() as client:
        client.query("CREATE TEMP TABLE mine (a int)")
        client.send(wire.query("INSERT INTO mine SELECT 1 FROM pg_sleep(5) /* pinned */"))
        terminate_running(primary, "pinned")
        client.read_until_closed()
        assert (client.last_error["S"], client.last_error["C"]) == ("FATAL", "57P01")


@pytest.mark.parametrize("text", ["INSERT INTO kept VALUES (1)", "BEGIN; INSERT INTO kept VALUES (1); COMMIT", "COMMIT"])
def test_what_is_ended_while_it_waits_for_a_standby_has_an_unknown_outcome(make_cluster, proxy, text):  # F3
    """It is committed, and the server says so with a WARNING that has the SQLSTATE of its goodbye."""
    primary = make_cluster(settings={"synchronous_standby_names": "'nobody'"}).primary
    primary.run("SET synchronous_commit = local", "CREATE TABLE kept (n int)", "GRANT ALL ON kept TO PUBLIC")
    process = in_front_of(proxy, primary.port, default_pool_size=1)
    with process.wire() as client:
        if text == "COMMIT":
            client.query("BEGIN")
            client.query("INSERT INTO kept VALUES (1)")
        client.send(wire.query(text))
        wait_until(lambda: primary.link_pids("wait_event = 'SyncRep'"), "it waits for the standby")
        primary.terminate_links()
        lines = client.read_until_ready()
        assert errors(lines)[-1] == "08007", lines
        assert rows(client.query("SELECT count(*) FROM kept")) == ["1"]


def test_a_commit_in_flight_has_an_unknown_outcome_and_is_not_repeated(proxy, primary, table, fault_proxy, workers):  # F3
    between = fault_proxy(primary.port)
    process = in_front_of(proxy, between.port, default_pool_size=1, workers=workers)
    with process.wire() as client:
        client.query("BEGIN")
        client.query(f"INSERT INTO {table} VALUES (1)")
        between.to_client.freeze()
        client.send(wire.query("COMMIT"))
        wait_until(lambda: primary.value(f"SELECT count(*) FROM {table}") == 1, "the commit took effect")
        between.reset_all()
        between.to_client.resume()
        lines = client.read_until_ready()
        assert errors(lines)[-1] == "08007", lines
        assert rows(client.query(f"SELECT count(*) FROM {table}")) == ["1"]


def test_a_ledger_counts_each_write_at_most_once(proxy, primary, table, fault_proxy):  # S45
    between = fault_proxy(primary.port)
    process = in_front_of(proxy, between.port, default_pool_size=2)
    acknowledged = failed = 0
    with process.wire() as client:
        for number in range(40):
            client.send(wire.query(f"INSERT INTO {table} VALUES ({number})"))
            if number % 5 == 4:
                between.reset_all()
            lines = client.read_until_ready()
            assert set(errors(lines)) <= {"08007", "08006"}, lines
            failed += bool(errors(lines))
            acknowledged += not errors(lines)
    stored = primary.value(f"SELECT count(*) FROM {table}")
    assert acknowledged <= stored <= acknowledged + failed == 40


def test_a_copy_in_flight_dies(proxy, primary, table, workers):
    process = proxy(default_pool_size=1, workers=workers)
    with process.wire() as client:
        client.send(wire.query(f"COPY {table} FROM STDIN"))
        client.read_until("CopyInResponse")
        client.send(wire.copy_data(b"1\tx\n"))
        primary.terminate_links()
        client.send(wire.copy_data(b"2\tx\n"), wire.copy_done())
        assert errors(client.read_until_ready())
        assert rows(client.query(f"SELECT count(*) FROM {table}")) == ["0"]


def test_a_pipeline_is_answered_whole_when_its_link_dies(proxy, primary, workers):
    process = proxy(default_pool_size=1, workers=workers)
    one = lambda sql: [wire.parse("", sql), wire.bind(), wire.execute(), wire.sync()]
    with process.wire() as client:
        client.send(*one("SELECT 1"), *one("SELECT pg_sleep(0.5) /* piped */"), *one("SELECT 3"))
        terminate_running(primary, "piped")
        lines = client.read_until_ready(3)
        assert lines.count("ReadyForQuery I") == 3
        assert rows(client.query("SELECT 4")) == ["4"]


# ---- the whole server ----

@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_what_was_not_sent_waits_while_the_primary_restarts(proxy, make_cluster, workers, mode):  # F7
    server = make_cluster().primary
    process = in_front_of(proxy, server.port, default_pool_size=2, workers=workers)
    clients = [process.wire() for _ in range(6)]
    for client in clients:
        client.query("SELECT 1")
    server.stop(mode)
    for client in clients:
        client.send(wire.query("SELECT 'after'"))
    server.start()
    watch = Stopwatch()
    for client in clients:
        assert rows(client.read_until_ready()) == ["after"]
        client.close()
    assert watch.seconds < 5


def test_new_clients_wait_while_the_primary_restarts(proxy, make_cluster):  # F7
    server = make_cluster().primary
    process = in_front_of(proxy, server.port)
    with process.wire() as client:
        client.query("SELECT 1")
    server.stop("fast")
    late = process.raw()
    late.send(wire.startup("alice", "app"), wire.query("SELECT 'late'"))
    server.start()
    late.read_until("ReadyForQuery")
    assert rows(late.read_until_ready()) == ["late"]
    late.close()


def test_a_crashed_backend_restarts_the_server_and_clients_stay(proxy, make_cluster, workers):  # F1
    server = make_cluster().primary
    process = in_front_of(proxy, server.port, default_pool_size=2, workers=workers)
    with process.wire() as client, process.wire() as other:
        other.query("SELECT 1")
        client.query("BEGIN")
        pid = int(client.value("SELECT pg_backend_pid()"))
        server.kill_backend(pid, signal.SIGKILL)
        lines = client.query("SELECT 1")
        assert errors(lines) and lines[-1] == "ReadyForQuery E"
        client.query("ROLLBACK")
        assert rows(client.query("SELECT 1")) == ["1"]
        assert rows(other.query("SELECT 2")) == ["2"]


def test_reconnecting_does_not_stampede(proxy, make_cluster, fault_proxy):  # F7
    server = make_cluster().primary
    between = fault_proxy(server.port)
    process = in_front_of(proxy, between.port, default_pool_size=5)
    clients = [process.wire() for _ in range(20)]
    for client in clients:
        client.query("SELECT 1")
    between.refuse()
    between.reset_all()
    before = between.accepted
    for client in clients:
        client.send(wire.query("SELECT 2"))
    watch = Stopwatch()
    wait_until(lambda: watch.seconds > 1.5, "a second and a half of outage")
    assert 1 <= between.accepted - before <= 1.5 * 20 * 5
    between.refuse(False)
    for client in clients:
        assert rows(client.read_until_ready()) == ["2"]
        client.close()


# ---- frozen servers and networks ----

def test_a_frozen_server_does_not_freeze_other_databases_or_the_console(proxy, primary, make_cluster, workers):  # F6
    server = make_cluster().primary
    databases = {"app": {"primary": primary.dsn()}, "cold": {"primary": server.dsn()}}
    process = proxy(databases=databases, default_pool_size=1, query_wait_timeout="2s", query_timeout="3s", workers=workers)
    with process.wire(database="cold") as cold, process.wire() as warm:
        cold.query("SELECT 1")
        server.freeze()
        try:
            cold.send(wire.query("SELECT 2"))
            watch = Stopwatch()
            assert rows(warm.query("SELECT 3")) == ["3"]
            assert process.show("POOLS")
            assert watch.seconds < 2
        finally:
            server.thaw()


def test_a_connection_attempt_into_silence_ends(proxy, primary, fault_proxy):  # F5
    between = fault_proxy(primary.port)
    between.to_server.freeze()
    process = in_front_of(proxy, between.port, server_connect_timeout="1s", query_wait_timeout="10s")
    with process.raw() as client:
        client.send(wire.startup("alice", "app"), wire.query("SELECT 1"))
        wait_until(lambda: between.accepted >= 2, "the first attempt was given up and another begun")
        between.to_server.resume()
        client.read_until("ReadyForQuery", deadline=10)
        assert rows(client.read_until_ready(deadline=10)) == ["1"]


@pytest.mark.parametrize("direction", ["to_server", "to_client"])
def test_a_half_closed_link_is_replaced(proxy, primary, fault_proxy, direction):
    between = fault_proxy(primary.port)
    process = in_front_of(proxy, between.port, default_pool_size=1)
    with process.wire() as client:
        for _ in range(3):
            assert rows(client.query("SELECT 1")) == ["1"]
            between.half_close_all(getattr(between, direction))


@pytest.mark.parametrize("count", [1, 4, 5, 30, 61])
def test_an_answer_cut_short_is_an_error_or_run_again(proxy, primary, fault_proxy, count):
    between = fault_proxy(primary.port)
    process = in_front_of(proxy, between.port, default_pool_size=1)
    with process.wire() as client:
        client.query("SELECT 1")
        between.to_client.cut_after(count)
        lines = client.query("SELECT 'cut'")
        assert lines[-1] == "ReadyForQuery I" and (rows(lines) == ["cut"] or errors(lines) == ["08006"]), lines
        assert rows(client.query("SELECT 2")) == ["2"]


# ---- slow and large ----

def test_large_results_pass_through_little_memory(proxy, workers):  # F15
    process = proxy(workers=workers)
    with process.wire() as client:
        client.query("SELECT 1")
        before = process.resident_bytes()
        client.send(wire.query("SELECT repeat('x', 10000) FROM generate_series(1, 10000)"))
        count = 0
        while client.read_message()[0] != b"Z":
            count += 1
            client.lines.clear()
        assert count == 10002
        assert process.resident_bytes() - before < 8 << 20


def test_one_huge_row_passes_through_little_memory(proxy, workers):  # F15
    process = proxy(workers=workers)
    with process.wire() as client:
        client.query("SELECT 1")
        before = process.resident_bytes()
        client.send(wire.query("SELECT repeat('x', 100000000)"))
        left = 100_000_000
        peak = 0
        while left > 0:
            left -= len(client.socket.recv(1 << 20))
            peak = max(peak, process.resident_bytes() - before)
        assert peak < 8 << 20


def test_a_huge_parameter_passes_through_little_memory(proxy, workers):  # F15
    process = proxy(workers=workers)
    with process.wire() as client:
        client.query("SELECT 1")
        before = process.resident_bytes()
        lines = client.extended("SELECT length($1::text)", [b"x" * 50_000_000])
        assert rows(lines) == ["50000000"]
        assert process.resident_bytes() - before < 8 << 20


def test_a_slow_reader_slows_nobody_and_costs_no_memory(proxy, primary, workers):  # F13
    process = proxy(default_pool_size=3, workers=workers)
    with process.wire() as slow, process.wire() as other:
        slow.query("SELECT 1")
        other.query("SELECT 1")
        before = process.resident_bytes()
        slow.send(wire.query("SELECT repeat('x', 10000) /* slow reader */ FROM generate_series(1, 20000)"))
        wait_until(lambda: primary.rows("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%slow reader%' AND wait_event = 'ClientWrite'"), "the server is held back")
        watch = Stopwatch()
        for _ in range(100):
            assert rows(other.query("SELECT 2")) == ["2"]
        assert watch.seconds < 3
        assert process.resident_bytes() - before < 8 << 20
        count = 0
        while slow.read_message()[0] != b"Z":
            count += 1
            slow.lines.clear()
        assert count == 20002


def test_a_frozen_client_holds_back_its_server_only(proxy, primary):  # F13
    process = proxy(default_pool_size=2)
    reader = process.wire()
    reader.send(wire.query("SELECT repeat('x', 10000) /* frozen */ FROM generate_series(1, 100000)"))
    wait_until(lambda: primary.rows("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%frozen%' AND wait_event = 'ClientWrite'"), "the server is held back")
    with process.wire() as other:
        assert rows(other.query("SELECT 2")) == ["2"]
    reader.reset()
    wait_until(lambda: not primary.link_pids("query LIKE '%frozen%' AND state = 'active'"), "its query is gone")


def test_out_of_descriptors_those_connected_go_on(make_proxy, primary):  # F11
    process = make_proxy({"sportello": {"max_client_conn": 500, "workers": 1}, "databases": {"app": {"primary": primary.dsn()}}},
                         wrapper=["prlimit", "--nofile=64:64"])
    first = process.wire()
    first.query("SELECT 1")
    crowd = [process.raw() for _ in range(100)]
    watch = Stopwatch()
    assert rows(first.query("SELECT 2")) == ["2"]
    assert watch.seconds < 3
    used_before = processes.cpu_seconds(process.pid)
    wait_until(lambda: watch.seconds > 1.5, "a while passes")
    assert processes.cpu_seconds(process.pid) - used_before < 0.5, "the acceptor spins"
    for client in crowd:
        client.close()
    wait_until(lambda: rows(process.wire().query("SELECT 3")) == ["3"], "new clients are served again")
    first.close()


def test_a_suspended_proxy_goes_on_without_mass_timeouts(proxy):  # F18
    process = proxy(default_pool_size=2, query_wait_timeout="30s")
    with process.wire() as client:
        client.query("SELECT 1")
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: processes.state(process.pid) == "T", "the proxy stands still")
        client.send(wire.query("SELECT 2"))
        assert client.hears_nothing(1.0)
        process.send_signal(signal.SIGCONT)
        assert rows(client.read_until_ready()) == ["2"]


def test_links_die_at_random_under_load(proxy, primary, table, workers):
    """Seeded by time on purpose: only the invariants are fixed. Reads never fail, and no write has happened of which
    the server said that it ended it."""
    process = proxy(default_pool_size=4, workers=workers, server_login_retry="100ms")
    stop = threading.Event()
    problems = []
    undone = []

    def client_loop(number):
        try:
            with process.wire() as client:
                step = 0
                while not stop.is_set():
                    step += 1
                    lines = client.query(f"SELECT {number * 1000 + step}")
                    assert rows(lines) == [str(number * 1000 + step)] or set(errors(lines)) <= {"08006", "57P01"}, lines
                    lines = client.query(f"INSERT INTO {table} VALUES ({number * 100000 + step})")
                    assert set(errors(lines)) <= {"08007", "08006", "57P01"}, lines
                    if errors(lines) == ["57P01"]:
                        undone.append(number * 100000 + step)
        except BaseException as problem:
            problems.append(problem)
    threads = [threading.Thread(target=client_loop, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(15):
        primary.terminate_links("random() < 0.5")
    stop.set()
    for thread in threads:
        thread.join(30)
    assert not problems, problems[0]
    stored = {row[0] for row in primary.rows(f"SELECT * FROM {table}")}
    assert not stored.intersection(undone)
