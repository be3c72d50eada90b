"""Only the right password passes, whatever is stored and whatever the server asks; failures tell nothing."""
import time

import pytest

from sportello_testing import processes, wire
from sportello_testing.login import ScramClient, md5_secret, scram_verifier
from sportello_testing.postgres import Cluster
from sportello_testing.waiting import wait_until
from sportello_testing.wire_client import ConnectionClosed, LoginFailed, errors, rows

PASSWORD = "alice-secret"
MD5 = md5_secret("alice", PASSWORD)
SCRAM = scram_verifier(PASSWORD, b"salt-of-alice-00")   # the one that the servers store, too
STORED = {"plain": PASSWORD, "md5": MD5, "scram": SCRAM}


@pytest.fixture(scope="module")
def servers(template):
    """One server per method by which a link must log in."""
    made = {}

    def server(method):
        if method not in made:
            made[method] = Cluster(template, hba=["local all all trust", f"host all all 127.0.0.1/32 {method}"])
            if method == "md5":
                made[method].primary.run(f"ALTER ROLE alice PASSWORD '{MD5}'")
        return made[method].primary
    yield server
    for cluster in made.values():
        cluster.destroy()


def attempt(process, password, user="alice", database="app"):
    """'ok', or the SQLSTATE, or 'closed'. The query is part of it: a link may have to log in first."""
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


def auth_proxy(proxy, server=None, users=None, **settings):
    return proxy(server=server, users=users, query_wait_timeout="3s", server_login_retry="1s", server_tls_sslmode="disable", **settings)


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("method", ["md5", "scram-sha-256"])
def test_only_the_right_password_passes(proxy, method, stored):  # S22
    if method == "scram-sha-256" and stored == "md5":
        pytest.skip("an md5 hash cannot answer SCRAM: see the next test")
    process = auth_proxy(proxy, users={"alice": STORED[stored], "bob": "bob-secret"}, auth_type=method)
    assert attempt(process, PASSWORD) == "ok"
    for wrong in ("wrong", "", PASSWORD + "x", PASSWORD[:-1], PASSWORD.upper(), "bob-secret", MD5, SCRAM):  # S23
        assert attempt(process, wrong) in ("28P01", "08P01"), wrong


def test_an_md5_hash_never_passes_scram(proxy):  # S22
    process = auth_proxy(proxy, users={"alice": MD5}, auth_type="scram-sha-256")
    for password in (PASSWORD, MD5, "", "wrong"):
        assert attempt(process, password) in ("28P01", "08P01", "closed")


@pytest.mark.parametrize("server_method", ["md5", "scram-sha-256"])
@pytest.mark.parametrize("client_method,stored", [("scram-sha-256", "plain"), ("md5", "plain"), ("trust", "plain")])
def test_links_log_in_by_any_method_when_the_password_is_known(proxy, servers, server_method, client_method, stored):  # S22
    process = auth_proxy(proxy, servers(server_method), users={"alice": STORED[stored]}, auth_type=client_method)
    assert attempt(process, PASSWORD) == "ok"


@pytest.mark.ours
def test_a_password_is_not_sent_in_clear_without_encryption(proxy, servers):  # S20
    process = auth_proxy(proxy, servers("password"), users={"alice": PASSWORD}, auth_type="scram-sha-256")
    assert attempt(process, PASSWORD) != "ok"


def test_links_log_in_with_the_clients_own_scram_exchange(proxy, servers):
    """Only the verifier is known; ClientKey comes from the client's proof."""
    process = auth_proxy(proxy, servers("scram-sha-256"), users={"alice": SCRAM}, auth_type="scram-sha-256")
    assert attempt(process, PASSWORD) == "ok"
    assert attempt(process, "wrong") in ("28P01", "08P01")
    assert attempt(process, PASSWORD) == "ok"


def test_an_md5_hash_logs_in_to_an_md5_server(proxy, servers):
    process = auth_proxy(proxy, servers("md5"), users={"alice": MD5}, auth_type="md5")
    assert attempt(process, PASSWORD) == "ok"


