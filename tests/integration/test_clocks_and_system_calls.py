"""Clocks that jump, a process that stood still, system calls that fail: no timeout at the wrong time, no byte lost (F18, F20)."""
import hashlib
import os
import signal

import pytest

from sportello_testing import processes, wire
from sportello_testing.proxy_process import BINARY
from sportello_testing.waiting import Stopwatch, wait_until
from sportello_testing.wire_client import ConnectionClosed, LoginFailed, errors, rows

# A sanitizer wants to be the first library that is loaded.
is_sanitized = any(name in BINARY for name in ("/asan/", "/tsan/"))
pytestmark = [pytest.mark.ours, pytest.mark.skipif(is_sanitized, reason="sanitizers exclude preloaded libraries and being traced")]

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


def wrapped(make_proxy, primary, wrapper, **settings):
    return make_proxy({"sportello": settings, "databases": {"app": {"primary": primary.dsn()}}}, wrapper=wrapper)


def with_environment(make_proxy, primary, environment, **settings):
    # By env, which is run as the user that the proxy runs as.
    return wrapped(make_proxy, primary, ["env", *(f"{name}={value}" for name, value in environment.items())], **settings)


# ---- clocks ----

@pytest.mark.parametrize("jump", ["+1d", "-1d"])
def test_a_clock_that_jumps_times_nothing_out(make_proxy, primary, session_directory, jump):  # F18
    clock = processes.write_private_file(os.path.join(session_directory, f"clock{jump}"), "+0d")
    process = with_environment(
        make_proxy, primary, {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": clock, "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"},
        default_pool_size=2, client_idle_timeout="20s", idle_transaction_timeout="20s", transaction_timeout="20s", query_timeout="20s",
        query_wait_timeout="20s", server_idle_timeout="20s", server_lifetime="20s", autodb_idle_timeout="20s")
    with process.wire() as idle, process.wire() as in_block, process.wire() as busy, process.wire() as waiting:
        idle.query("SELECT 1")
        before = rows(in_block.query("BEGIN; SELECT pg_backend_pid()"))
        busy.send(wire.query("SELECT 'busy' FROM pg_sleep(2)"))
        wait_until(lambda: primary.link_pids("query LIKE '%busy%' AND state = 'active'"), "there is no link left")
        waiting.send(wire.query("SELECT 'waited'"))
        assert waiting.hears_nothing(0.3)
        processes.write_private_file(clock, jump)
        with process.wire() as newcomer:
            assert newcomer.parameters["server_version"]
        wait_until(lambda: len({line[:10] for line in process.log().splitlines() if "login" in line}) == 2, "the log has the other day")
        assert rows(busy.read_until_ready()) == ["busy"]
        assert rows(waiting.read_until_ready()) == ["waited"]
        assert rows(in_block.query("SELECT pg_backend_pid()")) == before
        assert rows(idle.query("SELECT 2")) == ["2"]
        in_block.query("COMMIT")
    assert all(value >= 0 for row in process.show("STATS") for value in row.values() if isinstance(value, int))


@pytest.mark.slow
def test_clients_are_not_to_blame_for_a_proxy_that_stood_still(proxy, workers):  # F18
    process = proxy(workers=workers, client_idle_timeout="4s", idle_transaction_timeout="4s", transaction_timeout="5s", query_timeout="5s", default_pool_size=3)
    with process.wire() as idle, process.wire() as in_block, process.wire() as busy:
        idle.query("SELECT 1")
        in_block.hold_link()
        busy.send(wire.query("SELECT 'busy' FROM pg_sleep(2)"))
        process.send_signal(signal.SIGSTOP)
        watch = Stopwatch()
        wait_until(lambda: watch.seconds > 10, "ten seconds pass", 12)
        process.send_signal(signal.SIGCONT)
        assert rows(busy.read_until_ready()) == ["busy"]
        assert idle.hears_nothing(0.5), idle.read_until_ready()
        assert in_block.hears_nothing(0.2)
        assert rows(idle.query("SELECT 2")) == ["2"]
        assert rows(in_block.query("SELECT 3")) == ["3"]
        in_block.query("COMMIT")
        with pytest.raises(ConnectionClosed):  # and from now on the time counts
            idle.read_until_ready()
        assert "client_idle_timeout" in idle.lines[-1]


# ---- system calls ----

def failing(calls, error, first, step):
    """A wrapper: in each thread the first-th of each of these calls fails, and each step-th from there. At the kernel's edge: a preloaded
    library would not see what does not go through the C library's functions."""
    return ["strace", "--daemonize", "--seccomp-bpf", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}",
            "-e", f"inject={calls}:error={error}:when={first}+{step}"]


INTERRUPTED = failing("recvfrom,sendto,sendmsg,accept4,epoll_wait", "EINTR", 3, 7)
FAILING = failing("recvfrom,sendto,sendmsg,accept4,connect,shutdown", "ECONNRESET", 50, 101)


def digest(lines):
    return hashlib.md5("".join(lines).encode()).hexdigest()


def test_interrupted_system_calls_lose_no_byte(make_proxy, primary, table, workers):  # F20
    process = wrapped(make_proxy, primary, INTERRUPTED, workers=workers, default_pool_size=3)
    script = "SELECT i, md5(i::text) || repeat('x', i % 500) FROM generate_series(1, 5000) i"
    with primary.connect() as direct:
        expected = digest(f"{row}" for row in direct.execute(script).fetchall())
    for _ in range(3):
        with process.connect() as connection:
            assert digest(f"{row}" for row in connection.execute(script).fetchall()) == expected
            with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                for number in range(2000):
                    copy.write_row((number, "y" * (number % 300)))
            assert connection.execute(f"SELECT count(*), sum(length(note)) FROM {table}").fetchone() == (2000, sum(n % 300 for n in range(2000)))
            connection.execute(f"TRUNCATE {table}")


def test_system_calls_that_fail_cost_connections_and_nothing_else(make_proxy, primary, workers):  # F20
    process = wrapped(make_proxy, primary, FAILING, workers=workers, default_pool_size=3, server_login_retry="100ms")
    answered = failed = 0
    for number in range(150):
        try:
            with process.wire() as client:
                for step in range(5):
                    lines = client.query(f"SELECT {number * 10 + step}")
                    if errors(lines):
                        failed += 1
                    else:
                        assert rows(lines) == [str(number * 10 + step)]
                        answered += 1
        except (ConnectionClosed, LoginFailed, OSError):
            failed += 1
    assert answered > 200 and failed > 0
    assert process.is_running()

    def descriptors():
        return len(os.listdir(f"/proc/{process.pid}/fd"))
    wait_until(lambda: descriptors() < 60, "the sockets of those who failed are closed")
