"""Waiting for conditions with a deadline.

Tests never sleep to let something happen: they wait until it is so, and fail with what they saw last.
"""
import os
import time

# Sanitizers slow everything down; deadlines are multiplied by this.
PATIENCE = float(os.environ.get("SPORTELLO_TEST_PATIENCE", "1"))
DEFAULT_DEADLINE_SECONDS = 8.0 * PATIENCE


class DeadlineExceeded(AssertionError):
    """A condition did not come true in time."""


def wait_until(condition, what, deadline=DEFAULT_DEADLINE_SECONDS, poll=0.01):
    """Calls condition() until it is true, and returns its value.

    Exceptions of the condition count as "not yet" and are shown if the deadline passes.
    """
    end = time.monotonic() + deadline
    while True:
        seen = None
        try:
            seen = condition()
            if seen:
                return seen
        except DeadlineExceeded:
            raise
        except Exception as error:  # a condition over a server that is still starting
            seen = error
        if time.monotonic() >= end:
            raise DeadlineExceeded(f"not within {deadline} s: {what}; last seen: {seen!r}")
        time.sleep(poll)


def stays_true(condition, what, seconds):
    """Fails as soon as the condition is false within the given time: for promises that something does not happen."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), what
        time.sleep(0.01)


class Stopwatch:
    """Monotonic time since it was made."""

    def __init__(self):
        self.started = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self.started
