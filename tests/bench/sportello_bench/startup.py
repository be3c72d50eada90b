"""What each of the programs here does before it starts servers."""
import resource
import signal
import sys


def begin():
    """SIGTERM ends it by its `finally`s, so that nothing that it started stays; it may open as many files as anybody may."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
