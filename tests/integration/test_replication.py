"""Replication connections go through as they are, each on a server link of its own: PostgreSQL's own programs and psycopg2 as clients."""
import contextlib
import os
import pathlib
import signal
import struct
import time

import psycopg2
import psycopg2.extras
import pytest

from sportello_testing import processes, wire
from sportello_testing.login import scram_verifier
from sportello_testing.postgres import BINARIES
from sportello_testing.waiting import PATIENCE, wait_until
from sportello_testing.wire_client import ConnectionClosed, LoginFailed, errors, rows

pytestmark = pytest.mark.ours


@pytest.fixture
def through(proxy, primary, workers):
    """through(**settings): a proxy that allows replication; what physical replication names is an entry, too."""

    def make(**settings):
        entries = {"app": {"primary": primary.dsn()}, "replication": {"primary": primary.dsn(dbname="")}}
        return proxy(databases=entries, allow_replication=True, workers=workers, **settings)

    yield make
    walsenders_are_gone(primary)


@pytest.fixture
def directory():
    """Of the user that PostgreSQL's programs run as."""
    made = processes.private_directory("sp-rp-")
    yield made
    processes.remove_directory(made)


def walsenders(primary):
    return primary.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'", dbname="postgres")


def walsenders_are_gone(primary):
    wait_until(lambda: walsenders(primary) == 0, "the server connection of the replication client is closed")


@contextlib.contextmanager
def slot(primary, name, plugin="test_decoding"):
    primary.run(f"SELECT pg_create_logical_replication_slot('{name}', '{plugin}')" if plugin
                else f"SELECT pg_create_physical_replication_slot('{name}', true)")
    try:
        yield name
    finally:
        walsenders_are_gone(primary)
        primary.run(f"SELECT pg_drop_replication_slot('{name}')")


def program(name, process, *arguments):
    options = ["-h", "127.0.0.1", "-p", str(process.port), "-U", "postgres", "--no-password"]
    return [os.path.join(BINARIES, name), *options, *arguments]


def run(name, process, *arguments):
    environment = {**os.environ, "PGPASSWORD": process.users["postgres"]}
    return processes.run(program(name, process, *arguments), env=environment)


@contextlib.contextmanager
def running(name, process, *arguments):
    environment = {**os.environ, "PGPASSWORD": process.users["postgres"]}
    child = processes.start(program(name, process, *arguments), env=environment)
    try:
        yield child
    finally:
        processes.end(child, signal.SIGINT)


def replica(process, kind="database", user="postgres", **parameters):
    return process.wire(user, replication=kind, **parameters)


def streams(process, slot_name):
    """A raw client in CopyBoth."""
    client = replica(process)
    client.send(wire.query(f"START_REPLICATION SLOT {slot_name} LOGICAL 0/0"))
    client.read_until("CopyBothResponse")
    return client


# ---- PostgreSQL's own programs ----

def test_pg_receivewal_receives_what_the_server_writes(through, primary, directory):
    process = through()
    primary.run("SELECT pg_switch_wal()")
    with running("pg_receivewal", process, "-D", directory, "--synchronous"):
        wait_until(lambda: walsenders(primary) == 1, "it streams")
        primary.run("CREATE TABLE IF NOT EXISTS received (n int)", "INSERT INTO received SELECT generate_series(1, 1000)", "SELECT pg_switch_wal()")
        wait_until(lambda: any(len(name) == 24 for name in os.listdir(directory)), "a whole segment is there", 20 * PATIENCE)
        [shown] = [row for row in process.show("CLIENTS") if row["replication"] != "none"]
        assert (shown["replication"], shown["database"], shown["application_name"]) == ("physical", "replication", "pg_receivewal")
        assert [row["replication"] for row in process.show("SERVERS")] == ["physical"]
    primary.run("DROP TABLE received")


def test_pg_recvlogical_sees_each_change(through, primary, table, directory):
    process = through()
    out = pathlib.Path(directory, "changes")
    with slot(primary, "seen") as name:
        with running("pg_recvlogical", process, "-d", "app", "-S", name, "--start", "-f", str(out), "-s", "1", "-F", "1"):
            primary.run(*[f"INSERT INTO {table} VALUES ({n}, 'note {n}')" for n in range(50)])
            wait_until(lambda: out.exists() and "note 49" in out.read_text(), "the last change is there", 20 * PATIENCE)
    assert [out.read_text().count(f"'note {n}'") for n in range(50)] == [1] * 50


def test_pg_basebackup_copies_the_cluster_with_its_wal(through, primary, directory):
    process = through()
    run("pg_basebackup", process, "-D", directory + "/copy", "--checkpoint=fast", "--no-sync", "-X", "stream")
    verified = processes.run([os.path.join(BINARIES, "pg_verifybackup"), directory + "/copy"])
    assert "successfully verified" in verified


