"""Few links serve many clients: exactly as many as allowed, in order, and for no longer than allowed."""
import asyncio
import concurrent.futures
import threading

import asyncpg
import psycopg
import pytest

from sportello_testing import wire
from sportello_testing.ports import free_port
from sportello_testing.waiting import Stopwatch, stays_true, wait_until
from sportello_testing.wire_client import ConnectionClosed, LoginFailed, errors, rows


def in_parallel(count, task):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(task, range(count)))


# Clients of two workers that come closer together than this may be served in either order: Pool::kSameInstant, by
# clocks of whole milliseconds.
SAME_INSTANT_SECONDS = 0.003


def waiting(process, database="app", user="alice"):
    pool = process.pool(database, user)
    return pool["cl_waiting"] if pool else 0


def ends_with_error_or_close(client, deadline=10):
    """The lines a client still sees when it is thrown out; a proxy may say why before."""
    try:
        return client.read_until("ErrorResponse", deadline=deadline)
    except ConnectionClosed:
        return client.lines


# ---- how many links ----

def test_pool_size_is_exact_whatever_the_number_of_workers(primary, proxy, workers):
    process = proxy(default_pool_size=3, reserve_pool_size=0, workers=workers)

    def work(_):
        with process.connect() as connection:
            return {connection.execute("SELECT pg_backend_pid() FROM pg_sleep(0.03)").fetchone()[0] for _ in range(5)}
    used = set().union(*in_parallel(12, work))
    assert len(used) == 3
    assert set(primary.link_pids()) == used


def test_links_are_opened_only_when_needed(primary, proxy, workers):
    process = proxy(default_pool_size=5, workers=workers)
    for _ in range(10):
        with process.wire() as client:
            client.query("SELECT 1")
    # Another worker may be asked for a link before the one that has just answered is back.
    assert len(primary.link_pids()) <= (1 if workers == 1 else 2)


def test_fifty_clients_share_two_links(primary, proxy, table, workers):
    process = proxy(default_pool_size=2, reserve_pool_size=0, workers=workers)

    async def one(number):
        connection = await asyncpg.connect(host="127.0.0.1", port=process.port, user="alice", database="app", statement_cache_size=0, ssl=False)
        for step in range(10):
            async with connection.transaction():
                await connection.execute(f"INSERT INTO {table} VALUES ({number * 100 + step}, 'client {number}')")
            assert await connection.fetchval(f"SELECT count(*) FROM {table} WHERE note = 'client {number}'") == step + 1
        await connection.close()

    async def all_of_them():
        await asyncio.gather(*(one(number) for number in range(50)))
    asyncio.run(all_of_them())
    assert primary.value(f"SELECT count(*) FROM {table}") == 500
    assert len(primary.link_pids()) == 2


def test_max_db_connections_counts_all_users(proxy, workers):
    process = proxy(default_pool_size=5, max_db_connections=2, workers=workers)

    def work(number):
        with process.connect("alice" if number % 2 else "bob") as connection:
            for _ in range(4):
                connection.execute("SELECT pg_sleep(0.02)")
                assert len(process.show("SERVERS")) <= 2
    in_parallel(8, work)


@pytest.mark.ours
def test_idle_links_make_room_at_a_limit_only_for_who_needs_it(primary, proxy, workers):
    """Asked twice for one client, they did so twice, and a link that others could have used was gone for nobody."""
    users = [f"room{number}" for number in range(5)]
    for user in users:
        primary.run(f"DROP ROLE IF EXISTS {user}", f"CREATE ROLE {user} LOGIN")
    process = proxy(auth_type="trust", users=dict.fromkeys(users, "") | {"postgres": ""}, max_db_connections=4, workers=workers)

    def work(number):
        with process.connect(users[number % 5]) as connection:
            connection.execute("SELECT pg_sleep(0.02)")
    left = []
    for _ in range(30):
        in_parallel(10, work)
        left.append(len(process.show("SERVERS")))
    # A client whose own user's link comes free while another makes room for it leaves one less; not often.
    assert left.count(4) >= 29, left


