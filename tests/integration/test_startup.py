"""Whatever arrives on the port, the process lives, holds little, and serves real clients."""
import os
import random
import struct

import pytest

from sportello_testing import wire
from sportello_testing.waiting import Stopwatch, wait_until
from sportello_testing.wire_client import ConnectionClosed, LoginFailed, errors, rows


def serves(process, user="alice"):
    with process.wire(user) as client:
        return rows(client.query("SELECT 1")) == ["1"]


def is_closed(client, deadline=10):
    """Closed by the peer, with at most an ErrorResponse before."""
    lines = client.read_until_closed(deadline=deadline)
    assert all(line.startswith("ErrorResponse") for line in lines), lines
    return True


LENGTHS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10_000_000, 2**31 - 1, 2**31, 2**32 - 1]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_bad_first_length_closes_the_connection(proxy, length):  # S09
    process = proxy()
    with process.raw() as client:
        client.send_ignoring_close(struct.pack("!I", length) + b"\0" * 16)
        assert is_closed(client)
    assert serves(process)


@pytest.mark.ours
def test_who_says_goodbye_before_it_began_is_not_told_that_it_was_wrong(proxy):
    # node-postgres sends a Terminate where the StartupMessage should be, if end() follows connect() at once; an error would surface in the application.
    process = proxy()
    with process.raw() as client:
        client.send(b"X" + struct.pack("!I", 4))
        assert client.read_until_closed() == []
    assert "invalid length of startup packet" in process.log()
    assert serves(process)


@pytest.mark.ours
@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_a_bad_message_length_closes_the_connection(proxy, length):  # S09
    process = proxy()
    with process.wire() as client:
        client.send(b"Q" + struct.pack("!I", length) + b"\0" * 16)
        assert errors(client.read_until_closed()) == ["08P01"]
    assert serves(process)


@pytest.mark.ours
@pytest.mark.parametrize("length", [10_000_001, 2**31 - 1, 2**31, 2**32 - 1])
def test_a_huge_password_message_closes_the_connection(proxy, length):  # S09
    process = proxy(auth_type="scram-sha-256")
    with process.raw() as client:
        client.send(wire.startup("alice", "app"))
        client.read_until("AuthenticationSASL")
        client.send(b"p" + struct.pack("!I", length) + b"x" * 64)
        assert is_closed(client)
    assert serves(process)


@pytest.mark.ours
def test_a_thousand_bad_starts_cost_no_memory(proxy):  # S09
    process = proxy(log_connections=False)
    serves(process)
    generator = random.Random(9)

    def bad_starts(count):
        for _ in range(count):
            with process.raw() as client:
                client.send_ignoring_close(struct.pack("!I", generator.choice(LENGTHS)) + generator.randbytes(64))
    bad_starts(200)
    before = process.resident_bytes()
    bad_starts(1000)
    assert serves(process)
    assert process.resident_bytes() - before <= 1 << 20


@pytest.mark.ours
@pytest.mark.parametrize("body", [
    b"", b"\0", b"user\0", b"user\0alice", b"user\0alice\0", b"database\0app\0\0", b"user\0\0\0", b"user\0alice\0database\0",
    b"user\0alice\0user\0bob\0\0trailing", b"user\0alice\0\0junk",
], ids=repr)
def test_a_malformed_startup_message_is_refused(proxy, body):  # S10
    process = proxy()
    with process.raw() as client:
        client.send(wire.message(b"", struct.pack("!I", wire.PROTOCOL_3_0) + body))
        assert is_closed(client)
        assert client.last_error is None or client.last_error["C"] in ("08P01", "28000", "28P01", "3D000")
    assert serves(process)


@pytest.mark.parametrize("user", ["x" * 5000, "a\nb\x1b[31m", "it's \"; DROP TABLE x; --", "\xff\xfe", "nobody"])
def test_strange_user_names_are_refused_and_logged_escaped(proxy, user):  # S10, S14, S63
    process = proxy(auth_type="scram-sha-256")
    with process.raw() as client:
        client.send(wire.startup(user.encode("latin1") if "\xff" in user else user, "app"))
        lines = client.read_until("ErrorResponse", "AuthenticationSASL") if len(user) < 100 else client.lines
        if lines and lines[-1].startswith("AuthenticationSASL"):
            client.send(wire.sasl_initial_response("SCRAM-SHA-256", b"n,,n=,r=abcdefghijklmnop"))
    assert serves(process)
    assert "\x1b" not in process.log()