def test_psycopg2_streams_and_confirms(through, primary, table):
    process = through()
    with slot(primary, "psycopg") as name:
        connection = psycopg2.connect(host="127.0.0.1", port=process.port, user="postgres", password=process.users["postgres"], dbname="app",
                                      connection_factory=psycopg2.extras.LogicalReplicationConnection)
        cursor = connection.cursor()
        cursor.execute("IDENTIFY_SYSTEM")
        assert cursor.fetchone()[3] == "app"
        cursor.start_replication(slot_name=name, decode=True)
        primary.run(f"INSERT INTO {table} VALUES (1, 'one')")

        def change():
            message = cursor.read_message()
            if message is not None:
                cursor.send_feedback(flush_lsn=message.data_start, force=True)
            return message is not None and "one" in message.payload
        wait_until(change, "the change comes", 20 * PATIENCE)
        confirmed = "SELECT confirmed_flush_lsn > restart_lsn FROM pg_replication_slots WHERE slot_name = 'psycopg'"
        wait_until(lambda: primary.value(confirmed), "the confirmation has arrived")
        connection.close()


def test_a_stream_over_tls(through, primary, table, authority):
    certificate, key = authority.issue("localhost", file_name="replication")
    process = through(client_tls_sslmode="require", client_tls_cert_file=certificate, client_tls_key_file=key)
    with slot(primary, "encrypted") as name:
        connection = psycopg2.connect(host="127.0.0.1", port=process.port, user="postgres", password=process.users["postgres"], dbname="app",
                                      sslmode="require", connection_factory=psycopg2.extras.LogicalReplicationConnection)
        cursor = connection.cursor()
        cursor.start_replication(slot_name=name, decode=True)
        primary.run(f"INSERT INTO {table} SELECT n, repeat('x', 5000) FROM generate_series(1, 2000) n")
        changes = []

        def all_changes():
            while (message := cursor.read_message()) is not None:
                if "INSERT" in message.payload:
                    changes.append(len(message.payload))
            return len(changes) == 2000
        wait_until(all_changes, "every change comes", 20 * PATIENCE)
        assert min(changes) > 5000
        connection.close()


# ---- what is said and what is passed on ----

@pytest.mark.parametrize("value,kind", [("database", "logical"), ("true", "physical"), ("ON", "physical"), ("yes", "physical"), ("1", "physical")])
def test_each_spelling_opens_a_link_for_replication(through, value, kind):
    process = through()
    with replica(process, value, application_name="walker") as client:
        assert rows(client.query("SHOW application_name")) == ["walker"]
        assert "DataRow" in " ".join(client.query("IDENTIFY_SYSTEM"))
        assert [row["replication"] for row in process.show("SERVERS")] == [kind]


@pytest.mark.parametrize("value", ["false", "off", "no", "0"])
def test_no_is_an_ordinary_connection(through, primary, value):
    process = through()
    with replica(process, value, "alice") as client:
        assert rows(client.query("SELECT 1")) == ["1"]
        assert [row["replication"] for row in process.show("SERVERS")] == ["none"]
    assert walsenders(primary) == 0


def test_another_value_is_refused_as_postgresql_refuses_it(through):
    process = through()
    with pytest.raises(LoginFailed) as refused:
        replica(process, "perhaps")
    assert refused.value.fields["M"] == 'invalid value for parameter "replication": "perhaps"'


def test_startup_parameters_are_the_servers_own(through):
    process = through()
    with replica(process, options="-c work_mem=3MB -c app.tenant=7", TimeZone="Europe/Rome") as client:
        assert client.parameters["TimeZone"] == "Europe/Rome"
        assert rows(client.query("SHOW work_mem")) == ["3MB"]
        assert rows(client.query("SHOW app.tenant")) == ["7"]


def test_a_refused_login_is_told_in_the_servers_words(through):
    process = through()
    with pytest.raises(LoginFailed) as refused:
        replica(process, user="alice")
    assert refused.value.sqlstate == "42501"
    assert "replication" in refused.value.fields["M"]
    with process.wire("alice") as client:
        assert rows(client.query("SELECT 1")) == ["1"]


def test_it_is_refused_unless_allowed(proxy):  # S13
    process = proxy()
    for value in ("database", "true", "on", "yes", "1"):
        with pytest.raises(LoginFailed) as refused:
            replica(process, value)
        assert refused.value.sqlstate == "28000"