def test_max_user_connections_counts_all_databases(primary, proxy, workers):
    databases = {"app": {"primary": primary.dsn()}, "other": {"primary": primary.dsn()}}
    process = proxy(databases=databases, default_pool_size=5, max_user_connections=2, workers=workers)

    def work(number):
        with process.connect("alice", "app" if number % 2 else "other") as connection:
            for _ in range(4):
                connection.execute("SELECT pg_sleep(0.02)")
                assert len(process.show("SERVERS")) <= 2
    in_parallel(6, work)


def test_min_pool_size_keeps_links_ready(primary, proxy):
    process = proxy(default_pool_size=5, min_pool_size=3)
    with process.wire() as client:
        client.query("SELECT 1")
        wait_until(lambda: len(primary.link_pids()) == 3, "three links are open")
        primary.terminate_links()
        wait_until(lambda: len(primary.link_pids()) == 3, "three links are open again")


def test_the_reserve_pool_opens_after_its_timeout(proxy):
    process = proxy(default_pool_size=1, reserve_pool_size=1, reserve_pool_timeout="1s")
    with process.wire() as holder, process.wire() as second:
        holder.hold_link()
        watch = Stopwatch()
        assert rows(second.query("SELECT 1")) == ["1"]
        assert 0.5 <= watch.seconds < 5


def test_settings_of_databases_and_users_win(primary, proxy):
    databases = {"app": {"primary": primary.dsn(), "pool_size": 1}, "wide": {"primary": primary.dsn(), "pool_mode": "session"}}
    process = proxy(databases=databases, default_pool_size=9, reserve_pool_size=0, user_settings={"bob": {"pool_mode": "session"}})
    with process.wire() as first, process.wire() as second:
        first.hold_link()
        second.send(wire.query("SELECT 1"))
        assert second.hears_nothing(0.2)
        first.query("COMMIT")
        assert rows(second.read_until_ready()) == ["1"]
    with process.wire("bob", "app") as first, process.wire("bob", "app") as second:
        first.query("SELECT 1")
        second.send(wire.query("SELECT 1"))
        assert second.hears_nothing(0.2)
    modes = {(row["database"], row["user"]): row["pool_mode"] for row in process.show("POOLS")}
    assert modes[("app", "alice")] == "transaction"
    assert modes[("app", "bob")] == "session"


# ---- pool modes ----

def test_in_transaction_mode_a_link_serves_one_transaction_at_a_time(proxy, workers):
    process = proxy(default_pool_size=1, reserve_pool_size=0, workers=workers)
    with process.wire() as first, process.wire() as second:
        first.hold_link()
        second.send(wire.query("SELECT 2"))
        assert second.hears_nothing(0.2)
        first.query("COMMIT")
        assert rows(second.read_until_ready()) == ["2"]
        assert rows(first.query("SELECT 1")) == ["1"]


def test_a_failed_transaction_keeps_its_link_until_rollback(proxy, workers):
    process = proxy(default_pool_size=1, reserve_pool_size=0, workers=workers)
    with process.wire() as first, process.wire() as second:
        first.hold_link()
        assert first.query("SELECT nothing")[-1] == "ReadyForQuery E"
        second.send(wire.query("SELECT 2"))
        assert second.hears_nothing(0.2)
        assert first.query("ROLLBACK")[-1] == "ReadyForQuery I"
        assert rows(second.read_until_ready()) == ["2"]


def test_an_unsynced_batch_keeps_its_link(proxy, workers):
    process = proxy(default_pool_size=1, reserve_pool_size=0, workers=workers)
    with process.wire() as first, process.wire() as second:
        first.send(wire.parse("", "SELECT 1"), wire.bind(), wire.execute(), wire.flush())
        first.read_until("CommandComplete")
        second.send(wire.query("SELECT 2"))
        assert second.hears_nothing(0.2)
        first.exchange(wire.sync())
        assert rows(second.read_until_ready()) == ["2"]


