"""What operators see over HTTP: numbers that are right, a health that is true, and a server that gives nothing away and is
not brought down by who talks to it."""
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import psycopg
import pytest

from sportello_testing import metrics_text, processes
from sportello_testing.ports import free_port, release_port
from sportello_testing.proxy_process import PATIENCE, ProxyProcess, check
from sportello_testing.waiting import wait_until

pytestmark = pytest.mark.ours

PAGES = ["/", "/metrics", "/health", "/live", "/ready"]


class Http:
    """One request a connection, as the server has it."""

    def __init__(self, port, address="127.0.0.1"):
        self.port, self.address = port, address

    def ask(self, path, method="GET", headers=None, body=None, timeout=8 * PATIENCE):
        connection = http.client.HTTPConnection(self.address, self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=headers is not None and "Host" in headers)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            answer.text = answer.read().decode()
            return answer

    def metrics(self):
        answer = self.ask("/metrics")
        assert answer.status == 200, answer.text
        return metrics_text.parse(answer.text)

    def health(self):
        answer = self.ask("/health")
        return answer.status, json.loads(answer.text)

    def raw(self, sent, timeout=10 * PATIENCE):
        """Everything that comes back until the server closes."""
        with socket.create_connection((self.address, self.port), timeout=timeout) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(sent)
            received = b""
            with contextlib.suppress(ConnectionError):
                while piece := connection.recv(65536):
                    received += piece
            return received


@pytest.fixture
def http_port():
    port = free_port()
    yield port
    release_port(port)


@pytest.fixture
def served(make_proxy, primary, http_port):
    """A proxy with http_listen in front of the shared primary."""
    def make(cache=None, databases=None, host="127.0.0.1", **settings):
        config = {"sportello": {"http_listen": f"{host}:{http_port}", "workers": 2, **settings},
                  "databases": databases or {"app": {"primary": primary.dsn()}}, **({"cache": cache} if cache else {})}
        proxy = make_proxy(config)
        return proxy, Http(http_port)
    return make


def test_nothing_listens_unless_it_is_asked_for(proxy):
    process = proxy()
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, timeout=10).stdout
    ours = [line for line in listening.splitlines() if f"pid={process.pid}," in line]
    assert len(ours) == 1 and f":{process.port} " in ours[0]


@pytest.mark.parametrize("workers", [1, 4])
def test_the_numbers_are_exact(served, workers):
    proxy, web = served(workers=workers)
    labels = {"database": "app", "user": "alice", "role": "primary"}
    with proxy.connect(prepare_threshold=None) as client, proxy.connect(user="bob"):
        for _ in range(7):
            client.execute("SELECT 1")
        with client.transaction():
            client.execute("SELECT 2")
        page = web.metrics()
        assert page.sum("sportello_queries_total", **labels) == 10
        assert page.sum("sportello_transactions_total", **labels) == 8
        assert page.sum("sportello_queries_total", user="bob") == 0
        assert page.sum("sportello_server_connections_opened_total", **labels) == 1
        assert page.sum("sportello_pool_clients", database="app", user="alice", state="idle") == 1
        assert page.sum("sportello_pool_clients", database="app", user="alice", state="active") == 0
        assert page.sum("sportello_pool_server_connections", **labels, state="idle") == 1
        assert page.sum("sportello_pool_size", user="alice") == 25
        assert page.value("sportello_clients") == 2 and page.value("sportello_workers") == workers
        assert page.sum("sportello_database_client_connections", database="app") == 2
        assert 0 < page.sum("sportello_query_seconds_total", **labels) < 5
        client.execute("BEGIN")
        client.execute("SELECT 3")
        page = web.metrics()
        assert page.sum("sportello_pool_clients", user="alice", state="active") == 1
        assert page.sum("sportello_pool_server_connections", user="alice", state="active") == 1


