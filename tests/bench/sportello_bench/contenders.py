"""What is compared. A contender is a process (or none) in front of one PostgreSQL server:

    contender.start() ... contender.port ... contender.pid ... contender.stop()

All listen on TCP, reach the server over TCP, trust everyone, and log no connection. Both poolers hold at most
POOL_SIZE server connections. PgBouncer 1.18 knows no prepared statements in transaction mode, so a load that prepares
gets a second PgBouncer in session mode, with a server connection for each client.
"""
import os
import socket
import subprocess

from sportello_testing import processes
from sportello_testing.pgbouncer_ini import ini_text
from sportello_testing.ports import free_port
from sportello_testing.toml_text import toml_text
from sportello_testing.waiting import wait_until

POOL_SIZE = 25
MAX_CLIENTS = 6000
PGBOUNCER = "/usr/sbin/pgbouncer"
HAPROXY = "/usr/sbin/haproxy"
DATABASE = "bench"
USER = "bench"


class Direct:
    """No proxy: the server itself."""

    name = "direct"
    pid = None

    def __init__(self, server):
        self.port = server.port

    def start(self):
        pass

    def revive(self):
        return None

    def stop(self):
        pass

    def for_load(self, prepares):
        return self


class Process:
    """A proxy's process, its directory and its log."""

    def __init__(self, server):
        self.server = server
        self.port = None
        self._process = None
        self._directory = None

    def command(self, directory):
        """Writes the configuration into the directory; returns the command line."""
        raise NotImplementedError

    def start(self):
        self.port = free_port()
        self._directory = processes.private_directory("sp-bn-")
        command = self.command(self._directory)
        with open(self.log_path, "wb") as log:
            self._process = processes.start(command, stdout=log, stderr=log, cwd=self._directory)
        wait_until(self._listens, f"{self.name} listens: {self.log_path}", 15)

    @property
    def log_path(self):
        return os.path.join(self._directory, "log")

    @property
    def pid(self):
        return self._process.pid

    def _listens(self):
        if self._process.poll() is not None:
            with open(self.log_path, errors="replace") as log:
                raise SystemExit(f"{self.name} exited with {self._process.returncode}:\n{log.read()[-2000:]}")
        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True

    def revive(self):
        """Starts it again if it died; returns what is to be said of that, or None."""
        if self._process.poll() is None:
            return None
        with open(self.log_path, errors="replace") as log:
            text = f"died with {self._process.returncode}: {log.read()[-500:]}"
        self.stop()
        self.start()
        return " ".join(text.split())

    def stop(self):
        if self._process is not None:
            processes.end(self._process)
            processes.remove_directory(self._directory)
            self._process = None

    def for_load(self, prepares):
        return self


def pooler_config(server, port, pool_mode, pool_size, **more):
    return {
        "sportello": {
            "listen_addr": "127.0.0.1", "listen_port": port, "auth_type": "trust", "pool_mode": pool_mode,
            "default_pool_size": pool_size, "reserve_pool_size": 0, "max_client_conn": MAX_CLIENTS,
            "log_connections": False, "log_disconnections": False, "log_stats": False, **more,
        },
        "databases": {DATABASE: {"primary": server.dsn(DATABASE)}},
    }


def _pgbouncer_command(directory, config):
    users = processes.write_private_file(os.path.join(directory, "userlist.txt"), f'"{USER}" ""\n')
    config["sportello"]["auth_file"] = users
    return [PGBOUNCER, "-q", processes.write_private_file(os.path.join(directory, "pgbouncer.ini"), ini_text(config))]


class PgBouncerSession(Process):
    name = "pgbouncer (session)"

    def command(self, directory):
        return _pgbouncer_command(directory, pooler_config(self.server, self.port, "session", 500, listen_backlog=1024))


class PgBouncer(Process):
    name = "pgbouncer"

    def __init__(self, server):
        super().__init__(server)
        self.session_mode = PgBouncerSession(server)

    def start(self):
        super().start()
        self.session_mode.start()

    def stop(self):
        super().stop()
        self.session_mode.stop()

    def command(self, directory):
        return _pgbouncer_command(directory, pooler_config(self.server, self.port, "transaction", POOL_SIZE, listen_backlog=1024))

    def for_load(self, prepares):
        return self.session_mode if prepares else self


class HaProxy(Process):
    """TCP mode: it looks at no byte, so it shows what moving them costs at least."""

    name = "haproxy"

    def command(self, directory):
        path = os.path.join(directory, "haproxy.cfg")
        lines = [
            "global", f"  maxconn {MAX_CLIENTS}",
            "defaults", "  mode tcp", "  timeout connect 10s", "  timeout client 1h", "  timeout server 1h",
            "listen postgresql", f"  bind 127.0.0.1:{self.port}", f"  server primary 127.0.0.1:{self.server.port}",
        ]
        return [HAPROXY, "-db", "-f", processes.write_private_file(path, "\n".join(lines) + "\n")]


class Sportello(Process):
    """Ours. With PgBouncer's program in its place the comparison itself can be tested: all ratios must come out near 1."""

    def __init__(self, server, program, workers):
        super().__init__(server)
        self.program = os.path.abspath(program)
        self.workers = workers
        self.name = f"sportello w{workers}"

    def command(self, directory):
        config = pooler_config(self.server, self.port, "transaction", POOL_SIZE, workers=self.workers, listen_backlog=1024)
        if os.path.basename(self.program) == "pgbouncer":
            return _pgbouncer_command(directory, config)
        return [self.program, processes.write_private_file(os.path.join(directory, "sportello.toml"), toml_text(config))]

    def for_load(self, prepares):
        if prepares and os.path.basename(self.program) == "pgbouncer":
            raise NotImplementedError("PgBouncer 1.18 cannot prepare in transaction mode")
        return self


def version(program, flag="--version"):
    """The first line that a program says of itself, or why there is none."""
    try:
        done = subprocess.run([program, flag], capture_output=True, text=True, timeout=10)
        return (done.stdout + done.stderr).strip().splitlines()[0]
    except (OSError, IndexError, subprocess.TimeoutExpired) as problem:
        return str(problem)