def test_in_session_mode_a_link_is_kept_until_the_client_leaves(primary, proxy, workers):
    process = proxy(pool_mode="session", default_pool_size=1, reserve_pool_size=0, workers=workers)
    with process.wire() as second:
        first = process.wire()
        pid = first.value("SELECT pg_backend_pid()")
        first.query("SET work_mem = '77MB'")
        second.send(wire.query("SHOW work_mem"))
        assert second.hears_nothing(0.2)
        assert first.value("SELECT pg_backend_pid()") == pid
        first.terminate()
        assert rows(second.read_until_ready()) != ["77MB"]


def test_in_statement_mode_transactions_are_refused(proxy):
    process = proxy(pool_mode="statement", default_pool_size=1)
    with process.wire() as client:
        assert rows(client.query("SELECT 1")) == ["1"]
        client.send(wire.query("BEGIN; SELECT 1"))
        assert errors(ends_with_error_or_close(client))
    with process.wire() as client:
        assert rows(client.query("SELECT 1")) == ["1"]


# ---- waiting ----

def test_waiting_clients_are_served_first_come_first_served(proxy, primary, table, workers):
    process = proxy(default_pool_size=1, reserve_pool_size=0, workers=workers)
    primary.run(f"CREATE SEQUENCE {table}_order", f"GRANT ALL ON {table}_order TO PUBLIC")
    holder = process.wire()
    holder.hold_link()
    clients = [process.wire() for _ in range(8)]
    for number, client in enumerate(clients):
        client.send(wire.query(f"INSERT INTO {table} SELECT nextval('{table}_order'), '{number}'"))
        wait_until(lambda: waiting(process) == number + 1, f"client {number} waits")
        seen = Stopwatch()
        wait_until(lambda: seen.seconds > SAME_INSTANT_SECONDS, "the next client comes later", poll=0.001)
    holder.query("COMMIT")
    for client in clients:
        assert errors(client.read_until_ready()) == []
        client.close()
    holder.close()
    assert [row[0] for row in primary.rows(f"SELECT note FROM {table} ORDER BY id")] == [str(number) for number in range(8)]
    primary.terminate_links()
    primary.run(f"DROP SEQUENCE {table}_order")


def test_query_wait_timeout_is_an_error_and_not_a_hang(proxy, workers):
    process = proxy(default_pool_size=1, reserve_pool_size=0, query_wait_timeout="1s", workers=workers)
    with process.wire() as holder, process.wire() as second:
        holder.hold_link()
        watch = Stopwatch()
        second.send(wire.query("SELECT 1"))
        assert errors(ends_with_error_or_close(second))
        assert 0.8 <= watch.seconds < 4
        assert errors(holder.query("COMMIT")) == []
    with process.wire() as third:
        assert rows(third.query("SELECT 1")) == ["1"]


@pytest.mark.ours
def test_a_waiting_client_that_leaves_is_forgotten(proxy, workers):
    process = proxy(default_pool_size=1, reserve_pool_size=0, workers=workers)
    with process.wire() as holder:
        holder.hold_link()
        leaver = process.wire()
        leaver.send(wire.query("SELECT 1"))
        wait_until(lambda: waiting(process) == 1, "the client waits")
        leaver.reset()
        wait_until(lambda: waiting(process) == 0, "nobody waits")
        holder.query("COMMIT")
        with process.wire() as next_client:
            assert rows(next_client.query("SELECT 2")) == ["2"]


# ---- how many clients ----

def test_max_client_conn_refuses_the_next_client(proxy, workers):
    process = proxy(max_client_conn=3, workers=workers)
    clients = [process.wire() for _ in range(3)]
    with process.raw() as late:
        with pytest.raises((LoginFailed, ConnectionClosed)) as refused:
            late.login("alice", "app")
        if isinstance(refused.value, LoginFailed):
            assert refused.value.sqlstate in ("53300", "08P01")
    clients.pop().terminate()

    def admitted():
        with process.raw() as next_client:
            next_client.login("alice", "app")
            return True
    wait_until(admitted, "a place is free again")
    for client in clients:
        client.close()


