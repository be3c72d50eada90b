"""Where the entry of a database names the user to log in as, there is one pool for all users of its clients."""
import psycopg
import pytest

from sportello_testing import wire
from sportello_testing.login import scram_verifier
from sportello_testing.waiting import stays_true, wait_until
from sportello_testing.wire_client import LoginFailed, errors, rows

USERS = {"alice": "alice-secret", "bob": "bob-secret", "carol": "", "reader": "reader-secret", "postgres": "postgres-secret"}


@pytest.fixture
def forced(proxy, primary):
    """A proxy that logs in as bob, whoever its client is."""
    def make(database_settings=None, address=None, **settings):
        settings = {"default_pool_size": 2, "reserve_pool_size": 0, **settings}
        return proxy(databases={"app": {"primary": primary.dsn(user="bob", **(address or {})), **(database_settings or {})}}, **settings)
    return make


def holders(process, *users):
    """Clients that hold a server connection each."""
    held = []
    for user in users:
        held.append(process.wire(user))
        held[-1].hold_link()
    return held


def end(*clients):
    for client in clients:
        client.query("ROLLBACK")
        client.terminate()


def users_of(process, what):
    return sorted(row["user"] for row in process.show(what) if row["database"] == "app")


def test_pool_size_bounds_all_users_together(primary, forced, workers):
    process = forced(workers=workers)
    alice, carol = holders(process, "alice", "carol")
    with process.wire("reader") as reader:
        reader.send(wire.query("SELECT current_user, pg_backend_pid() > 0"))
        wait_until(lambda: process.pool("app", "bob")["cl_waiting"] == 1, "the third waits")
        stays_true(lambda: len(primary.link_pids()) == 2, "no more are opened", 0.2)
        end(alice)
        assert rows(reader.read_until_ready()) == ["bob t"]
    end(carol)
    assert len(primary.link_pids()) == 2


def test_the_console_shows_one_pool_and_each_clients_own_user(forced):
    process = forced()
    held = holders(process, "alice", "carol")
    assert users_of(process, "POOLS") == ["bob"]
    assert users_of(process, "CLIENTS") == ["alice", "carol"]
    assert users_of(process, "SERVERS") == ["bob", "bob"]
    pool = process.pool("app", "bob")
    assert (pool["cl_active"], pool["sv_active"]) == (2, 2)
    used = {row["name"]: (row["current_connections"], row["current_client_connections"]) for row in process.show("USERS")}
    assert (used["bob"], used["alice"], used["carol"]) == ((2, 0), (0, 1), (0, 1))
    assert [row["force_user"] for row in process.show("DATABASES") if row["name"] == "app"] == ["bob"]
    end(*held)


@pytest.mark.ours
def test_nothing_of_a_session_is_left_to_another_users(primary, forced, table):
    process = forced(default_pool_size=1)
    with process.wire("alice") as alice, process.wire("carol") as carol:
        alice.query("SET TimeZone = 'Asia/Tokyo'")
        alice.query("SET work_mem = '7MB'")
        alice.query("SELECT nextval(pg_get_serial_sequence('%s', 'id'))" % table)
        alice.extended("SELECT 1 AS of_alice", name="mine")
        alice.query("BEGIN; CREATE TEMP TABLE t (); PREPARE p AS SELECT 1; DECLARE c CURSOR WITH HOLD FOR SELECT 1; LISTEN l; COMMIT")
        alice.query("DISCARD ALL")
        assert carol.value("SHOW TimeZone") == "UTC" and carol.value("SHOW work_mem") == "4MB"
        assert errors(carol.query("SELECT lastval()")) == ["55000"]
        assert errors(carol.query("SELECT * FROM t")) == ["42P01"]
        assert errors(carol.query("EXECUTE p")) == ["26000"]
        assert errors(carol.query("FETCH c")) == ["34000"]
        assert rows(carol.query("SELECT pg_listening_channels()")) == []
        assert rows(carol.extended("SELECT 2 AS of_carol", name="mine")) == ["2"]
        assert carol.value("SELECT current_setting('application_name')") == ""


