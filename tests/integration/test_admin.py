"""The console speaks PgBouncer: its commands, its columns, its effects; and lets in only whom it should."""
import asyncio

import asyncpg
import psycopg
import pytest

from sportello_testing import wire
from sportello_testing.proxy_process import IS_PGBOUNCER
from sportello_testing.waiting import wait_until
from sportello_testing.wire_client import ConnectionClosed, LoginFailed, errors, rows

COLUMNS = {
    "DATABASES": ["name", "host", "port", "database", "force_user", "pool_size", "min_pool_size",
                  "reserve_pool" if IS_PGBOUNCER else "reserve_pool_size",  # renamed after the version in Debian 12
                  "pool_mode", "max_connections",
                  "current_connections", "paused", "disabled"],
    "POOLS": ["database", "user", "cl_active", "cl_waiting", "sv_active", "sv_idle", "sv_used", "sv_tested", "sv_login", "maxwait", "maxwait_us", "pool_mode"],
    "CLIENTS": ["type", "user", "database", "state", "addr", "port", "local_addr", "local_port", "connect_time", "request_time", "wait", "wait_us",
                "close_needed", "ptr", "link", "remote_pid", "tls"],
    "SERVERS": ["type", "user", "database", "state", "addr", "port", "local_addr", "local_port", "connect_time", "request_time", "wait", "wait_us",
                "close_needed", "ptr", "link", "remote_pid", "tls"],
    "STATS": ["database", "total_xact_count", "total_query_count", "total_received", "total_sent", "total_xact_time", "total_query_time", "total_wait_time",
              "avg_xact_count", "avg_query_count", "avg_recv", "avg_sent", "avg_xact_time", "avg_query_time", "avg_wait_time"],
    "STATS_TOTALS": ["database", "xact_count", "query_count", "bytes_received", "bytes_sent", "xact_time", "query_time", "wait_time"],
    "STATS_AVERAGES": ["database", "xact_count", "query_count", "bytes_received", "bytes_sent", "xact_time", "query_time", "wait_time"],
    "LISTS": ["list", "items"],
    "USERS": ["name", "pool_mode"],
    "CONFIG": ["key", "value", "default", "changeable"],
    "MEM": ["name", "size", "used", "free", "memtotal"],
}


@pytest.mark.parametrize("what", COLUMNS)
def test_show_has_pgbouncers_columns(proxy, what):
    process = proxy()
    with process.wire() as client:
        client.query("SELECT 1")
        with process.admin() as console:
            cursor = console.execute("SHOW " + what)
            shown = [column.name for column in cursor.description]
            assert [name for name in shown if name in COLUMNS[what]] == COLUMNS[what]
            assert cursor.fetchall()


def test_show_version_and_help(proxy):
    process = proxy()
    with process.raw() as client:
        client.login("postgres", "pgbouncer" if IS_PGBOUNCER else "sportello")
        lines = client.query("SHOW VERSION")
        assert lines[-1] == "ReadyForQuery I" and (rows(lines) or any("Notice" in line for line in lines))
        assert client.query("SHOW HELP")[-1] == "ReadyForQuery I"


def test_the_console_is_also_called_pgbouncer(proxy):
    process = proxy()
    with process.admin(dbname="pgbouncer") as console:
        assert console.execute("SHOW POOLS").fetchall() is not None


def test_commands_take_any_case_and_a_semicolon(proxy):
    process = proxy()
    with process.admin() as console:
        assert console.execute("show databases;").fetchall() == console.execute("SHOW DATABASES").fetchall()


def test_an_unknown_command_is_an_error_and_the_console_lives(proxy):
    process = proxy()
    with process.admin() as console:
        for text in ("DANCE", "SHOW NONSENSE", "SELECT 1 FROM x", "PAUSE no_such_database", "KILL no_such_database", "RESUME no_such_database", "'", "SHOW"):
            with pytest.raises(psycopg.Error):
                console.execute(text)
        assert console.execute("SHOW DATABASES").fetchall()


@pytest.mark.ours
def test_the_console_speaks_the_extended_protocol(proxy):  # S31
    process = proxy()

    async def ask():
        connection = await asyncpg.connect(host="127.0.0.1", port=process.port, user="postgres", database="sportello", ssl=False, statement_cache_size=0)
        try:
            return await connection.fetch("SHOW DATABASES")
        finally:
            await connection.close()
    assert {row["name"] for row in asyncio.run(ask())} >= {"app"}
    with process.raw() as client:
        client.login("postgres", "sportello")
        assert any(line.startswith("DataRow app") for line in client.extended("SHOW DATABASES"))
        assert errors(client.extended("SHOW NONSENSE"))
        assert client.query("SHOW DATABASES")[-1] == "ReadyForQuery I"


@pytest.mark.ours
def test_what_drivers_send_first_is_no_error(proxy):  # S31
    process = proxy()
    with process.raw() as client:
        client.login("postgres", "sportello")
        for text in ("SET application_name = 'psql'", "BEGIN", "COMMIT", "SELECT 1", ""):
            assert errors(client.query(text)) == [], text


def test_only_admin_users_command(proxy):  # S25, S28
    process = proxy(stats_users=["bob"])
    with process.admin("bob") as console:
        assert console.execute("SHOW POOLS").fetchall() is not None
        for command in ("RELOAD", "PAUSE", "SHUTDOWN", "KILL app", "SET query_timeout = 5"):
            with pytest.raises(psycopg.Error) as refused:
                console.execute(command)
            if not IS_PGBOUNCER:
                assert refused.value.sqlstate == "42501"
    with pytest.raises((LoginFailed, ConnectionClosed)):
        process.wire("alice", "pgbouncer")
    assert process.is_running()


