"""The instruments measure right: each is tried against real PostgreSQL or against each other."""
import os
import signal
import time

import psycopg
import pytest

from sportello_testing import wire
from sportello_testing.login import scram_verifier
from sportello_testing.toml_text import toml_text
from sportello_testing.waiting import DeadlineExceeded, wait_until
from sportello_testing.wire_client import ConnectionClosed, LoginFailed, WireClient, errors, rows
from sportello_testing.wire_server import answer_queries


def login(port, user="alice", database="app", password=None, **options):
    client = WireClient(port=port, **options)
    client.login(user, database, password)
    return client


# ---- the wire client, against PostgreSQL ----

def test_a_query_is_a_readable_conversation(primary):
    with login(primary.port) as client:
        assert client.query("SELECT 1 AS one") == ["RowDescription one", "DataRow 1", "CommandComplete SELECT 1", "ReadyForQuery I"]


def test_one_byte_sends_get_the_same_answer(primary):
    with login(primary.port) as client:
        client.one_byte_sends = True
        assert rows(client.extended("SELECT $1::text", ["ciao"])) == ["ciao"]


def test_errors_are_lines_too(primary):
    with login(primary.port) as client:
        assert errors(client.query("SELECT nothing")) == ["42703"]
        assert client.lines[-1] == "ReadyForQuery I"


def test_a_pipeline_has_one_ready_per_sync(primary):
    with login(primary.port) as client:
        one = [wire.parse("", "SELECT 1"), wire.bind(), wire.execute(), wire.sync()]
        assert client.exchange(*one * 3, ready=3).count("ReadyForQuery I") == 3


def test_reading_has_a_deadline(primary):
    with login(primary.port) as client:
        with pytest.raises(DeadlineExceeded):
            client.read_message(deadline=0.05)
        assert client.hears_nothing(0.05)


def test_cancel_requests_work(primary):
    with login(primary.port) as client:
        client.send(wire.query("SELECT pg_sleep(30)"))
        wait_until(lambda: primary.link_pids("query LIKE '%pg_sleep(30)%' AND state = 'active'"), "the query runs")
        with WireClient(port=primary.port) as canceller:
            canceller.send(wire.cancel_request(client.process_id, client.secret_key))
            assert canceller.read_until_closed() == []
        assert errors(client.read_until_ready()) == ["57014"]


def test_a_reset_client_leaves_no_backend(primary):
    client = login(primary.port)
    pid = client.value("SELECT pg_backend_pid()")
    client.reset()
    wait_until(lambda: int(pid) not in primary.link_pids(), "the backend is gone")


@pytest.mark.parametrize("method", ["scram-sha-256", "md5", "password"])
def test_password_logins(make_cluster, method):
    user = "reader" if method == "md5" else "alice"
    server = make_cluster(hba=["local all all trust", f"host all all 127.0.0.1/32 {method}"]).primary
    with login(server.port, user, password=f"{user}-secret") as client:
        assert rows(client.query("SELECT current_user")) == [user]
    with pytest.raises(LoginFailed) as failed:
        login(server.port, user, password="wrong")
    assert failed.value.sqlstate == "28P01"


def test_tls(make_cluster, authority):
    certificate, key = authority.issue("localhost", file_name="support-server")
    server = make_cluster(settings={"ssl": "on", "ssl_cert_file": f"'{certificate}'", "ssl_key_file": f"'{key}'"}).primary
    with WireClient(port=server.port) as client:
        client.start_tls()
        client.login("alice", "app")
        assert rows(client.query("SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()")) == ["true"]


# ---- the cluster ----

def test_replicas_follow_and_can_be_promoted(make_cluster):
    cluster = make_cluster(replicas=1)
    cluster.primary.run("CREATE TABLE t AS SELECT 1 AS a")
    cluster.wait_caught_up()
    replica = cluster.replicas[0]
    assert replica.value("SELECT a FROM t") == 1
    cluster.primary.stop("immediate")
    replica.promote()
    replica.run("INSERT INTO t VALUES (2)")


