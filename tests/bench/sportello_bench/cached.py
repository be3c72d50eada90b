"""A Sportello with a result cache, as the parts of `cache` start it, and what it says of itself."""
import os

from sportello_testing import processes
from sportello_testing.toml_text import toml_text

from .console import Console
from .contenders import Process

USER = "postgres"


class Cached(Process):
    """`cache`: its [cache] section; None is none."""

    def __init__(self, server, program, database, cache=None, workers=1, name="sportello", **settings):
        super().__init__(server)
        self.name = name
        self.program, self.database = os.path.abspath(program), database
        self._cache, self._workers, self._settings = cache, workers, settings
        self.config_path = None

    def command(self, directory):
        config = {
            "sportello": {"listen_addr": "127.0.0.1", "listen_port": self.port, "auth_type": "trust", "workers": self._workers,
                          "monitor_user": USER, "admin_users": [USER], "log_connections": False, "log_disconnections": False, "log_stats": False,
                          "auth_file": processes.write_private_file(os.path.join(directory, "userlist.txt"), f'"{USER}" ""\n'), **self._settings},
            "databases": {self.database: {"primary": self.server.dsn(self.database)}},
        }
        if self._cache:
            config["cache"] = self._cache
        self.config_path = processes.write_private_file(os.path.join(directory, "sportello.toml"), toml_text(config))
        return [self.program, self.config_path]

    def console(self):
        return Console(self.port, USER)

    def cache(self):
        """SHOW CACHE, of its one database."""
        with self.console() as console:
            return console.show("CACHE")[0]

    def rule(self, number=0):
        with self.console() as console:
            return console.show("CACHE RULES")[number]
