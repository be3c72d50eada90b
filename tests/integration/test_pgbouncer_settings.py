"""Settings mean here what they mean to PgBouncer: what each of them switches, limits or forgets."""
import pytest

from sportello_testing import wire
from sportello_testing.waiting import Stopwatch, wait_until
from sportello_testing.wire_client import ConnectionClosed, LoginFailed, errors, rows
from sportello_testing.wire_server import PeerGone

pytestmark = pytest.mark.ours


def login_clients(process):
    return next(row["items"] for row in process.show("LISTS") if row["list"] == "login_clients")


def fatal_of(client, *messages):
    """What a client is told that is thrown out for `messages`."""
    client.send_ignoring_close(*messages)
    with pytest.raises(ConnectionClosed):
        client.read_until_ready()
    return client.lines[-1]


# ---- messages ----

def test_disable_pqexec_refuses_the_simple_protocol(proxy):
    process = proxy(disable_pqexec=True)
    with process.wire() as client:
        assert rows(client.extended("SELECT $1::int", [5])) == ["5"]
        assert "PQexec disallowed" in fatal_of(client, wire.query("SELECT 1; SELECT 2"))


def test_a_client_message_over_max_packet_size_ends_the_connection(proxy):
    process = proxy(max_packet_size=16384, sql_inspect_max=16384)
    with process.wire() as client:
        assert rows(client.query("SELECT length('" + "x" * 16000 + "')")) == ["16000"]
        told = fatal_of(client, wire.query("SELECT '" + "x" * 16384 + "'"))
        assert "08P01" in told and "max_packet_size" in told


def test_a_row_over_max_packet_size_ends_the_server_connection(proxy):
    process = proxy(max_packet_size=16384, sql_inspect_max=16384, default_pool_size=1)
    with process.wire() as client:
        assert errors(client.query("SELECT repeat('x', 20000)")) == ["08006"]
        assert rows(client.query("SELECT 1")) == ["1"]


def test_pkt_buf_is_the_size_of_a_workers_buffer(proxy):
    process = proxy(pkt_buf=4096, workers=2)
    memory = next(row for row in process.show("MEM") if row["name"] == "read_buffer")
    assert memory["size"] == 4096 and memory["used"] == 2
    with process.wire() as client:
        assert len(rows(client.query("SELECT repeat('x', 1000) FROM generate_series(1, 5000)"))) == 5000
        assert rows(client.query("SELECT length('" + "y" * 30000 + "')")) == ["30000"]


# ---- connections ----

def test_tcp_defer_accept_leaves_silent_connections_to_the_kernel(proxy):
    lazy, eager = proxy(tcp_defer_accept=True), proxy(tcp_defer_accept=False)
    with lazy.raw() as silent, eager.raw() as seen:
        wait_until(lambda: login_clients(eager) == 1, "the silent one is seen")
        assert login_clients(lazy) == 0
        silent.login("alice", "app", None)
        assert rows(silent.query("SELECT 1")) == ["1"]
        seen.close()


def test_the_addresss_own_connect_timeout_counts(proxy, wire_server):
    def says_nothing(connection):
        connection.wait_for_close()

    server = wire_server(says_nothing)
    process = proxy(databases={"app": {"primary": f"host=127.0.0.1 port={server.port} dbname=app connect_timeout=1"}}, server_tls_sslmode="disable")
    client = process.raw()
    client.send(wire.startup("alice", "app"))
    process.wait_log("server_connect_timeout: no login in time", deadline=4)
    client.close()


def test_server_fast_close_ends_sessions_whose_link_is_to_go(proxy):
    process = proxy(pool_mode="session", server_fast_close=True)
    with process.wire() as idle, process.wire() as busy:
        idle.query("SELECT 1")
        busy.hold_link()
        with process.admin() as console:
            console.execute("RECONNECT")
        with pytest.raises(ConnectionClosed):
            idle.read_until_ready()
        assert "server_fast_close" in idle.lines[-1]
        assert rows(busy.query("SELECT 2")) == ["2"], "its transaction goes on"
        busy.query("COMMIT")
        with pytest.raises(ConnectionClosed):
            busy.read_until_ready()


def test_without_server_fast_close_a_session_keeps_its_link(proxy):
    process = proxy(pool_mode="session")
    with process.wire() as client:
        before = rows(client.query("SELECT pg_backend_pid()"))
        with process.admin() as console:
            console.execute("RECONNECT")
        assert client.hears_nothing(0.3)
        assert rows(client.query("SELECT pg_backend_pid()")) == before


def test_unused_databases_of_the_fallback_are_forgotten(proxy, primary):
    entry = {"primary": f"host=127.0.0.1 port={primary.port}"}
    process = proxy(databases={"*": entry, "postgres": entry}, autodb_idle_timeout="1s", server_idle_timeout="1s", workers=4)

    def known():
        return {row["database"] for row in process.show("POOLS")} - {"sportello", "pgbouncer"}

    for database in ("app", "postgres"):
        with process.wire(database=database) as client:
            client.query("SELECT 1")
    assert known() == {"app", "postgres"}
    with process.wire(database="app") as client:
        wait_until(lambda: not primary.link_pids("datname = 'app'"), "its link is unused and closed")
        assert client.hears_nothing(2.5)
        assert "app" in known(), "it has a client"
        client.query("SELECT 1")
        client.terminate()
    wait_until(lambda: known() == {"postgres"}, "the one from * is forgotten, the configured one is not")
    with process.wire(database="app") as client:
        assert rows(client.query("SELECT 1")) == ["1"], "it may come back"


