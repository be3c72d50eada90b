"""Makes tests/support importable and its fixtures known to every test below this folder."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))

from sportello_testing.fixtures import *  # noqa: E402,F401,F403

# A run that is told to end (as `timeout` does) takes its servers and directories with it.
signal.signal(signal.SIGTERM, signal.default_int_handler)
