"""Makes tests/support importable and its fixtures known to every test below this folder."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))

from sportello_testing.fixtures import *  # noqa: E402,F401,F403
