"""Prepared statements behave as on one's own server, though links change under them.

Every test runs against PostgreSQL first (what it does is the promise) and then against the proxy with two links.
"""
import asyncio
import contextlib

import asyncpg
import psycopg
import pytest

from sportello_testing import wire
from sportello_testing.wire_client import errors, rows

pytestmark = pytest.mark.ours


def run_named(client, name, *values):
    return client.exchange(wire.bind("", name, values), wire.execute(), wire.sync())


def prepare(client, name, sql, types=()):
    return client.exchange(wire.parse(name, sql, types), wire.sync())


# ---- named statements ----

def test_a_named_statement_outlives_its_link(service):
    client = service.wire()
    assert prepare(client, "s", "SELECT $1::int + 1") == ["ParseComplete", "ReadyForQuery I"]
    assert rows(run_named(client, "s", 1)) == ["2"]
    with service.other_link():
        assert rows(run_named(client, "s", 2)) == ["3"]
    assert rows(run_named(client, "s", 3)) == ["4"]


def test_the_whole_answer_is_postgresqls(service):
    client = service.wire()
    assert client.exchange(wire.parse("s", "SELECT $1::int AS a"), wire.describe_statement("s"), wire.bind("", "s", [7]),
                           wire.describe_portal(), wire.execute(), wire.sync()) == [
        "ParseComplete", "ParameterDescription 23", "RowDescription a", "BindComplete", "RowDescription a", "DataRow 7",
        "CommandComplete SELECT 1", "ReadyForQuery I"]
    with service.other_link():
        assert client.exchange(wire.describe_statement("s"), wire.bind("", "s", [8]), wire.execute(), wire.sync()) == [
            "ParameterDescription 23", "RowDescription a", "BindComplete", "DataRow 8", "CommandComplete SELECT 1", "ReadyForQuery I"]


def test_two_clients_use_one_name_for_different_statements(service):  # S41
    first, second = service.wire(), service.wire()
    prepare(first, "s", "SELECT 'first'")
    prepare(second, "s", "SELECT 'second'")
    for _ in range(3):
        assert rows(run_named(first, "s")) == ["first"]
        assert rows(run_named(second, "s")) == ["second"]


def test_two_clients_use_one_text_with_different_types(service):  # S41
    first, second = service.wire(), service.wire()
    prepare(first, "s", "SELECT pg_typeof($1)", [23])
    prepare(second, "s", "SELECT pg_typeof($1)", [25])
    for _ in range(2):
        assert rows(run_named(first, "s", "1")) == ["integer"]
        assert rows(run_named(second, "s", "1")) == ["text"]


def test_a_name_in_use_is_an_error(service):
    client = service.wire()
    prepare(client, "s", "SELECT 1")
    assert errors(prepare(client, "s", "SELECT 2")) == ["42P05"]
    assert rows(run_named(client, "s")) == ["1"]


def test_an_unknown_name_is_an_error(service):
    client = service.wire()
    assert errors(run_named(client, "nobody")) == ["26000"]
    assert errors(client.exchange(wire.describe_statement("nobody"), wire.sync())) == ["26000"]
    assert rows(client.query("SELECT 1")) == ["1"]


def test_close_frees_the_name_for_this_client_only(service):
    first, second = service.wire(), service.wire()
    prepare(first, "s", "SELECT 'first'")
    prepare(second, "s", "SELECT 'second'")
    assert first.exchange(wire.close_statement("s"), wire.sync()) == ["CloseComplete", "ReadyForQuery I"]
    assert errors(run_named(first, "s")) == ["26000"]
    assert rows(run_named(second, "s")) == ["second"]
    prepare(first, "s", "SELECT 'again'")
    assert rows(run_named(first, "s")) == ["again"]


def test_closing_what_is_not_there_is_no_error(service):
    assert service.wire().exchange(wire.close_statement("x"), wire.close_portal("y"), wire.sync()) == [
        "CloseComplete", "CloseComplete", "ReadyForQuery I"]