def test_a_password_in_the_database_line_is_used(proxy, servers):
    server = servers("scram-sha-256")
    process = proxy(databases={"app": {"primary": server.dsn(user="alice", password=PASSWORD)}}, users={"carol": "carol-secret"}, auth_type="scram-sha-256")
    assert attempt(process, "carol-secret", "carol") == "ok"


def test_a_password_the_server_refuses_is_an_error_and_not_a_hang(proxy, servers):  # S26
    process = auth_proxy(proxy, servers("scram-sha-256"), users={"alice": "outdated"}, auth_type="scram-sha-256")
    assert attempt(process, "outdated") in ("28P01", "08P01", "closed", "08004", "08006", "57P03")
    assert process.is_running()


@pytest.mark.ours
def test_unknown_users_are_not_told_apart(proxy):  # S16
    process = auth_proxy(proxy, auth_type="scram-sha-256")

    def conversation(user, password):
        with process.raw() as client:
            with pytest.raises(LoginFailed) as failed:
                client.login(user, "app", password)
            fields = {code: text.replace(user, "USER") for code, text in failed.value.fields.items()}
            return client.lines[:2], fields

    def salt_of(user):
        with process.raw() as client:
            client.send(wire.startup(user, "app"))
            client.read_until("AuthenticationSASL")
            client.send(wire.sasl_initial_response("SCRAM-SHA-256", ScramClient("x").first()))
            _, body = client.read_message()
            return body.split(b",")[1:]
    assert conversation("alice", "wrong") == conversation("nobody", "wrong")
    assert salt_of("nobody") == salt_of("nobody")
    assert salt_of("nobody") != salt_of("nobody2")


@pytest.mark.ours
def test_refusals_take_the_same_time(proxy):  # S16
    process = auth_proxy(proxy, auth_type="scram-sha-256")

    def duration(user):
        started = time.monotonic()
        attempt(process, "wrong", user)
        return time.monotonic() - started
    known, unknown = [], []
    for _ in range(40):
        known.append(duration("alice"))
        unknown.append(duration("nobody"))
    known.sort(), unknown.sort()
    assert abs(known[20] - unknown[20]) < 0.5 * max(known[20], unknown[20])


@pytest.mark.ours
@pytest.mark.parametrize("first", [
    b"", b"n", b"n,,", b"n,,n=", b"n,,n=,r=", b"y,,n=,r=" + b"x" * 5000, b"p=tls-server-end-point,,n=,r=abcdefghijklmnop", b"x,,n=,r=abcdefghijkl",
    b"n,a=bob,n=,r=abcdefghijklmnop", b"n,,m=ext,n=,r=abcdefghijklmnop", b"n,,n=,r=abc\x01\x02", b"n,,n=,r=abcdefghijklmnop\0", b"\xff" * 50,
], ids=repr)
def test_a_strange_scram_first_message_is_refused(proxy, first):  # S19
    process = auth_proxy(proxy, auth_type="scram-sha-256")
    with process.raw() as client:
        client.send(wire.startup("alice", "app"))
        client.read_until("AuthenticationSASL")
        client.send(wire.sasl_initial_response("SCRAM-SHA-256", first))
        lines = client.read_until("ErrorResponse", "AuthenticationSASLContinue")
        if not errors(lines):
            client.send(wire.sasl_response(b"c=biws,r=x,p=AAAA"))
            assert errors(client.read_until_closed())
    assert attempt(process, PASSWORD) == "ok"


@pytest.mark.ours
@pytest.mark.parametrize("spoil", [
    lambda m: m.replace(b"c=biws", b"c=eSws"), lambda m: m.replace(b"r=", b"r=x"), lambda m: m.rsplit(b",p=", 1)[0], lambda m: m[:-4] + b"AAA=",
    lambda m: m + b",x=1", lambda m: b"", lambda m: m.replace(b",p=", b",p=*"), lambda m: b"p=" + m, lambda m: m * 50,
])
def test_a_strange_scram_final_message_is_refused(proxy, spoil):  # S19
    process = auth_proxy(proxy, auth_type="scram-sha-256")
    with process.raw() as client:
        client.send(wire.startup("alice", "app"))
        client.read_until("AuthenticationSASL")
        scram = ScramClient(PASSWORD)
        client.send(wire.sasl_initial_response("SCRAM-SHA-256", scram.first()))
        _, body = client.read_message()
        client.send(wire.sasl_response(spoil(scram.final(body[4:]))))
        assert errors(client.read_until_closed())[0] in ("28P01", "08P01")


