"""A server that breaks the protocol loses its link; its client gets an error and everyone else goes on."""
import struct

import pytest

from sportello_testing import wire
from sportello_testing.waiting import wait_until
from sportello_testing.wire_client import ConnectionClosed, LoginFailed, errors, rows
from sportello_testing.wire_server import answer_queries

pytestmark = pytest.mark.ours


def in_front_of(proxy, server, primary=None, **settings):
    databases = {"app": {"primary": f"host=127.0.0.1 port={server.port} dbname=app user=alice password=alice-secret"}}
    if primary:
        databases["good"] = {"primary": primary.dsn()}
    return proxy(databases=databases, default_pool_size=1, reserve_pool_size=0, server_login_retry="100ms", query_wait_timeout="2s",
                 server_tls_sslmode="disable", **settings)


def first_answer(process):
    """SQLSTATE of the first error a client gets, or 'closed'; 'ok' if its query is answered."""
    with process.raw() as client:
        try:
            client.login("alice", "app")
            client.send(wire.query("SELECT 1"))
            lines = client.read_until("ErrorResponse", "ReadyForQuery", "Malformed")
            if lines[-1].startswith("Malformed"):
                return lines[-1]
            return errors(lines)[0] if errors(lines) else "ok"
        except LoginFailed as failed:
            return failed.sqlstate
        except ConnectionClosed:
            return "closed"


