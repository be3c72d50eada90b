"""Configuration: every mistake is named, a reload is all or nothing, and signals do what they promise."""
import os
import random
import signal
import sys

import psycopg
import pytest

from sportello_testing import processes, wire
from sportello_testing.ports import free_port, release_port
from sportello_testing.proxy_process import IS_PGBOUNCER, ProxyFailed, check
from sportello_testing.waiting import Stopwatch, wait_until
from sportello_testing.wire_client import ConnectionClosed, LoginFailed, errors, rows

GOOD = """[sportello]
listen_port = 6432
auth_type = "trust"

[databases.app]
primary = "host=127.0.0.1 port=5432 dbname=app"
"""


# ---- --check ----

@pytest.mark.ours
def test_a_good_file_is_good():
    code, output = check(GOOD)
    assert code == 0, output


@pytest.mark.ours
@pytest.mark.parametrize("line,position,named", [
    ("default_pool_sise = 5", (4, 1), "default_pool_size"),
    ("default_pool_size = \"five\"", (4, 21), "default_pool_size"),
    ("default_pool_size = -1", (4, 21), "default_pool_size"),
    ("pool_mode = \"transactional\"", (4, 13), "transaction"),
    ("query_timeout = \"5 parsecs\"", (4, 17), "query_timeout"),
    ("listen_port = 70000", (4, 15), "listen_port"),
    ("client_tls_sslmode = \"maybe\"", (4, 22), "verify-full"),
    ("max_client_conn = ", (4, None), ""),
    ("auth_file = \"/no/such/file\"", (4, None), "/no/such/file"),
])
def test_a_mistake_is_named_with_its_place(line, position, named):
    text = GOOD.replace('auth_type = "trust"\n', 'auth_type = "trust"\n' + line + "\n") if not line.startswith("listen_port") else GOOD.replace(
        'listen_port = 6432\nauth_type = "trust"\n', 'auth_type = "trust"\nlog_stats = true\n' + line + "\n")
    code, output = check(text)
    assert code == 1, output
    where = f"sportello.toml:{position[0]}" + (f":{position[1]}" if position[1] else "")
    assert where in output and named in output, output


@pytest.mark.ours
def test_all_mistakes_are_told_at_once():
    code, output = check(GOOD.replace("[databases.app]", "nonsense = 1\nrubbish = 2\n[databases.app]\npool_sice = 3"))
    assert code == 1
    assert all(word in output for word in ("nonsense", "rubbish", "pool_sice")), output


@pytest.mark.ours
def test_a_bad_configuration_does_not_start(proxy):
    process = proxy(start=False, no_such_key=1)
    with pytest.raises(ProxyFailed, match="no_such_key"):
        process.start()
    process.process = None


@pytest.mark.ours
def test_a_taken_port_is_an_error_with_its_name(proxy):
    first = proxy()
    second = proxy(start=False)
    second.set(listen_port=first.port)
    second.start(wait=False)
    assert second.wait_exit() != 0
    assert str(first.port) in second.log()
    second.process = None


@pytest.mark.ours
def test_environment_variables_and_includes(proxy, primary):
    process = proxy(start=False)
    included = processes.write_private_file(process.path("databases.toml"), f'[databases.more]\nprimary = "host=127.0.0.1 port=${{PRIMARY_PORT}} dbname=app"\n')
    with open(process.config_path) as file:
        content = file.read()
    process.write_config(f'include = ["{included}"]\n' + content)
    process.environment = {"PRIMARY_PORT": str(primary.port)}
    process.start()
    with process.wire(database="more") as client:
        assert rows(client.query("SELECT current_database()")) == ["app"]


# ---- reload ----

def reload(process, how):
    if how == "SIGHUP":
        process.send_hup()
    else:
        process.reload()


HOW = pytest.mark.parametrize("how", ["SIGHUP", "RELOAD"])


@HOW
def test_a_new_pool_size_counts_after_reload(proxy, how, workers):
    process = proxy(default_pool_size=1, reserve_pool_size=0, workers=workers)
    with process.wire() as holder, process.wire() as waiter:
        holder.hold_link()
        waiter.send(wire.query("SELECT 1"))
        assert waiter.hears_nothing(0.2)
        process.set(default_pool_size=2)
        reload(process, how)
        assert rows(waiter.read_until_ready()) == ["1"]


@HOW
def test_new_users_count_after_reload(proxy, how):
    process = proxy(auth_type="scram-sha-256")
    process.users["carol"] = "carol-secret"
    process.write_files()
    reload(process, how)

    def lets_in():
        process.wire("carol").close()
        return True
    wait_until(lets_in, "carol is let in")


