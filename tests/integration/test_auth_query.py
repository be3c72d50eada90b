"""auth_query: users of the database's own catalog log in through the proxy, as long as the server says so."""
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sportello_testing import wire
from sportello_testing.login import ScramClient, scram_verifier
from sportello_testing.postgres import Cluster
from sportello_testing.waiting import PATIENCE, wait_until
from sportello_testing.wire_client import ConnectionClosed, LoginFailed, errors, rows
from sportello_testing.wire_server import PeerGone

pytestmark = pytest.mark.ours

PASSWORD = "alice-secret"
ASKING = "application_name = 'sportello auth_query'"
LOOK_UP = """CREATE FUNCTION public.look_up(INOUT name text, OUT secret text, OUT until timestamptz) LANGUAGE sql SECURITY DEFINER
             SET search_path = pg_catalog AS 'SELECT usename::text, passwd, valuntil FROM pg_shadow WHERE usename = $1'"""


@pytest.fixture(scope="module")
def server(template):
    """Asks for passwords over TCP; `asker` may look users up and nothing else."""
    cluster = Cluster(template, hba=["local all all trust", "host all all 127.0.0.1/32 scram-sha-256"])
    cluster.primary.run("CREATE ROLE asker LOGIN PASSWORD 'asker-secret'", LOOK_UP, "REVOKE ALL ON FUNCTION public.look_up FROM PUBLIC",
                        "GRANT EXECUTE ON FUNCTION public.look_up TO asker")
    yield cluster.primary
    cluster.destroy()


@pytest.fixture
def role(server):
    """Makes a role with a password; it is dropped afterwards."""
    made = []

    def make(name, password="secret", more=""):
        secret = "NULL" if password is None else f"'{scram_verifier(password, b'salt-of-somebody')}'"
        server.run(f'CREATE ROLE "{name}" LOGIN PASSWORD {secret} {more}')
        made.append(name)
    yield make
    server.terminate_links()
    for name in made:
        server.run(f'DROP ROLE IF EXISTS "{name}"')


def asking(proxy, server=None, **settings):
    settings = {"auth_type": "scram-sha-256", "auth_user": "asker", "auth_query": "SELECT * FROM public.look_up($1)", "users": {"asker": "asker-secret"},
                "server_tls_sslmode": "disable", "query_wait_timeout": "3s", "server_login_retry": "100ms", **settings}
    return proxy(server=server, **settings)


def attempt(process, user, password, database="app"):
    """'ok', or the SQLSTATE, or 'closed'."""
    with process.raw() as client:
        try:
            client.login(user, database, password)
            client.send(wire.query("SELECT 1"))
            lines = client.read_until("ErrorResponse", "ReadyForQuery")
            return errors(lines)[0] if errors(lines) else "ok"
        except LoginFailed as failed:
            return failed.sqlstate
        except ConnectionClosed:
            return "closed"


def test_users_of_the_catalog_log_in(proxy, server, workers):
    process = asking(proxy, server, workers=workers)
    assert attempt(process, "alice", PASSWORD) == "ok"
    assert attempt(process, "bob", "bob-secret") == "ok"
    assert attempt(process, "alice", "wrong") == "28P01"
    assert attempt(process, "alice", "bob-secret") == "28P01"


def test_the_query_of_the_default_settings_works_for_a_superuser(proxy, primary):
    process = asking(proxy, primary, auth_user="postgres", users={"postgres": "postgres-secret"},
                     auth_query="SELECT usename, passwd, valuntil FROM pg_catalog.pg_shadow WHERE usename OPERATOR(pg_catalog.=) $1")
    assert attempt(process, "alice", PASSWORD) == "ok"


def test_two_columns_are_enough(proxy, server):
    process = asking(proxy, server, auth_query="SELECT name, secret FROM public.look_up($1)")
    assert attempt(process, "alice", PASSWORD) == "ok"