def test_a_failed_parse_leaves_no_statement(service):
    client = service.wire()
    assert errors(prepare(client, "s", "SELECT * FROM no_such_table")) == ["42P01"]
    assert errors(run_named(client, "s")) == ["26000"]
    prepare(client, "s", "SELECT 1")
    assert rows(run_named(client, "s")) == ["1"]


def test_a_statement_prepared_in_a_rolled_back_transaction_stays(service):
    client = service.wire()
    client.query("BEGIN")
    prepare(client, "s", "SELECT 5")
    client.query("ROLLBACK")
    with service.other_link():
        assert rows(run_named(client, "s")) == ["5"]


def test_in_a_failed_transaction_nothing_is_prepared(service):
    client = service.wire()
    client.query("BEGIN")
    client.query("SELECT nothing")
    assert errors(prepare(client, "s", "SELECT 1")) == ["25P02"]
    client.query("ROLLBACK")
    assert errors(run_named(client, "s")) == ["26000"]


# ---- the unnamed statement ----

def test_the_unnamed_statement_outlives_its_sync_and_its_link(service):
    client = service.wire()
    assert prepare(client, "", "SELECT $1::int * 2") == ["ParseComplete", "ReadyForQuery I"]
    with service.other_link():
        assert rows(run_named(client, "", 4)) == ["8"]
    assert rows(run_named(client, "", 5)) == ["10"]


def test_the_unnamed_statement_is_replaced_and_not_shared(service):
    first, second = service.wire(), service.wire()
    prepare(first, "", "SELECT 'first'")
    prepare(second, "", "SELECT 'second'")
    assert rows(run_named(first, "")) == ["first"]
    prepare(first, "", "SELECT 'newer'")
    assert rows(run_named(first, "")) == ["newer"]
    assert rows(run_named(second, "")) == ["second"]


def test_the_unnamed_statement_works_between_flushes(service):
    client = service.wire()
    client.send(wire.parse("", "SELECT $1::text"), wire.describe_statement(), wire.flush())
    client.read_until("RowDescription")
    client.send(wire.bind("", "", ["x"]), wire.execute(), wire.sync())
    assert rows(client.read_until_ready()) == ["x"]


def test_a_simple_query_drops_the_unnamed_statement(service):
    client = service.wire()
    prepare(client, "", "SELECT 1")
    client.query("SELECT 2")
    assert errors(run_named(client, "")) == ["26000"]


# ---- pipelines ----

def test_a_pipeline_of_many_syncs_is_answered_in_order(service):
    client = service.wire()
    prepare(client, "s", "SELECT $1::int")
    batch = [part for number in range(100) for part in (wire.bind("", "s", [number]), wire.execute(), wire.sync())]
    assert rows(client.exchange(*batch, ready=100)) == [str(number) for number in range(100)]


def test_an_error_in_a_pipeline_skips_to_its_sync(service):
    client = service.wire()
    lines = client.exchange(
        wire.parse("a", "SELECT 1"), wire.bind("", "a"), wire.execute(), wire.sync(),
        wire.parse("b", "SELECT 1/0"), wire.bind("", "b"), wire.execute(), wire.parse("c", "SELECT 3"), wire.sync(),
        wire.bind("", "a"), wire.execute(), wire.sync(), ready=3)
    assert lines == [
        "ParseComplete", "BindComplete", "DataRow 1", "CommandComplete SELECT 1", "ReadyForQuery I",
        "ParseComplete", "ErrorResponse ERROR 22012 division by zero", "ReadyForQuery I",
        "BindComplete", "DataRow 1", "CommandComplete SELECT 1", "ReadyForQuery I"]
    assert errors(run_named(client, "c")) == ["26000"]


def test_parses_skipped_after_an_error_are_not_remembered_on_the_link(service):
    client = service.wire()
    client.exchange(wire.parse("x", "SELECT bad bad bad"), wire.parse("y", "SELECT 'y'"), wire.sync())
    assert prepare(client, "y", "SELECT 'yes'") == ["ParseComplete", "ReadyForQuery I"]
    assert rows(run_named(client, "y")) == ["yes"]
    other = service.wire()
    prepare(other, "z", "SELECT 'y'")
    assert rows(run_named(other, "z")) == ["y"]