@HOW
def test_a_new_database_counts_after_reload(proxy, primary, how):
    process = proxy()
    process.config["databases"]["second"] = {"primary": primary.dsn()}
    process.write_files()
    reload(process, how)

    def lets_in():
        process.wire(database="second").close()
        return True
    wait_until(lets_in, "the database is known")


def keepalive_timer(port, client_port):
    """Seconds until the kernel asks the peer of the accepted socket whether it is there; None: never (proc_net_tcp)."""
    with open("/proc/net/tcp") as table:
        for line in table:
            fields = line.split()
            if fields[1].endswith(f":{port:04X}") and fields[2].endswith(f":{client_port:04X}"):
                kind, when = fields[5].split(":")
                assert kind != "01", "what was sent is not acknowledged yet: that has the timer"
                return int(when, 16) / os.sysconf("SC_CLK_TCK") if kind == "02" else None
    raise AssertionError("no such connection")


@pytest.mark.ours
def test_clients_have_the_keepalive_of_the_last_reload(proxy, workers):
    process = proxy(workers=workers, tcp_keepidle=1000)

    def timer():
        with process.wire() as client:
            port = client.socket.getsockname()[1]
            return wait_until(lambda: [keepalive_timer(process.port, port)], "the timer is the connection's")[0]

    assert 900 < timer() <= 1000
    process.set(tcp_keepidle=300)
    process.reload()
    assert 200 < timer() <= 300
    process.set(tcp_keepalive=False)
    process.reload()
    assert timer() is None


def test_a_removed_database_refuses_new_clients(proxy, primary):  # F17
    process = proxy(databases={"app": {"primary": primary.dsn()}, "gone": {"primary": primary.dsn()}})
    with process.wire(database="gone") as client:
        client.query("SELECT 1")
        del process.config["databases"]["gone"]
        process.write_files()
        process.send_hup()

        def refused():
            try:
                process.wire(database="gone").close()
            except (LoginFailed, ConnectionClosed):
                return True
        wait_until(refused, "new clients are refused")
        with process.wire() as other:
            assert rows(other.query("SELECT 1")) == ["1"]


def test_a_changed_server_counts_for_the_next_transaction(proxy, primary, make_cluster):
    other = make_cluster().primary
    process = proxy()
    with process.wire() as client:
        assert client.value("SELECT inet_server_port()") == str(primary.port)
        process.config["databases"]["app"]["primary"] = other.dsn()
        process.write_files()
        process.send_hup()
        wait_until(lambda: client.value("SELECT inet_server_port()") == str(other.port), "the new server answers")


@pytest.mark.ours
@pytest.mark.parametrize("content", [None, "", "[sportello]\nlisten_port = \n", "garbage \0 \xff", "[sportello]\ndefault_pool_size = 'x'\n", "unreadable"], ids=repr)
def test_a_bad_reload_changes_nothing_and_says_so(proxy, content):  # F17
    process = proxy(default_pool_size=2)
    with process.wire() as client:
        client.query("SELECT 1")
        if content is None:
            os.unlink(process.config_path)
        elif content == "unreadable":
            os.chmod(process.config_path, 0)
        else:
            process.write_config(content)
        with pytest.raises(psycopg.Error):
            process.reload()
        before = len(process.log())
        process.send_hup()
        wait_until(lambda: len(process.log()) > before, "the log says why")
        assert rows(client.query("SELECT 1")) == ["1"]
    process.wire().close()