@pytest.mark.parametrize("workers", [1, 4])
def test_min_pool_size_is_there_before_any_client(primary, forced, workers):
    process = forced({"min_pool_size": 3, "pool_size": 5}, workers=workers)
    wait_until(lambda: len(primary.link_pids()) == 3, "three links are open")
    assert process.pool("app", "bob")["sv_idle"] == 3
    with process.wire("alice") as alice:
        assert alice.value("SELECT current_user") == "bob"
    primary.terminate_links()
    wait_until(lambda: len(primary.link_pids()) == 3, "three links are open again")


@pytest.mark.ours
def test_min_pool_size_is_for_pools_with_clients_elsewhere(primary, proxy):
    process = proxy(database_settings={"min_pool_size": 2})
    with process.wire("alice") as alice:
        alice.query("SELECT 1")
        wait_until(lambda: len(primary.link_pids("usename = 'alice'")) == 2, "two links are open")
    with process.wire("carol") as carol:
        carol.query("SELECT 1")
        wait_until(lambda: len(primary.link_pids("usename = 'carol'")) == 2, "two links are open")
        primary.terminate_links("usename = 'alice'")
        primary.terminate_links("usename = 'carol'")
        wait_until(lambda: len(primary.link_pids("usename = 'carol'")) == 2, "carol's are open again")
        assert primary.link_pids("usename = 'alice'") == []


def test_a_paused_database_gets_no_minimum(primary, forced):
    process = forced({"min_pool_size": 1})
    wait_until(lambda: len(primary.link_pids()) == 1, "it is open")
    with process.admin() as console:
        console.execute("PAUSE app")
        stays_true(lambda: primary.link_pids() == [], "none is opened", 1.5)
        console.execute("RESUME app")
    wait_until(lambda: len(primary.link_pids()) == 1, "it is open again")


@pytest.mark.ours
def test_the_minimum_does_not_keep_a_database_from_being_dropped(primary, proxy):
    primary.run("DROP DATABASE IF EXISTS briefly", "CREATE DATABASE briefly", dbname="postgres")
    process = proxy(databases={"briefly": {"primary": primary.dsn("briefly", user="postgres"), "min_pool_size": 1},
                               "postgres": {"primary": primary.dsn("postgres")}})
    wait_until(lambda: len(primary.link_pids()) == 1, "it is open")
    with process.wire("postgres", "postgres") as client:
        assert errors(client.query("DROP DATABASE briefly")) == []


# ---- whose settings count ----

def test_max_user_connections_is_the_server_users(primary, proxy):
    process = proxy(databases={"app": {"primary": primary.dsn(user="bob")}},
                    user_settings={"bob": {"max_user_connections": 1}, "alice": {"max_user_connections": 7, "pool_size": 7}})
    alice, = holders(process, "alice")
    with process.wire("carol") as carol:
        carol.send(wire.query("SELECT 1"))
        wait_until(lambda: process.pool("app", "bob")["cl_waiting"] == 1, "the other waits")
        assert len(primary.link_pids()) == 1
        end(alice)
        assert rows(carol.read_until_ready()) == ["1"]


def test_max_user_client_connections_is_the_clients_own_users(primary, proxy):
    process = proxy(databases={"app": {"primary": primary.dsn(user="bob")}},
                    user_settings={"alice": {"max_user_client_connections": 1}, "bob": {"max_user_client_connections": 1}})
    with process.wire("alice"), process.wire("carol"), process.wire("carol"):
        with pytest.raises(LoginFailed):
            process.wire("alice")