def test_a_query_inside_an_unsynced_pipeline(service):  # S43
    client = service.wire()
    client.send(wire.parse("", "SELECT 1"), wire.bind(), wire.execute(), wire.query("SELECT 2"))
    assert rows(client.read_until_ready()) == ["1", "2"]
    client.send(wire.sync())
    assert client.read_until_ready() == ["ReadyForQuery I"]
    assert rows(client.query("SELECT 3")) == ["3"]


def test_an_implicit_transaction_spans_a_pipeline(service, table):
    client = service.wire()
    lines = client.exchange(
        wire.parse("", f"INSERT INTO {table} VALUES (1)"), wire.bind(), wire.execute(),
        wire.parse("", f"INSERT INTO {table} VALUES (1)"), wire.bind(), wire.execute(), wire.sync())
    assert errors(lines) == ["23505"]
    assert rows(client.query(f"SELECT count(*) FROM {table}")) == ["0"]


def test_a_portal_gives_its_rows_in_parts(service):
    client = service.wire()
    lines = client.exchange(
        wire.parse("", "SELECT generate_series(1, 5)"), wire.bind("p", ""), wire.execute("p", 2), wire.execute("p", 2), wire.execute("p", 2), wire.sync())
    assert rows(lines) == ["1", "2", "3", "4", "5"]
    assert lines.count("PortalSuspended") == 2
    assert errors(client.exchange(wire.execute("p"), wire.sync())) == ["34000"]


def test_a_portal_lives_until_its_transaction_ends(service):
    client = service.wire()
    client.query("BEGIN")
    client.exchange(wire.parse("s", "SELECT generate_series(1, 3)"), wire.bind("p", "s"), wire.execute("p", 1), wire.sync())
    assert rows(client.exchange(wire.execute("p", 1), wire.sync())) == ["2"]
    client.exchange(wire.close_portal("p"), wire.sync())
    assert errors(client.exchange(wire.execute("p", 1), wire.sync())) == ["34000"]
    client.query("ROLLBACK")
    assert rows(run_named(client, "s")) == ["1", "2", "3"]


def test_an_empty_query_is_answered_as_such(service):
    client = service.wire()
    assert client.query("") == ["EmptyQueryResponse", "ReadyForQuery I"]
    assert client.extended("") == ["ParseComplete", "BindComplete", "NoData", "EmptyQueryResponse", "ReadyForQuery I"]


def test_a_function_call_is_answered(service):
    client = service.wire()
    oid = int(client.value("SELECT 'pg_catalog.abs(integer)'::regprocedure::oid"))
    lines = client.exchange(wire.function_call(oid, [-5]))
    assert lines == ["FunctionCallResponse", "ReadyForQuery I"]


# ---- SQL-level statements ----

def test_sql_prepare_and_execute_follow_the_client(service):
    client = service.wire()
    client.query("PREPARE p AS SELECT $1::int + 10")
    with service.other_link():
        assert rows(client.query("EXECUTE p(1)")) == ["11"]
    client.query("DEALLOCATE p")
    assert errors(client.query("EXECUTE p(1)")) == ["26000"]


def test_sql_prepare_is_not_seen_by_others(service):
    first, second = service.wire(), service.wire()
    first.query("PREPARE p AS SELECT 'first'")
    assert errors(second.query("EXECUTE p")) == ["26000"]
    assert errors(second.query("PREPARE p AS SELECT 'second'")) == []
    assert rows(second.query("EXECUTE p")) == ["second"]