@pytest.mark.ours
def test_mutated_files_never_break_the_running_process(proxy):  # F17
    process = proxy()
    with open(process.config_path) as file:
        good = file.read()
    generator = random.Random(17)
    with process.wire() as client, process.admin() as console:
        for _ in range(60):
            text = list(good)
            for _ in range(generator.randrange(1, 4)):
                text[generator.randrange(len(text))] = generator.choice("[]\"=\n5x#\t")
            process.write_config("".join(text[:generator.randrange(len(text) // 2, len(text))]) if generator.random() < 0.3 else "".join(text))
            try:
                console.execute("RELOAD")
            except psycopg.Error:
                pass
            assert process.is_running()
        process.write_config(good)
        console.execute("RELOAD")
        assert rows(client.query("SELECT 1")) == ["1"]


def test_reload_under_load_loses_nothing(proxy, workers):
    process = proxy(default_pool_size=2, workers=workers)
    with process.wire() as client:
        for number in range(100):
            if number % 10 == 0:
                process.set(default_pool_size=2 + number % 3)
                process.send_hup()
            assert rows(client.query(f"SELECT {number}")) == [str(number)]


# ---- signals ----

def test_sigint_stops_at_once(proxy, workers):  # F21
    process = proxy(workers=workers)
    with process.wire() as client:
        client.query("SELECT 1")
        watch = Stopwatch()
        process.stop()
        assert watch.seconds < 3


def test_a_stop_right_after_the_start_is_a_clean_one(proxy):  # F21
    for _ in range(5):
        process = proxy(start=False)
        process.start()
        process.stop()


@pytest.mark.ours
def test_sigterm_lets_transactions_finish(proxy, primary, table, workers):  # F21
    process = proxy(workers=workers)
    with process.wire() as busy, process.wire() as idle:
        idle.query("SELECT 1")
        busy.hold_link()
        busy.query(f"INSERT INTO {table} VALUES (1)")
        process.send_signal(signal.SIGTERM)
        idle.read_until_closed()

        def refused():
            try:
                process.wire().close()
            except (LoginFailed, ConnectionClosed, OSError):
                return True
        wait_until(refused, "no new clients")
        assert errors(busy.query("SELECT 1")) == []
        assert errors(busy.query("COMMIT")) == []
        busy.read_until_closed()
        assert process.wait_exit() == 0
    assert primary.value(f"SELECT count(*) FROM {table}") == 1


@pytest.mark.ours
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_second_sigterm_sigint_or_sigquit_ends_the_drain(proxy, number):  # F21
    process = proxy()
    with process.wire() as busy:
        busy.hold_link()
        process.send_signal(signal.SIGTERM)
        process.wait_log("(?i)drain|shut|term|stop")
        process.send_signal(number)
        assert process.wait_exit(5) == 0


@pytest.mark.ours
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2, signal.SIGPIPE])
def test_other_signals_hurt_nobody(proxy, number):  # F21
    process = proxy()
    with process.wire() as client:
        for _ in range(5):
            process.send_signal(number)
            assert rows(client.query("SELECT 1")) == ["1"]


def test_sigusr1_pauses_and_sigusr2_resumes(proxy):  # F21
    process = proxy()
    with process.wire() as client:
        client.query("SELECT 1")
        process.send_signal(signal.SIGUSR1)

        def is_held():
            client.send(wire.query("SELECT 2"))
            return client.hears_nothing(0.3) or not client.read_until_ready()
        wait_until(is_held, "a query is held")
        process.send_signal(signal.SIGUSR2)
        assert rows(client.read_until_ready()) == ["2"]


@pytest.mark.ours
def test_the_pidfile_lives_as_long_as_the_process(proxy):
    process = proxy(start=False)
    path = process.path("pid")
    process.set(pidfile=path)
    process.start()
    with open(path) as file:
        assert int(file.read()) == process.pid
    process.stop()
    assert not os.path.exists(path)


@pytest.mark.ours
def test_systemd_is_notified(proxy):
    import socket
    process = proxy(start=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        path = process.path("notify")
        notify.bind(path)
        os.chmod(path, 0o777)
        notify.settimeout(8)
        process.environment = {"NOTIFY_SOCKET": path}
        process.start()
        assert b"READY=1" in notify.recv(4096)
        process.send_signal(signal.SIGTERM)
        assert b"STOPPING=1" in notify.recv(4096)
        process.wait_exit()


@pytest.mark.ours
@pytest.mark.skipif(IS_PGBOUNCER, reason="our log")
def test_json_log_lines_are_json(proxy):
    import json
    process = proxy(log_format="json")
    process.wire().close()
    process.stop()
    process.process = None
    for line in process.log().splitlines():
        json.loads(line)


# Binds as systemd would, and becomes the program under test.
_ACTIVATION = """
import os, socket, sys
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
os.dup2(os.dup(listening.fileno()), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.ours
def test_a_socket_of_systemd_is_taken_instead_of_the_configured_one(proxy):
    process = proxy(start=False)
    configured = process.port
    process.port = free_port()
    try:
        process.wrapper = [sys.executable, "-c", _ACTIVATION, str(process.port)]
        process.start()
        with process.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="refused"):
            psycopg.connect(host="127.0.0.1", port=configured, user="alice", dbname="app", connect_timeout=8)
    finally:
        release_port(configured)


@pytest.mark.ours
def test_a_shutdown_that_waits_for_clients_serves_whoever_has_connected(proxy):
    """Who has not logged in yet is one of them: a new process that listens beside the old one takes the next (F22)."""
    process = proxy()
    early = process.raw()
    early.send(wire.ssl_request())
    assert early.read_byte() == b"N"
    with process.admin() as console:
        console.execute("SHUTDOWN WAIT_FOR_CLIENTS")
    early.login("alice", "app", process.users["alice"])
    assert rows(early.query("SELECT 7")) == ["7"]
    early.terminate()
    assert process.wait_exit() == 0