@pytest.mark.ours
def test_a_clients_own_settings_come_before_the_server_users(primary, proxy):
    process = proxy(databases={"app": {"primary": primary.dsn(user="bob")}},
                    user_settings={"alice": {"pool_mode": "session", "query_timeout": "1h"}, "bob": {"query_timeout": "100ms"}})
    with process.wire("alice") as alice, process.wire("carol") as carol:
        alice.query("SELECT 1")
        assert [row["state"] for row in process.show("CLIENTS") if row["user"] == "alice"] == ["active"]
        assert rows(alice.query("SELECT 1 FROM pg_sleep(0.5)")) == ["1"]
        carol.send(wire.query("SELECT pg_sleep(2)"))
        assert "query_timeout" in str(errors_of(carol))


def errors_of(client):
    client.read_until_closed()
    return client.last_error


def test_pool_size_and_timeouts_may_be_the_server_users(primary, proxy):
    process = proxy(databases={"app": {"primary": primary.dsn(user="bob")}}, reserve_pool_size=0, default_pool_size=9,
                    user_settings={"bob": {"pool_size": 1, "idle_transaction_timeout": "100ms"}})
    with process.wire("alice") as alice, process.wire("carol") as carol:
        alice.hold_link()
        carol.send(wire.query("SELECT 1"))
        assert "idle" in str(errors_of(alice))
        assert rows(carol.read_until_ready()) == ["1"]
        wait_until(lambda: len(primary.link_pids()) == 1, "there is one link")


# ---- the console's commands ----

@pytest.mark.parametrize("command", ["RECONNECT app", "PAUSE app"])
def test_links_of_all_users_are_renewed(primary, forced, command):
    process = forced()
    end(*holders(process, "alice", "carol"))
    before = primary.link_pids()
    with process.wire("alice") as alice, process.wire("carol") as carol, process.admin() as console:
        console.execute(command)
        if command.startswith("PAUSE"):
            console.execute("RESUME app")
        assert alice.value("SELECT 1") == carol.value("SELECT 1") == "1"
        wait_until(lambda: not set(before) & set(primary.link_pids()), "the old ones are closed")


def test_kill_ends_the_clients_of_all_users(forced):
    process = forced()
    alice, carol = holders(process, "alice", "carol")
    with process.admin() as console:
        console.execute("KILL app")
        for client in (alice, carol):
            client.read_until_closed()
        console.execute("RESUME app")
    with process.wire("alice") as again:
        assert again.value("SELECT current_user") == "bob"


# ---- reload ----

@pytest.mark.ours
@pytest.mark.parametrize("workers", [1, 4])
def test_a_reload_that_names_a_user_takes_the_clients_along(primary, proxy, workers):
    process = proxy(workers=workers, default_pool_size=2, reserve_pool_size=0)
    with process.wire("alice") as alice, process.wire("carol") as carol, process.wire("alice") as busy:
        assert (alice.value("SELECT current_user"), carol.value("SELECT current_user")) == ("alice", "carol")
        alice.query("SET TimeZone = 'Asia/Tokyo'")
        alice.extended("SELECT current_user", name="who")
        busy.hold_link()
        process.config["databases"]["app"]["primary"] = primary.dsn(user="bob")
        process.write_files()
        process.reload()
        assert busy.value("SELECT current_user") == "alice"  # in its transaction
        assert (alice.value("SELECT current_user"), carol.value("SELECT current_user")) == ("bob", "bob")
        assert rows(alice.exchange(wire.bind("", "who"), wire.execute(), wire.sync())) == ["bob"]
        assert alice.value("SHOW TimeZone") == "Asia/Tokyo"
        busy.query("ROLLBACK")
        assert busy.value("SELECT current_user") == "bob"
        held = holders(process, "reader", "reader")
        for client in (alice, busy):
            client.send(wire.query("SELECT 1"))
        wait_until(lambda: process.pool("app", "bob")["cl_waiting"] == 2, "they wait in the new pool")
        wait_until(lambda: len(primary.link_pids()) == 2, "there are no more links")
        assert process.pool("app", "alice")["cl_active"] == process.pool("app", "carol")["cl_active"] == 0
        end(*held)
        for client in (alice, busy):
            assert rows(client.read_until_ready()) == ["1"]