def test_the_console_has_nothing_to_replicate(through):  # S25
    process = through()
    with pytest.raises(LoginFailed) as refused:
        process.wire("postgres", "sportello", replication="database")
    assert refused.value.sqlstate == "28000"


def test_a_physical_connection_needs_a_rule_for_replication(through):
    process = through()
    path = processes.write_private_file(process.path("hba.conf"), "host all all 127.0.0.1/32 trust\n")
    process.set(auth_type="hba", auth_hba_file=path)
    process.reload()
    with pytest.raises(LoginFailed) as refused:
        replica(process, "true")
    assert refused.value.sqlstate == "28000"
    with replica(process, "database") as client:
        assert "DataRow" in " ".join(client.query("IDENTIFY_SYSTEM"))
    processes.write_private_file(path, "host all all 127.0.0.1/32 trust\nhost replication postgres 127.0.0.1/32 trust\n")
    process.reload()
    with replica(process, "true") as client:
        assert "DataRow" in " ".join(client.query("IDENTIFY_SYSTEM"))


def test_what_the_client_proved_logs_in_to_the_server(make_cluster, proxy):
    cluster = make_cluster(hba=["local all all trust", "host all all 127.0.0.1/32 scram-sha-256", "host replication all 127.0.0.1/32 scram-sha-256"])
    verifier = scram_verifier("rep-secret", b"salt-of-rep-0000")
    cluster.primary.run(f"CREATE ROLE rep LOGIN REPLICATION PASSWORD '{verifier}'")
    process = proxy(server=cluster.primary, users={"rep": verifier, "postgres": "postgres-secret"}, auth_type="scram-sha-256", allow_replication=True)
    for kind in ("database", "true"):
        with process.raw() as client:
            client.login("rep", "app", "rep-secret", replication=kind)
            assert "DataRow" in " ".join(client.query("IDENTIFY_SYSTEM"))


def test_a_prepared_name_is_not_rewritten(through):
    """The walsender itself answers: it does not take the extended protocol."""
    process = through()
    with replica(process) as client:
        client.send(wire.parse("mine", "SELECT 1"), wire.sync())
        seen = errors(client.read_until_ready())
        assert seen == ["08P01"]
        assert rows(client.query("SELECT 1")) == ["1"]


def test_bytes_may_come_in_any_pieces(through):  # F14
    process = through()
    with process.raw() as client:
        client.one_byte_sends = True
        client.send(wire.startup("postgres", "app", replication="database"), wire.query("SHOW work_mem"), wire.query("SELECT 2"))
        client.read_until("ReadyForQuery")
        assert rows(client.read_until_ready(2))[-1] == "2"


# ---- the link ----

def test_the_link_is_closed_with_its_client_and_never_reused(through, primary):
    process = through(default_pool_size=5)
    pids = set()
    for _ in range(5):
        with replica(process) as client:
            pids.add(rows(client.query("SELECT pg_backend_pid()"))[0])
            client.terminate()
        walsenders_are_gone(primary)
        assert [row for row in process.show("SERVERS") if row["user"] == "postgres"] == []
    assert len(pids) == 5


@pytest.mark.parametrize("end", ["terminate", "close", "reset"])
def test_a_client_that_leaves_in_mid_stream_takes_the_link_along(through, primary, end):
    process = through()
    with slot(primary, "left") as name:
        getattr(streams(process, name), end)()
        walsenders_are_gone(primary)


def test_it_is_counted_in_the_limits(through, primary):
    process = through(default_pool_size=2, query_wait_timeout="1s")
    with replica(process) as one, replica(process) as two:
        for parameters in ({"replication": "database"}, {}):   # the first of a pool to log in, too, needs a link
            with pytest.raises(LoginFailed) as refused:
                process.wire("postgres", **parameters)
            assert refused.value.sqlstate == "53300"
        assert [process.pool(user="postgres")[key] for key in ("sv_active", "sv_idle", "cl_active")] == [2, 0, 2]
        one.terminate()
        two.terminate()
        walsenders_are_gone(primary)
        with replica(process) as three:
            assert "DataRow" in " ".join(three.query("IDENTIFY_SYSTEM"))


@pytest.mark.parametrize("limit", [{"default_pool_size": 1}, {"max_db_connections": 1}, {"max_user_connections": 1}], ids=str)
def test_an_idle_link_makes_room(through, limit):
    process = through(**limit)
    with process.wire("postgres") as ordinary:
        assert rows(ordinary.query("SELECT 1")) == ["1"]
        with replica(process) as client:
            assert "DataRow" in " ".join(client.query("IDENTIFY_SYSTEM"))
            assert [row["replication"] for row in process.show("SERVERS")] == ["logical"]
            client.terminate()
        assert rows(ordinary.query("SELECT 2")) == ["2"]


