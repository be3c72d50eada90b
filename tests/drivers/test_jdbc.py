"""PostgreSQL's JDBC driver (jdbc/JdbcClient.java)."""
import os
import subprocess

import pytest

_SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "jdbc", "JdbcClient.java")
_DRIVER = "/usr/share/java/postgresql.jar"


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    directory = tmp_path_factory.mktemp("jdbc")
    subprocess.run(["javac", "-encoding", "UTF-8", "-cp", _DRIVER, "-d", directory, _SOURCE], check=True, timeout=120)
    return directory


def test_jdbc(service, table, classes):
    service.run_checks("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{classes}:{_DRIVER}:/usr/share/java/scram-client.jar:/usr/share/java/scram-common.jar:"
                       "/usr/share/java/saslprep.jar:/usr/share/java/stringprep.jar", "JdbcClient", table,
                       expected=["prepared", "batch", "fetch size", "copy", "cancel", "errors", "transaction modes", "clients"])
