"""node-postgres (node/client.js)."""
import os

_HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node")


def test_node_postgres(service, table):
    assert os.path.isdir(os.path.join(_HERE, "node_modules", "pg")), f"run: npm ci --prefix {_HERE}"
    service.run_checks("node", os.path.join(_HERE, "client.js"), table,
                       expected=["prepared", "cursor", "copy", "cancel", "statement_timeout", "errors", "clients"])