@pytest.mark.ours
def test_no_admin_users_no_console(proxy):  # S28
    process = proxy(admin_users=[])
    for user in ("postgres", "alice"):
        with pytest.raises((LoginFailed, ConnectionClosed)):
            process.wire(user, "sportello")


def test_numbers_are_true(proxy, primary, workers):
    process = proxy(default_pool_size=1, reserve_pool_size=0, workers=workers)
    with process.wire() as holder, process.wire() as waiter, process.wire() as idle:
        idle.query("SELECT 1")
        holder.hold_link()
        waiter.send(wire.query("SELECT 1"))
        wait_until(lambda: process.pool()["cl_waiting"] == 1, "one waits")
        pool = process.pool()
        assert (pool["sv_active"], pool["sv_idle"], pool["pool_mode"]) == (1, 0, "transaction")
        assert len([row for row in process.show("CLIENTS") if row["user"] == "alice"]) == 3
        server, = process.show("SERVERS")
        assert server["remote_pid"] == int(holder.value("SELECT pg_backend_pid()"))
        lists = {row["list"]: row["items"] for row in process.show("LISTS")}
        assert lists["databases"] >= 1 and lists["used_clients"] >= 3
        holder.query("COMMIT")
        waiter.read_until_ready()
        pool = process.pool()
        assert (pool["sv_active"], pool["sv_idle"], pool["cl_waiting"]) == (0, 1, 0)


def test_stats_count_transactions_and_queries(proxy, workers):
    process = proxy(workers=workers)
    count = lambda: next(row for row in process.show("STATS_TOTALS") if row["database"] == "app")
    with process.wire() as client:
        client.query("SELECT 1")
        wait_until(lambda: count()["xact_count"] == 1, "what was answered is counted a moment later")
        before = count()
        for text in ("SELECT 1", "BEGIN", "SELECT 2", "COMMIT"):
            client.query(text)
        wait_until(lambda: count()["xact_count"] >= before["xact_count"] + 2, "two more transactions are counted")
        after = count()
        assert after["xact_count"] - before["xact_count"] == 2
        assert after["query_count"] - before["query_count"] == 4
        assert after["bytes_sent"] > before["bytes_sent"] and after["bytes_received"] > before["bytes_received"]


# ---- commands ----

def test_pause_waits_for_transactions_and_holds_new_ones(proxy, primary, workers):
    process = proxy(workers=workers)
    with process.wire() as client, process.raw() as console:
        console.login("postgres", "pgbouncer")
        client.hold_link()
        console.send(wire.query("PAUSE"))
        assert console.hears_nothing(0.3)
        client.query("COMMIT")
        assert errors(console.read_until_ready()) == []
        wait_until(lambda: primary.link_pids() == [], "the links are closed")
        client.send(wire.query("SELECT 1"))
        assert client.hears_nothing(0.3)
        assert errors(console.query("RESUME")) == []
        assert rows(client.read_until_ready()) == ["1"]


def test_pause_of_one_database_leaves_others(proxy, primary):
    process = proxy(databases={"app": {"primary": primary.dsn()}, "other": {"primary": primary.dsn()}})
    with process.wire() as client, process.wire(database="other") as other, process.admin() as console:
        console.execute("PAUSE app")
        client.send(wire.query("SELECT 1"))
        assert client.hears_nothing(0.3)
        assert rows(other.query("SELECT 2")) == ["2"]
        assert next(row["paused"] for row in process.show("DATABASES") if row["name"] == "app")
        console.execute("RESUME app")
        assert rows(client.read_until_ready()) == ["1"]


def test_kill_drops_clients_and_links_at_once(proxy, primary):
    process = proxy()
    with process.wire() as client, process.admin() as console:
        client.hold_link()
        console.execute("KILL app")
        client.read_until_closed()
        wait_until(lambda: primary.link_pids() == [], "the links are closed")
        console.execute("RESUME app")
        with process.wire() as again:
            assert rows(again.query("SELECT 1")) == ["1"]


@pytest.mark.parametrize("command", ["RECONNECT", "RECONNECT app"])
def test_reconnect_renews_links(proxy, command):
    process = proxy(default_pool_size=1)
    with process.wire() as client, process.admin() as console:
        first = client.value("SELECT pg_backend_pid()")
        console.execute(command)
        wait_until(lambda: client.value("SELECT pg_backend_pid()") != first, "another link serves")


def test_disable_and_enable(proxy):
    process = proxy()
    with process.wire() as client, process.admin() as console:
        console.execute("DISABLE app")
        with pytest.raises((LoginFailed, ConnectionClosed)):
            process.wire()
        assert rows(client.query("SELECT 1")) == ["1"]
        console.execute("ENABLE app")
        process.wire().close()


def test_shutdown_ends_the_process(proxy):
    process = proxy()
    with process.wire() as client:
        client.query("SELECT 1")
        with process.raw() as console:
            console.login("postgres", "pgbouncer")
            console.send(wire.query("SHUTDOWN"))
            assert process.wait_exit() in (0, 1)
            if not IS_PGBOUNCER:
                assert process.process.returncode == 0


@pytest.mark.ours
def test_show_config_hides_secrets(proxy, primary):  # S29
    process = proxy(databases={"app": {"primary": primary.dsn(password="top-secret")}})
    for what in COLUMNS:
        assert "top-secret" not in str(process.show(what))