def test_the_page_says_what_the_console_says(served):
    proxy, web = served()
    with proxy.connect() as client, proxy.admin() as console:
        for i in range(5):
            client.execute("SELECT %s::int", [i])
        def totals():
            return [row for row in console.execute("SHOW STATS_TOTALS").fetchall() if row["database"] == "app"][0]
        wait_until(lambda: int(totals()["xact_count"]) == 5, "the last answer, which the client has, is counted, too")
        stats = totals()
        page = web.metrics()
        for name, column in [("transactions", "xact_count"), ("queries", "query_count"), ("client_received_bytes", "bytes_received"),
                             ("server_received_bytes", "bytes_sent"), ("server_assignments", "server_assignment_count"),
                             ("binds", "bind_count"), ("client_parses", "client_parse_count"), ("server_parses", "server_parse_count")]:
            assert page.sum(f"sportello_{name}_total", database="app") == int(stats[column]), name
        for name, column in [("query", "query_time"), ("transaction", "xact_time"), ("wait", "wait_time")]:
            assert page.sum(f"sportello_{name}_seconds_total", database="app") == pytest.approx(int(stats[column]) / 1e6), name
        assert page.value("sportello_clients_at_console") == 1


def test_who_waits_is_seen(served):
    proxy, web = served(default_pool_size=1, reserve_pool_size=0)
    with proxy.connect(autocommit=False) as holder, proxy.connect() as waiter:
        holder.execute("SELECT 1")
        thread = threading.Thread(target=waiter.execute, args=("SELECT 2",))
        thread.start()
        wait_until(lambda: web.metrics().sum("sportello_pool_clients", state="waiting") == 1, "the client waits")
        wait_until(lambda: web.metrics().sum("sportello_pool_longest_wait_seconds", user="alice") > 0.05, "its wait is told")
        assert web.health()[1]["databases"][0]["clients"]["waiting"] == 1
        holder.rollback()
        thread.join()
        assert web.metrics().sum("sportello_pool_clients", state="waiting") == 0