@pytest.mark.ours
def test_a_reload_that_names_none_any_more_gives_the_clients_their_own_again(make_cluster, proxy):
    """Only the verifier is known: what a client proved at its login is kept for that."""
    server = make_cluster(hba=["local all all trust", "host all all 127.0.0.1/32 scram-sha-256"]).primary
    stored = {"alice": scram_verifier("alice-secret", b"salt-of-alice-00"), "bob": "bob-secret", "postgres": "postgres-secret"}
    process = proxy(databases={"app": {"primary": server.dsn(user="bob")}}, users=stored, auth_type="scram-sha-256", server_tls_sslmode="disable")
    process.users["alice"] = "alice-secret"
    with process.wire("alice") as alice:
        assert alice.value("SELECT current_user") == "bob"
        process.config["databases"]["app"]["primary"] = server.dsn()
        process.users = stored
        process.write_files()
        process.reload()
        assert alice.value("SELECT current_user") == "alice"


@pytest.mark.ours
def test_who_waits_goes_along_with_a_reload(primary, proxy):
    process = proxy(default_pool_size=1, reserve_pool_size=0)
    busy, = holders(process, "alice")
    with process.wire("alice") as waiting:
        waiting.send(wire.query("SELECT current_user"))
        wait_until(lambda: process.pool()["cl_waiting"] == 1, "it waits")
        process.config["databases"]["app"]["primary"] = primary.dsn(user="bob")
        process.write_files()
        process.reload()
        assert rows(waiting.read_until_ready()) == ["bob"]
    end(busy)


# ---- the cache, replicas ----

@pytest.mark.ours
def test_clients_who_are_one_user_share_what_is_in_memory(make_cluster, make_proxy):
    primary = make_cluster().primary
    primary.run("CREATE TABLE t AS SELECT 1 AS k", "GRANT ALL ON t TO bob, alice")
    query = "SELECT count(*), current_user FROM t"
    rules = [{"name": "all", "tables": ["t"], "ttl": "1h", "stable_functions": True}]
    config = {"sportello": {"monitor_user": "postgres"}, "databases": {"app": {"primary": primary.dsn(user="bob")}},
              "cache": {"invalidation": "proxy", "rules": rules}}
    process = make_proxy(config)

    def hits():
        return int(process.show("CACHE RULES")[0]["hits"])

    with process.connect("alice") as alice, process.connect("carol") as carol:
        def is_kept():
            before = hits()
            assert alice.execute(query).fetchone() == (1, "bob")
            return hits() > before
        wait_until(is_kept, "it is answered from memory")
        before = hits()
        assert carol.execute(query).fetchone() == (1, "bob")
        assert hits() == before + 1
        carol.execute("INSERT INTO t VALUES (2)")
        assert alice.execute(query).fetchone() == (2, "bob")
        # Nobody finds what was kept for bob once it is alice who asks.
        wait_until(is_kept_again(process, alice, query), "it is answered from memory again")
        process.config["databases"]["app"]["primary"] = primary.dsn()
        process.write_files()
        process.reload()
        assert alice.execute(query).fetchone() == (2, "alice")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            carol.execute(query)


def is_kept_again(process, client, query):
    def look():
        before = int(process.show("CACHE RULES")[0]["hits"])
        client.execute(query)
        return int(process.show("CACHE RULES")[0]["hits"]) > before
    return look


@pytest.mark.ours
def test_a_replica_that_names_no_user_is_logged_in_to_as_the_primary(make_cluster, make_proxy):
    cluster = make_cluster(replicas=1)
    config = {"sportello": {"monitor_user": "postgres"},
              "databases": {"app": {"primary": cluster.primary.dsn(user="bob"), "replicas": [cluster.replicas[0].dsn()]}}}
    process = make_proxy(config)
    with process.connect("alice") as alice:
        def at_replica():
            return alice.execute("SELECT current_user, inet_server_port()").fetchone() == ("bob", cluster.replicas[0].port)
        wait_until(at_replica, "a read goes to the replica")
