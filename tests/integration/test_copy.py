"""COPY in both directions, and all its ways to fail, leave the session and the link usable."""
import pytest

from sportello_testing import wire
from sportello_testing.wire_client import errors, rows


def test_copy_in(service, table):
    client = service.wire()
    client.send(wire.query(f"COPY {table} FROM STDIN"))
    assert client.read_until("CopyInResponse") == ["CopyInResponse"]
    lines = client.exchange(wire.copy_data(b"1\tone\n2\tt"), wire.copy_data(b"wo\n"), wire.copy_done())
    assert lines == ["CommandComplete COPY 2", "ReadyForQuery I"]
    assert rows(client.query(f"SELECT note FROM {table} ORDER BY id")) == ["one", "two"]


@pytest.mark.ours
def test_copy_in_sent_without_waiting(service, table):
    client = service.wire()
    lines = client.exchange(wire.query(f"COPY {table} FROM STDIN"), wire.copy_data(b"1\tx\n"), wire.copy_done(), wire.query("SELECT 7"), ready=2)
    assert lines[:3] == ["CopyInResponse", "CommandComplete COPY 1", "ReadyForQuery I"]
    assert rows(lines) == ["7"]


def test_copy_out(service):
    client = service.wire()
    lines = client.query("COPY (SELECT generate_series(1, 3)) TO STDOUT")
    assert lines == ["CopyOutResponse", "CopyData 1", "CopyData 2", "CopyData 3", "CopyDone", "CommandComplete COPY 3", "ReadyForQuery I"]


def test_copy_fail_is_the_clients_error(service, table):
    client = service.wire()
    client.send(wire.query(f"COPY {table} FROM STDIN"))
    client.read_until("CopyInResponse")
    lines = client.exchange(wire.copy_data(b"1\tx\n"), wire.copy_fail("changed my mind"))
    assert errors(lines) == ["57014"]
    assert rows(client.query(f"SELECT count(*) FROM {table}")) == ["0"]


def test_bad_data_fails_and_the_rest_is_ignored(service, table):
    client = service.wire()
    client.send(wire.query(f"COPY {table} FROM STDIN"))
    client.read_until("CopyInResponse")
    client.send(wire.copy_data(b"not a number\tx\n"), *[wire.copy_data(b"%d\tx\n" % number) for number in range(50)], wire.copy_done())
    assert errors(client.read_until_ready()) == ["22P02"]
    assert rows(client.query("SELECT 1")) == ["1"]


def test_copy_of_a_missing_table(service):
    client = service.wire()
    assert errors(client.exchange(wire.query("COPY no_such FROM STDIN"), wire.copy_data(b"1\n"), wire.copy_done())) == ["42P01"]
    assert rows(client.query("SELECT 1")) == ["1"]


def test_copy_in_through_the_extended_protocol(service, table):
    client = service.wire()
    client.send(wire.parse("", f"COPY {table} FROM STDIN"), wire.bind(), wire.execute(), wire.sync())
    client.read_until("CopyInResponse")
    client.send(wire.copy_data(b"1\tx\n"), wire.copy_done(), wire.sync())
    lines = client.read_until_ready()
    assert "CommandComplete COPY 1" in lines
    assert rows(client.query(f"SELECT count(*) FROM {table}")) == ["1"]


def test_copy_out_through_the_extended_protocol(service):
    client = service.wire()
    lines = client.extended("COPY (SELECT 5) TO STDOUT")
    assert [line for line in lines if line.startswith("Copy")] == ["CopyOutResponse", "CopyData 5", "CopyDone"]


def test_sync_and_flush_during_copy_in_are_ignored_by_the_server(service, table):
    client = service.wire()
    client.send(wire.query(f"COPY {table} FROM STDIN"))
    client.read_until("CopyInResponse")
    client.send(wire.sync(), wire.flush(), wire.copy_data(b"1\tx\n"), wire.sync(), wire.copy_done())
    assert client.read_until_ready() == ["CommandComplete COPY 1", "ReadyForQuery I"]
    assert rows(client.query("SELECT 1")) == ["1"]
    with service.other_link():
        assert rows(client.query("SELECT 2")) == ["2"]


def test_a_query_in_the_middle_of_copy_in_ends_it_with_an_error(service, table):
    client = service.wire()
    client.send(wire.query(f"COPY {table} FROM STDIN"))
    client.read_until("CopyInResponse")
    client.send(wire.query("SELECT 1"))
    assert errors(client.read_until("ErrorResponse"))[0] in ("08P01", "57014")


def test_two_copies_in_one_text(service, table):
    client = service.wire()
    client.send(wire.query(f"COPY {table} FROM STDIN; COPY {table} FROM STDIN; COPY {table} TO STDOUT"))
    client.read_until("CopyInResponse")
    client.send(wire.copy_data(b"1\tx\n"), wire.copy_done())
    client.read_until("CopyInResponse")
    client.send(wire.copy_data(b"2\ty\n"), wire.copy_done())
    lines = client.read_until_ready()
    assert [line for line in lines if line.startswith("CopyData")] == ["CopyData 1\tx", "CopyData 2\ty"]


def test_a_copy_keeps_its_link(proxy, table, workers):
    process = proxy(default_pool_size=1, reserve_pool_size=0, workers=workers)
    with process.wire() as copier, process.wire() as other:
        copier.send(wire.query(f"COPY {table} FROM STDIN"))
        copier.read_until("CopyInResponse")
        other.send(wire.query("SELECT 'patient'"))
        assert other.hears_nothing(0.2)
        copier.exchange(wire.copy_data(b"1\tx\n"), wire.copy_done())
        assert rows(other.read_until_ready()) == ["patient"]


@pytest.mark.parametrize("size", [1, 5, 70000])
def test_large_copies_pass_in_any_pieces(proxy, table, workers, size):
    process = proxy(workers=workers)
    row_count = 20 if size == 1 else 20000
    with process.wire() as client:
        client.send(wire.query(f"COPY {table} FROM STDIN"))
        client.read_until("CopyInResponse")
        data = b"".join(b"%d\tnote %d\n" % (number, number) for number in range(row_count))
        client.send(b"".join(wire.copy_data(data[at:at + size]) for at in range(0, len(data), size)) + wire.copy_done())
        assert client.read_until_ready() == [f"CommandComplete COPY {row_count}", "ReadyForQuery I"]
    with process.connect() as connection, connection.cursor().copy(f"COPY (SELECT * FROM {table} ORDER BY id) TO STDOUT") as copy:
        assert b"".join(bytes(block) for block in copy) == data
