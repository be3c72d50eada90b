"""asyncpg: every statement is a named prepared one, executemany is a pipeline, timeouts send a CancelRequest."""
import asyncio

import asyncpg
import pytest

from sportello_testing.proxy_process import PATIENCE


def arguments(service):
    return {"host": service.host, "port": service.port, "user": service.user, "password": service.password, "database": service.dbname,
            "timeout": 15 * PATIENCE}


@pytest.fixture
def run(service):
    """run(scenario, connections): the coroutine gets that many connections."""

    def runner(scenario, connections=1):
        async def body():
            made = [await asyncpg.connect(**arguments(service)) for _ in range(connections)]
            try:
                await asyncio.wait_for(scenario(*made), 60 * PATIENCE)
            finally:
                for connection in made:
                    await connection.close(timeout=5)
        asyncio.run(body())

    return runner


def test_statements_of_several_connections(run):
    async def scenario(*connections):
        prepared = []
        for number, connection in enumerate(connections):
            prepared.append(await connection.prepare("SELECT $1::int + $2::int"))
            assert await prepared[-1].fetchval(number, 1) == number + 1
        for step in range(20):
            for number, connection in enumerate(connections):
                assert await connection.fetchval("SELECT $1::int * 10 + $2::int", number, step) == number * 10 + step
                assert await prepared[number].fetchval(number, step) == number + step
    run(scenario, 5)


def test_statements_that_are_prepared_first_and_run_later(run):
    """prepare() ends with Flush, not Sync: no ReadyForQuery of the client's says that the link is free."""
    async def scenario(*connections):
        prepared = [await connection.prepare("SELECT $1::int + 1", timeout=2 * PATIENCE) for connection in connections]
        assert [await statement.fetchval(n) for n, statement in enumerate(prepared)] == [1, 2, 3, 4, 5]
    run(scenario, 5)


def test_types_are_binary_and_looked_up(run, table):
    async def scenario(connection):
        row = await connection.fetchrow("SELECT $1::numeric AS n, $2::timestamptz IS NULL AS t, $3::int[] AS a, $4::jsonb AS j", 1, None, [1, 2], '{"a": 1}')
        assert (row["n"], row["t"], row["a"], row["j"]) == (1, True, [1, 2], '{"a": 1}')
        assert (await connection.fetchval(f"SELECT {table} FROM {table} RIGHT JOIN (SELECT 1) one ON true")) is None
    run(scenario)


def test_a_changed_type_is_read_as_what_it_is(run, table):
    """asyncpg reads rows by what it was told at prepare(); only the error tells it to ask again."""
    async def scenario(*connections):
        await connections[0].execute(f"CREATE TABLE {table}_own AS SELECT 1 AS id, '2'::text AS note")
        try:
            for connection in connections:
                assert await connection.fetchrow(f"SELECT * FROM {table}_own") == (1, "2")
            await connections[0].execute(f"ALTER TABLE {table}_own ALTER note TYPE float4 USING note::float4")
            for connection in connections:
                assert await connection.fetchrow(f"SELECT * FROM {table}_own") == (1, 2.0)
        finally:
            await connections[0].execute(f"DROP TABLE {table}_own")
    run(scenario, 5)


def test_executemany_is_a_pipeline(run, table):
    async def scenario(connection):
        await connection.executemany(f"INSERT INTO {table} VALUES ($1, $2)", [(n, f"note {n}") for n in range(2000)])
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 2000
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.executemany(f"INSERT INTO {table} VALUES ($1, 'twice')", [(n,) for n in range(3000, 1000, -1)])
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 2000
    run(scenario)


def test_cursors_read_in_pieces(run):
    async def scenario(connection):
        async with connection.transaction():
            cursor = connection.cursor("SELECT n FROM generate_series(1, 500) n WHERE n > $1", 100, prefetch=7)
            assert [record[0] async for record in cursor] == list(range(101, 501))
    run(scenario)


def test_copy_in_and_out(run, table, tmp_path):
    async def scenario(connection):
        records = [(n, f"note {n}") for n in range(5000)]
        assert await connection.copy_records_to_table(table, records=records) == "COPY 5000"
        out = tmp_path / "out"
        await connection.copy_from_query(f"SELECT * FROM {table} WHERE id < $1 ORDER BY id", 3, output=str(out))
        assert out.read_text() == "0\tnote 0\n1\tnote 1\n2\tnote 2\n"
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.copy_records_to_table(table, records=records[:1])
        assert await connection.fetchval("SELECT 1") == 1
    run(scenario)


def test_a_timeout_cancels_the_query(run):
    async def scenario(connection, bystander):
        with pytest.raises(asyncio.TimeoutError):
            await connection.fetchval("SELECT pg_sleep(33)", timeout=0.5)
        assert await connection.fetchval("SELECT 1") == 1
        assert await bystander.fetchval("SELECT 2") == 2
    run(scenario, 2)


def test_errors_leave_a_usable_connection(run, table):
    async def scenario(connection):
        with pytest.raises(asyncpg.PostgresSyntaxError):
            await connection.execute("SELEC 1")
        async with connection.transaction():
            await connection.execute(f"INSERT INTO {table} VALUES ($1, $2)", 1, "kept")
            with pytest.raises(asyncpg.UniqueViolationError):
                async with connection.transaction():   # a savepoint
                    await connection.execute(f"INSERT INTO {table} VALUES ($1, $2)", 1, "twice")
        failed = connection.transaction()
        await failed.start()
        with pytest.raises(asyncpg.DivisionByZeroError):
            await connection.fetchval("SELECT 1 / $1::int", 0)
        with pytest.raises(asyncpg.InFailedSQLTransactionError):
            await connection.fetchval("SELECT 1")
        await failed.rollback()
        assert await connection.fetchval(f"SELECT note FROM {table}") == "kept"
    run(scenario)


def test_a_pool_of_fifty_keeps_rows_apart(service, table):
    async def work(pool, number):
        for step in range(12):
            async with pool.acquire() as connection, connection.transaction():
                key = number * 100 + step
                await connection.execute(f"INSERT INTO {table} VALUES ($1, $2)", key, f"client {number}")
                assert await connection.fetchval(f"SELECT note FROM {table} WHERE id = $1", key) == f"client {number}"
        assert await pool.fetchval(f"SELECT count(*) FROM {table} WHERE note = $1", f"client {number}") == 12

    async def body():
        async with asyncpg.create_pool(min_size=50, max_size=50, **arguments(service)) as pool:
            await asyncio.wait_for(asyncio.gather(*(work(pool, number) for number in range(50))), 60 * PATIENCE)

    asyncio.run(body())