def test_unknown_users_and_strange_names_are_refused_like_wrong_passwords(proxy, server):  # S14, S16
    process = asking(proxy, server)

    def conversation(user):
        with process.raw() as client:
            with pytest.raises(LoginFailed) as failed:
                client.login(user, "app", "wrong")
            return client.lines[:2], {code: text.replace(user, "USER") for code, text in failed.value.fields.items()}
    known = conversation("alice")
    for user in ("nobody", "' OR true --", 'a"b', "a\\b", "$1", "postgres'; DROP ROLE alice", "x" * 200, "ASKER"):
        assert conversation(user) == known, user
    assert attempt(process, "alice", PASSWORD) == "ok"


def test_a_name_that_is_no_text_is_an_unknown_user(proxy, server):  # S14
    process = asking(proxy, server)
    for _ in range(2):
        with process.raw() as client:
            client.send(wire.message(b"", b"\0\3\0\0user\0\xff\xfe\0database\0app\0\0"))
            client.read_until("AuthenticationSASL")
            client.send(wire.sasl_initial_response("SCRAM-SHA-256", ScramClient("x").first()))
            assert client.read_until("ErrorResponse", "AuthenticationSASLContinue")[-1].startswith("AuthenticationSASLContinue")
    assert len(server.link_pids(ASKING)) == 1


@pytest.mark.parametrize("query", [
    "SELECT 'asker'::text, secret FROM public.look_up('asker')", "SELECT NULL::text, secret FROM public.look_up('alice')",
    "SELECT upper(name), secret FROM public.look_up($1)"])
def test_nobody_becomes_the_user_that_the_query_names(proxy, server, query):  # S16
    process = asking(proxy, server, auth_query=query if "$1" in query else query + " WHERE $1::text IS NOT NULL")
    for password in (PASSWORD, "asker-secret", ""):
        assert attempt(process, "alice", password) == "28P01"


def test_a_past_valid_until_is_refused(proxy, server, role):  # S17
    role("expired", more="VALID UNTIL '2020-01-01 00:00:00+02'")
    role("fresh", more="VALID UNTIL '2100-01-01'")
    role("forever", more="VALID UNTIL 'infinity'")
    role("never", more="VALID UNTIL '-infinity'")
    process = asking(proxy, server)
    assert attempt(process, "expired", "secret") == "28P01"
    assert attempt(process, "never", "secret") == "28P01"
    assert attempt(process, "fresh", "secret") == "ok"
    assert attempt(process, "forever", "secret") == "ok"


def test_a_secret_expires_while_it_is_cached(proxy, server, role):  # S17
    until = server.value("SELECT (clock_timestamp() + interval '3 seconds')::text")
    role("shortly", more=f"VALID UNTIL '{until}'")
    process = asking(proxy, server, auth_cache_ttl="1h")
    assert attempt(process, "shortly", "secret") == "ok"
    wait_until(lambda: attempt(process, "shortly", "secret") == "28P01", "the secret expires", 10 * PATIENCE)


@pytest.mark.parametrize("password", ["", "NULL", "secret"])
def test_a_user_without_a_password_does_not_get_in(proxy, server, role, password):  # S17
    role("empty", password=None)
    process = asking(proxy, server)
    assert attempt(process, "empty", password) != "ok"


def test_a_rotated_password_counts_after_the_cache_has_forgotten_the_old_one(proxy, server, role):  # S26
    role("rotating", "old")
    process = asking(proxy, server, auth_cache_ttl="1s")
    assert attempt(process, "rotating", "old") == "ok"
    server.run(f"ALTER ROLE rotating PASSWORD '{scram_verifier('new', b'salt-of-tomorrow')}'")
    rotated_at = time.monotonic()
    wait_until(lambda: attempt(process, "rotating", "new") == "ok", "the new password passes", 10 * PATIENCE)
    assert time.monotonic() - rotated_at < 3 * PATIENCE
    assert attempt(process, "rotating", "old") == "28P01"