@pytest.mark.parametrize("statement", ["DEALLOCATE ALL", "DEALLOCATE s", "DISCARD ALL"])
def test_deallocate_and_discard_drop_protocol_statements(service, statement):
    first, second = service.wire(), service.wire()
    prepare(first, "s", "SELECT 1")
    prepare(second, "s", "SELECT 2")
    assert errors(first.query(statement)) == []
    assert errors(run_named(first, "s")) == ["26000"]
    assert rows(run_named(second, "s")) == ["2"]


def test_discard_all_in_a_pipeline_before_parse(service):  # S41
    client = service.wire()
    prepare(client, "s", "SELECT 1")
    lines = client.exchange(wire.parse("", "DISCARD ALL"), wire.bind(), wire.execute(), wire.sync(),
                            wire.parse("s", "SELECT 2"), wire.bind("", "s"), wire.execute(), wire.sync(), ready=2)
    assert errors(lines) == [] and rows(lines) == ["2"]
    with service.other_link():
        assert rows(run_named(client, "s")) == ["2"]


def test_discard_all_in_a_transaction_is_postgresqls_error(service):
    client = service.wire()
    client.query("BEGIN")
    assert errors(client.query("DISCARD ALL")) == ["25001"]
    client.query("ROLLBACK")


# ---- plans that no longer fit ----

def test_a_new_parse_after_ddl_is_planned_anew(service, table):
    client = service.wire("postgres")
    assert client.extended(f"SELECT * FROM {table}")[2] == "RowDescription id note"
    client.query(f"ALTER TABLE {table} ADD COLUMN extra int")
    for _ in range(2):
        assert client.extended(f"SELECT * FROM {table}")[2] == "RowDescription id note extra"
    other = service.wire()
    assert other.extended(f"SELECT * FROM {table}", name="n")[2] == "RowDescription id note extra"


def test_a_parse_after_ddl_by_someone_else_is_planned_anew(service, primary, table):
    client = service.wire()
    client.extended(f"SELECT * FROM {table}")
    primary.run(f"ALTER TABLE {table} DROP COLUMN note")
    assert client.extended(f"SELECT * FROM {table}")[2] == "RowDescription id"


def test_a_parse_sees_the_search_path_of_its_session(service, primary, table):  # S41
    primary.run(f"CREATE SCHEMA {table}_s", f"CREATE TABLE {table}_s.{table} AS SELECT 99 AS id", f"GRANT ALL ON SCHEMA {table}_s TO PUBLIC",
                f"GRANT ALL ON {table}_s.{table} TO PUBLIC")
    try:
        first, second = service.wire(), service.wire()
        first.query(f"SET search_path = {table}_s")
        for _ in range(2):
            assert rows(first.extended(f"SELECT count(*) FROM {table}")) == ["1"]
            assert rows(second.extended(f"SELECT count(*) FROM {table}")) == ["0"]
    finally:
        primary.terminate_links()
        primary.run(f"DROP SCHEMA {table}_s CASCADE")


# ---- who has been told what the rows are, and does not ask again ----

_STALE = ["0A000"]


def describe(client, name):
    return client.exchange(wire.describe_statement(name), wire.sync())


@pytest.fixture
def told(service, primary, table):
    """A client that was told that s gives (id, note); the primary's table is changed past it."""
    client = service.wire()
    prepare(client, "s", f"INSERT INTO {table} VALUES (1, 'one') ON CONFLICT DO NOTHING RETURNING *")
    assert "RowDescription id note" in describe(client, "s")
    primary.run(f"ALTER TABLE {table} ALTER note TYPE bytea USING NULL")
    return client


def test_rows_of_another_type_are_an_error_to_who_was_told_before(service, told):
    assert errors(run_named(told, "s")) == _STALE
    assert told.query("SELECT 1")[-1] == "ReadyForQuery I"


def test_rows_of_another_type_are_an_error_over_another_link_too(service, primary, table, told):
    with service.other_link():
        assert errors(run_named(told, "s")) == _STALE
    assert primary.value(f"SELECT count(*) FROM {table}") == 0, "nothing was run"
    told.exchange(wire.close_statement("s"), wire.sync())
    prepare(told, "s", f"SELECT * FROM {table}")
    describe(told, "s")
    for _ in range(2):
        with service.other_link():
            assert errors(run_named(told, "s")) == []