@pytest.mark.ours
def test_max_client_conn_holds_for_clients_that_connected_while_there_was_room(proxy, workers):
    process = proxy(max_client_conn=3, workers=workers)
    clients = [process.raw() for _ in range(10)]
    for client in clients:
        client.send(wire.ssl_request())
        assert client.read_byte() == b"N"
    told = []
    for client in clients:
        try:
            client.login("alice", "app")
            told.append("admitted")
        except LoginFailed as refused:
            told.append(refused.sqlstate)
    assert sorted(told) == ["53300"] * 7 + ["admitted"] * 3
    for client in clients:
        client.close()


@pytest.mark.ours
def test_a_client_too_many_is_told_in_words_that_libpq_shows(proxy):
    """An error in place of the answer to SSLRequest is not shown by libpq, which asks for encryption first."""
    process = proxy(max_client_conn=1)
    with process.wire(), pytest.raises(psycopg.OperationalError, match=r"too many clients already \(max_client_conn\)"):
        process.connect(sslmode="prefer").close()


@pytest.mark.ours
def test_the_console_is_reached_when_all_places_are_taken(proxy):
    process = proxy(max_client_conn=1)
    with process.wire(), process.admin() as console:
        assert console.execute("SHOW CLIENTS").fetchall()


@pytest.mark.ours
@pytest.mark.parametrize("setting", ["max_db_client_connections", "max_user_client_connections"])
def test_limits_of_clients_per_database_and_user(proxy, setting):
    process = proxy(**{setting: 2})
    clients = [process.wire() for _ in range(2)]
    with pytest.raises(LoginFailed) as refused:
        process.wire()
    assert refused.value.sqlstate == "53300" and setting in str(refused.value)
    for client in clients:
        client.close()


# ---- time limits ----

def test_query_timeout_ends_a_long_query(primary, proxy, workers):
    process = proxy(query_timeout="1s", workers=workers)
    with process.wire() as client:
        client.send(wire.query("SELECT pg_sleep(60) /* too long */"))
        watch = Stopwatch()
        ends_with_error_or_close(client)
        assert watch.seconds < 8
    with process.wire() as client:
        assert rows(client.query("SELECT 1")) == ["1"]
    primary.terminate_links()


def test_idle_transaction_timeout_ends_an_idle_transaction(primary, proxy, table, workers):
    process = proxy(idle_transaction_timeout="1s", workers=workers)
    with process.wire() as client:
        client.query(f"BEGIN; INSERT INTO {table} VALUES (1)")
        ends_with_error_or_close(client)
    wait_until(lambda: not primary.link_pids("state LIKE 'idle in transaction%'"), "no transaction is open")
    assert primary.value(f"SELECT count(*) FROM {table}") == 0


@pytest.mark.ours
def test_transaction_timeout_ends_a_long_transaction(primary, proxy, table, workers):
    process = proxy(transaction_timeout="1s", workers=workers)
    with process.wire() as client:
        client.query(f"BEGIN; INSERT INTO {table} VALUES (1)")
        watch = Stopwatch()
        with pytest.raises((ConnectionClosed, AssertionError)):
            while watch.seconds < 10:
                assert errors(client.query("SELECT pg_sleep(0.1)")) == []
        assert watch.seconds < 5
    wait_until(lambda: not primary.link_pids("xact_start IS NOT NULL AND state <> 'idle'"), "no transaction is open")
    assert primary.value(f"SELECT count(*) FROM {table}") == 0


def test_client_idle_timeout_closes_idle_clients(proxy, workers):
    process = proxy(client_idle_timeout="1s", workers=workers)
    with process.wire() as client:
        client.query("SELECT 1")
        client.read_until_closed(deadline=8)


