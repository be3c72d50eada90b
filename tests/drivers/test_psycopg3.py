"""psycopg 3: extended protocol, a statement is prepared at its fifth run, and pipelines."""
import threading

import psycopg
import pytest
from psycopg import errors

from sportello_testing.waiting import wait_until


@pytest.fixture
def connect(service):
    made = []

    def make(**options):
        made.append(psycopg.connect(**service.conninfo, **options))
        return made[-1]

    yield make
    for connection in made:
        connection.close()


def test_statements_that_the_driver_prepares(connect):
    connections = [connect(autocommit=True) for _ in range(5)]
    for step in range(20):
        for number, connection in enumerate(connections):
            assert connection.execute("SELECT %s::int * 10 + %s::int", [number, step]).fetchone() == (number * 10 + step,)


def test_one_name_means_another_text_on_each_connection(connect):
    first, second = connect(autocommit=True), connect(autocommit=True)
    for step in range(8):
        assert first.execute("SELECT 'first', %s::int", [step], prepare=True).fetchone() == ("first", step)
        assert second.execute("SELECT 'second', %s::text", [str(step)], prepare=True).fetchone() == ("second", str(step))


def test_more_statements_than_the_driver_keeps(connect):
    connection = connect(autocommit=True)
    connection.prepared_max = 5   # evicts with DEALLOCATE
    for step in range(60):
        assert connection.execute(f"SELECT {step % 12} + %s", [1], prepare=True).fetchone() == (step % 12 + 1,)


def test_binary_results(connect):
    row = connect().execute("SELECT %b::int, %b::text, NULL::int, ARRAY[1.5, 2]::float8[]", [7, "sette"], binary=True).fetchone()
    assert row == (7, "sette", None, [1.5, 2.0])


def test_pipelines(table, connect):
    connection = connect(autocommit=True)
    with connection.pipeline():
        with connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {table} VALUES (%s, %s)", [(n, f"note {n}") for n in range(200)])
        cursors = [connection.execute(f"SELECT note FROM {table} WHERE id = %s", [n]) for n in range(100)]
        assert [cursor.fetchone()[0] for cursor in cursors] == [f"note {n}" for n in range(100)]


def test_an_error_in_a_pipeline_skips_to_its_sync(table, connect):
    connection = connect(autocommit=True)
    with connection.pipeline() as pipeline:
        before = connection.execute(f"INSERT INTO {table} VALUES (1, 'before') RETURNING id")
        pipeline.sync()
        # psycopg raises wherever it happens to read an answer.
        raised = []
        for step in (lambda: connection.execute("SELECT 1 / %s", [0]),
                     lambda: connection.execute(f"INSERT INTO {table} VALUES (2, 'skipped') RETURNING id"),
                     pipeline.sync,
                     lambda: connection.execute("SELECT 1").fetchone(),
                     lambda: connection.execute("SELECT 1").fetchone()):
            try:
                step()
            except psycopg.Error as error:
                raised.append(type(error))
        assert errors.DivisionByZero in raised
        after = connection.execute(f"INSERT INTO {table} VALUES (3, 'after') RETURNING id")
        assert (before.fetchone(), after.fetchone()) == ((1,), (3,))
    assert connection.execute(f"SELECT array_agg(id ORDER BY id) FROM {table}").fetchone() == ([1, 3],)


def test_server_cursors_and_streams(connect):
    connection = connect()
    with connection.cursor(name="pieces") as cursor:
        cursor.execute("SELECT n FROM generate_series(1, 500) n")
        assert len(cursor.fetchmany(7)) == 7 and cursor.fetchone() == (8,) and len(cursor.fetchall()) == 492
    with connection.cursor() as cursor:
        assert sum(row[0] for row in cursor.stream("SELECT n FROM generate_series(1, 500) n")) == 125250


def test_copy_in_and_out(table, connect):
    with connect() as connection, connection.cursor() as cursor:
        with cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for n in range(5000):
                copy.write_row((n, f"note {n}"))
        with cursor.copy(f"COPY (SELECT * FROM {table} ORDER BY id) TO STDOUT") as copy:
            copy.set_types(["int4", "text"])
            assert list(copy.rows()) == [(n, f"note {n}") for n in range(5000)]


def test_a_copy_that_the_client_gives_up(table, connect):
    connection = connect(autocommit=True)
    with pytest.raises(errors.QueryCanceled, match="COPY from stdin failed"):
        with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
            copy.write_row((1, "never seen"))
            1 / 0
    assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_cancel_ends_one_query(connect, primary):
    connection, bystander = connect(autocommit=True), connect(autocommit=True)

    def cancel():
        wait_until(lambda: primary.rows("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(32)'"), "it runs")
        connection.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(errors.QueryCanceled):
        connection.execute("SELECT pg_sleep(32)")
    canceller.join()
    assert connection.execute("SELECT 1").fetchone() == (1,)
    assert bystander.execute("SELECT 2").fetchone() == (2,)


def test_errors_leave_a_usable_connection(table, connect):
    connection = connect()
    with pytest.raises(errors.SyntaxError):
        connection.execute("SELEC %s", [1])
    with pytest.raises(errors.InFailedSqlTransaction):
        connection.execute("SELECT 1")
    connection.rollback()
    with connection.transaction():
        connection.execute(f"INSERT INTO {table} VALUES (1, 'kept')")
        with pytest.raises(errors.UniqueViolation):
            with connection.transaction():  # a savepoint
                connection.execute(f"INSERT INTO {table} VALUES (1, 'twice')")
    assert connection.execute(f"SELECT note FROM {table}").fetchall() == [("kept",)]


def test_fifty_clients_keep_their_own_rows(table, connect, together):
    def work(number):
        connection = connect()
        for step in range(12):
            key = number * 100 + step
            with connection.transaction(force_rollback=step % 3 == 2):
                connection.execute(f"INSERT INTO {table} VALUES (%s, %s)", [key, f"client {number}"])
                assert connection.execute(f"SELECT note FROM {table} WHERE id = %s", [key]).fetchone() == (f"client {number}",)
        with connection.transaction():
            assert connection.execute(f"SELECT count(*) FROM {table} WHERE note = %s", [f"client {number}"]).fetchone() == (8,)

    together(work)