def test_rows_of_another_type_are_an_error_though_the_portal_is_described(service, told):
    for link in (contextlib.nullcontext, service.other_link):
        with link():
            answer = told.exchange(wire.bind("", "s"), wire.describe_portal(), wire.execute(), wire.sync())
            assert errors(answer) == _STALE


def test_rows_of_another_type_fail_a_transaction_block(service, told):
    with service.other_link():
        told.query("BEGIN")
        told.query("SELECT 1")
        assert run_named(told, "s")[-1] == "ReadyForQuery E"
        told.query("ROLLBACK")


def test_a_described_statement_runs_over_any_link(service, table):
    client = service.wire()
    prepare(client, "s", f"SELECT 1 AS one, count(*) FROM {table}")
    describe(client, "s")
    with service.other_link():
        for _ in range(2):
            assert rows(run_named(client, "s")) == ["1 0"]
    with service.other_link():
        client.query("BEGIN")
        client.query("SELECT 1")
        assert rows(run_named(client, "s")) == ["1 0"]
        assert client.query("COMMIT")[-1] == "ReadyForQuery I"


def test_a_described_statement_is_evicted_and_comes_back(proxy, table, primary, workers):
    process = proxy(default_pool_size=1, max_prepared_statements=1, workers=workers)
    with process.wire() as client:
        prepare(client, "s", f"SELECT * FROM {table}")
        describe(client, "s")
        for _ in range(2):
            prepare(client, "", "SELECT 1")
            prepare(client, "other", "SELECT 2")
            run_named(client, "other")
            assert errors(run_named(client, "s")) == []
            client.exchange(wire.close_statement("other"), wire.sync())
        run_named(client, "other")
        prepare(client, "third", "SELECT 3")
        run_named(client, "third")
        primary.run(f"ALTER TABLE {table} ADD COLUMN extra int")
        assert errors(run_named(client, "s")) == _STALE


# ---- only the proxy ----

def test_a_changed_result_type_is_healed(proxy, primary, table, workers):  # 0A000
    process = proxy(default_pool_size=1, workers=workers)
    with process.wire() as client:
        prepare(client, "s", f"SELECT * FROM {table}")
        assert errors(run_named(client, "s")) == []
        primary.run(f"ALTER TABLE {table} ADD COLUMN extra int")
        assert errors(run_named(client, "s")) == []


def test_a_statement_deallocated_behind_our_back_is_healed(proxy, workers):  # 26000
    process = proxy(default_pool_size=1, workers=workers)
    with process.wire() as client:
        prepare(client, "s", "SELECT 1")
        assert rows(run_named(client, "s")) == ["1"]
        client.query("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$")
        assert rows(run_named(client, "s")) == ["1"]


def test_statements_are_evicted_least_recently_used(proxy, primary, workers):
    process = proxy(default_pool_size=1, max_prepared_statements=5, workers=workers)
    with process.wire() as client:
        for number in range(20):
            prepare(client, f"s{number}", f"SELECT {number} + $1::int")
        for _ in range(2):
            for number in range(20):
                assert rows(run_named(client, f"s{number}", 100)) == [str(100 + number)]
        assert int(client.value("SELECT count(*) FROM pg_prepared_statements")) <= 5


def test_a_batch_with_more_statements_than_are_kept(proxy, workers):
    process = proxy(default_pool_size=1, max_prepared_statements=2, workers=workers)
    with process.wire() as client:
        batch = [part for number in range(6) for part in (wire.parse(f"s{number}", f"SELECT {number}"), wire.bind("", f"s{number}"), wire.execute())]
        assert rows(client.exchange(*batch, wire.sync())) == [str(number) for number in range(6)]
        for number in range(6):
            assert rows(run_named(client, f"s{number}")) == [str(number)]