def test_a_dropped_role_is_refused_after_the_ttl(proxy, server, role):  # S17
    role("leaving")
    process = asking(proxy, server, auth_cache_ttl="500ms")
    assert attempt(process, "leaving", "secret") == "ok"
    server.terminate_links("usename = 'leaving'")
    server.run("DROP ROLE leaving")
    wait_until(lambda: attempt(process, "leaving", "secret") == "28P01", "the role is forgotten", 10 * PATIENCE)


def test_a_new_role_is_known_soon_after_it_was_unknown(proxy, server, role):
    process = asking(proxy, server, auth_cache_ttl="1h")
    assert attempt(process, "newcomer", "secret") == "28P01"
    role("newcomer")
    wait_until(lambda: attempt(process, "newcomer", "secret") == "ok", "the role is seen", 10 * PATIENCE)


def test_many_logins_at_once_ask_over_one_connection(proxy, server):
    counted = "SELECT look_up.* FROM public.look_up($1), pg_catalog.nextval('public.asked') WHERE name IS NOT NULL"
    server.run("CREATE SEQUENCE public.asked", "GRANT ALL ON SEQUENCE public.asked TO asker")
    try:
        process = asking(proxy, server, auth_query=counted, auth_cache_ttl="1h")
        with ThreadPoolExecutor(20) as pool:
            assert set(pool.map(lambda _: attempt(process, "alice", PASSWORD), range(100))) == {"ok"}
        assert len(server.link_pids(ASKING)) == 1
        assert server.value("SELECT last_value FROM public.asked") == 1
    finally:
        server.run("DROP SEQUENCE public.asked")


def test_hostile_objects_and_settings_do_not_change_what_the_query_means(proxy, server):  # S11
    server.run("CREATE SCHEMA trap", "GRANT USAGE ON SCHEMA trap TO PUBLIC",
               f"CREATE VIEW trap.pg_shadow AS SELECT 'alice'::name AS usename, '{scram_verifier('trap', b'salt-of-the-trap')}'::text AS passwd, NULL::timestamptz AS valuntil",
               "GRANT SELECT ON trap.pg_shadow TO PUBLIC", "ALTER ROLE postgres IN DATABASE app SET search_path = trap, pg_catalog",
               "ALTER ROLE postgres IN DATABASE app SET DateStyle = 'German'", "ALTER ROLE postgres IN DATABASE app SET TimeZone = 'Asia/Tokyo'",
               "ALTER ROLE postgres PASSWORD 'postgres-secret'", "ALTER ROLE bob VALID UNTIL '2100-01-01'")
    try:
        process = asking(proxy, server, auth_user="postgres", users={"postgres": "postgres-secret"},
                         auth_query="SELECT usename, passwd, valuntil FROM pg_shadow WHERE usename = $1")
        assert attempt(process, "alice", "trap") == "28P01"
        assert attempt(process, "alice", PASSWORD) == "ok"
        assert attempt(process, "bob", "bob-secret") == "ok"
    finally:
        server.run("ALTER ROLE postgres IN DATABASE app RESET ALL", "DROP SCHEMA trap CASCADE", "ALTER ROLE bob VALID UNTIL 'infinity'")


def test_a_failing_query_is_told_to_the_operator_and_not_to_the_client(proxy, server):
    process = asking(proxy, server, auth_query="SELECT name, secret FROM public.no_such_thing($1)")
    with process.raw() as client:
        with pytest.raises(LoginFailed) as failed:
            client.login("alice", "app", PASSWORD)
    assert failed.value.sqlstate == "57P03"
    assert "no_such_thing" not in str(failed.value.fields)
    process.wait_log("no_such_thing")


@pytest.mark.parametrize("query", ["SELECT name FROM public.look_up($1)", "SELECT name, secret, 'x' FROM public.look_up($1)",
                                   "SELECT name, secret FROM public.look_up($1), generate_series(1, 2000000)", "SELECT 1; SELECT $1", "COPY pg_database TO STDOUT"])