def test_client_login_timeout_closes_silent_sockets(proxy):
    process = proxy(client_login_timeout="1s")
    with process.raw() as silent, process.raw() as begun:
        begun.send(wire.startup("alice", "app")[:9])
        silent.read_until_closed(deadline=8)
        begun.read_until_closed(deadline=8)


def test_server_lifetime_replaces_links_between_transactions(primary, proxy):
    process = proxy(server_lifetime="1s", default_pool_size=1)
    with process.wire() as client:
        first = client.value("SELECT pg_backend_pid()")
        wait_until(lambda: client.value("SELECT pg_backend_pid()") != first, "the link is replaced")
        client.hold_link()
        inside = client.value("SELECT pg_backend_pid()")
        watch = Stopwatch()
        stays_true(lambda: client.value("SELECT pg_backend_pid()") == inside, "a transaction keeps its link", 1.5)
        assert watch.seconds >= 1.5
        client.query("COMMIT")


def test_server_idle_timeout_closes_unused_links(primary, proxy):
    process = proxy(server_idle_timeout="1s")
    with process.wire() as client:
        client.query("SELECT 1")
        assert len(primary.link_pids()) == 1
        wait_until(lambda: primary.link_pids() == [], "the link is closed")
        assert rows(client.query("SELECT 1")) == ["1"]


# ---- databases ----

def test_the_star_database_takes_any_name(primary, proxy):
    process = proxy(databases={"*": {"primary": f"host=127.0.0.1 port={primary.port}"}})
    with process.wire(database="app") as client:
        assert rows(client.query("SELECT current_database()")) == ["app"]
    with process.wire("postgres", "postgres") as client:
        assert rows(client.query("SELECT current_database()")) == ["postgres"]


@pytest.mark.ours
@pytest.mark.parametrize("statement", ["DROP DATABASE briefly", "ALTER DATABASE briefly RENAME TO shortly", "CREATE DATABASE shortly TEMPLATE briefly"])
def test_idle_links_do_not_keep_a_database_from_being_dropped(primary, proxy, workers, statement):
    """As test runners do that make a database, use it and drop it: nobody is connected but the pool."""
    process = proxy(databases={"*": {"primary": f"host=127.0.0.1 port={primary.port}"}, "alias": {"primary": f"host=127.0.0.1 port={primary.port} dbname=briefly"}},
                    workers=workers)
    primary.run("DROP DATABASE IF EXISTS briefly", "DROP DATABASE IF EXISTS shortly", "CREATE DATABASE briefly", dbname="postgres")
    for database in ("briefly", "alias", "briefly", "alias"):
        with process.wire("postgres", database) as client, process.wire("postgres", database) as other:
            other.hold_link()
            assert rows(client.query("SELECT current_database()")) == ["briefly"]
            client.extended("SELECT 1")
            other.query("ROLLBACK")
    with process.wire("postgres", "postgres") as client:
        assert errors(client.query(statement)) == []
    primary.run("DROP DATABASE IF EXISTS briefly", "DROP DATABASE IF EXISTS shortly", dbname="postgres")


def test_a_database_may_have_another_name_and_user_on_the_server(primary, proxy):
    process = proxy(databases={"alias": {"primary": primary.dsn(user="bob")}})
    with process.wire(database="alias") as client:
        assert rows(client.query("SELECT current_database(), current_user")) == ["app bob"]


def test_an_unknown_database_is_refused(proxy):
    process = proxy()
    with pytest.raises(LoginFailed) as refused:
        process.wire(database="nowhere")
    assert refused.value.sqlstate in ("3D000", "08P01")


