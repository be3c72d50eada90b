"""What several promises share: how many workers, and "as PostgreSQL does"."""
import contextlib
import os

import pytest

from sportello_testing.postgres import PASSWORDS
from sportello_testing.proxy_process import IS_PGBOUNCER
from sportello_testing.wire_client import WireClient


def pytest_configure(config):
    config.addinivalue_line("markers", "ours: promises that PgBouncer does not make; not run against it")
    config.addinivalue_line("markers", "slow: takes more than five seconds")


def pytest_collection_modifyitems(items):
    if IS_PGBOUNCER:
        for item in items:
            if item.get_closest_marker("ours"):
                item.add_marker(pytest.mark.skip(reason="not a promise of PgBouncer"))


# SPORTELLO_TEST_WORKERS: with how many; empty: with one, with four, and where PostgreSQL is the judge, without a proxy.
_ONLY = os.environ.get("SPORTELLO_TEST_WORKERS", "")
_WORKERS = [int(_ONLY)] if _ONLY else [1, 4]
_SERVICES = [f"workers{count}" for count in _WORKERS] if _ONLY else ["postgres", "workers1", "workers4"]


@pytest.fixture(params=_WORKERS, ids=lambda count: f"workers{count}")
def workers(request):
    if IS_PGBOUNCER and request.param != 1:
        pytest.skip("PgBouncer has one worker")
    return request.param


class Service:
    """Where a client connects: PostgreSQL itself or the proxy in front of it. What must look the same is asked of both."""

    def __init__(self, port, proxy=None):
        self.port, self.proxy = port, proxy
        self._clients = []

    def wire(self, user="alice", database="app", **parameters):
        client = WireClient(port=self.port)
        self._clients.append(client)
        client.login(user, database, PASSWORDS.get(user), **parameters)
        return client

    @contextlib.contextmanager
    def other_link(self, user="alice"):
        """Takes the link that was used last, so that the next request of anyone else goes over another one."""
        holder = self.wire(user)
        holder.hold_link()
        yield holder
        holder.query("ROLLBACK")
        holder.terminate()

    def close(self):
        for client in self._clients:
            client.close()


@pytest.fixture(params=_SERVICES)
def service(request, primary):
    """The same test against PostgreSQL and against the proxy with two links: the first is what the second must do."""
    if request.param == "postgres":
        made = Service(primary.port)
    else:
        if IS_PGBOUNCER and request.param == "workers4":
            pytest.skip("PgBouncer has one worker")
        process = request.getfixturevalue("proxy")(default_pool_size=2, reserve_pool_timeout="100ms", workers=int(request.param[-1]))
        made = Service(process.port, process)
    yield made
    made.close()