def test_a_busy_link_makes_room_when_it_comes_free(through):
    process = through(default_pool_size=1)
    with process.wire("postgres") as busy, process.raw() as client:
        busy.hold_link()
        client.send(wire.startup("postgres", "app", replication="database"))
        assert client.hears_nothing(0.3)
        busy.query("COMMIT")
        client.read_until("ReadyForQuery")
        assert "DataRow" in " ".join(client.query("IDENTIFY_SYSTEM"))


def test_it_waits_for_a_server_that_is_not_there_yet(make_cluster, proxy):  # F7
    cluster = make_cluster()
    process = proxy(server=cluster.primary, allow_replication=True)
    cluster.primary.stop()
    with process.raw() as client:
        client.send(wire.startup("postgres", "app", replication="database"))
        assert client.hears_nothing(0.5)
        cluster.primary.start()
        client.read_until("ReadyForQuery", deadline=20 * PATIENCE)
        assert "DataRow" in " ".join(client.query("IDENTIFY_SYSTEM"))


def test_a_client_that_leaves_while_it_waits_leaves_nothing(through, primary):
    process = through(default_pool_size=1)
    with process.wire("postgres") as busy:
        busy.hold_link()
        with process.raw() as client:
            client.send(wire.startup("postgres", "app", replication="database"))
            assert client.hears_nothing(0.2)
        busy.query("COMMIT")
        for n in range(3):
            assert rows(busy.query(f"SELECT {n}")) == [str(n)]
    assert walsenders(primary) == 0


def test_a_server_that_dies_ends_the_client(make_cluster, proxy):
    cluster = make_cluster()
    process = proxy(server=cluster.primary, allow_replication=True)
    with slot(cluster.primary, "dying") as name:
        client = streams(process, name)
        cluster.primary.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'walsender'")
        assert errors(client.read_until_closed())[-1] == "57P01"


# ---- cancel, timeouts, drain ----

def test_cancel_reaches_the_running_command(through):
    process = through()
    with replica(process) as client:
        client.send(wire.query("SELECT pg_sleep(33)"))
        time.sleep(0.3)
        with process.raw() as other:
            other.send(wire.cancel_request(client.process_id, client.secret_key))
        assert errors(client.read_until_ready()) == ["57014"]
        assert rows(client.query("SELECT 1")) == ["1"]


def test_no_timeout_of_queries_or_clients_cuts_a_stream(through, primary, table):
    process = through(query_timeout="1s", client_idle_timeout="1s", idle_transaction_timeout="1s", transaction_timeout="1s", server_idle_timeout="1s",
                      server_lifetime="1s")
    with slot(primary, "steady") as name:
        client = streams(process, name)
        time.sleep(3)
        primary.run(f"INSERT INTO {table} VALUES (1, 'late')")
        wait_until(lambda: "late" in repr(client.read_message()), "the change comes")
        client.terminate()


def test_a_slow_reader_stops_the_stream_and_not_the_proxy(through, primary, table):  # F13
    process = through()
    with slot(primary, "slow") as name:
        before = process.resident_bytes()
        client = streams(process, name)
        primary.run(f"INSERT INTO {table} SELECT n, repeat('x', 10000) FROM generate_series(1, 3000) n")
        time.sleep(1.5)
        assert process.resident_bytes() - before < 6 << 20
        changes = 0
        while changes < 3000:
            kind, body = client.read_message()
            changes += b"INSERT" in body
        client.terminate()


def test_a_drain_ends_the_stream(through, primary):  # F21
    process = through()
    with slot(primary, "drained") as name:
        client, idle = streams(process, name), replica(process, "true")
        process.send_signal(signal.SIGTERM)
        assert errors(client.read_until_closed())[-1] == "57P01"
        assert errors(idle.read_until_closed())[-1] == "57P01"
        assert process.wait_exit() == 0


def test_a_drain_lets_a_command_finish(through):  # F21
    process = through()
    client = replica(process)
    client.send(wire.query("SELECT pg_sleep(1.5), 42"))
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert "42" in rows(client.read_until_ready())[0]
    assert errors(client.read_until_closed())[-1] == "57P01"
    assert process.wait_exit() == 0


@pytest.mark.parametrize("length", [0, 3, 2**31, 2**32 - 1])
def test_a_bad_length_is_a_protocol_violation(through, length):  # S09
    process = through()
    with replica(process) as client:
        client.send(b"Q" + struct.pack("!I", length) + b"\0" * 16)
        assert errors(client.read_until_closed()) == ["08P01"]
    with pytest.raises((LoginFailed, ConnectionClosed)):
        process.wire("postgres", "nowhere", replication="true")