def test_a_database_the_server_does_not_know_is_refused_with_its_error(primary, proxy):
    process = proxy(databases={"ghost": {"primary": primary.dsn("ghost")}}, server_login_retry="1s", query_wait_timeout="3s")
    with process.raw() as client:
        with pytest.raises((LoginFailed, ConnectionClosed)):
            client.login("alice", "ghost")
            client.send(wire.query("SELECT 1"))
            lines = client.read_until("ErrorResponse", "ReadyForQuery")
            if errors(lines):
                raise LoginFailed(client.last_error)
    assert "does not exist" in (client.last_error or {}).get("M", "does not exist")


def refusal(process, user, database):
    with pytest.raises(LoginFailed) as refused:
        process.wire(user, database=database)
    return refused.value.sqlstate


@pytest.fixture
def bob(primary):
    """A role whose attributes a test may change."""
    yield "bob"
    primary.run("ALTER ROLE bob LOGIN CONNECTION LIMIT -1")


@pytest.fixture
def ghost(primary):
    """A database that is not there yet."""
    yield "ghost"
    primary.run("DROP DATABASE IF EXISTS ghost WITH (FORCE)", dbname="postgres")


@pytest.mark.ours
def test_who_comes_after_a_refused_login_is_told_at_once_what_it_was(primary, proxy, workers, ghost):
    process = proxy(databases={ghost: {"primary": primary.dsn(ghost)}}, server_login_retry="1h", query_wait_timeout="1h", workers=workers)
    with process.admin() as console:
        assert [refusal(process, "alice", ghost) for _ in range(8)] == ["3D000"] * 8
        primary.run(f"CREATE DATABASE {ghost} TEMPLATE template0", dbname="postgres")
        assert refusal(process, "alice", ghost) == "3D000"  # the server is not asked again yet
        console.execute("RECONNECT")
        with process.wire(database=ghost) as client:
            assert client.value("SELECT current_database()") == ghost


@pytest.mark.ours
def test_a_session_whose_login_the_server_refuses_meanwhile_gets_errors_and_stays(primary, proxy, bob):
    process = proxy(server_login_retry="1h", query_wait_timeout="1h")
    with process.wire(bob) as client, process.admin() as console:
        assert client.value("SELECT 1") == "1"
        primary.run(f"ALTER ROLE {bob} NOLOGIN")
        console.execute("RECONNECT")
        assert [errors(client.query("SELECT 1")) for _ in range(3)] == [["28000"]] * 3
        primary.run(f"ALTER ROLE {bob} LOGIN")
        console.execute("RECONNECT")
        assert client.value("SELECT 1") == "1"


@pytest.mark.ours
def test_one_link_more_than_the_server_admits_fails_nobody_who_can_wait_for_another(primary, proxy, workers, bob):
    primary.run(f"ALTER ROLE {bob} CONNECTION LIMIT 1")
    process = proxy(default_pool_size=2, reserve_pool_size=0, server_login_retry="1h", workers=workers)
    with process.wire(bob) as holder, process.wire(bob) as waiter, process.wire(bob) as later:
        holder.hold_link()
        waiter.send(wire.query("SELECT 1"))
        wait_until(lambda: "too many connections for role" in process.log(), "the second link is refused")
        later.send(wire.query("SELECT 2"))
        wait_until(lambda: waiting(process, user=bob) == 2, "both wait")
        holder.query("COMMIT")
        assert rows(waiter.read_until_ready()) == ["1"]
        assert rows(later.read_until_ready()) == ["2"]


@pytest.mark.ours
def test_who_waits_gets_a_link_once_the_server_has_room(primary, proxy, workers, bob):
    primary.run(f"ALTER ROLE {bob} CONNECTION LIMIT 1")
    process = proxy(default_pool_size=2, reserve_pool_size=0, server_login_retry="200ms", workers=workers)
    with process.wire(bob) as holder, process.wire(bob) as waiter:
        holder.hold_link()
        waiter.send(wire.query("SELECT 1"))
        wait_until(lambda: "too many connections for role" in process.log(), "the second link is refused")
        primary.run(f"ALTER ROLE {bob} CONNECTION LIMIT 2")
        assert rows(waiter.read_until_ready()) == ["1"]
        holder.query("COMMIT")