def test_a_query_of_another_shape_lets_nobody_in(proxy, server, query):
    process = asking(proxy, server, auth_query=query)
    assert attempt(process, "alice", PASSWORD) == "57P03"
    assert process.is_running()


@pytest.mark.parametrize("secret,hint", [("wrong", "password authentication failed"), (scram_verifier("asker-secret", b"salt-of-asker-00"), "only a hash"), ("", "neither")],
                         ids=["wrong", "hash", "none"])
def test_an_asker_without_a_usable_password_is_explained_in_the_log(proxy, server, secret, hint):  # S26
    process = asking(proxy, server, users={"asker": secret})
    started = time.monotonic()
    assert attempt(process, "alice", PASSWORD) == "57P03"
    assert time.monotonic() - started < 4 * PATIENCE
    process.wait_log(hint)


def test_a_known_bad_password_is_not_tried_more_than_once_a_second(proxy, wire_server):  # S26
    tries = []

    def script(connection):
        connection.read_startup()
        tries.append(time.monotonic())
        connection.send(wire.error_response("28P01", "no"))
    hostile = wire_server(script)
    process = asking(proxy, databases={"app": {"primary": f"host=127.0.0.1 port={hostile.port} dbname=app"}})
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        assert attempt(process, "alice", PASSWORD) == "57P03"
    assert 1 <= len(tries) <= 3


def test_a_server_that_hangs_fails_the_look_up_in_a_few_seconds(proxy, wire_server):
    def script(connection):
        connection.accept_login()
        connection.wait_for_close()
    process = asking(proxy, databases={"app": {"primary": f"host=127.0.0.1 port={wire_server(script).port} dbname=app"}})
    started = time.monotonic()
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda number: attempt(process, f"user{number}", "x"), range(5)))
    assert set(answers) == {"57P03"}
    assert 3 < time.monotonic() - started < 9 * PATIENCE


def test_a_query_that_waits_for_a_lock_does_not_make_a_queue(proxy, server):
    server.run("CREATE TABLE public.gate (only_row int)", "INSERT INTO public.gate VALUES (1)", "GRANT SELECT ON public.gate TO asker")
    process = asking(proxy, server, auth_query="SELECT name, secret FROM public.look_up($1), public.gate", auth_cache_ttl="0")
    try:
        with server.connect(autocommit=False) as locker:
            locker.execute("LOCK TABLE public.gate IN ACCESS EXCLUSIVE MODE")
            started = time.monotonic()
            with ThreadPoolExecutor(5) as pool:
                answers = list(pool.map(lambda number: attempt(process, f"user{number}", "x"), range(5)))
            assert set(answers) == {"57P03"}
            assert time.monotonic() - started < 9 * PATIENCE
            locker.rollback()
        wait_until(lambda: attempt(process, "alice", PASSWORD) == "ok", "look-ups work again", 5 * PATIENCE)
    finally:
        server.run("DROP TABLE public.gate")


def test_a_server_that_never_answers_a_login_fails_the_look_up_in_a_few_seconds(proxy, wire_server):
    def script(connection):
        connection.read_startup()
        connection.wait_for_close()
    process = asking(proxy, databases={"app": {"primary": f"host=127.0.0.1 port={wire_server(script).port} dbname=app"}})
    started = time.monotonic()
    assert attempt(process, "alice", "x") == "57P03"
    assert time.monotonic() - started < 9 * PATIENCE


def test_nonsense_from_the_server_is_survived(proxy, wire_server):  # S21
    answers = [b"Z", b"\xff" * 100, wire.message(b"T", b"\0\5"), wire.message(b"D", b"\0\1"), wire.ready_for_query() * 3, b"G\0\0\0\x07\0\0\0", b"D\x7f\xff\xff\xff"]

    def script(connection):
        connection.accept_login()
        connection.read_until(b"S")
        connection.send(answers[connection.number % len(answers)])
    process = asking(proxy, databases={"app": {"primary": f"host=127.0.0.1 port={wire_server(script).port} dbname=app"}})
    for _ in range(3):
        assert attempt(process, "alice", "x") in ("57P03", "28P01")
        time.sleep(1.05)
    assert process.is_running()