@pytest.mark.ours
def test_a_message_without_end_before_login_is_not_held(proxy):  # S09
    process = proxy(client_login_timeout="5s")
    with process.raw() as client:
        client.send_ignoring_close(struct.pack("!II", 9_999_999, wire.PROTOCOL_3_0))
        client.send_ignoring_close(b"x" * 200_000)
        assert is_closed(client)


@pytest.mark.parametrize("protocol", [0, 2 << 16, 1 << 16, 4 << 16, 0x7fff0000])
def test_other_protocol_versions_are_refused(proxy, protocol):  # S15
    process = proxy()
    with process.raw() as client:
        client.send(wire.startup("alice", "app", protocol=protocol))
        assert is_closed(client)
    assert serves(process)


@pytest.mark.ours
@pytest.mark.parametrize("protocol,options", [(wire.PROTOCOL_3_2, {}), (3 << 16 | 99, {}), (wire.PROTOCOL_3_0, {"_pq_.unknown": "1"})])
def test_newer_minor_versions_are_negotiated(proxy, protocol, options):  # S15
    process = proxy()
    with process.raw() as client:
        lines = client.login("alice", "app", protocol=protocol, **options)
        assert ("NegotiateProtocolVersion" in lines) == (protocol > wire.PROTOCOL_3_2 or bool(options))
        assert rows(client.query("SELECT 1")) == ["1"]
        if protocol >= wire.PROTOCOL_3_2:
            assert len(client.secret_key) > 4


@pytest.mark.ours
def test_replication_is_refused_unless_configured(proxy):  # S13
    process = proxy()
    with pytest.raises((LoginFailed, ConnectionClosed)):
        process.wire(replication="database")
    assert serves(process)


def test_encryption_requests_are_answered_and_not_endlessly(proxy):  # S03
    process = proxy()
    with process.raw() as client:
        client.send(wire.gssenc_request())
        assert client.read_byte() == b"N"
        client.send(wire.ssl_request())
        assert client.read_byte() == b"N"
        client.login("alice", "app")
        assert rows(client.query("SELECT 1")) == ["1"]


@pytest.mark.ours
def test_a_thousand_encryption_requests_are_too_many(proxy):  # S03
    process = proxy()
    with process.raw() as client:
        client.send_ignoring_close(*([wire.ssl_request(), wire.gssenc_request()] * 500))
        try:
            answers = client.socket.recv(100000)
        except OSError:
            answers = b""
        assert answers.count(b"N") <= 2
    assert serves(process)


@pytest.mark.ours
def test_bytes_right_after_an_encryption_request_are_not_data(proxy, authority):  # S01
    certificate, key = authority.issue("localhost", file_name="startup")
    process = proxy(client_tls_sslmode="allow", client_tls_cert_file=certificate, client_tls_key_file=key)
    with process.raw() as client:
        client.send(wire.ssl_request() + wire.startup("alice", "app") + wire.query("SELECT 1"))
        try:
            answer = client.socket.recv(4096)
        except ConnectionResetError:
            answer = b""
        assert b"DataRow" not in answer and len(answer) <= 200 and b"Z" not in answer[1:]
    assert serves(process)


def test_a_query_before_the_startup_message_is_refused(proxy):
    process = proxy()
    with process.raw() as client:
        client.send(wire.query("SELECT 1"))
        assert is_closed(client)


@pytest.mark.ours
@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"SSH-2.0-OpenSSH\r\n", random.Random(1).randbytes(300)])
def test_garbage_on_the_port_is_closed(proxy, data):
    process = proxy(client_login_timeout="2s")
    with process.raw() as client:
        client.send_ignoring_close(data)
        assert is_closed(client)
    assert serves(process)


@pytest.mark.ours
@pytest.mark.parametrize("message", [
    b"Z\0\0\0\5I", b"\0\0\0\0\4", b"~\0\0\0\4", wire.message(b"B", b"x"), wire.message(b"P", b"no end"), wire.message(b"Q", b"no end"),
    wire.message(b"D", b"?x\0"), wire.message(b"E", b""), wire.message(b"C", b"S"), wire.message(b"p", b"late password\0"),
], ids=repr)
def test_a_malformed_message_after_login_is_a_protocol_violation(proxy, message, workers):
    process = proxy(default_pool_size=1, workers=workers)
    with process.wire() as client:
        client.query("SELECT 1")
        client.send(message, wire.sync())
        end = Stopwatch()
        try:
            lines = client.read_until("ErrorResponse")
            assert errors(lines)[0] in ("08P01", "22021", "26000", "34000"), lines
        except ConnectionClosed:
            pass
        assert end.seconds < 10
    assert serves(process)


