"""PostgreSQL 15 clusters for tests: a primary and any number of streaming replicas.

A `Template` is made once per test session (initdb, roles, the database `app`) and copied for each cluster, which takes a
fraction of a second. Every server has a port and a socket directory of its own and is started, signalled and stopped by
its pid. fsync is off: what these clusters lose in a power cut is nobody's.

Roles in every cluster: postgres (superuser), alice and bob (password: name + "-secret"), carol (no password), and
reader, whose password is stored as md5. The default pg_hba.conf trusts everyone; `hba=` replaces it.
"""
import os
import shutil
import signal
import subprocess

import psycopg

from . import processes
from .login import md5_secret, scram_verifier
from .ports import free_port
from .waiting import wait_until

BINARIES = os.environ.get("SPORTELLO_PG_BIN", "/usr/lib/postgresql/15/bin")
DATABASE = "app"
PASSWORDS = {"alice": "alice-secret", "bob": "bob-secret", "reader": "reader-secret"}

_SETTINGS = {
    "listen_addresses": "'127.0.0.1'", "fsync": "off", "full_page_writes": "off",
    "shared_buffers": "32MB", "max_connections": "120", "max_wal_senders": "10", "wal_level": "logical",
    "max_replication_slots": "10", "hot_standby": "on", "autovacuum": "off", "log_min_messages": "warning",
    "log_error_verbosity": "terse", "timezone": "'UTC'", "lc_messages": "'C'", "jit": "off",
    "wal_receiver_status_interval": "1", "wal_retrieve_retry_interval": "'100ms'", "max_prepared_transactions": "5",
}

_TRUST = ["local all all trust", "host all all 127.0.0.1/32 trust",
          "local replication all trust", "host replication all 127.0.0.1/32 trust"]

_TEMPLATE_SQL = [
    "CREATE DATABASE app",
    f"CREATE ROLE alice LOGIN PASSWORD '{scram_verifier(PASSWORDS['alice'], b'salt-of-alice-00')}'",
    f"CREATE ROLE bob LOGIN PASSWORD '{scram_verifier(PASSWORDS['bob'], b'salt-of-bob-0000')}'",
    "CREATE ROLE carol LOGIN",
    f"CREATE ROLE reader LOGIN PASSWORD '{md5_secret('reader', PASSWORDS['reader'])}'",
    "GRANT pg_read_all_data, pg_write_all_data TO alice",
]


def _program(name):
    return os.path.join(BINARIES, name)


