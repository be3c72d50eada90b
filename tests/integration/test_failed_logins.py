"""Who guesses passwords waits for each answer, and nobody else does (auth_delay)."""
import urllib.request

import pytest

from sportello_testing import metrics_text, wire
from sportello_testing.login import ScramClient
from sportello_testing.ports import free_port, release_port
from sportello_testing.waiting import wait_until
from sportello_testing.wire_client import LoginFailed, errors

PASSWORD = "alice-secret"
pytestmark = pytest.mark.ours


def guess(process, password="wrong", **options):
    """A client that has sent a wrong proof, and not read what came of it."""
    client = process.raw(**options)
    client.send(wire.startup("alice", "app"))
    client.read_until("AuthenticationSASL")
    scram = ScramClient(password)
    client.send(wire.sasl_initial_response("SCRAM-SHA-256", scram.first()))
    _, body = client.read_message()
    client.send(wire.sasl_response(scram.final(body[4:])))
    return client


def logs_in(process, user="alice", **options):
    with process.raw(**options) as client:
        client.login(user, "app", process.users[user])
        return client.value("SELECT 1") == "1"


def logging_in(process):
    return next(int(row["items"]) for row in process.show("LISTS") if row["list"] == "login_clients")


def test_the_answer_to_a_wrong_password_is_withheld_and_others_do_not_notice(proxy, workers):  # S27
    process = proxy(workers=workers, auth_type="scram-sha-256", auth_delay="1h", client_login_timeout="0s")
    waiting = [guess(process) for _ in range(5)]
    process.wait_log("login failed: password authentication failed")
    assert logs_in(process) and logs_in(process, "bob")
    assert waiting[0].hears_nothing(0.2)
    assert logging_in(process) == 5, "they keep their places among those that log in"
    for client in waiting:
        client.close()
    wait_until(lambda: logging_in(process) == 0, "those who left are forgotten at once")


def test_the_answer_comes(proxy, workers):  # S27
    process = proxy(workers=workers, auth_type="scram-sha-256", auth_delay="10ms")
    for _ in range(3):
        with process.raw() as client, pytest.raises(LoginFailed) as failed:
            client.login("alice", "app", "wrong")
        assert failed.value.sqlstate == "28P01"


def test_the_answer_comes_at_the_end_of_the_time_for_logins_at_the_latest(proxy):  # S27
    process = proxy(auth_type="scram-sha-256", auth_delay="1h", client_login_timeout="1s")
    with guess(process) as client:
        assert errors(client.read_until_closed()) == ["28P01"]


def test_who_makes_room_for_others_is_told_why_he_was_refused(proxy):  # S27, S59
    process = proxy(auth_type="scram-sha-256", auth_delay="1h", max_login_clients=3)
    guesser = guess(process)
    silent = [process.raw() for _ in range(3)]
    for client in silent:
        client.send(wire.startup("alice", "app")[:5])
    assert errors(guesser.read_until_closed()) == ["28P01"]
    assert logs_in(process)
    for client in [guesser, *silent]:
        client.close()


def test_what_is_sent_behind_a_wrong_password_is_not_read(proxy):  # S27
    process = proxy(auth_type="scram-sha-256", auth_delay="300ms")
    with guess(process) as client:
        client.send_ignoring_close(b"x" * 100_000)
        assert errors(client.read_until_closed())[:1] in (["28P01"], [])   # a reset may overtake it
    assert logs_in(process)


def test_on_a_unix_socket_the_answer_comes_at_once(proxy):  # S27
    process = proxy(auth_type="scram-sha-256", auth_delay="1h", client_login_timeout="0s")
    with guess(process, unix_path=process.path(f".s.PGSQL.{process.port}")) as client:
        assert errors(client.read_until_closed()) == ["28P01"]


def test_a_broken_message_is_no_guess(proxy):  # S27
    process = proxy(auth_type="scram-sha-256", auth_delay="1h", client_login_timeout="0s")
    with process.raw() as client:
        client.send(wire.startup("alice", "app"))
        client.read_until("AuthenticationSASL")
        client.send(wire.sasl_initial_response("SCRAM-SHA-1", b"n,,n=,r=abcdefghijklmnop"))
        assert errors(client.read_until_closed()) == ["08P01"]


def test_wrong_passwords_are_counted(proxy):  # S27
    port = free_port()
    process = proxy(auth_type="scram-sha-256", auth_delay="10ms", http_listen=f"127.0.0.1:{port}")
    with guess(process) as client:
        client.read_until_closed()
    assert logs_in(process)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        page = metrics_text.parse(answer.read().decode())
    release_port(port)
    assert page.value("sportello_login_failures_total") == 1