@pytest.mark.ours
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "", "PLAIN"])
def test_other_mechanisms_are_refused(proxy, mechanism):
    process = auth_proxy(proxy, auth_type="scram-sha-256")
    with process.raw() as client:
        client.send(wire.startup("alice", "app"))
        client.read_until("AuthenticationSASL")
        client.send(wire.sasl_initial_response(mechanism, ScramClient(PASSWORD).first()))
        assert errors(client.read_until_closed())


def test_a_proof_cannot_be_replayed(proxy):  # S19
    process = auth_proxy(proxy, auth_type="scram-sha-256")

    def exchange(final=None):
        with process.raw() as client:
            client.send(wire.startup("alice", "app"))
            client.read_until("AuthenticationSASL")
            scram = ScramClient(PASSWORD)
            client.send(wire.sasl_initial_response("SCRAM-SHA-256", scram.first()))
            _, body = client.read_message()
            sent = final or scram.final(body[4:])
            client.send(wire.sasl_response(sent))
            return sent, client.read_until("ErrorResponse", "AuthenticationOk")
    proof, lines = exchange()
    assert lines[-1] == "AuthenticationOk"
    assert errors(exchange(proof)[1])


@pytest.mark.ours
@pytest.mark.parametrize("length", [1, 63, 900])
def test_long_passwords(proxy, length):  # S18
    password = "p" * length
    process = auth_proxy(proxy, users={"alice": password}, auth_type="scram-sha-256")
    assert attempt(process, password) == "ok"
    assert attempt(process, password[:-1] + "q") == "28P01"


def test_an_empty_password_never_passes(proxy):  # S17
    process = auth_proxy(proxy, users={"alice": "", "bob": "x"}, auth_type="scram-sha-256")
    assert attempt(process, "") != "ok"
    assert attempt(process, "", "carol") != "ok"


def test_trust_asks_for_nothing_but_knows_its_users(proxy):
    process = auth_proxy(proxy, auth_type="trust")
    with process.raw() as client:
        assert client.login("alice", "app")[0] == "AuthenticationOk"


# ---- hba ----

@pytest.mark.parametrize("lines,user,expected", [
    (["host all all 127.0.0.1/32 scram-sha-256"], "alice", "password"),
    (["host all alice 127.0.0.1/32 trust", "host all all 0.0.0.0/0 reject"], "alice", "in"),
    (["host all alice 127.0.0.1/32 trust", "host all all 0.0.0.0/0 reject"], "bob", "out"),
    (["host all all 10.0.0.0/8 trust"], "alice", "out"),
    (["host other all 127.0.0.1/32 trust"], "alice", "out"),
    (["hostssl all all 127.0.0.1/32 trust"], "alice", "out"),
    (["hostnossl all all 127.0.0.1/32 trust"], "alice", "in"),
    (["host all all 127.0.0.1/32 reject", "host all all 127.0.0.1/32 trust"], "alice", "out"),
    (["host \"app\" \"alice\" 127.0.0.1 255.255.255.255 trust"], "alice", "in"),
    (["# a comment", "", "host app,other alice,bob all trust"], "bob", "in"),
])
def test_hba_rules_count_in_their_order(proxy, lines, user, expected):  # S65
    process = auth_proxy(proxy, start=False)
    path = processes.write_private_file(process.path("hba.conf"), "\n".join(lines) + "\n")
    process.set(auth_type="hba", auth_hba_file=path)
    process.start()
    with process.raw() as client:
        client.send(wire.startup(user, "app"))
        try:
            last = client.read_until("ErrorResponse", "AuthenticationOk", "AuthenticationSASL", "AuthenticationMD5Password")[-1]
        except ConnectionClosed:
            last = "ErrorResponse"
    assert {"AuthenticationOk": "in", "AuthenticationSASL": "password", "AuthenticationMD5Password": "password"}.get(last, "out") == expected
    if last.startswith("ErrorResponse FATAL"):
        assert client.last_error["C"] in ("28000", "08P01")


