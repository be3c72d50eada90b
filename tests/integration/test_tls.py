"""TLS on both sides: what each mode demands, what it refuses, and that it never falls back silently."""
import os
import shutil
import ssl
from concurrent.futures import ThreadPoolExecutor

import pytest

from sportello_testing import processes, wire
from sportello_testing.certificates import Authority
from sportello_testing.waiting import wait_until
from sportello_testing.wire_client import ConnectionClosed, LoginFailed, errors, rows


@pytest.fixture(scope="module")
def server_files(authority):
    return authority.issue("localhost", file_name="tls-proxy")


def tls_proxy(proxy, server_files, mode, **settings):
    certificate, key = server_files
    return proxy(client_tls_sslmode=mode, client_tls_cert_file=certificate, client_tls_key_file=key, **settings)


def client_context(authority=None, certificate=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if authority:
        context.load_verify_locations(authority.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
    if certificate:
        context.load_cert_chain(*certificate)
    return context


# ---- clients ----

@pytest.mark.parametrize("mode,plain,encrypted", [("disable", True, False), ("allow", True, True), ("prefer", True, True), ("require", False, True)])
def test_client_modes(proxy, server_files, mode, plain, encrypted):  # S05
    process = tls_proxy(proxy, server_files, mode)
    with process.raw() as client:
        if plain:
            client.login("alice", "app")
        else:
            with pytest.raises((LoginFailed, ConnectionClosed)):
                client.login("alice", "app")
            assert not any("Authentication" in line for line in client.lines)
    with process.raw() as client:
        if encrypted:
            client.start_tls()
            client.login("alice", "app")
            assert rows(client.query("SELECT 1")) == ["1"]
        else:
            client.send(wire.ssl_request())
            assert client.read_byte() == b"N"


def test_verified_names_work(proxy, server_files, authority, workers):
    process = tls_proxy(proxy, server_files, "require", workers=workers)
    with process.raw() as client:
        client.start_tls(client_context(authority), server_hostname="localhost")
        client.login("alice", "app")
        assert rows(client.query("SELECT repeat('x', 50)")) == ["x" * 50]


def test_psycopg_verifies_the_proxy(proxy, server_files, authority):
    process = tls_proxy(proxy, server_files, "require")
    with process.connect(host="localhost", sslmode="verify-full", sslrootcert=authority.certificate) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.pgconn.ssl_in_use


@pytest.mark.ours
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_accepted_versions(proxy, server_files, version):
    process = tls_proxy(proxy, server_files, "require")
    context = client_context()
    context.minimum_version = context.maximum_version = version
    with process.raw() as client:
        client.start_tls(context)
        client.login("alice", "app")


def test_old_versions_are_refused(proxy, server_files):  # S07
    process = tls_proxy(proxy, server_files, "require")
    context = client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with process.raw() as client, pytest.raises((ssl.SSLError, OSError)):
        client.start_tls(context)


@pytest.mark.ours
def test_the_minimum_version_is_a_setting(proxy, server_files):
    process = tls_proxy(proxy, server_files, "require", client_tls_protocols="TLSv1.3")
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with process.raw() as client, pytest.raises((ssl.SSLError, OSError)):
        client.start_tls(context)


@pytest.mark.ours
def test_direct_tls_needs_its_alpn(proxy, server_files):  # S04
    process = tls_proxy(proxy, server_files, "require")
    context = client_context()
    context.set_alpn_protocols(["postgresql"])
    with process.raw() as client:
        client.wrap_tls(context)
        client.login("alice", "app")
        assert rows(client.query("SELECT 1")) == ["1"]
    with process.raw() as client:
        with pytest.raises((ssl.SSLError, OSError, ConnectionClosed, LoginFailed)):
            client.wrap_tls(client_context())
            client.login("alice", "app")


@pytest.mark.parametrize("offered,accepted", [("none", False), ("ours", True), ("stranger", False)])
def test_verify_ca_wants_a_client_certificate_of_ours(proxy, server_files, authority, tmp_path, offered, accepted):
    process = tls_proxy(proxy, server_files, "verify-ca", client_tls_ca_file=authority.certificate)
    certificate = {"none": lambda: None, "ours": lambda: authority.issue("alice", None, file_name="client-alice"),
                   "stranger": lambda: Authority(str(tmp_path), "stranger").issue("alice", None)}[offered]()
    with process.raw() as client:
        if accepted:
            client.start_tls(client_context(certificate=certificate))
            client.login("alice", "app")
        else:
            with pytest.raises((ssl.SSLError, OSError, ConnectionClosed, LoginFailed)):
                client.start_tls(client_context(certificate=certificate))
                client.login("alice", "app")


@pytest.mark.ours
def test_cert_logins_want_the_users_own_name(proxy, server_files, authority):
    process = tls_proxy(proxy, server_files, "verify-full", client_tls_ca_file=authority.certificate, auth_type="cert")
    certificate = authority.issue("alice", None, file_name="client-cert-alice")
    with process.raw() as client:
        client.start_tls(client_context(certificate=certificate))
        client.login("alice", "app")
        assert rows(client.query("SELECT current_user")) == ["alice"]
    with process.raw() as client:
        client.start_tls(client_context(certificate=certificate))
        with pytest.raises((LoginFailed, ConnectionClosed)):
            client.login("bob", "app")


def test_tls_in_small_records_and_pieces(proxy, server_files, fault_proxy):  # S08
    process = tls_proxy(proxy, server_files, "require")
    between = fault_proxy(process.port)
    between.to_server.slice_bytes = between.to_client.slice_bytes = 1
    from sportello_testing.wire_client import WireClient
    with WireClient(port=between.port) as client:
        client.start_tls()
        client.one_byte_sends = True
        client.login("alice", "app")
        assert rows(client.query("SELECT repeat('y', 60)")) == ["y" * 60]


def test_an_abrupt_close_in_the_handshake_hurts_nobody(proxy, server_files, workers):  # S08, S60
    process = tls_proxy(proxy, server_files, "allow", workers=workers)
    for cut in (1, 5, 50, 200):
        with process.raw() as client:
            client.send(wire.ssl_request())
            client.read_byte()
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            handshake = client_context().wrap_bio(incoming, outgoing)
            with pytest.raises(ssl.SSLWantReadError):
                handshake.do_handshake()
            client.send(outgoing.read()[:cut])
            client.reset()
    with process.wire() as client:
        assert rows(client.query("SELECT 1")) == ["1"]


def test_plaintext_inside_a_tls_session_is_an_error(proxy, server_files):
    process = tls_proxy(proxy, server_files, "allow")
    with process.raw() as client:
        client.send(wire.ssl_request())
        client.read_byte()
        client.send_ignoring_close(wire.startup("alice", "app"))
        data = b""
        try:
            while piece := client.socket.recv(1000):
                data += piece
        except OSError:
            pass
        assert b"server_version" not in data


def test_large_results_over_tls(proxy, server_files, workers):
    process = tls_proxy(proxy, server_files, "require", workers=workers)
    with process.connect(sslmode="require") as connection:
        text = connection.execute("SELECT string_agg(g::text, ',') FROM generate_series(1, 300000) g").fetchone()[0]
        assert text == ",".join(str(number) for number in range(1, 300001))


@pytest.mark.ours
def test_certificates_are_read_again_at_reload(proxy, authority, tmp_path):  # S07
    process = proxy(start=False)
    paths = [process.path("server.crt"), process.path("server.key")]

    def install(files):
        for source, target in zip(files, paths):
            shutil.copy(source, target)
            os.chmod(target, 0o600)
            processes.give_to_unprivileged(target)

    def served_certificate():
        with process.raw() as client:
            client.start_tls()
            return client.socket.getpeercert(binary_form=True)
    install(authority.issue("localhost", file_name="reload-one"))
    process.set(client_tls_sslmode="require", client_tls_cert_file=paths[0], client_tls_key_file=paths[1])
    process.start()
    first = served_certificate()
    install(authority.issue("localhost", file_name="reload-two"))
    process.send_hup()
    wait_until(lambda: served_certificate() != first, "the new certificate is served")
    second = served_certificate()
    processes.write_private_file(paths[1], "not a key")
    process.send_hup()
    process.wait_log("(?i)key")
    assert served_certificate() == second


# ---- servers ----

@pytest.fixture(scope="module")
def tls_server(template, authority):
    from sportello_testing.postgres import Cluster
    certificate, key = authority.issue("localhost", "DNS:localhost", file_name="tls-postgres")
    cluster = Cluster(template, settings={"ssl": "on", "ssl_cert_file": f"'{certificate}'", "ssl_key_file": f"'{key}'", "ssl_ca_file": f"'{authority.certificate}'"},
                      hba=["local all all trust", "hostssl all bob 127.0.0.1/32 cert", "host all all 127.0.0.1/32 trust"])
    yield cluster.primary
    cluster.destroy()


def server_proxy(proxy, server, host="localhost", **settings):
    return proxy(databases={"app": {"primary": f"host={host} port={server.port} dbname=app"}}, query_wait_timeout="2s", server_login_retry="1s", **settings)


def is_encrypted(process, user="alice"):
    with process.raw() as client:
        client.login(user, "app")
        client.send(wire.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
        lines = client.read_until("ErrorResponse", "ReadyForQuery")
        if errors(lines):
            raise LoginFailed(client.last_error)
        return rows(lines) == ["t"]


@pytest.mark.parametrize("mode,encrypted", [("disable", False), ("prefer", True), ("require", True)])
def test_server_modes(proxy, tls_server, mode, encrypted):
    assert is_encrypted(server_proxy(proxy, tls_server, server_tls_sslmode=mode)) == encrypted


def test_after_a_reload_nothing_goes_over_links_made_by_the_old_rules(proxy, tls_server):
    process = server_proxy(proxy, tls_server, server_tls_sslmode="disable")
    assert not is_encrypted(process)
    process.set(server_tls_sslmode="require")
    process.reload()
    assert is_encrypted(process)


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_a_verified_server(proxy, tls_server, authority, mode):
    assert is_encrypted(server_proxy(proxy, tls_server, server_tls_sslmode=mode, server_tls_ca_file=authority.certificate))


def test_why_a_server_is_not_trusted_is_in_the_log_and_told_to_who_waited(proxy, tls_server, authority):
    process = server_proxy(proxy, tls_server, host="127.0.0.1", server_tls_sslmode="verify-full", server_tls_ca_file=authority.certificate)
    with pytest.raises(LoginFailed) as refused:
        is_encrypted(process)
    assert "certificate verify failed: IP address mismatch" in str(refused.value)
    assert "certificate verify failed: IP address mismatch" in process.log()


def test_verify_ca_does_not_care_for_the_name_but_verify_full_does(proxy, tls_server, authority):  # S06
    assert is_encrypted(server_proxy(proxy, tls_server, host="127.0.0.1", server_tls_sslmode="verify-ca", server_tls_ca_file=authority.certificate))
    with pytest.raises((LoginFailed, ConnectionClosed)):
        is_encrypted(server_proxy(proxy, tls_server, host="127.0.0.1", server_tls_sslmode="verify-full", server_tls_ca_file=authority.certificate))


def test_a_server_of_another_authority_is_refused(proxy, tls_server, tmp_path):  # S06
    os.chmod(tmp_path, 0o755)
    stranger = Authority(str(processes.private_directory("sp-ca-")), "stranger")
    try:
        for mode in ("verify-ca", "verify-full"):
            with pytest.raises((LoginFailed, ConnectionClosed)):
                is_encrypted(server_proxy(proxy, tls_server, server_tls_sslmode=mode, server_tls_ca_file=stranger.certificate))
    finally:
        processes.remove_directory(stranger.directory)


def test_require_never_falls_back_to_plaintext(proxy, primary):  # S06
    with pytest.raises((LoginFailed, ConnectionClosed)):
        is_encrypted(server_proxy(proxy, primary, server_tls_sslmode="require"))


def test_prefer_takes_plaintext_if_that_is_all_there_is(proxy, primary):
    assert not is_encrypted(server_proxy(proxy, primary, server_tls_sslmode="prefer"))


def test_a_replica_has_the_sslmode_of_its_own_address(make_cluster, make_proxy, authority):  # S06
    certificate, key = authority.issue("localhost", "DNS:localhost", file_name="tls-replica")
    cluster = make_cluster(1, {"ssl": "on", "ssl_cert_file": f"'{certificate}'", "ssl_key_file": f"'{key}'"})
    cluster.primary.run("CREATE TABLE t (n int)", "GRANT ALL ON t TO PUBLIC")
    cluster.wait_caught_up()
    replica = cluster.replicas[0]
    process = make_proxy({"sportello": {"monitor_user": "postgres", "server_tls_sslmode": "disable"},
                          "databases": {"app": {"primary": cluster.primary.dsn(), "replicas": [replica.dsn(sslmode="require")]}}})
    with process.connect() as client:
        wait_until(lambda: client.execute("SELECT inet_server_port()").fetchone()[0] == replica.port, "reads go to the replica" + process.log(), 20)
        ours = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'alice'"
        assert cluster.replicas[0].rows(ours) == [(True,)] and cluster.primary.rows(ours) in ([], [(False,)])


def test_a_client_certificate_logs_the_proxy_in(proxy, tls_server, authority):
    certificate, key = authority.issue("bob", None, file_name="link-bob")
    assert is_encrypted(server_proxy(proxy, tls_server, server_tls_sslmode="require", server_tls_cert_file=certificate, server_tls_key_file=key), "bob")


@pytest.mark.ours
def test_a_server_that_answers_sslrequest_with_an_error_is_discarded(proxy, wire_server):  # S02
    def script(connection):
        connection.read()
        connection.send(wire.error_response("XX000", "the secret text of a man in the middle", "FATAL"))
    server = wire_server(script)
    process = server_proxy(proxy, server, host="127.0.0.1", server_tls_sslmode="require")
    with process.raw() as client:
        try:
            client.login("alice", "app")
            client.send(wire.query("SELECT 1"))
            client.read_until("ErrorResponse")
        except (LoginFailed, ConnectionClosed):
            pass
        assert not any("man in the middle" in line for line in client.lines)


@pytest.fixture
def all_tls(proxy, tls_server, server_files, workers):
    """TLS to the client and to the server, and a table to copy into."""
    tls_server.run("DROP TABLE IF EXISTS taken", "CREATE TABLE taken (id int)", "GRANT ALL ON taken TO PUBLIC")
    certificate, key = server_files
    return server_proxy(proxy, tls_server, server_tls_sslmode="require", client_tls_sslmode="require", client_tls_cert_file=certificate,
                        client_tls_key_file=key, workers=workers)


def test_a_tls_client_that_reads_late_gets_all_of_a_large_result(all_tls, tls_server):
    with all_tls.raw() as client:
        client.start_tls()
        client.login("alice", "app")
        client.send(wire.query("SELECT repeat('x', 5000) FROM generate_series(1, 20000)"))
        held_back = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%5000%' AND wait_event = 'ClientWrite'"
        wait_until(lambda: tls_server.value(held_back) == 1, "the server is held back", 15)
        assert len(rows(client.read_until_ready())) == 20000


def test_a_tls_client_that_copies_to_a_busy_server_loses_nothing(all_tls, tls_server):
    row_count = 2_000_000
    with all_tls.connect(sslmode="require") as connection, tls_server.connect(autocommit=False) as locker:
        locker.execute("LOCK TABLE taken IN SHARE MODE")
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY taken%' AND wait_event_type = 'Lock'"

        def unlock():
            wait_until(lambda: tls_server.value(blocked) == 1, "the server takes nothing", 15)
            locker.rollback()

        with ThreadPoolExecutor(1) as other:
            unlocked = other.submit(unlock)
            with connection.cursor().copy("COPY taken FROM STDIN") as copy:
                for start in range(0, row_count, 20000):
                    copy.write(b"".join(b"%d\n" % number for number in range(start, start + 20000)))
            unlocked.result()
        assert connection.execute("SELECT count(*), sum(id) FROM taken").fetchone() == (row_count, row_count * (row_count - 1) // 2)