def test_clients_share_server_statements_of_one_text(proxy, workers):
    process = proxy(default_pool_size=1, workers=workers)
    clients = [process.wire() for _ in range(10)]
    for number, client in enumerate(clients):
        prepare(client, f"mine{number}", "SELECT 'shared'")
        assert rows(run_named(client, f"mine{number}")) == ["shared"]
    assert int(clients[0].value("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%shared%'")) <= 1
    for client in clients:
        client.close()


def test_a_client_vanishes_between_parse_and_bind(proxy, workers):  # S39
    process = proxy(default_pool_size=1, reserve_pool_size=0, workers=workers)
    gone = process.wire()
    gone.send(wire.parse("s", "SELECT 'canary'"), wire.flush())
    gone.read_until("ParseComplete")
    gone.reset()
    with process.wire() as client:
        assert errors(run_named(client, "s")) == ["26000"]
        prepare(client, "s", "SELECT 'mine'")
        assert rows(run_named(client, "s")) == ["mine"]


def test_drivers_work_with_their_defaults(proxy, table, workers):
    process = proxy(default_pool_size=2, workers=workers)

    async def asyncpg_client(number):
        connection = await asyncpg.connect(host="127.0.0.1", port=process.port, user="alice", database="app", ssl=False)
        for step in range(10):
            assert await connection.fetchval("SELECT $1::int + $2::int", number, step) == number + step
        await connection.executemany(f"INSERT INTO {table} VALUES ($1, $2)", [(number * 10 + each, "x") for each in range(10)])
        await connection.close()

    async def all_of_them():
        await asyncio.gather(*(asyncpg_client(number) for number in range(10)))
    asyncio.run(all_of_them())
    connections = [process.connect(prepare_threshold=1) for _ in range(5)]
    for step in range(10):
        for connection in connections:
            assert connection.execute("SELECT %s::int * 2", [step]).fetchone() == (step * 2,)
    with connections[0].pipeline():
        answers = [connections[0].execute("SELECT %s::int", [each]) for each in range(20)]
        assert [answer.fetchone()[0] for answer in answers] == list(range(20))
    with connections[0].pipeline():
        with pytest.raises(psycopg.errors.DivisionByZero):
            connections[0].execute("SELECT 1/%s::int", [0]).fetchone()
    assert connections[0].execute(f"SELECT count(*) FROM {table}").fetchone() == (100,)
    for connection in connections:
        connection.close()


# ---- max_prepared_statements = 0 ----

def test_without_virtual_statements_a_session_keeps_its_link(proxy, workers):
    process = proxy(max_prepared_statements=0, default_pool_size=2, workers=workers)
    with process.wire() as one, process.wire() as two:
        for client, number in ((one, 1), (two, 2)):
            client.send(wire.parse("mine", f"SELECT {number}"), wire.sync())
            client.read_until_ready()
        for client, number in ((one, 1), (two, 2), (one, 1)):
            client.send(wire.bind("", "mine"), wire.execute(), wire.sync())
            assert rows(client.read_until_ready()) == [str(number)]
            assert rows(client.query("EXECUTE mine")) == [str(number)]
            assert rows(client.query("SELECT name FROM pg_prepared_statements")) == ["mine"]
        assert {row["pinned"] for row in process.show("CLIENTS") if row["user"] == "alice"} == {"named statement"}
        one.query("DEALLOCATE mine")
        one.send(wire.bind("", "mine"), wire.sync())
        assert errors(one.read_until_ready()) == ["26000"]
        one.terminate()
        with process.wire() as three:
            three.send(wire.bind("", "mine"), wire.sync())
            assert errors(three.read_until_ready()) == ["26000"]
            three.send(wire.parse("", "SELECT 3"), wire.bind(), wire.execute(), wire.sync())
            assert rows(three.read_until_ready()) == ["3"]
            assert [row["pinned"] for row in process.show("CLIENTS") if row["user"] == "alice"].count("") == 1


# ---- what the proxy answers itself, in front of a server's answer ----

