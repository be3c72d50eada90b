"""The process under test: writes its configuration, starts it, collects its log, and judges how it ends.

    proxy = ProxyProcess({"sportello": {...}, "databases": {"app": {"primary": "host=... dbname=app"}}})
    proxy.start()
    with proxy.connect("alice") as connection: ...
    proxy.stop()        # SIGINT; fails on a bad exit code or a sanitizer's report in the log

The binary is SPORTELLO_BIN, by default build/release/proxy/sportello of this tree.
"""
import os
import re
import signal
import socket
import subprocess
import threading

import psycopg

from . import processes
from .pgbouncer_ini import ini_text
from .ports import free_port, release_port
from .postgres import DATABASE, PASSWORDS
from .toml_text import toml_text
from .waiting import PATIENCE, wait_until
from .wire_client import WireClient

_TREE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BINARY = os.path.abspath(os.environ.get("SPORTELLO_BIN", os.path.join(_TREE, "build/release/proxy/sportello")))
IS_PGBOUNCER = os.path.basename(BINARY) == "pgbouncer"


def _is_sanitized():
    with open(BINARY, "rb") as file:
        program = file.read()
    return b"libasan.so" in program or b"libtsan.so" in program


IS_SANITIZED = os.path.exists(BINARY) and _is_sanitized()

STOP_AT_ONCE = signal.SIGTERM if IS_PGBOUNCER else signal.SIGINT

# No test needs a proxy for longer; what is older is killed, so that nobody waits for it.
LONGEST_LIFE_SECONDS = 60

_SANITIZER_REPORT = re.compile(r"ERROR: AddressSanitizer|ERROR: LeakSanitizer|WARNING: ThreadSanitizer|runtime error:")

DEFAULT_USERS = {"postgres": "postgres-secret", "carol": "", **PASSWORDS}


class ProxyFailed(AssertionError):
    """The process ended when it should not have; its log is in the text."""


def userlist_text(users):
    quoted = lambda word: '"' + word.replace('"', '""') + '"'
    return "".join(f"{quoted(name)} {quoted(secret)}\n" for name, secret in users.items())