def test_unix_sockets_have_peer_logins_and_a_file_mode(proxy):
    import os
    import stat
    process = auth_proxy(proxy, start=False)
    path = processes.write_private_file(process.path("hba.conf"), "local all all trust\n")
    process.set(auth_type="hba", auth_hba_file=path, unix_socket_mode="0770")
    process.start()
    socket_path = process.path(f".s.PGSQL.{process.port}")
    # It may be seen between bind() and chmod(), when nobody can connect to it yet.
    wait_until(lambda: stat.S_IMODE(os.stat(socket_path).st_mode) == 0o770, "the mode is set", 5)
    from sportello_testing.wire_client import WireClient
    with WireClient(unix_path=socket_path) as client:
        client.login("alice", "app")
        assert rows(client.query("SELECT 1")) == ["1"]


# ---- auth_query ----

def query_proxy(proxy, primary, **settings):
    return auth_proxy(proxy, primary, users={"postgres": "postgres-secret"}, auth_type="scram-sha-256", auth_user="postgres", **settings)


def test_auth_query_finds_users_the_file_does_not_know(proxy, servers, primary):
    process = query_proxy(proxy, primary)
    assert attempt(process, PASSWORD) == "ok"
    assert attempt(process, "wrong") in ("28P01", "08P01")
    assert attempt(process, "x", "nobody") in ("28P01", "08P01")
    assert attempt(process, "", "carol") in ("28P01", "08P01")


@pytest.mark.ours
def test_auth_query_respects_valid_until(proxy, primary):  # S17
    primary.run("CREATE ROLE expired LOGIN PASSWORD 'expired-secret' VALID UNTIL '2001-01-01'")
    try:
        assert attempt(query_proxy(proxy, primary), "expired-secret", "expired") == "28P01"
    finally:
        primary.run("DROP ROLE expired")


@pytest.mark.ours
def test_a_changed_password_counts_after_the_cache_time(proxy, primary):  # S26
    primary.run("CREATE ROLE changing LOGIN PASSWORD 'old-secret'")
    try:
        process = query_proxy(proxy, primary, auth_cache_ttl="1s")
        assert attempt(process, "old-secret", "changing") == "ok"
        primary.run("ALTER ROLE changing PASSWORD 'new-secret'")
        wait_until(lambda: attempt(process, "new-secret", "changing") == "ok", "the new password passes")
        assert attempt(process, "old-secret", "changing") == "28P01"
    finally:
        primary.terminate_links()
        primary.run("DROP ROLE changing")


@pytest.mark.ours
def test_auth_query_is_not_fooled_by_a_search_path(proxy, primary):  # S11
    primary.run("CREATE SCHEMA evil", "CREATE TABLE evil.pg_shadow AS SELECT 'alice'::name AS usename, 'chosen'::text AS passwd, NULL::timestamptz AS valuntil",
                "ALTER ROLE postgres SET search_path = evil, pg_catalog")
    try:
        process = query_proxy(proxy, primary, auth_query="SELECT usename, passwd, valuntil FROM pg_shadow WHERE usename = $1")
        assert attempt(process, "chosen") == "28P01"
        assert attempt(process, PASSWORD) == "ok"
    finally:
        primary.terminate_links()
        primary.run("ALTER ROLE postgres RESET search_path", "DROP SCHEMA evil CASCADE")


# ---- the log ----

def test_no_secret_is_ever_logged(proxy):  # S29
    process = auth_proxy(proxy, auth_type="scram-sha-256")
    attempt(process, PASSWORD)
    attempt(process, "hunter2-wrong")
    assert PASSWORD not in process.log() and "hunter2" not in process.log()