@pytest.mark.ours
def test_random_bytes_after_login_never_kill_the_process(proxy, workers):  # F14
    process = proxy(default_pool_size=2, workers=workers)
    generator = random.Random(14)
    for _ in range(60):
        with process.wire() as client:
            pieces = [wire.query("SELECT 1"), wire.parse("s", "SELECT 1"), wire.bind("", "s"), wire.execute(), wire.sync(), wire.flush(),
                      wire.close_statement("s"), wire.copy_data(b"x"), wire.copy_done(), generator.randbytes(20)]
            data = bytearray(b"".join(generator.choices(pieces, k=12)))
            for _ in range(generator.randrange(3)):
                data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
            client.send_ignoring_close(bytes(data))
    assert process.is_running() and serves(process)


@pytest.mark.parametrize("sends", ["one byte", "glued"])
def test_pieces_do_not_matter(proxy, workers, sends):  # F14
    process = proxy(workers=workers)
    with process.raw() as client:
        client.one_byte_sends = sends == "one byte"
        client.send(wire.startup("alice", "app"), wire.query("SELECT 1"), wire.query("SELECT 2"))
        client.read_until("ReadyForQuery")
        assert rows(client.read_until_ready(2)) == ["1", "2"]


@pytest.mark.ours
def test_silent_sockets_never_keep_real_clients_out(proxy):  # S59
    process = proxy(max_client_conn=100, max_login_clients=50)
    silent = []
    for _ in range(300):
        silent.append(process.raw())
    slow = process.raw()
    slow.send(wire.startup("alice", "app")[:5])
    for _ in range(3):
        assert serves(process)
    for client in [*silent, slow]:
        client.close()


@pytest.mark.ours
def test_clients_evicted_while_they_log_in_harm_nobody(proxy, workers):  # S59
    process = proxy(workers=workers, max_login_clients=3)
    for _ in range(10):
        clients = [process.raw() for _ in range(30)]
        for client in reversed(clients):
            client.send_ignoring_close(wire.startup("alice", "app"))
        for client in clients[::2]:
            client.reset()
        assert serves(process)
        for client in clients[1::2]:
            client.close()


@pytest.mark.ours
def test_unfinished_large_messages_cost_bounded_memory(proxy):  # S61
    process = proxy()
    clients = [process.wire() for _ in range(200)]
    before = process.resident_bytes()
    for client in clients:
        client.send(b"Q" + struct.pack("!I", 1 << 20) + b"SELECT '" + b"x" * 500_000)
    assert serves(process, "bob")   # alice's links may all be taken by her own texts
    assert process.resident_bytes() - before < 40 << 20
    for client in clients:
        client.reset()
    wait_until(lambda: serves(process), "the pool is clean")


@pytest.mark.ours
@pytest.mark.parametrize("text", [
    "SELECT " + "+".join(["1"] * 20_000), "SELECT " + "(" * 20_000 + "1" + ")" * 20_000, "SELECT 1 WHERE 1 IN (" + ",".join(["1"] * 10_000) + ")",
    "/*" * 5_000 + "*/" * 5_000 + "SELECT 1", "SELECT $a$" + "x" * 50_000 + "$a$", "SELECT U&'\\0061'", "SELECT E'\\'", "SELECT '\xe9'",
], ids=["plus", "parentheses", "in-list", "comments", "dollar", "unicode", "unterminated", "bad-utf8"])
def test_texts_that_hurt_parsers_get_postgresqls_answer(proxy, primary, text, workers):  # S62
    process = proxy(workers=workers)
    raw = text.encode("latin1")
    from sportello_testing.wire_client import WireClient
    with WireClient(port=primary.port) as direct, process.wire() as client:
        direct.login("alice", "app")
        assert client.query(raw) == direct.query(raw)
    assert process.is_running() and serves(process)


@pytest.mark.ours
@pytest.mark.parametrize("allowed", [False, True])
def test_no_core_is_written_unless_somebody_asks_for_it(proxy, allowed):  # S58, S66
    """The kernel gives root what tells of a process that may not be dumped."""
    process = proxy(start=False)
    process.environment = {"SPORTELLO_ALLOW_CORE": "1"} if allowed else {}
    process.start()
    with open(f"/proc/{process.pid}/status") as status:
        user = next(int(line.split()[1]) for line in status if line.startswith("Uid:"))
    assert os.stat(f"/proc/{process.pid}/environ").st_uid == (user if allowed else 0)
