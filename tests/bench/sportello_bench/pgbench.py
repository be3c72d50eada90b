"""pgbench with a script of ours, for a time, or for a number of transactions, or at a rate."""
import dataclasses
import os
import re
import subprocess
import tempfile

from .loads import PGBENCH, LoadFailed

_ENVIRONMENT = {**os.environ, "PGSSLMODE": "disable", "PGGSSENCMODE": "disable"}


@dataclasses.dataclass
class Run:
    rate: float         # transactions a second
    count: int          # of them
    failed: int = 0     # with an error that pgbench goes on after


@dataclasses.dataclass
class Load:
    """What pgbench is told, but for where and how long."""

    scripts: list                  # of (SQL, weight)
    database: str
    user: str
    clients: int = 16
    protocol: str = "extended"
    rate: int = 0                  # transactions a second; 0: as many as go
    variables: dict = dataclasses.field(default_factory=dict)

    def start(self, port, seconds=None, each=None):
        """The process, and the directory of its scripts; `each`: transactions of each client."""
        directory = tempfile.TemporaryDirectory(prefix="sp-pb-")
        command = [PGBENCH, "-n", "-h", "127.0.0.1", "-p", str(port), "-U", self.user, "-M", self.protocol, "-c", str(self.clients),
                   "-j", str(min(self.clients, 2)), "-t" if each else "-T", str(each or seconds)]
        command += ["-R", str(self.rate)] if self.rate else []
        for name, value in self.variables.items():
            command += ["-D", f"{name}={value}"]
        for number, (text, weight) in enumerate(self.scripts):
            path = os.path.join(directory.name, f"{number}.sql")
            with open(path, "w") as file:
                file.write(text)
            command += ["-f", f"{path}@{weight}"]
        process = subprocess.Popen(command + [self.database], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
                                   env=_ENVIRONMENT)
        return process, directory

    def run(self, port, seconds=None, each=None):
        return finish(*self.start(port, seconds, each), patience=600 if each else 60 + 3 * seconds)


def finish(process, directory, patience):
    """Its Run; what start() gave."""
    with directory:
        try:
            output, complaints = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            raise LoadFailed("pgbench hangs")
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
    count = re.search(r"transactions actually processed: (\d+)", output)
    rate = re.search(r"^tps = ([0-9.]+)", output, re.M)
    failed = re.search(r"number of failed transactions: (\d+)", output)
    if process.returncode != 0 or not count or not rate or int(count[1]) == 0:
        raise LoadFailed(complaints.strip()[-500:] or f"pgbench exits with {process.returncode}")
    return Run(float(rate[1]), int(count[1]), int(failed[1]) if failed else 0)
