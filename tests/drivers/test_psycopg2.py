"""psycopg2: every statement is a simple query, parameters are written into the text."""
import io
import threading

import psycopg2
import psycopg2.errors
import psycopg2.extras
import pytest

from sportello_testing.waiting import wait_until


@pytest.fixture
def connect(service):
    made = []

    def make():
        made.append(psycopg2.connect(**service.conninfo))
        return made[-1]

    yield make
    for connection in made:
        connection.close()


def one(cursor, statement, parameters=None):
    cursor.execute(statement, parameters)
    return cursor.fetchone()[0]


def test_values_come_back_as_they_went(connect):
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT %s::text, %s::int[], %s::bytea, %s::numeric, %s::text", ["l'àncora", [1, 2], b"\0\1", 1.5, None])
        text, numbers, raw, number, nothing = cursor.fetchone()
        assert (text, numbers, bytes(raw), float(number), nothing) == ("l'àncora", [1, 2], b"\0\1", 1.5, None)


def test_sql_prepare_is_one_clients_own(connect):
    first, second = connect(), connect()
    for connection in (first, second):
        connection.autocommit = True
    with first.cursor() as mine, second.cursor() as other:
        mine.execute("PREPARE answer(int) AS SELECT $1 + 41")
        with pytest.raises(psycopg2.errors.InvalidSqlStatementName):
            other.execute("EXECUTE answer(1)")
        assert one(mine, "EXECUTE answer(1)") == 42
        mine.execute("DEALLOCATE answer")


def test_named_cursors_read_in_pieces(connect):
    with connect() as connection, connection.cursor(name="pieces") as cursor:
        cursor.itersize = 7
        cursor.execute("SELECT n FROM generate_series(1, 50) n")
        assert [row[0] for row in cursor] == list(range(1, 51))


def test_copy_in_and_out(table, connect):
    with connect() as connection, connection.cursor() as cursor:
        lines = "".join(f"{n}\tnote {n}\n" for n in range(5000))
        cursor.copy_expert(f"COPY {table} FROM STDIN", io.StringIO(lines))
        out = io.StringIO()
        cursor.copy_expert(f"COPY (SELECT * FROM {table} ORDER BY id) TO STDOUT", out)
        assert out.getvalue() == lines


def test_a_copy_with_a_bad_line_fails_alone(table, connect):
    connection = connect()
    with connection.cursor() as cursor:
        with pytest.raises(psycopg2.errors.InvalidTextRepresentation):
            cursor.copy_expert(f"COPY {table} FROM STDIN", io.StringIO("1\tgood\nbad\tbad\n"))
        connection.rollback()
        assert one(cursor, f"SELECT count(*) FROM {table}") == 0


def test_cancel_ends_one_query(connect, primary):
    connection = connect()
    bystander = connect()
    canceller = threading.Timer(0, lambda: (
        wait_until(lambda: primary.rows("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(31)%'"), "it runs"),
        connection.cancel()))
    with connection.cursor() as cursor, bystander.cursor() as other:
        canceller.start()
        with pytest.raises(psycopg2.errors.QueryCanceled):
            cursor.execute("SELECT pg_sleep(31)")
        canceller.join()
        connection.rollback()
        assert one(cursor, "SELECT 1") == 1
        assert one(other, "SELECT 2") == 2


def test_errors_leave_a_usable_connection(table, connect):
    connection = connect()
    with connection.cursor() as cursor:
        with pytest.raises(psycopg2.errors.SyntaxError):
            cursor.execute("SELEC 1")
        with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
            cursor.execute("SELECT 1")
        connection.rollback()
        cursor.execute(f"INSERT INTO {table} VALUES (1, 'kept')")
        connection.commit()
        cursor.execute("SAVEPOINT before")
        with pytest.raises(psycopg2.errors.UniqueViolation) as caught:
            cursor.execute(f"INSERT INTO {table} VALUES (1, 'twice')")
        assert caught.value.diag.constraint_name == f"{table}_pkey"
        cursor.execute("ROLLBACK TO before")
        assert one(cursor, f"SELECT note FROM {table}") == "kept"
        connection.rollback()


def test_fifty_clients_keep_their_own_rows(table, connect, together):
    def work(number):
        connection = connect()
        with connection.cursor() as cursor:
            for step in range(10):
                key = number * 100 + step
                psycopg2.extras.execute_values(cursor, f"INSERT INTO {table} VALUES %s", [(key, f"client {number}")])
                assert one(cursor, f"SELECT note FROM {table} WHERE id = %s", [key]) == f"client {number}"
                if step % 3 == 2:
                    connection.rollback()
                else:
                    connection.commit()
            assert one(cursor, f"SELECT count(*) FROM {table} WHERE note = %s", [f"client {number}"]) == 7
            connection.commit()

    together(work)