# ---- SUSPEND ----

def test_suspend_stops_reading_until_resume(proxy, workers):
    process = proxy(workers=workers)
    with process.wire() as client, process.admin() as console:
        client.query("SELECT 1")
        console.execute("SUSPEND")
        client.send(wire.query("SELECT 2"))
        assert client.hears_nothing(0.3)
        state = {row["key"]: row["value"] for row in console.execute("SHOW STATE").fetchall()}
        assert state["suspended"] == "yes" and state["active"] == "no"
        newcomer = process.raw()
        newcomer.send(wire.startup("alice", "app"))
        assert newcomer.hears_nothing(0.2)
        console.execute("RESUME")
        assert rows(client.read_until_ready()) == ["2"]
        newcomer.read_until_ready()
        newcomer.close()


def test_suspend_waits_for_those_who_take_their_answer(proxy):
    process = proxy(suspend_timeout="1s")
    with process.wire() as slow, process.wire() as other, process.admin() as console:
        slow.send(wire.query("SELECT repeat('x', 1000) FROM generate_series(1, 30000)"))
        assert other.hears_nothing(0.7), "the result fills all buffers"
        watch = Stopwatch()
        console.execute("SUSPEND")
        assert 0.9 < watch.seconds < 5
        console.execute("RESUME")
        with pytest.raises(ConnectionClosed):
            slow.read_until_ready()
        assert rows(other.query("SELECT 1")) == ["1"]
    assert "suspend_timeout" in process.log()


# ---- track_extra_parameters ----

def reports_more(connection):
    """A server that reports its search_path, as PostgreSQL 18 does."""
    connection.read_startup()
    connection.welcome(search_path='"$user", public')
    path = '"$user", public'
    while True:
        kind, body = connection.read()
        if kind == b"X":
            raise PeerGone()
        text = body[:-1].decode()
        if text.startswith("SET search_path"):
            path = text.split("=")[1].strip()
            connection.send(wire.parameter_status("search_path", path), wire.command_complete("SET"), wire.ready_for_query())
        elif "set_config(E'search_path'" in text:
            path = text.split("E'")[2].split("'")[0]
            connection.send(wire.parameter_status("search_path", path), wire.row_description("set_config"), wire.data_row(path), wire.command_complete("SELECT 1"),
                            wire.ready_for_query())
        else:
            connection.send(wire.row_description("path"), wire.data_row(path), wire.command_complete("SELECT 1"), wire.ready_for_query())


def test_extra_parameters_that_a_server_reports_follow_their_session(proxy, wire_server):
    server = wire_server(reports_more)
    process = proxy(databases={"app": {"primary": f"host=127.0.0.1 port={server.port} dbname=app"}}, server_tls_sslmode="disable", default_pool_size=1,
                    track_extra_parameters=["IntervalStyle", "search_path"])
    with process.wire() as first, process.wire() as second:
        first.query("SET search_path = a, b")
        assert first.parameters["search_path"] == "a, b"
        assert rows(second.query("SHOW search_path")) == ['"$user", public']
        assert rows(first.query("SHOW search_path")) == ["a, b"]
        third = process.wire(search_path="c")
        assert third.parameters["search_path"] == "c"
        assert rows(third.query("SHOW search_path")) == ["c"]
        third.close()
        assert rows(second.query("SHOW search_path")) == ['"$user", public']
        assert all(row["pinned"] in ("", None) for row in process.show("CLIENTS") if "pinned" in row)


def test_an_extra_parameter_that_is_not_reported_is_said_to_be_so(proxy):
    process = proxy(track_extra_parameters=["work_mem"])
    with process.wire(work_mem="5MB") as first, process.wire() as second:
        assert rows(first.query("SHOW work_mem")) == ["5MB"]
        assert rows(second.query("SHOW work_mem")) == ["4MB"]
    process.wait_log('does not report "work_mem"')


# ---- RELOAD ----

def test_reload_says_what_needs_a_restart(proxy):
    process = proxy()
    process.set(listen_backlog=77)
    with process.admin() as console:
        told = []
        console.add_notice_handler(lambda notice: told.append(f"{notice.message_primary}: {notice.message_detail}"))
        console.execute("RELOAD")
        assert any("listen_backlog" in notice for notice in told), told
    assert "a change of listen_backlog takes effect at the next restart" in process.log()


# ---- names ----

def test_names_of_servers_are_looked_up_and_kept(proxy, primary):
    process = proxy(databases={"app": {"primary": f"host=localhost port={primary.port} dbname=app"}, "lost": {"primary": "host=no-such-host.invalid port=1"}},
                    dns_max_ttl="1s", query_wait_timeout="2s")

    def known():
        return {row["hostname"]: row["addrs"] for row in process.show("DNS_HOSTS")}

    with process.wire() as client:
        assert rows(client.query("SELECT 1")) == ["1"]
        assert "127.0.0.1" in known()["localhost"].split(",")
        assert client.hears_nothing(2.2), "it is looked up again meanwhile"
        assert rows(client.query("SELECT pg_backend_pid() IS NOT NULL")) == ["t"]
        with pytest.raises((LoginFailed, ConnectionClosed)):
            process.wire(database="lost")
        assert known()["no-such-host.invalid"] == ""
        assert rows(client.query("SELECT 2")) == ["2"]