def test_the_server_may_go_and_come_back(proxy, make_cluster):
    server = make_cluster().primary
    server.run(LOOK_UP)
    process = asking(proxy, server, auth_user="postgres", users={}, auth_cache_ttl="0")
    assert attempt(process, "alice", PASSWORD) == "ok"
    server.stop()
    assert attempt(process, "alice", PASSWORD) == "57P03"
    server.start()
    wait_until(lambda: attempt(process, "alice", PASSWORD) == "ok", "look-ups work again", 10 * PATIENCE)


def test_a_connection_that_was_ended_is_replaced(proxy, server):
    process = asking(proxy, server, auth_cache_ttl="0")
    assert attempt(process, "alice", PASSWORD) == "ok"
    assert server.terminate_links(ASKING) == 1
    wait_until(lambda: attempt(process, "alice", PASSWORD) == "ok", "look-ups work again", 5 * PATIENCE)


def test_auth_dbname_and_the_fallback_entry_say_where_to_ask(proxy, server):
    server.run("CREATE DATABASE other")
    fallback = {"*": {"primary": f"host=127.0.0.1 port={server.port}"}}
    elsewhere = asking(proxy, databases=fallback, auth_dbname="app")
    assert attempt(elsewhere, "alice", PASSWORD, database="other") == "ok"
    own = asking(proxy, databases=fallback)
    assert attempt(own, "alice", PASSWORD) == "ok"
    assert attempt(own, "alice", PASSWORD, database="other") == "57P03"  # the function is not there
    for number in range(40):
        assert attempt(own, "alice", PASSWORD, database=f"none{number}") == "57P03"
    assert attempt(own, "bob", "bob-secret") == "ok"
    elsewhere.destroy(), own.destroy()
    server.run("DROP DATABASE other WITH (FORCE)")


def test_settings_of_the_database_come_before_those_of_all(proxy, server):
    process = asking(proxy, server, auth_user="nobody", auth_query="nonsense",
                     database_settings={"auth_user": "asker", "auth_query": "SELECT * FROM public.look_up($1)"})
    assert attempt(process, "alice", PASSWORD) == "ok"


def test_a_reload_changes_the_question(proxy, server):
    process = asking(proxy, server, auth_query="SELECT name, secret FROM public.no_such_thing($1)")
    assert attempt(process, "alice", PASSWORD) == "57P03"
    process.set(auth_query="SELECT * FROM public.look_up($1)")
    process.send_hup()
    wait_until(lambda: attempt(process, "alice", PASSWORD) == "ok", "the new query is asked", 5 * PATIENCE)


def test_a_host_is_resolved_without_stopping_anybody(proxy, server):
    process = asking(proxy, databases={"app": {"primary": f"host=localhost port={server.port} dbname=app"},
                                       "gone": {"primary": "host=no-such-host.invalid dbname=app"}})
    assert attempt(process, "alice", PASSWORD, database="gone") == "57P03"
    assert attempt(process, "alice", PASSWORD) == "ok"


def test_a_disabled_auth_dbname_lets_nobody_in_until_it_is_enabled(proxy, server):
    databases = {"app": {"primary": server.dsn(), "auth_dbname": "users"}, "users": {"primary": server.dsn()}}
    process = asking(proxy, databases=databases, users={"asker": "asker-secret", "postgres": "postgres-secret"})
    with process.admin() as console:
        console.execute("DISABLE users")
        with process.raw() as client, pytest.raises(LoginFailed) as refused:
            client.login("alice", "app", PASSWORD)
        assert 'authentication database "users" is disabled' in refused.value.fields["M"]
        assert attempt(process, "asker", "asker-secret") == "ok"  # of the file
        console.execute("ENABLE users")
        assert attempt(process, "alice", PASSWORD) == "ok"