def test_a_batch_that_has_ended_is_told_before_a_slow_one_behind_it_is_answered(proxy):
    with proxy().wire() as client:
        client.extended("SELECT pg_sleep(3)", name="slow")
        client.extended("SELECT 1", name="one")
        client.send(wire.sync(), wire.bind("", "slow"), wire.execute(), wire.sync())
        assert client.read_until_ready(deadline=2) == ["ReadyForQuery I"]
        client.read_until_ready()


def test_the_answer_to_a_parse_comes_in_front_of_the_servers_own_even_if_that_is_an_error(proxy):
    process = proxy(default_pool_size=1)
    with process.wire() as client, process.wire() as other:
        batch = [wire.parse("", "SELECT 1 / $1::int"), wire.bind("", "", [1]), wire.execute(), wire.sync()]
        for _ in range(3):
            assert client.exchange(*batch) == ["ParseComplete", "BindComplete", "DataRow 1",
                                               "CommandComplete SELECT 1", "ReadyForQuery I"]
            batch = [wire.parse("", "SELECT 1 / $1::int"), wire.bind("", "", [0]), wire.execute(), wire.sync()]
            failed = other.exchange(*batch)
            assert failed[0] == "ParseComplete" and errors(failed) == ["22012"]
            batch[1] = wire.bind("", "", [1])


# ---- Flush instead of Sync ----

def test_a_batch_that_only_prepares_and_is_flushed_holds_no_link(proxy, workers):
    process = proxy(default_pool_size=1, workers=workers, query_timeout="1s")
    clients = [process.wire() for _ in range(4)]
    for number, client in enumerate(clients):
        client.send(wire.parse("s", f"SELECT {number}"), wire.describe_statement("s"), wire.flush())
        client.read_until("RowDescription")
    assert clients[0].hears_nothing(1.5)     # nor is it a query that runs
    for number, client in enumerate(clients):
        client.send(wire.bind("", "s"), wire.execute(), wire.sync())
        assert rows(client.read_until_ready()) == [str(number)]
        client.close()


def test_after_an_error_and_flush_everything_up_to_sync_is_passed_over(service, table):
    client = service.wire()
    client.send(wire.parse("s", "SELEKT"), wire.describe_statement("s"), wire.flush())
    assert errors(client.read_until("ErrorResponse")) == ["42601"]
    client.send(wire.parse("t", f"INSERT INTO {table} VALUES (1, 'no')"), wire.bind("", "t"), wire.execute(), wire.flush())
    assert client.hears_nothing(0.3)
    client.send(wire.sync())
    assert client.read_until_ready() == ["ReadyForQuery I"]
    assert rows(client.query(f"SELECT count(*) FROM {table}")) == ["0"]


def test_a_known_text_prepared_in_a_failed_transaction_is_refused(service):
    client = service.wire()
    client.send(wire.parse("s", "SELECT 1"), wire.sync())
    client.read_until_ready()
    client.query("BEGIN")
    client.send(wire.query("SELECT 1/0"), wire.parse("t", "SELECT 1"), wire.sync())
    assert errors(client.read_until_ready(2)) == ["22012", "25P02"]
    client.send(wire.parse("t", "SELECT 1"), wire.sync(), wire.query("DEALLOCATE s"))
    assert errors(client.read_until_ready(2)) == ["25P02", "25P02"]
    client.query("ROLLBACK")
    client.send(wire.bind("", "s"), wire.execute(), wire.sync())
    assert rows(client.read_until_ready()) == ["1"]


def test_a_constant_is_read_under_the_settings_of_its_parse(service):
    """Two clients prepare one text; each has its own reading of it."""
    for style, expected in (("ISO, MDY", "2024-01-02"), ("ISO, DMY", "2024-02-01"), ("ISO, MDY", "2024-01-02")):
        client = service.wire(DateStyle=style)
        for _ in range(2):
            client.send(wire.parse("d", "SELECT '1/2/2024'::date"), wire.bind("", "d"), wire.execute(), wire.close_statement("d"), wire.sync())
            assert rows(client.read_until_ready()) == [expected]
