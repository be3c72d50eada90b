"""Starting child processes that cannot outlive the test run, as an unprivileged user when we are root.

`setpriv` execs its program, so the pid we get is the program's own; --pdeathsig ends it if this process dies.
"""
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from .waiting import wait_until

UNPRIVILEGED_USER = "postgres"   # initdb, postgres and the proxy refuse to run as root


def _privilege_prefix(death_signal):
    prefix = ["setpriv", "--pdeathsig", death_signal]
    if os.geteuid() == 0:
        prefix += ["--reuid", UNPRIVILEGED_USER, "--regid", UNPRIVILEGED_USER, "--init-groups"]
    return prefix + ["--"]


def run(arguments, **options):
    """Runs a short command to its end as the unprivileged user; fails with its output."""
    done = subprocess.run(_privilege_prefix("KILL") + [str(part) for part in arguments], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{arguments[0]} exited with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def start(arguments, death_signal="KILL", **options):
    return subprocess.Popen(_privilege_prefix(death_signal) + [str(part) for part in arguments], stdin=subprocess.DEVNULL, **options)


def give_to_unprivileged(path):
    if os.geteuid() == 0:
        entry = pwd.getpwnam(UNPRIVILEGED_USER)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def private_directory(prefix):
    """A new directory under /tmp that the unprivileged user owns; paths stay short, as Unix sockets want."""
    path = tempfile.mkdtemp(prefix=prefix, dir="/tmp")
    give_to_unprivileged(path)
    return path


def remove_directory(path):
    shutil.rmtree(path, ignore_errors=True)


def write_private_file(path, content):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    give_to_unprivileged(path)
    return path


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def signal_tree(pid, number):
    """A signal for a process and its children, as when a whole server freezes."""
    for each in [pid, *children_of(pid)]:
        try:
            os.kill(each, number)
        except ProcessLookupError:
            pass


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _stat(pid):
    """The fields of /proc/PID/stat from the third on."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()


def state(pid):
    """One letter: R, S, T (stopped), Z, ..."""
    return _stat(pid)[0]


def cpu_seconds(pid):
    """Processor time that a process has used, user and system."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def end(process, first_signal=signal.SIGTERM, deadline=10.0):
    """Ends a process of ours: politely, then with SIGKILL. Returns its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.send_signal(first_signal)
        try:
            process.wait(deadline)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(deadline)
    return process.returncode


def wait_for_exit(process, deadline=15.0):
    wait_until(lambda: process.poll() is not None, f"process {process.pid} exits", deadline)
    return process.returncode