def test_prometheus_takes_the_page(served):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (package prometheus) is not here")
    proxy, web = served(cache={"invalidation": "proxy", "rules": [{"name": "every \"one\"\\", "tables": ["t"], "ttl": "1h"}]})
    with proxy.connect() as client:
        client.execute("SELECT 1")
    done = subprocess.run([promtool, "check", "metrics"], input=web.ask("/metrics").text, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_cache_and_replicas_are_on_the_page(make_cluster, served):
    cluster = make_cluster(1, None)
    cluster.primary.run("CREATE TABLE t (k int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 10)", "CREATE TABLE u (k int)",
                        "GRANT ALL ON t, u TO PUBLIC")
    cluster.wait_caught_up()
    rules = [{"name": "small", "tables": ["t"], "ttl": "90s"}]
    proxy, web = served(cache={"invalidation": "proxy", "rules": rules}, monitor_user="postgres",
                        databases={"app": {"primary": cluster.primary.dsn(), "replicas": [cluster.replicas[0].dsn()]}})
    replica = f"127.0.0.1:{cluster.replicas[0].port}"
    wait_until(lambda: web.metrics().sum("sportello_cache_serves", database="app") == 1, "the catalog is known", 15)
    wait_until(lambda: web.metrics().sum("sportello_node_role", node=replica, role="replica") == 1, "the replica was found", 15)
    with proxy.connect(prepare_threshold=None) as client:
        def hits():
            client.execute("SELECT count(*) FROM t")
            return web.metrics().sum("sportello_cache_rule_hits_total", rule="small") > 0
        wait_until(hits, "reads are answered from memory", 15)

        def read_at_replica():
            client.execute("SELECT count(*) FROM u")
            return web.metrics().sum("sportello_node_reads_total", node=replica) > 0
        wait_until(read_at_replica, "reads go to the replica", 15)
        before = web.metrics()
        for _ in range(10):
            client.execute("SELECT count(*) FROM t")
            client.execute("SELECT count(*) FROM u")
        after = web.metrics()
        grown = lambda name, **labels: after.sum(name, **labels) - before.sum(name, **labels)
        assert grown("sportello_cache_rule_hits_total", rule="small") == 10
        assert grown("sportello_node_reads_total", node=replica) == 10
        assert grown("sportello_queries_total", database="app", role="primary") == 20, "counted with the client's own pool"
        assert grown("sportello_routed_requests_total", reason="a replica may answer it") == 10
        with proxy.connect() as writer:
            writer.execute("INSERT INTO t VALUES (11)")
        client.execute("SELECT count(*) FROM t")
        assert web.metrics().sum("sportello_cache_rule_misses_total", rule="small", reason="invalidated") == 1
    # It is known once the replica has been asked after the primary.
    wait_until(lambda: replica in web.metrics().labels("sportello_node_lag_bytes", "node"), "the replica's lag is known", 15)
    page = web.metrics()
    assert page.sum("sportello_cache_rule_ttl_seconds", rule="small") == 90
    assert page.sum("sportello_node_reachable", node=replica) == 1
    assert page.labels("sportello_cache_guarantee", "guarantee") == {"writes through this proxy at once, others within the rules' ttl"}
    assert page.value("sportello_cache_results") >= 1 and 0 < page.value("sportello_cache_memory_bytes") <= page.value("sportello_cache_max_memory_bytes")


def test_the_follower_is_on_the_page(make_cluster, served):
    cluster = make_cluster(0, {"wal_level": "logical"})
    cluster.primary.run("CREATE TABLE t (k int PRIMARY KEY)", "GRANT ALL ON t TO PUBLIC", "CREATE PUBLICATION sportello FOR TABLE t")
    proxy, web = served(cache={"invalidation": "wal", "rules": [{"name": "all", "tables": ["t"], "ttl": "1h"}]}, monitor_user="postgres",
                        databases={"app": {"primary": cluster.primary.dsn()}})
    wait_until(lambda: web.metrics().sum("sportello_follower_state", database="app", state="following") == 1, "the log is followed", 20)
    wait_until(lambda: web.metrics().sum("sportello_cache_serves", database="app") == 1, "what is kept is served", 20)
    commits = web.metrics().sum("sportello_follower_commits_total", database="app")
    cluster.primary.run("INSERT INTO t VALUES (1)")
    wait_until(lambda: web.metrics().sum("sportello_follower_commits_total", database="app") == commits + 1, "the commit was read", 10)
    assert web.metrics().sum("sportello_follower_lag_seconds", database="app") < 5
    assert web.health()[1]["cache"]["databases"][0]["follower"] == "following"


# ---- health ----

def test_health_is_lost_with_the_primary_and_comes_back_with_it(make_cluster, served):
    cluster = make_cluster(0, None)
    proxy, web = served(databases={"app": {"primary": cluster.primary.dsn()}}, query_wait_timeout="20s")
    with proxy.connect() as client:
        client.execute("SELECT 1")
        status, health = web.health()
        assert (status, health["status"], health["databases"][0]["state"]) == (200, "ok", "ok")
        cluster.primary.stop("fast")
        asks = threading.Thread(target=client.execute, args=("SELECT 2",))
        asks.start()
        wait_until(lambda: web.health()[0] == 503, "the database is down", 10)
        status, health = web.health()
        assert (health["status"], health["databases"][0]["state"]) == ("unhealthy", "down")
        assert health["databases"][0]["problem"] == "the primary takes no connections"
        assert web.ask("/live").status == web.ask("/ready").status == 200, "the proxy itself serves on"
        cluster.primary.start()
        asks.join()
        wait_until(lambda: web.health()[0] == 200, "it is healthy again", 10)


def test_a_lost_replica_degrades(make_cluster, served):
    cluster = make_cluster(1, None)
    proxy, web = served(monitor_user="postgres",
                        databases={"app": {"primary": cluster.primary.dsn(), "replicas": [cluster.replicas[0].dsn()]}})
    wait_until(lambda: web.health() and web.health()[1]["status"] == "ok", "both servers are there", 15)
    cluster.replicas[0].stop("fast")
    wait_until(lambda: web.health()[1]["status"] == "degraded", "a replica is lost", 15)
    status, health = web.health()
    assert status == 200 and health["databases"][0]["problem"] == "1 of 1 replicas cannot be read"
    assert [node["reachable"] for node in health["databases"][0]["nodes"]] == [True, False]
    cluster.primary.stop("fast")
    wait_until(lambda: web.health()[0] == 503, "the primary is lost, too", 15)


def test_who_drains_or_is_suspended_is_alive_and_not_ready(served):
    proxy, web = served()
    assert (web.ask("/ready").status, web.ask("/live").status) == (200, 200)
    with proxy.admin() as console:
        console.execute("SUSPEND")
        assert (web.ask("/ready").status, web.ask("/live").status) == (503, 200)
        assert web.metrics().value("sportello_suspended") == 1
        console.execute("RESUME")
        assert web.ask("/ready").status == 200
    with proxy.connect(autocommit=False) as client:
        client.execute("SELECT 1")
        proxy.send_signal(signal.SIGTERM)
        wait_until(lambda: web.ask("/ready").status == 503, "it is not ready any more")
        assert web.ask("/live").status == 200 and web.metrics().value("sportello_draining") == 1
        client.rollback()
    assert proxy.wait_exit() == 0


# ---- who asks ----

def test_every_page_is_there_for_looking(served):
    proxy, web = served()
    for path in PAGES:
        whole, head = web.ask(path), web.ask(path, method="HEAD")
        assert whole.status == head.status == 200 and head.text == "" and whole.text, path
        assert whole.getheader("X-Content-Type-Options") == "nosniff" and whole.getheader("Cache-Control") == "no-store"
        assert whole.getheader("Access-Control-Allow-Origin") is None, "no other site may read it"
    assert web.ask("/metrics").getheader("Content-Type").startswith("text/plain; version=0.0.4")
    assert web.ask("/metrics?name=x").status == 200
    page = web.ask("/").text
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page and "src=" not in page, "nothing from elsewhere"


# S30
def test_nothing_can_be_changed_and_nothing_else_be_read(served):
    proxy, web = served()
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"]:
        answer = web.ask("/metrics", method=method)
        assert answer.status == 405 and answer.getheader("Allow") == "GET, HEAD", method
    for path in ["/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/metrics/../../etc/passwd", "//etc/passwd", "/sportello.toml", "/health/"]:
        answer = web.ask(path)
        assert answer.status == 404 and "root:" not in answer.text, path
    assert web.ask("/health", body=b"x" * 10).status == 400
    assert proxy.is_running()


# S30
def test_a_foreign_host_is_refused(served, http_port):
    proxy, web = served(http_hosts=["sportello.internal"])
    assert web.ask("/metrics", headers={"Host": f"sportello.internal:{http_port}"}).status == 200
    for host in ["evil.example", f"evil.example:{http_port}", "127.0.0.1.evil.example", "192.0.2.1"]:
        answer = web.ask("/metrics", headers={"Host": host})
        assert answer.status == 421 and "sportello_" not in answer.text, host
    for host in ["localhost", f"localhost:{http_port}", "127.0.0.1", "[::1]:80"]:
        assert web.ask("/metrics", headers={"Host": host}).status == 200, host
    assert web.raw(b"GET /live HTTP/1.1\r\n\r\n").split()[1] == b"400"
    assert web.raw(b"GET /live HTTP/1.0\r\n\r\n").split()[1] == b"200"
    assert web.raw(b"GET /live HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n").split()[1] == b"400"


# S30
def test_a_second_request_cannot_hide_behind_the_first(served):
    proxy, web = served()
    smuggled = b"GET /live HTTP/1.1\r\nHost: localhost\r\n"
    second = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for head in [b"\r\n", b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"Content-Length: 0\r\nContent-Length: 90\r\n\r\n",
                 b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"Content-Length: -1\r\n\r\n"]:
        received = web.raw(smuggled + head + second)
        assert received.count(b"HTTP/1.1 200") <= 1 and b"sportello_" not in received, head


# S30
def test_headers_are_bounded(served):
    proxy, web = served()
    before = processes.resident_bytes(proxy.pid)
    for request in [b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
                    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
                    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
                    b"\0" * 100_000, b"GET" * 100_000, b"\r\n" * 100_000]:
        received = web.raw(request)
        assert received == b"" or received.split()[1][:1] in (b"4", b"5"), (request[:20], received[:80])
    assert web.ask("/live").status == 200
    assert processes.resident_bytes(proxy.pid) - before < 8 << 20 or proxy.resident_bytes() == 0


# S30
def test_slow_and_silent_connections_end_and_keep_nobody_out(served):
    proxy, web = served()
    descriptors = lambda: len(os.listdir(f"/proc/{proxy.pid}/fd"))
    web.ask("/live")
    before = descriptors()
    silent = [socket.create_connection(("127.0.0.1", web.port), timeout=20 * PATIENCE) for _ in range(150)]
    drip = socket.create_connection(("127.0.0.1", web.port), timeout=20 * PATIENCE)
    drip.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
    began = time.monotonic()
    assert web.ask("/live").status == 200 and web.metrics().value("sportello_workers") == 2
    assert time.monotonic() - began < 2 * PATIENCE, "whoever asks is answered at once"
    assert descriptors() <= before + 70, "the oldest make room"
    with contextlib.suppress(ConnectionError):
        while time.monotonic() - began < 15 * PATIENCE:  # a byte at a time never ends by itself
            drip.sendall(b"a")
            drip.settimeout(0.2)
            with contextlib.suppress(socket.timeout):
                if drip.recv(1) == b"":
                    break
    assert 3 < time.monotonic() - began < 10 * PATIENCE, "the whole request has its time"
    for connection in [*silent, drip]:
        with contextlib.suppress(ConnectionError):
            assert connection.recv(1000)[:12] in (b"", b"HTTP/1.1 408")
        connection.close()
    assert web.ask("/live").status == 200


def test_many_who_ask_at_once_are_all_answered(served):
    proxy, web = served()
    seen = []
    with proxy.connect(prepare_threshold=None) as client:
        def ask():
            for _ in range(20):
                seen.append(web.metrics().sum("sportello_queries_total", user="alice"))
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        asked = 0
        while any(thread.is_alive() for thread in threads):
            client.execute("SELECT 1")
            asked += 1
        for thread in threads:
            thread.join()
        assert len(seen) == 160 and max(seen) <= asked and web.metrics().sum("sportello_queries_total", user="alice") == asked


# S64
def test_names_that_do_not_exist_leave_nothing_on_the_page(served):
    proxy, web = served()
    before = len(web.ask("/metrics").text.splitlines())
    for i in range(200):
        with contextlib.suppress(psycopg.OperationalError):
            proxy.connect(user=f"nobody{i}", dbname=f"nothing{i}").close()
    page = web.ask("/metrics").text
    assert len(page.splitlines()) == before and "nobody" not in page and "nothing" not in page


# S29
def test_no_page_has_a_secret_or_a_statement(make_proxy, primary, http_port):
    make_proxy({"sportello": {"http_listen": f"127.0.0.1:{http_port}", "workers": 2, "auth_type": "scram-sha-256"},
                "databases": {"app": {"primary": primary.dsn() + " password=never-to-be-shown"}}})
    web = Http(http_port)
    for path in PAGES:
        text = web.ask(path).text
        assert "never-to-be-shown" not in text and "-secret" not in text, path


# ---- the setting ----

def test_a_port_in_use_is_told_at_the_start(primary, http_port):
    with socket.create_server(("127.0.0.1", http_port)):
        process = ProxyProcess({"sportello": {"http_listen": f"127.0.0.1:{http_port}"}, "databases": {"app": {"primary": primary.dsn()}}})
        try:
            process.start(wait=False)
            assert process.wait_exit() == 1
            assert f"http_listen: could not listen on 127.0.0.1, port {http_port}: Address already in use" in process.log()
            process.stop(expected_codes=(1,))
        finally:
            process.destroy()


def test_a_reload_says_that_a_change_needs_a_restart(served, http_port):
    proxy, web = served()
    proxy.set(http_listen="127.0.0.1:1")
    proxy.send_hup()
    proxy.wait_log("a change of http_listen takes effect at the next restart")
    assert web.ask("/live").status == 200


def test_what_is_no_address_is_refused_where_it_stands():
    code, told = check('[sportello]\nauth_type = "trust"\nhttp_listen = "::1:9127"\n[databases.app]\nprimary = "host=x"\n')
    assert code == 1 and 'sportello.toml:3:15: error: http_listen: an IPv6 address stands in brackets' in told


def test_it_listens_at_an_ipv6_address(served, http_port):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    served(host="[::1]")
    assert Http(http_port, "::1").ask("/live").status == 200
