"""A share of a core for a server, as if it had a small machine of its own: the kernel's bandwidth control (cgroup v1), for root."""
import os

_ROOT = "/sys/fs/cgroup/cpu"
_PERIOD_US = 100_000


def is_possible():
    return os.path.exists(os.path.join(_ROOT, "cpu.cfs_quota_us")) and os.access(_ROOT, os.W_OK)


class CpuLimit:
    """For one PostgreSQL server: the processes that it has and will have."""

    def __init__(self, name, cores):
        self._path = os.path.join(_ROOT, f"sportello-bench-{os.getpid()}-{name}")
        os.mkdir(self._path)
        self._write("cpu.cfs_period_us", _PERIOD_US)
        self._write("cpu.cfs_quota_us", int(cores * _PERIOD_US))

    def take(self, pids):
        for pid in pids:
            try:
                self._write("cgroup.procs", pid)
            except ProcessLookupError:
                pass  # it has ended meanwhile

    def _write(self, name, value):
        with open(os.path.join(self._path, name), "w") as file:
            file.write(str(value))

    def lift(self):
        """Its processes are as free as others again."""
        with open(os.path.join(self._path, "cgroup.procs")) as file:
            pids = file.read().split()
        for pid in pids:
            try:
                with open(os.path.join(_ROOT, "cgroup.procs"), "w") as file:
                    file.write(pid)
            except ProcessLookupError:
                pass
        os.rmdir(self._path)
