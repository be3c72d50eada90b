"""The admin console beside what test_admin.py asks of it: real drivers use it, what it shows is true, its waits end as they should."""
import asyncio
import contextlib
import signal
import subprocess
import threading
import time

import asyncpg
import psycopg
import pytest

from sportello_testing import wire
from sportello_testing.proxy_process import IS_PGBOUNCER
from sportello_testing.waiting import stays_true, wait_until
from sportello_testing.wire_client import errors, rows

pytestmark = pytest.mark.skipif(IS_PGBOUNCER, reason="the console of ours")


def one(process, what, **wanted):
    """The row of a SHOW that has these values, or None."""
    return next((row for row in process.show(what) if all(row[name] == value for name, value in wanted.items())), None)


@contextlib.contextmanager
def background(task):
    """Runs task() in a thread; yields an object with .done and .error."""
    class State:
        done, error = False, None
    state = State()

    def run():
        try:
            task()
        except Exception as error:  # told to the test
            state.error = error
        state.done = True
    thread = threading.Thread(target=run)
    thread.start()
    yield state
    thread.join(20)
    assert not thread.is_alive()


def execute(process, command, user="postgres"):
    with process.admin(user) as console:
        console.execute(command)


# ---- drivers ----

def test_psql_uses_it(primary, proxy):
    process = proxy()
    done = subprocess.run(["psql", "-X", "-At", f"host=127.0.0.1 port={process.port} user=postgres dbname=pgbouncer"],
                          input="show version; select 1;\n\\conninfo\nbegin; show databases; commit;\n",
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    version, number, *_ = done.stdout.splitlines()
    assert version.startswith("Sportello ") and number == "1"
    assert "app|" in done.stdout


def test_psycopg_uses_it_in_either_protocol_and_with_transactions(primary, proxy):
    process = proxy()
    with psycopg.connect(host="127.0.0.1", port=process.port, user="postgres", dbname="sportello") as connection:
        for _ in range(8):  # psycopg prepares what it sees often
            assert connection.execute("SHOW VERSION").fetchone()[0].startswith("Sportello ")
        rows = connection.execute("SHOW POOLS", binary=True).fetchall()
        assert any(row[0] == "sportello" and row[2] == 1 for row in rows)
        with pytest.raises(psycopg.errors.SyntaxError) as refused:
            connection.execute("SHOW NOTHING")
        assert "KILL_CLIENT" in refused.value.diag.message_hint
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SHOW VERSION")
        connection.rollback()
        assert connection.execute("SELECT 1, current_user").fetchone() == (1, "postgres")


def test_asyncpg_uses_it_with_binary_results(primary, proxy):
    process = proxy()
    with process.connect() as client:
        client.execute("SELECT 1")

    async def ask():
        connection = await asyncpg.connect(host="127.0.0.1", port=process.port, user="postgres", database="sportello", ssl=False)
        pools = await connection.fetch("SHOW POOLS")
        stats = await connection.fetch("SHOW STATS")
        async with connection.transaction():
            version = await connection.fetchval("SHOW VERSION")
        await connection.reset()
        await connection.close()
        return pools, stats, version
    pools, stats, version = asyncio.run(ask())
    assert {row["database"] for row in pools} >= {"app", "sportello"}
    assert [row["total_query_count"] >= 0 for row in stats if row["database"] == "app"] == [True]
    assert version.startswith("Sportello ")


def test_every_show_answers(primary, proxy, workers):
    process = proxy(workers=workers)
    with process.connect() as client, process.admin() as console:
        client.execute("SELECT 1")
        for what in ("ACTIVE_SOCKETS CLIENTS CONFIG DATABASES DNS_HOSTS DNS_ZONES LISTS MEM PEERS PEER_POOLS POOLS SERVERS SOCKETS "
                     "STATE STATS STATS_AVERAGES STATS_TOTALS TOTALS USERS VERSION").split():
            assert console.execute("SHOW " + what).description
        console.execute("SHOW HELP")
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            console.execute("SHOW FDS")


# ---- what it shows ----

def test_clients_and_servers_are_shown_linked(primary, proxy, workers):
    process = proxy(workers=workers)
    with process.connect(application_name="portal") as client:
        client.execute("BEGIN")
        client.execute("SELECT 1")
        shown = one(process, "CLIENTS", user="alice")
        server = one(process, "SERVERS", user="alice")
        assert (shown["type"], shown["state"], shown["database"], shown["application_name"]) == ("C", "active", "app", "portal")
        assert shown["addr"] == "127.0.0.1" and shown["local_port"] == process.port
        assert (server["state"], server["remote_pid"]) == ("active", client.execute("SELECT pg_backend_pid()").fetchone()[0])
        assert shown["link"] == server["ptr"] and server["link"] == shown["ptr"]
        client.execute("ROLLBACK")
        wait_until(lambda: one(process, "CLIENTS", user="alice")["state"] == "idle", "the client is idle")
        assert one(process, "SERVERS", user="alice")["state"] == "idle"
        pool = process.pool()
        assert (pool["cl_active"], pool["cl_waiting"], pool["sv_active"], pool["sv_idle"]) == (1, 0, 0, 1)


def test_a_pin_is_shown_with_its_reason(primary, proxy):
    process = proxy()
    with process.connect() as client:
        client.execute("SELECT 1")
        assert one(process, "CLIENTS", user="alice")["pinned"] == ""
        client.execute("CREATE TEMPORARY TABLE kept(a int)")
        assert one(process, "CLIENTS", user="alice")["pinned"] != ""


def test_prepared_statements_are_counted(primary, proxy):
    process = proxy()
    with process.connect() as client:
        for _ in range(3):
            client.execute("SELECT %s::int", (1,), prepare=True)
    wait_until(lambda: one(process, "STATS", database="app")["total_bind_count"] == 3, "what was answered is counted")
    stats = one(process, "STATS", database="app")
    assert (stats["total_client_parse_count"], stats["total_server_parse_count"], stats["total_bind_count"]) == (1, 1, 3)


def test_who_waits_is_counted_with_how_long(primary, proxy, workers):
    process = proxy(default_pool_size=1, reserve_pool_size=0, workers=workers)
    with process.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("SELECT 1")
        with process.wire() as waiter:
            waiter.send(wire.query("SELECT 2"))
            wait_until(lambda: process.pool()["cl_waiting"] == 1, "the second client waits")
            wait_until(lambda: process.pool()["maxwait_us"] + process.pool()["maxwait"] > 0, "its wait is told")
            assert one(process, "CLIENTS", user="alice", state="waiting")
            holder.execute("ROLLBACK")


# ---- what it does ----


def test_pause_of_all_ends_with_resume_of_all(primary, proxy):
    process = proxy()
    with process.connect() as client:
        client.execute("SELECT 1")
        execute(process, "PAUSE")
        assert {row["key"]: row["value"] for row in process.show("STATE")}["paused"] == "yes"
        execute(process, "RESUME")
        client.execute("SELECT 1")
    with pytest.raises(psycopg.Error, match="no database is paused"):
        execute(process, "RESUME")


def test_a_pause_whose_admin_leaves_stays(primary, proxy):
    process = proxy()
    with process.connect() as busy:
        busy.execute("BEGIN")
        busy.execute("SELECT 1")
        with process.wire("postgres", "sportello") as console:
            console.send(wire.query("PAUSE app"))
            wait_until(lambda: one(process, "DATABASES", name="app")["paused"] == 1, "the database is paused")
        busy.execute("COMMIT")
        time.sleep(0.1)
        assert process.is_running()
        execute(process, "PAUSE app")
        execute(process, "RESUME app")
        busy.execute("SELECT 1")


def notice_to(console):
    """The fields of the next notice."""
    while True:
        kind, body = console.read_message()
        if kind == b"N":
            return wire.error_fields(body)


@pytest.fixture
def keeper(proxy):
    """A client that keeps its server connection, and a console whose PAUSE waits for it."""
    opened = []

    def make(command="PAUSE", sql="LISTEN l", **settings):
        process = proxy(**settings)
        client, console = process.wire(), process.wire("postgres", "sportello")
        opened.extend([client, console])
        client.query(sql)
        console.send(wire.query(command))
        return process, client, console
    yield make
    for each in opened:
        each.close()


@pytest.mark.parametrize("sql, why", [("LISTEN l", "listen"), ("CREATE TEMP TABLE t ()", "temporary object"), ("BEGIN; SELECT 1", "in a transaction")])
def test_a_pause_tells_whom_it_waits_for(keeper, workers, sql, why):
    process, client, console = keeper(sql=sql, workers=workers)
    told = notice_to(console)
    number = one(process, "CLIENTS", user="alice")["id"]
    assert told["M"] == "PAUSE waits for 1 client that holds a server connection"
    assert told["D"].startswith(f"client {number} (alice in app): ") and why in told["D"]
    client.query("ROLLBACK" if sql.startswith("BEGIN") else "DISCARD ALL")
    assert errors(console.read_until_ready()) == []
    assert one(process, "DATABASES", name="app")["paused"] == 1


@pytest.mark.parametrize("command", ["PAUSE", "PAUSE app"])
def test_a_cancel_request_ends_a_pause_that_waits(keeper, workers, command):
    process, client, console = keeper(command, workers=workers)
    wait_until(lambda: one(process, "DATABASES", name="app")["paused"] == 1, "it is paused")
    with process.raw() as canceller:
        canceller.send(wire.cancel_request(console.process_id, console.secret_key))
        canceller.read_until_closed()
    assert errors(console.read_until_ready()) == ["57014"]
    assert one(process, "DATABASES", name="app")["paused"] == 0
    with process.wire() as other:
        assert other.value("SELECT 1") == "1"
    assert client.value("SELECT count(*) FROM pg_listening_channels()") == "1"


def test_a_cancelled_pause_leaves_what_was_paused_before(keeper):
    process, client, console = keeper("PAUSE")
    wait_until(lambda: one(process, "DATABASES", name="app")["paused"] == 1, "it is paused")
    with process.wire("postgres", "sportello") as second, process.raw() as canceller:
        second.send(wire.query("PAUSE"))
        second.read_until("NoticeResponse")
        canceller.send(wire.cancel_request(second.process_id, second.secret_key))
        assert errors(second.read_until_ready()) == ["57014"]
    assert one(process, "DATABASES", name="app")["paused"] == 1
    client.terminate()
    assert errors(console.read_until_ready()) == []


@pytest.mark.parametrize("command", ["RESUME", "RESUME app"])
def test_a_pause_that_waits_ends_with_another_consoles_resume(keeper, command):
    process, client, console = keeper()
    wait_until(lambda: one(process, "DATABASES", name="app")["paused"] == 1, "it is paused")
    execute(process, command)
    assert errors(console.read_until_ready()) == ["57014"]
    assert client.value("SELECT count(*) FROM pg_listening_channels()") == "1"


@pytest.mark.parametrize("command", ["KILL app", "KILL_CLIENT {id}"])
def test_a_pause_that_waits_ends_with_whom_it_waits_for(keeper, command):
    process, client, console = keeper()
    wait_until(lambda: one(process, "DATABASES", name="app")["paused"] == 1, "it is paused")
    execute(process, command.format(id=one(process, "CLIENTS", user="alice")["id"]))
    assert errors(console.read_until_ready()) == []
    client.read_until_closed()
    assert one(process, "DATABASES", name="app")["paused"] == 1


def test_a_cancel_request_to_a_console_that_waits_for_nobody_does_nothing(proxy):
    process = proxy()
    with process.wire("postgres", "sportello") as console, process.raw() as canceller:
        console.query("PAUSE app")
        canceller.send(wire.cancel_request(console.process_id, console.secret_key))
        canceller.read_until_closed()
        assert errors(console.query("SHOW VERSION")) == []
        assert one(process, "DATABASES", name="app")["paused"] == 1


@pytest.mark.parametrize("leaves", ["terminate", "reset"])
def test_a_suspend_ends_with_the_console_that_said_it(proxy, workers, leaves):
    process = proxy(workers=workers)
    with process.wire() as client:
        client.query("SELECT 1")
        console = process.wire("postgres", "sportello")
        assert errors(console.query("SUSPEND")) == []
        client.send(wire.query("SELECT 2"))
        assert client.hears_nothing(0.2)
        getattr(console, leaves)()
        assert rows(client.read_until_ready()) == ["2"]


def test_a_suspend_does_not_end_with_another_console(proxy):
    process = proxy()
    with process.wire() as client, process.wire("postgres", "sportello") as first, process.wire("postgres", "sportello") as second:
        assert errors(first.query("SUSPEND")) == [] and errors(second.query("RESUME")) == []
        assert errors(second.query("SUSPEND")) == []
        first.terminate()
        client.send(wire.query("SELECT 2"))
        assert client.hears_nothing(0.2)
        assert errors(second.query("RESUME")) == []
        assert rows(client.read_until_ready()) == ["2"]


@pytest.mark.parametrize("command", ["SHUTDOWN WAIT_FOR_SERVERS", None])
def test_a_drain_does_not_wait_for_clients_of_a_paused_database(proxy, command, workers):
    process = proxy(workers=workers, query_wait_timeout=0)
    with process.wire() as waiting, process.wire() as in_block:
        execute(process, "PAUSE app")
        waiting.send(wire.query("SELECT 1"))
        in_block.query("BEGIN")
        in_block.send(wire.query("SELECT 1"))
        wait_until(lambda: process.pool()["cl_waiting"] == 2, "they wait")
        if command:
            execute(process, command)
        else:
            process.send_signal(signal.SIGTERM)
        for client in (waiting, in_block):
            client.read_until_closed()
            assert client.last_error["C"] == "57P01"
        assert process.wait_exit() == 0


def test_sigterm_serves_who_waits_for_a_connection(proxy, workers):
    process = proxy(workers=workers, default_pool_size=1, reserve_pool_size=0)
    with process.wire() as busy, process.wire() as waiting:
        busy.hold_link()
        waiting.send(wire.query("SELECT 1"))
        wait_until(lambda: process.pool()["cl_waiting"] == 1, "it waits")
        process.send_signal(signal.SIGTERM)
        assert busy.value("SELECT 2") == "2"
        busy.query("COMMIT")
        assert rows(waiting.read_until_ready()) == ["1"]
        assert process.wait_exit() == 0


def test_shutdown_wait_for_servers_lets_transactions_finish_and_begins_nothing(proxy, workers):
    process = proxy(workers=workers, default_pool_size=1, reserve_pool_size=0, query_wait_timeout=0)
    with process.wire() as busy, process.wire() as waiting, process.wire() as begun, process.wire() as ends:
        busy.hold_link()
        for client in (begun, ends):
            client.query("BEGIN")
        waiting.send(wire.query("SELECT 1"))
        wait_until(lambda: process.pool()["cl_waiting"] == 1, "it waits")
        execute(process, "SHUTDOWN WAIT_FOR_SERVERS")
        waiting.read_until_closed()
        assert waiting.last_error["C"] == "57P01"
        begun.send(wire.query("SELECT 3"))
        assert busy.value("SELECT 2") == "2"
        # What comes behind the end of its transaction is another one.
        ends.send(wire.query("COMMIT"), wire.query("SELECT 4"))
        lines = ends.read_until_closed()
        assert "CommandComplete COMMIT" in lines and rows(lines) == [] and ends.last_error["C"] == "57P01"
        busy.send(wire.query("COMMIT"))
        assert "CommandComplete COMMIT" in busy.read_until_closed()
        assert rows(begun.read_until_ready()) == ["3"]
        begun.send(wire.query("COMMIT"))
        assert "CommandComplete COMMIT" in begun.read_until_closed()
        assert process.wait_exit() == 0


def test_shutdown_wait_for_servers_waits_for_sessions_that_hold_one(proxy, workers):
    process = proxy(workers=workers, pool_mode="session")
    with process.wire() as holder, process.wire() as idle:
        holder.query("SELECT 1")
        execute(process, "SHUTDOWN WAIT_FOR_SERVERS")
        idle.read_until_closed()
        assert holder.value("SELECT 2") == "2"
        assert process.is_running()
        holder.terminate()
        assert process.wait_exit() == 0


def test_kill_drops_clients_and_servers_at_once(primary, proxy, workers):
    process = proxy(workers=workers)
    clients = [process.connect() for _ in range(4)]
    for client in clients:
        client.execute("BEGIN")
        client.execute("SELECT 1")
    execute(process, "KILL app")
    assert process.show("SERVERS") == [] and one(process, "CLIENTS", user="alice") is None
    for client in clients:
        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")
    execute(process, "RESUME app")
    with process.connect() as client:
        client.execute("SELECT 1")


def test_kill_client_drops_that_one(primary, proxy, workers):
    process = proxy(workers=workers)
    with process.connect(application_name="bad") as bad, process.connect(application_name="good") as good:
        execute(process, f"KILL_CLIENT {one(process, 'CLIENTS', application_name='bad')['id']}")
        with pytest.raises(psycopg.OperationalError, match="administrator command"):
            bad.execute("SELECT 1")
        good.execute("SELECT 1")
    with pytest.raises(psycopg.Error, match="client not found"):
        execute(process, "KILL_CLIENT 64")


def test_reconnect_replaces_links_and_wait_close_waits_for_it(primary, proxy, workers):
    process = proxy(workers=workers)
    pid = "SELECT pg_backend_pid()"
    with process.connect() as client:
        client.execute("BEGIN")
        before = client.execute(pid).fetchone()
        execute(process, "RECONNECT app")
        assert one(process, "SERVERS", user="alice")["close_needed"] == 1
        with background(lambda: execute(process, "WAIT_CLOSE app")) as waiting:
            stays_true(lambda: not waiting.done, "it waits", 0.2)
            client.execute("COMMIT")
            wait_until(lambda: waiting.done, "WAIT_CLOSE has ended")
            assert waiting.error is None
        assert client.execute(pid).fetchone() != before


def test_reload_applies_the_file_or_says_why_not(primary, proxy):
    process = proxy(default_pool_size=3)
    process.set(default_pool_size=4)
    execute(process, "RELOAD")
    assert one(process, "CONFIG", key="default_pool_size")["value"] == "4"
    process.write_config("[sportello]\nno_such_key = 1\n")
    with pytest.raises(psycopg.errors.ConfigFileError) as refused:
        execute(process, "RELOAD")
    assert "no_such_key" in refused.value.diag.message_detail
    assert one(process, "CONFIG", key="default_pool_size")["value"] == "4"


@pytest.mark.parametrize("command,key,shown", [
    ("SET default_pool_size = 7", "default_pool_size", "7"), ("set query_wait_timeout to '1500ms'", "query_wait_timeout", "1.5"),
    ("SET log_stats = 0", "log_stats", "0"), ("SET pool_mode=session;", "pool_mode", "session"),
    ("SET stats_users = 'bob, carol'", "stats_users", "bob,carol"), ("SET server_reset_query = ''", "server_reset_query", "")])
def test_a_setting_is_changed_until_the_next_reload(primary, proxy, command, key, shown):
    process = proxy()
    before = one(process, "CONFIG", key=key)["value"]
    execute(process, command)
    assert one(process, "CONFIG", key=key)["value"] == shown
    execute(process, "RELOAD")
    assert one(process, "CONFIG", key=key)["value"] == before


def test_a_changed_setting_is_in_force(primary, proxy, workers):
    process = proxy(default_pool_size=1, reserve_pool_size=0, workers=workers)
    with process.wire() as first, process.wire() as second:
        first.hold_link()
        execute(process, "SET default_pool_size = 2")
        second.hold_link()
        assert len(primary.link_pids()) == 2


@pytest.mark.parametrize("command,sqlstate,told", [
    ("SET no_such_setting = 1", "42704", "no_such_setting"), ("SET default_pool_size = many", "22023", "integer"),
    ("SET default_pool_size = 0", "22023", "at least|from 1"), ("SET log_stats = perhaps", "22023", "0 or 1"),
    ("SET listen_port = 1", "55P02", "restart"), ("SET auth_file = '/etc/passwd'", "55P02", "file"),
    ("SET auth_type = cert", "22023", "client_tls_sslmode"), ("SET verbose = 2", "42704", "log_level")])
def test_a_setting_that_cannot_be_changed_says_why_and_stays(primary, proxy, command, sqlstate, told):
    process = proxy()
    before = process.show("CONFIG")
    with process.admin() as console, pytest.raises(psycopg.Error, match=f"(?s){told}") as refused:
        console.execute(command)
    assert refused.value.sqlstate == sqlstate
    assert process.show("CONFIG") == before


@pytest.mark.parametrize("command", ["SHUTDOWN", "SHUTDOWN WAIT_FOR_SERVERS", "SHUTDOWN WAIT_FOR_CLIENTS"])
def test_shutdown_ends_the_process(primary, proxy, command):
    process = proxy()
    with contextlib.closing(process.connect()) as client:
        client.execute("BEGIN")
        client.execute("SELECT 1")
        with contextlib.suppress(psycopg.OperationalError), contextlib.closing(process.admin()) as console:
            console.execute(command)
        if command != "SHUTDOWN":
            stays_true(process.is_running, "the process waits", 0.3)
            client.execute("COMMIT")
    assert process.wait_exit() == 0


def test_unknown_databases_are_refused(primary, proxy):
    process = proxy()
    for command in ("PAUSE", "KILL", "DISABLE", "RECONNECT"):
        with pytest.raises(psycopg.errors.InvalidCatalogName):
            execute(process, command + " nowhere")
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            execute(process, command + " pgbouncer")


def test_the_console_is_listed_as_a_database_with_one_pool(proxy, workers):
    """As PgBouncer's: its clients count there, and with the users that they are."""
    process = proxy(workers=workers, stats_users=["bob"])
    before = {row["list"]: row["items"] for row in process.show("LISTS")}
    with process.wire("postgres", "sportello") as console, process.wire("bob", "pgbouncer") as stats, process.wire("bob") as client:
        for each in (console, stats, client):
            each.query("SHOW VERSION" if each is not client else "SELECT 1")
        # One more: who asks. Who asked before may not be gone yet.
        wait_until(lambda: one(process, "DATABASES", name="sportello", force_user="sportello", pool_mode="statement", current_client_connections=3),
                   "the database has three clients")
        wait_until(lambda: one(process, "POOLS", database="sportello", user="sportello", cl_active=3, cl_waiting=0, pool_mode="statement"),
                   "its pool has them")
        for user, count in (("postgres", 2), ("bob", 2), ("sportello", 0)):
            wait_until(lambda: one(process, "USERS", name=user, current_client_connections=count), f"{user} is there {count} times")
    lists = {row["list"]: row["items"] for row in process.show("LISTS")}
    assert lists["users"] == len(process.show("USERS")) >= before["users"] and before["pools"] == 1
    wait_until(lambda: one(process, "POOLS", database="sportello")["cl_active"] == 1, "only who asks is left")


def test_what_clients_make_us_keep_is_counted(proxy, workers):  # S61
    process = proxy(workers=workers, default_pool_size=1, reserve_pool_size=0)
    assert one(process, "MEM", name="client_buffers")["memtotal"] == 0
    with process.wire() as holder, process.wire() as waits, process.wire() as unfinished:
        holder.hold_link()
        waits.send(wire.query("SELECT '" + "x" * 20_000 + "'"))
        unfinished.send(wire.query("SELECT '" + "x" * 20_000 + "'")[:-100])
        wait_until(lambda: one(process, "MEM", name="client_buffers")["used"] == 2, "both are kept")
        assert 39_000 < one(process, "MEM", name="client_buffers")["memtotal"] < 100_000
        holder.query("COMMIT")
        waits.read_until_ready()
        unfinished.reset()
        wait_until(lambda: one(process, "MEM", name="client_buffers")["memtotal"] == 0, "nothing is kept any more")