BAD_ANSWERS = {
    "unknown type": wire.message(b"~", b"boo"),
    "length zero": b"C" + struct.pack("!I", 0),
    "length three": b"C" + struct.pack("!I", 3),
    "length over 2^31": b"C" + struct.pack("!I", 2**31 + 5),
    "unterminated tag": wire.message(b"C", b"SELECT 1") + wire.ready_for_query(),
    "bad status": wire.command_complete("SELECT 1") + wire.ready_for_query(b"?"),
    "empty ReadyForQuery": wire.message(b"Z"),
    "long ReadyForQuery": wire.message(b"Z", b"IIII"),
    "authentication again": wire.authentication_ok(),
    "key again": wire.backend_key_data(1, 2) + wire.authentication(5, b"salt"),
    "truncated ParameterStatus": wire.message(b"S", b"TimeZone"),
    "unterminated error": wire.message(b"E", b"SERROR\0C42P01\0Mno end"),
    "frontend message": wire.query("SELECT 'you do it'"),
    "two answers": (wire.command_complete("SELECT 1") + wire.ready_for_query()) * 2,
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_a_bad_answer_costs_the_link_and_nothing_else(proxy, wire_server, primary, name):  # S21
    def script(connection):
        connection.accept_login()
        while True:
            kind, _ = connection.read()
            if kind == b"Q":
                connection.send(BAD_ANSWERS[name])
                connection.wait_for_close()
                return
    server = wire_server(script)
    process = in_front_of(proxy, server, primary)
    answer = first_answer(process)
    assert answer in ("08P01", "08006", "08007", "closed") or (name == "two answers" and answer == "ok"), answer
    wait_until(lambda: any(connection.closed_by_peer for connection in server.connections), "the link is closed")
    with process.wire(database="good") as client:
        assert rows(client.query("SELECT 1")) == ["1"]


@pytest.mark.parametrize("name,messages", [
    ("ErrorResponse without fields", wire.message(b"E", b"\0")),
    ("ErrorResponse with everything twice", wire.message(b"E", b"SERROR\0SERROR\0C42P01\0C42P01\0Mx\0My\0\0")),
    ("notices and parameters", wire.notice_response("x") + wire.parameter_status("a.b", "c") + wire.command_complete("SELECT 0")),
])
def test_odd_but_lawful_answers_pass(proxy, wire_server, name, messages):  # S21
    def script(connection):
        connection.accept_login()
        while True:
            kind, _ = connection.read()
            if kind == b"Q":
                connection.send(messages, wire.ready_for_query())
            elif kind == b"X":
                return
    process = in_front_of(proxy, wire_server(script))
    with process.wire() as client:
        for _ in range(2):
            assert client.query("SELECT 1")[-1] == "ReadyForQuery I"


def test_an_unasked_ready_for_query_closes_the_idle_link(proxy, wire_server):  # S21
    def script(connection):
        connection.accept_login()
        kind, _ = connection.read_until(b"Q")
        connection.send(wire.row_description("a"), wire.data_row("1"), wire.command_complete("SELECT 1"), wire.ready_for_query())
        if connection.number == 0:
            connection.send(wire.ready_for_query())
        answer_queries(connection, "2")
    server = wire_server(script)
    process = in_front_of(proxy, server)
    with process.wire() as client:
        assert rows(client.query("SELECT 1")) == ["1"]
        wait_until(lambda: server.connections[0].closed_by_peer, "the link is closed")
        assert rows(client.query("SELECT 1")) == ["1"]


@pytest.mark.parametrize("what", [wire.parameter_status("TimeZone", "Asia/Tokyo"), wire.notice_response("shutting down soon"),
                                  wire.message(b"A", struct.pack("!I", 7) + b"channel\0payload\0")], ids=["ParameterStatus", "Notice", "Notification"])
def test_asynchronous_messages_on_an_idle_link_reach_no_stranger(proxy, wire_server, what):  # S42
    def script(connection):
        connection.accept_login()
        connection.read_until(b"Q")
        connection.send(wire.data_row("1"), wire.command_complete("SELECT 1"), wire.ready_for_query(), what)
        answer_queries(connection, "2")
    server = wire_server(script)
    process = in_front_of(proxy, server)
    with process.wire() as first, process.wire() as second:
        first.query("SELECT 1")
        lines = second.query("SELECT 2")
        assert not any(line.startswith(("NoticeResponse shutting", "NotificationResponse")) for line in lines + first.lines)


def test_a_wrong_scram_signature_is_refused(proxy, wire_server):  # S20
    def script(connection):
        connection.read_startup()
        connection.scram_challenge("alice-secret")
        connection.send(wire.authentication(12, b"v=" + b"A" * 43 + b"="))
        connection.welcome()
        answer_queries(connection)
    assert first_answer(in_front_of(proxy, wire_server(script))) != "ok"


def test_authentication_ok_without_proof_after_a_challenge_is_refused(proxy, wire_server):  # S20
    def script(connection):
        connection.read_startup()
        connection.scram_challenge("alice-secret")
        connection.welcome()
        answer_queries(connection)
    assert first_answer(in_front_of(proxy, wire_server(script))) != "ok"


def test_a_right_scram_signature_is_accepted(proxy, wire_server):
    def script(connection):
        connection.read_startup()
        scram, client_final = connection.scram_challenge("alice-secret")
        connection.send(wire.authentication(12, scram.final(client_final)))
        connection.welcome()
        answer_queries(connection)
    assert first_answer(in_front_of(proxy, wire_server(script))) == "ok"


@pytest.mark.parametrize("code,data", [(7, b""), (9, b""), (2, b""), (99, b""), (10, b"NO-SUCH-MECHANISM\0\0"), (10, b"SCRAM-SHA-256"), (5, b"sa"), (11, b"r=x")])
def test_strange_authentication_requests_are_refused(proxy, wire_server, code, data):  # S20, S21
    def script(connection):
        connection.read_startup()
        connection.send(wire.authentication(code, data))
        connection.wait_for_close()
    process = in_front_of(proxy, wire_server(script))
    assert first_answer(process) not in ("ok",)
    assert process.is_running()


@pytest.mark.parametrize("when", ["at once", "after the startup message", "in the middle of the welcome"])
def test_a_server_that_hangs_up_during_login(proxy, wire_server, primary, when):
    def script(connection):
        if when == "at once":
            return
        connection.read_startup()
        if when == "in the middle of the welcome":
            connection.send(wire.authentication_ok(), wire.parameter_status("a", "b")[:7])
    process = in_front_of(proxy, wire_server(script), primary)
    assert first_answer(process) != "ok"
    with process.wire(database="good") as client:
        assert rows(client.query("SELECT 1")) == ["1"]


def test_a_server_that_never_answers_the_login(proxy, wire_server, primary):
    def script(connection):
        connection.read_startup()
        connection.wait_for_close()
    server = wire_server(script)
    process = in_front_of(proxy, server, primary, server_connect_timeout="1s")
    assert first_answer(process) != "ok"
    wait_until(lambda: server.connections[0].closed_by_peer, "the attempt is given up")
    with process.wire(database="good") as client:
        assert rows(client.query("SELECT 1")) == ["1"]


def test_bytes_after_the_answer_to_sslrequest_are_not_read(proxy, wire_server):  # S01
    def script(connection):
        connection.read()
        connection.send(b"S" + wire.authentication_ok() + wire.ready_for_query())
        connection.wait_for_close()
    server = wire_server(script)
    process = proxy(databases={"app": {"primary": f"host=127.0.0.1 port={server.port} dbname=app sslmode=require"}}, query_wait_timeout="2s", server_login_retry="100ms")
    assert first_answer(process) != "ok"


def test_answers_in_one_byte_pieces_are_the_same(proxy, primary, fault_proxy, workers):  # F14
    between = fault_proxy(primary.port)
    between.to_client.slice_bytes = between.to_server.slice_bytes = 1
    process = proxy(databases={"app": {"primary": f"host=127.0.0.1 port={between.port} dbname=app"}}, workers=workers, server_tls_sslmode="disable")
    with process.wire() as client:
        assert client.extended("SELECT $1::text AS a", ["x" * 100])[-4:] == ["RowDescription a", "DataRow " + "x" * 40 + "...(100 bytes)", "CommandComplete SELECT 1", "ReadyForQuery I"]
        assert errors(client.query("SELECT nothing")) == ["42703"]
