"""Free TCP ports for servers that cannot report a port they chose themselves (postgres).

A port is taken from below the kernel's ephemeral range, so that no outgoing connection can grab it between our look
and the server's bind, and is locked with flock in a directory all test processes of the machine share: two test runs
side by side never meet. The lock lives until release_port, or as long as this process.
"""
import fcntl
import os
import random
import socket

_FIRST, _LAST = 12000, 30000
_LOCK_DIRECTORY = "/tmp/sportello-test-ports"
_held = {}  # port -> descriptor of its lock


def _path(port):
    return os.path.join(_LOCK_DIRECTORY, str(port))


def _lock(port):
    descriptor = os.open(_path(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return False
    _held[port] = descriptor
    return True


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port():
    os.makedirs(_LOCK_DIRECTORY, mode=0o777, exist_ok=True)
    for _ in range(1000):
        port = random.SystemRandom().randrange(_FIRST, _LAST)
        if _is_free(port) and _lock(port):
            return port
    raise RuntimeError("no free port between %d and %d" % (_FIRST, _LAST))


def release_port(port):
    """Nobody uses it any more. A run of a thousand tests would else run out of descriptors below select()'s limit."""
    descriptor = _held.pop(port, None)
    if descriptor is None:
        return
    try:
        os.unlink(_path(port))
    except OSError:
        pass
    os.close(descriptor)


def release_ports():
    """Removes this process's locks; called once, when the test session ends."""
    for port in list(_held):
        release_port(port)