@pytest.mark.ours
@pytest.mark.parametrize("retry", ["1h", "200ms"])
def test_a_full_server_is_an_error_for_all_who_have_no_other_link(primary, proxy, workers, bob, retry):
    """As with PgBouncer: its error, at once, until server_login_retry; then they are served if there is room."""
    process = proxy(server_login_retry=retry, query_wait_timeout="1h", workers=workers)
    clients = [process.wire(bob) for _ in range(4)]
    assert clients[0].value("SELECT 1") == "1"
    primary.terminate_links()
    primary.run(f"ALTER ROLE {bob} CONNECTION LIMIT 0")
    for client in clients:
        client.send(wire.query("SELECT 2"))
    assert [errors(client.read_until_ready()) for client in clients] == [["53300"]] * 4
    assert "too many connections for role" in clients[0].last_error["M"]
    assert errors(clients[0].query("SELECT 3")) == ["53300"]
    primary.run(f"ALTER ROLE {bob} CONNECTION LIMIT -1")
    if retry == "1h":
        with process.admin() as console:
            console.execute("RECONNECT")
        assert clients[0].value("SELECT 4") == "4"
    else:
        wait_until(lambda: rows(clients[0].query("SELECT 4")) == ["4"], "it is served again")
    for client in clients:
        assert client.value("SELECT 5") == "5"
        client.close()


@pytest.mark.ours
def test_connect_query_runs_on_each_new_link(primary, proxy):
    process = proxy(database_settings={"connect_query": "SET work_mem = '9MB'"})
    with process.wire() as client:
        assert client.value("SHOW work_mem") == "9MB"
        primary.terminate_links()
        assert client.value("SHOW work_mem") == "9MB"


def test_an_unreachable_server_is_an_error_after_query_wait_timeout(proxy, primary):
    process = proxy(databases={"app": {"primary": f"host=127.0.0.1 port={free_port()} dbname=app"}}, query_wait_timeout="1s", server_login_retry="1s")
    watch = Stopwatch()
    with process.raw() as client:
        with pytest.raises((LoginFailed, ConnectionClosed)):
            client.login("alice", "app")
            client.send(wire.query("SELECT 1"))
            client.read_until("ErrorResponse")
            raise LoginFailed(client.last_error)
    assert watch.seconds < 8


def test_clients_of_other_pools_do_not_wait_for_a_full_one(primary, proxy, workers):
    databases = {"app": {"primary": primary.dsn(), "pool_size": 1}, "other": {"primary": primary.dsn()}}
    process = proxy(databases=databases, reserve_pool_size=0, workers=workers)
    with process.wire() as holder, process.wire() as waiter, process.wire(database="other") as free:
        holder.hold_link()
        waiter.send(wire.query("SELECT 1"))
        assert rows(free.query("SELECT 2")) == ["2"]
        holder.query("COMMIT")
        assert rows(waiter.read_until_ready()) == ["1"]


@pytest.mark.ours
def test_links_come_and_go_while_clients_hammer(primary, proxy, workers):
    process = proxy(default_pool_size=3, server_lifetime="1s", workers=workers)
    stop = threading.Event()

    def hammer(number):
        done = 0
        with process.wire() as client:
            while not stop.is_set():
                assert rows(client.extended("SELECT $1::int", [number])) == [str(number)]
                done += 1
        return done
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        hammers = [pool.submit(hammer, number) for number in range(8)]
        stop.wait(2.0)
        stop.set()
        assert all(each.result() > 0 for each in hammers)


def test_psycopg_meets_a_timeout_as_an_exception(proxy, primary):
    process = proxy(query_timeout="1s")
    with pytest.raises(psycopg.Error):
        with process.connect() as connection:
            connection.execute("SELECT pg_sleep(30)")
    primary.terminate_links("query LIKE '%pg_sleep(30)%'")  # nobody has told it, and others count the servers' processes