class ProxyProcess:
    def __init__(self, config, users=None, wrapper=(), environment=None):
        self.directory = processes.private_directory("sp-px-")
        self.port = free_port()
        self.config = config
        self.users = dict(DEFAULT_USERS if users is None else users)
        self.wrapper = list(wrapper)             # such as prlimit or faketime, which exec what follows
        self.environment = environment or {}
        self.config_path = os.path.join(self.directory, "pgbouncer.ini" if IS_PGBOUNCER else "sportello.toml")
        self.userlist_path = os.path.join(self.directory, "userlist.txt")
        self.log_path = os.path.join(self.directory, "log")
        self.process = None
        self.write_files()

    # ---- files ----

    def write_files(self):
        settings = {
            "listen_addr": "127.0.0.1", "listen_port": self.port, "unix_socket_dir": self.directory,
            "auth_type": "trust", "auth_file": self.userlist_path, "admin_users": ["postgres"],
            # Those who test how logins fail need not wait for it; those who test the wait ask for it.
            **({} if IS_PGBOUNCER else {"auth_delay": "0s"}),
            **self.config.get("sportello", {}),
        }
        self.config = {**self.config, "sportello": settings}
        self.write_config(ini_text(self.config) if IS_PGBOUNCER else toml_text(self.config))
        processes.write_private_file(self.userlist_path, userlist_text(self.users))

    def write_config(self, content):
        processes.write_private_file(self.config_path, content)

    def set(self, **settings):
        """Changes [sportello] settings in the file; reload() makes them count."""
        self.config["sportello"].update(settings)
        self.write_files()

    def path(self, name):
        return os.path.join(self.directory, name)

    # ---- the process ----

    def start(self, wait=True):
        environment = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "TSAN_OPTIONS": "halt_on_error=0",
                       "UBSAN_OPTIONS": "print_stacktrace=1", **os.environ, **self.environment}
        with open(self.log_path, "ab") as log:
            self.process = processes.start([*self.wrapper, BINARY, self.config_path], stdout=log, stderr=log, env=environment, cwd=self.directory)
        self._watchdog = threading.Timer(LONGEST_LIFE_SECONDS * PATIENCE, self._bite)
        self._watchdog.daemon = True
        self._watchdog.start()
        if wait:
            self.wait_listening()
        return self

    def _bite(self):
        """A client library without deadlines would hang with the proxy: ended, it fails instead."""
        if self.is_running():
            self.process.kill()

    def wait_listening(self):
        def listening():
            if self.process.poll() is not None:
                return True
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        wait_until(listening, "the proxy listens", 20 * PATIENCE, poll=0.005)
        if self.process.poll() is not None:
            raise ProxyFailed(f"the proxy exited with {self.process.returncode}:\n{self.log()[-3000:]}")

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def wait_log(self, pattern, deadline=10.0):
        return wait_until(lambda: re.search(pattern, self.log()), f"the log says {pattern!r}", deadline * PATIENCE)

    def send_signal(self, number):
        self.process.send_signal(number)

    def send_hup(self):
        self.send_signal(signal.SIGHUP)

    def wait_exit(self, deadline=20.0):
        return processes.wait_for_exit(self.process, deadline * PATIENCE)

    def stop(self, number=STOP_AT_ONCE, expected_codes=(0, 1) if IS_PGBOUNCER else (0,)):
        """Ends the process and checks how it went; nothing to do if it is gone already and was judged."""
        if self.process is None:
            return
        self._watchdog.cancel()
        died_early = self.process.poll() is not None
        code = processes.end(self.process, number, 5 * PATIENCE)
        log = self.log()
        self.process = None
        if _SANITIZER_REPORT.search(log):
            raise ProxyFailed("a sanitizer reports:\n" + log[-8000:])
        if code not in expected_codes:
            raise ProxyFailed(f"the proxy {'died' if died_early else 'ended'} with {code}:\n{log[-4000:]}")

    def destroy(self):
        try:
            self.stop()
        finally:
            if self.process is not None:
                processes.end(self.process, signal.SIGKILL)
            processes.remove_directory(self.directory)
            release_port(self.port)

    def reload(self):
        """RELOAD in the console: returns when the new configuration is in force (or raises its error)."""
        with self.admin() as console:
            console.execute("RELOAD")

    def resident_bytes(self):
        """A sanitizer keeps what was freed: it is asked about mistakes, and the other builds about memory."""
        return 0 if IS_SANITIZED else processes.resident_bytes(self.pid)

    # ---- clients ----

    def connect(self, user="alice", dbname=DATABASE, autocommit=True, **more):
        options = {"connect_timeout": 8, "password": self.users.get(user) or None, **more}
        host = options.pop("host", "127.0.0.1")
        return psycopg.connect(host=host, port=self.port, user=user, dbname=dbname, autocommit=autocommit, **options)

    def admin(self, user="postgres", dbname=None, **more):
        """The console: every SHOW returns dicts."""
        dbname = dbname or ("pgbouncer" if IS_PGBOUNCER else "sportello")
        connection = self.connect(user, dbname, row_factory=psycopg.rows.dict_row, cursor_factory=psycopg.ClientCursor, **more)
        connection.prepare_threshold = None
        return connection

    def show(self, what):
        with self.admin() as console:
            return console.execute("SHOW " + what).fetchall()

    def pool(self, database=DATABASE, user="alice"):
        """The row of SHOW POOLS for one pool, or None."""
        return next((row for row in self.show("POOLS") if (row["database"], row["user"]) == (database, user)), None)

    def wire(self, user="alice", database=DATABASE, **parameters):
        """A raw client that is logged in."""
        client = self.raw()
        client.login(user, database, self.users.get(user), **parameters)
        return client

    def raw(self, **options):
        return WireClient(port=self.port, **options)


def check(config_text, directory=None):
    """`sportello --check`: (exit code, output)."""
    directory = directory or processes.private_directory("sp-ck-")
    try:
        path = processes.write_private_file(os.path.join(directory, "sportello.toml"), config_text)
        done = subprocess.run([BINARY, "--check", path], capture_output=True, text=True, timeout=20 * PATIENCE)
        return done.returncode, done.stdout + done.stderr
    finally:
        processes.remove_directory(directory)
