"""pytest fixtures: import them with `from sportello_testing.fixtures import *` in a conftest.py.

    primary          the session's PostgreSQL server; tests share it and leave nothing in it
    make_cluster     clusters of one's own, for tests that kill, freeze or reconfigure servers
    proxy            a factory of proxies in front of the shared primary: proxy(default_pool_size=2, workers=4)
    make_proxy       a factory that takes the whole configuration dict
    wire_server      a factory of scripted PostgreSQL servers
    fault_proxy      a factory of fault proxies
    authority        a certificate authority of the session
    table            the name of a fresh table on the primary, dropped afterwards
"""
import itertools
import os

import pytest

from . import processes
from .certificates import Authority
from .fault_proxy import FaultProxy
from .ports import release_ports
from .postgres import DATABASE, Cluster, Template
from .proxy_process import BINARY, ProxyProcess
from .wire_server import WireServer

__all__ = ["session_directory", "template", "shared_cluster", "primary", "make_cluster", "make_proxy", "proxy", "wire_server",
           "fault_proxy", "authority", "table"]


@pytest.fixture(scope="session")
def session_directory():
    directory = processes.private_directory("sp-ts-")
    yield directory
    processes.remove_directory(directory)
    release_ports()


@pytest.fixture(scope="session")
def template(session_directory):
    return Template(session_directory)


@pytest.fixture(scope="session")
def shared_cluster(template):
    cluster = Cluster(template)
    yield cluster
    cluster.destroy()


@pytest.fixture(scope="session")
def primary(shared_cluster):
    return shared_cluster.primary


@pytest.fixture
def make_cluster(template):
    made = []

    def make(replicas=0, settings=None, hba=None):
        made.append(Cluster(template, replicas, settings, hba))
        return made[-1]

    yield make
    for cluster in made:
        cluster.destroy()


@pytest.fixture
def make_proxy():
    """Starts proxies; at the end each must still live, exit with 0 and have no sanitizer report."""
    if not os.path.exists(BINARY):
        pytest.fail(f"no program under test at {BINARY}; build it or set SPORTELLO_BIN")
    made = []

    def make(config, start=True, **options):
        process = ProxyProcess(config, **options)
        made.append(process)
        return process.start() if start else process

    yield make
    problems = []
    for process in made:
        try:
            process.destroy()
        except AssertionError as problem:
            problems.append(problem)
    if problems:
        raise problems[0]


@pytest.fixture
def proxy(make_proxy, request):
    """proxy(**settings of [sportello]): in front of the shared primary; databases=, users=, server= say otherwise."""

    def make(databases=None, server=None, database_settings=None, user_settings=None, users=None, start=True, **settings):
        server = server or request.getfixturevalue("primary")
        databases = databases or {DATABASE: {"primary": server.dsn(), **(database_settings or {})}}
        config = {"sportello": settings, "databases": databases}
        if user_settings:
            config["users"] = user_settings
        return make_proxy(config, users=users, start=start)

    return make


@pytest.fixture
def wire_server():
    made = []

    def make(script):
        made.append(WireServer(script))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def fault_proxy():
    made = []

    def make(server_port):
        made.append(FaultProxy(server_port))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def authority(session_directory):
    return Authority(session_directory)


_table_numbers = itertools.count(1)


@pytest.fixture
def table(primary):
    """An empty table (id int primary key, note text)."""
    name = f"t{next(_table_numbers)}"
    primary.run(f"DROP TABLE IF EXISTS {name}", f"CREATE TABLE {name} (id int PRIMARY KEY, note text)", f"GRANT ALL ON {name} TO PUBLIC")
    yield name
    primary.terminate_links()
    primary.run(f"DROP TABLE IF EXISTS {name}")