def test_a_server_can_be_frozen_killed_and_restarted(make_cluster):
    server = make_cluster().primary
    server.freeze()
    with pytest.raises(psycopg.OperationalError):
        server.connect(connect_timeout=2)
    server.thaw()
    assert server.value("SELECT 1") == 1
    with server.connect() as connection:
        pid = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
        server.kill_backend(pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    server.restart("immediate")
    assert server.value("SELECT 1") == 1


# ---- the wire server ----

def test_a_scripted_server_serves_psycopg(wire_server):
    def script(connection):
        connection.accept_login()
        answer_queries(connection, "42")
    server = wire_server(script)
    with psycopg.connect(host="127.0.0.1", port=server.port, user="x", dbname="y", autocommit=True) as connection:
        assert connection.execute("SELECT whatever").fetchone() == ("42",)
    assert any(line.startswith("StartupMessage 3.0 user=x") for line in server.connections[0].lines)


def test_a_scripted_server_can_do_scram_right_and_wrong(wire_server):
    def script(connection):
        connection.read_startup()
        scram, client_final = connection.scram_challenge("secret")
        right = scram.final(client_final)
        connection.send(wire.authentication(12, right if connection.number == 0 else b"v=AAAA"))
        connection.welcome()
        answer_queries(connection)
    server = wire_server(script)
    parameters = dict(host="127.0.0.1", port=server.port, user="x", dbname="y", password="secret", sslmode="disable")
    psycopg.connect(**parameters).close()
    with pytest.raises(psycopg.OperationalError, match="SCRAM"):
        psycopg.connect(**parameters)


def test_scram_verifiers_are_postgresqls(primary):
    primary.run(f"CREATE ROLE verified PASSWORD '{scram_verifier('x')}'")
    stored = primary.value("SELECT rolpassword FROM pg_authid WHERE rolname = 'verified'")
    primary.run("DROP ROLE verified")
    assert stored == scram_verifier("x")


# ---- the fault proxy ----

def test_slices_of_one_byte_change_nothing(primary, fault_proxy):
    between = fault_proxy(primary.port)
    between.to_server.slice_bytes = between.to_client.slice_bytes = 1
    with login(between.port) as client:
        assert rows(client.extended("SELECT $1::text", ["x" * 50])) == ["x" * 50]


def test_latency_is_per_message(primary, fault_proxy):
    between = fault_proxy(primary.port)
    with login(between.port) as client:
        between.to_server.latency = 0.2
        started = time.monotonic()
        client.query("SELECT 1")
        assert time.monotonic() - started >= 0.2


def test_a_stall_holds_one_message_type_until_resumed(primary, fault_proxy):
    between = fault_proxy(primary.port)
    with login(between.port) as client:
        between.to_client.stall_before(b"Z")
        client.send(wire.query("SELECT 1"))
        assert client.read_until("CommandComplete")
        between.to_client.wait_until_stalled()
        assert client.hears_nothing(0.05)
        between.to_client.resume()
        assert client.read_until_ready() == ["ReadyForQuery I"]


def test_freeze_keeps_connections_open(primary, fault_proxy):
    between = fault_proxy(primary.port)
    with login(between.port) as client:
        between.to_server.freeze()
        client.send(wire.query("SELECT 1"))
        assert client.hears_nothing(0.1)
        between.to_server.resume()
        assert client.read_until_ready()[-1] == "ReadyForQuery I"


def test_cut_reset_and_half_close(primary, fault_proxy):
    between = fault_proxy(primary.port)
    with login(between.port) as client:
        between.to_client.cut_after(10)
        with pytest.raises(ConnectionClosed):
            client.query("SELECT 1")
    between = fault_proxy(primary.port)
    with login(between.port) as client:
        between.reset_all()
        with pytest.raises(ConnectionClosed) as closed:
            client.read_message()
        assert closed.value.reset
    with login(between.port) as client:
        between.half_close_all(between.to_server)
        assert client.read_until_closed() == []


# ---- small things ----

def test_toml_text():
    assert toml_text({"a": {"b": 1, "c": [True, "x\"y"]}, "d": {"e.f": {"g": "h"}}, "r": [{"n": 1}, {"n": 2}]}) == (
        '[a]\nb = 1\nc = [true, "x\\"y"]\n\n[d]\n\n[d."e.f"]\ng = "h"\n\n[[r]]\nn = 1\n\n[[r]]\nn = 2\n')


def test_nothing_is_left_behind(template):
    from sportello_testing.postgres import Cluster
    cluster = Cluster(template)
    pid = cluster.primary.process.pid
    cluster.destroy()
    assert not os.path.exists(cluster.directory)
    assert not os.path.exists(f"/proc/{pid}")
