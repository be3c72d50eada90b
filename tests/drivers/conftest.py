"""What every driver is put in front of: PostgreSQL itself, and the proxy with two links for all clients.

The first shows that a test asks for nothing that PostgreSQL would refuse; the second that the proxy changes nothing.
Clients log in with SCRAM. Drivers that are programs get the place from the PG* environment variables.
"""
import concurrent.futures
import dataclasses
import os
import signal
import subprocess

import pytest

from sportello_testing.postgres import DATABASE, PASSWORDS
from sportello_testing.proxy_process import IS_PGBOUNCER, PATIENCE

CLIENTS = 50
_TREE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.abspath(os.environ.get("SPORTELLO_BUILD", os.path.join(_TREE, "build/release")))


@dataclasses.dataclass(frozen=True)
class Service:
    """Where clients connect, and as whom."""

    port: int
    host: str = "127.0.0.1"
    user: str = "alice"
    password: str = PASSWORDS["alice"]
    dbname: str = DATABASE
    behind_proxy: bool = False

    @property
    def conninfo(self):
        """In libpq's words, for psycopg."""
        return {"host": self.host, "port": self.port, "user": self.user, "password": self.password, "dbname": self.dbname, "connect_timeout": int(15 * PATIENCE)}

    @property
    def environment(self):
        return {**os.environ, "PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": self.user, "PGPASSWORD": self.password,
                "PGDATABASE": self.dbname, "PGCONNECT_TIMEOUT": str(int(15 * PATIENCE))}

    @staticmethod
    def built(path):
        """A program of this tree's build."""
        return os.path.join(BUILD, path)

    def run(self, *command, input="", code=0, seconds=25):
        """Runs a program to its end and returns (output, errors); another exit code fails with both."""
        done = subprocess.run([str(word) for word in command], input=input, capture_output=True, text=True, env=self.environment,
                              timeout=seconds * PATIENCE)
        assert done.returncode == code, f"{command[0]} exits with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout, done.stderr

    def run_checks(self, *command, expected):
        """For drivers that are programs: they print "ok NAME" for each check that held, and nothing else may be missing."""
        output, errors = self.run(*command)
        held = [line[3:] for line in output.splitlines() if line.startswith("ok ")]
        assert held == expected, f"{output[-3000:]}\n{errors[-3000:]}"


@pytest.fixture(params=["postgres", "workers1", "workers4"])
def service(request, primary):
    if request.param == "postgres":
        return Service(primary.port)
    workers = int(request.param[-1])
    if IS_PGBOUNCER and workers != 1:
        pytest.skip("PgBouncer has one worker")
    proxy = request.getfixturevalue("proxy")
    return Service(proxy(default_pool_size=2, reserve_pool_size=0, workers=workers, auth_type="scram-sha-256").port, behind_proxy=True)


@pytest.fixture
def together():
    """together(work): runs work(number) for each of the fifty clients at once; the first that fails, fails the test."""

    def run(work, count=CLIENTS):
        threads = concurrent.futures.ThreadPoolExecutor(count)
        try:
            return list(threads.map(work, range(count)))
        finally:
            threads.shutdown(wait=False, cancel_futures=True)   # what hangs ends with its server

    return run


@pytest.fixture(autouse=True)
def deadline():
    """A driver that waits for ever fails its test; the teardown of servers and proxies then ends what still hangs."""

    def give_up(*_):
        raise TimeoutError("the test hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(int(30 * PATIENCE))
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