class Template:
    """An initialised data directory that clusters are copied from."""

    def __init__(self, directory):
        self.data = os.path.join(directory, "template")
        processes.run([_program("initdb"), "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
        processes.run([_program("postgres"), "--single", "-D", self.data, "-c", "fsync=off", "postgres"], input="\n".join(_TEMPLATE_SQL) + "\n")
        processes.run([_program("postgres"), "--single", "-D", self.data, "-c", "fsync=off", "app"], input="GRANT ALL ON SCHEMA public TO PUBLIC\n")


class PostgresServer:
    """One postgres process and its files."""

    def __init__(self, directory, name, settings=None, hba=None):
        self.name = name
        self.data = os.path.join(directory, name)
        self.socket_directory = directory
        self.log_path = os.path.join(directory, name + ".log")
        self.port = free_port()
        self.settings = {**_SETTINGS, "port": self.port, "unix_socket_directories": f"'{directory}'", **(settings or {})}
        self.hba = hba
        self.process = None

    def configure(self, settings=None, hba=None):
        """Writes postgresql.conf and pg_hba.conf; reload() or restart() makes them count."""
        self.settings.update(settings or {})
        self.hba = hba or self.hba or _TRUST
        lines = [f"{name} = {value}" for name, value in self.settings.items()]
        processes.write_private_file(os.path.join(self.data, "postgresql.conf"), "\n".join(lines) + "\n")
        processes.write_private_file(os.path.join(self.data, "pg_hba.conf"), "\n".join(self.hba) + "\n")

    def start(self):
        self.configure()
        with open(self.log_path, "ab") as log:
            self.process = processes.start([_program("postgres"), "-D", self.data], death_signal="QUIT", stdout=log, stderr=log)
        self.wait_ready()

    def wait_ready(self, deadline=30.0):
        def ready():
            if self.process.poll() is not None:
                return True
            with self.connect(dbname="postgres"):
                return True
        wait_until(ready, f"{self.name} accepts connections", deadline)
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} did not start:\n{self.log()[-3000:]}")

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    # ---- connections ----

    def dsn(self, dbname=DATABASE, **more):
        """A connection string over TCP, as the proxy's configuration wants it."""
        words = {"host": "127.0.0.1", "port": self.port, "dbname": dbname, **more}
        return " ".join(f"{name}={value}" for name, value in words.items())

    def connect(self, user="postgres", dbname=DATABASE, autocommit=True, **more):
        """Straight to the server over its Unix socket, past any proxy."""
        return psycopg.connect(host=self.socket_directory, port=self.port, user=user, dbname=dbname, autocommit=autocommit, **more)

    def run(self, *statements, dbname=DATABASE):
        with self.connect(dbname=dbname) as connection:
            for statement in statements:
                connection.execute(statement)

    def rows(self, statement, parameters=None, dbname=DATABASE):
        with self.connect(dbname=dbname) as connection:
            return connection.execute(statement, parameters).fetchall()

    def value(self, statement, parameters=None, dbname=DATABASE):
        return self.rows(statement, parameters, dbname=dbname)[0][0]

    _LINKS = "backend_type = 'client backend' AND pid <> pg_backend_pid() AND client_addr IS NOT NULL"

    def link_pids(self, condition="true"):
        """Backends that came over TCP: the proxy's links, as tests themselves use the Unix socket."""
        return [row[0] for row in self.rows(f"SELECT pid FROM pg_stat_activity WHERE {self._LINKS} AND ({condition}) ORDER BY pid", dbname="postgres")]

    def terminate_links(self, condition="true"):
        """pg_terminate_backend for each link, and waits until they are gone; returns how many there were."""
        pids = self.link_pids(condition)
        with self.connect(dbname="postgres") as connection:
            for pid in pids:
                connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        return len(pids)

    # ---- life and death ----

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self, mode="fast"):
        number = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
        if self.process and self.process.poll() is None:
            self.thaw()
            self.process.send_signal(number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(20)

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def kill_backend(self, pid, number=signal.SIGKILL):
        """kill -9 of a backend makes the postmaster restart the whole server; waits until it is back."""
        os.kill(pid, number)
        if number == signal.SIGKILL:
            self.wait_ready()

    def freeze(self):
        processes.signal_tree(self.process.pid, signal.SIGSTOP)

    def thaw(self):
        if self.process and self.process.poll() is None:
            processes.signal_tree(self.process.pid, signal.SIGCONT)

    def promote(self):
        self.run("SELECT pg_promote(true, 30)", dbname="postgres")
        wait_until(lambda: not self.value("SELECT pg_is_in_recovery()"), f"{self.name} is promoted")


class Cluster:
    """A primary and its replicas in one directory."""

    def __init__(self, template, replicas=0, settings=None, hba=None):
        self.directory = processes.private_directory("sp-pg-")
        self.primary = PostgresServer(self.directory, "primary", settings, hba)
        self.replicas = []
        try:
            processes.run(["cp", "-a", "--reflink=auto", template.data, self.primary.data])
            self.primary.start()
            for number in range(replicas):
                self.add_replica(settings, hba)
        except BaseException:
            self.destroy()
            raise

    def add_replica(self, settings=None, hba=None):
        replica = PostgresServer(self.directory, f"replica{len(self.replicas) + 1}", settings, hba)
        processes.run([_program("pg_basebackup"), "-D", replica.data, "-h", self.directory, "-p", self.primary.port, "-U", "postgres",
                       "-R", "--checkpoint=fast", "--no-sync", "-X", "stream"])
        replica.settings["primary_conninfo"] = f"'host={self.directory} port={self.primary.port} user=postgres'"
        self.replicas.append(replica)
        replica.start()
        return replica

    def wait_caught_up(self, deadline=15.0):
        target = self.primary.value("SELECT pg_current_wal_flush_lsn()")
        for replica in self.replicas:
            wait_until(lambda: replica.value("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [target]), f"{replica.name} replays {target}", deadline)

    def destroy(self):
        for server in [*self.replicas, self.primary]:
            server.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)
