"""The admin console of a Sportello that is measured."""
import psycopg


class Console:
    """A connection that stays open, so that asking costs the proxy little."""

    def __init__(self, port, user):
        self._connection = psycopg.connect(host="127.0.0.1", port=port, user=user, dbname="sportello", autocommit=True, sslmode="disable",
                                           row_factory=psycopg.rows.dict_row, cursor_factory=psycopg.ClientCursor)
        self._connection.prepare_threshold = None

    def show(self, what):
        """A dict for each row."""
        return self._connection.execute("SHOW " + what).fetchall()

    def close(self):
        self._connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
