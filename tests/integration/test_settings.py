"""A session's settings are its own, survive a change of link, and fail where PostgreSQL fails them."""
import pytest

from sportello_testing import wire
from sportello_testing.wire_client import LoginFailed, errors, rows

pytestmark = pytest.mark.ours

REPORTED = [("TimeZone", "Asia/Tokyo"), ("DateStyle", "SQL, DMY"), ("IntervalStyle", "iso_8601"), ("client_encoding", "LATIN1"),
            ("application_name", "shop"), ("standard_conforming_strings", "off")]
OTHERS = [("search_path", "pg_catalog"), ("work_mem", "7MB"), ("statement_timeout", "12345ms"), ("extra_float_digits", "0"), ("extra_float_digits", -3),
          ("bytea_output", "escape"), ("default_transaction_read_only", "on"), ("app.tenant_id", "42"), ("row_security", "off")]


def quoted(value):
    """As a literal: numbers have no quotes."""
    return f"'{value}'" if isinstance(value, str) else str(value)


@pytest.mark.parametrize("name,value", REPORTED + OTHERS)
def test_a_set_follows_its_session_and_nobody_else(service, name, value):  # S37
    first, second = service.wire(), service.wire()
    second_sees = second.query(f"SELECT current_setting('{name}', true)")
    assert errors(first.query(f"SET {name} = {value if ',' in str(value) else quoted(value)}")) == []
    seen = first.value(f"SELECT current_setting('{name}')")
    with service.other_link():
        assert first.value(f"SELECT current_setting('{name}')") == seen
        assert rows(second.query(f"SELECT current_setting('{name}', true)"))[0] in (rows(second_sees)[0], "", "NULL")
    first.query(f"RESET {name}")
    with service.other_link():
        assert first.value(f"SELECT current_setting('{name}', true)") != seen


@pytest.mark.parametrize("name,value", REPORTED)
def test_reported_settings_are_reported(service, name, value):
    client = service.wire()
    client.query(f"SET {name} = {value if ',' in value else quoted(value)}")
    told = client.parameters[name]
    with service.other_link():
        assert client.value(f"SHOW {name}") == told
    assert client.parameters[name] == told


@pytest.mark.parametrize("name,value", REPORTED[:5] + [("search_path", "pg_catalog"), ("app.tenant_id", "7"), ("work_mem", "9MB")])
def test_startup_parameters_are_settings_of_the_session(service, name, value):  # S12
    with_it, without = service.wire(**{name: value}), service.wire()
    assert with_it.value(f"SHOW {name}") == value
    with service.other_link():
        assert with_it.value(f"SHOW {name}") == value
        assert rows(without.query(f"SELECT current_setting('{name}', true)"))[0] != value
    if name in dict(REPORTED):
        assert with_it.parameters[name] == value
    with_it.query(f"SET {name} = DEFAULT")
    with service.other_link():
        assert with_it.value(f"SHOW {name}") == value


def test_options_are_settings_of_the_session(service):  # S12
    client, other = service.wire(options="-c work_mem=11MB --statement-timeout=4321ms -c app.note=a\\ b"), service.wire()
    for _ in range(2):
        with service.other_link():
            assert rows(client.query("SELECT current_setting('work_mem'), current_setting('statement_timeout'), current_setting('app.note')")) == ["11MB 4321ms a b"]
            assert rows(other.query("SELECT current_setting('work_mem'), current_setting('app.note', true)"))[0] in ("4MB NULL", "4MB ")


def test_a_parameter_of_its_own_wins_over_options(service):
    client = service.wire(options="-c work_mem=11MB -c TimeZone=Europe/Rome", work_mem="12MB", TimeZone="Asia/Tokyo")
    assert rows(client.query("SELECT current_setting('work_mem'), current_setting('TimeZone')")) == ["12MB Asia/Tokyo"]
    client = service.wire(TimeZone="Asia/Tokyo", work_mem="12MB", options="-c work_mem=11MB -c TimeZone=Europe/Rome")
    assert rows(client.query("SELECT current_setting('work_mem'), current_setting('TimeZone')")) == ["12MB Asia/Tokyo"]


@pytest.mark.parametrize("parameters,sqlstate", [
    ({"work_mem": "lots"}, "22023"), ({"TimeZone": "Nowhere/City"}, "22023"), ({"no_such_setting": "1"}, "42704"),
    ({"options": "-c work_mem=lots"}, "22023"), ({"options": "-c no_such=1"}, "42704"), ({"session_preload_libraries": "x"}, "42501"),
])
def test_a_bad_startup_parameter_is_postgresqls_error(service, parameters, sqlstate):
    with pytest.raises(LoginFailed) as failed:
        client = service.wire(**parameters)
        lines = client.query("SELECT 1")     # a proxy may learn of it only at the first use of a link
        if errors(lines):
            raise LoginFailed(client.last_error)
    assert failed.value.sqlstate == sqlstate
    client = service.wire()
    assert rows(client.query("SELECT 1")) == ["1"]


@pytest.mark.parametrize("statement,sqlstate", [("SET work_mem = 'lots'", "22023"), ("SET TimeZone = 'Nowhere'", "22023"),
                                                ("SET no_such_setting = 1", "42704"), ("SET server_version = '1'", "55P02")])
def test_a_bad_set_is_postgresqls_error_and_changes_nothing(service, statement, sqlstate):
    client = service.wire()
    client.query("SET work_mem = '5MB'")
    assert errors(client.query(statement)) == [sqlstate]
    with service.other_link():
        assert client.value("SHOW work_mem") == "5MB"


def test_a_rolled_back_set_did_not_happen(service):
    client = service.wire()
    client.query("SET TimeZone = 'UTC'")
    for statement in ["BEGIN", "SET TimeZone = 'Asia/Tokyo'", "ROLLBACK"]:
        client.query(statement)
    with service.other_link():
        assert client.value("SHOW TimeZone") == "UTC"
    assert client.parameters["TimeZone"] == "UTC"


def test_a_set_in_a_failed_transaction_did_not_happen(service):
    client = service.wire()
    client.query("BEGIN")
    client.query("SET TimeZone = 'Asia/Tokyo'")
    client.query("SELECT nothing")
    client.query("COMMIT")
    with service.other_link():
        assert client.value("SHOW TimeZone") == "UTC"


def test_a_set_rolled_back_to_a_savepoint_did_not_happen(service):
    client = service.wire()
    for statement in ["BEGIN", "SET work_mem = '5MB'", "SAVEPOINT a", "SET work_mem = '6MB'", "ROLLBACK TO a", "COMMIT"]:
        assert errors(client.query(statement)) == []
    with service.other_link():
        assert client.value("SHOW work_mem") == "5MB"


def test_set_local_ends_with_its_transaction(service):
    client = service.wire()
    client.query("BEGIN")
    client.query("SET LOCAL TimeZone = 'Asia/Tokyo'")
    assert client.value("SHOW TimeZone") == "Asia/Tokyo"
    client.query("COMMIT")
    assert client.value("SHOW TimeZone") == "UTC"
    with service.other_link():
        assert client.value("SHOW TimeZone") == "UTC"


@pytest.mark.parametrize("statement", [
    "SELECT set_config('work_mem', '6MB', false)", "WITH x AS (SELECT set_config('work_mem', '6MB', false)) SELECT * FROM x",
    "/* SELECT */ SET work_mem = '6MB'", "SELECT 1; SET work_mem = '6MB'", "SET SESSION work_mem TO '6MB'", "sEt\nwork_mem\t=/* x */'6MB'",
    "DO $$ BEGIN PERFORM set_config('work_mem', '6MB', false); END $$", "SET work_mem = '6MB'; SELECT 1/1",
])
def test_however_a_setting_is_set_it_stays_with_its_session(service, statement):  # S37
    first, second = service.wire(), service.wire()
    assert errors(first.query(statement)) == []
    with service.other_link():
        assert second.value("SHOW work_mem") == "4MB"
    assert first.value("SHOW work_mem") == "6MB"


def test_a_set_through_the_extended_protocol_is_followed_too(service):
    first, second = service.wire(), service.wire()
    first.extended("SET work_mem = '6MB'")
    first.extended("SELECT set_config($1, $2, false)", ["app.tenant_id", "99"])
    with service.other_link():
        assert second.value("SHOW work_mem") == "4MB"
        assert first.value("SHOW work_mem") == "6MB"
        assert first.value("SELECT current_setting('app.tenant_id')") == "99"
        assert rows(second.query("SELECT current_setting('app.tenant_id', true)"))[0] in ("NULL", "")


def test_a_set_in_a_pipeline_counts_for_what_follows(service):
    client = service.wire()
    one = lambda sql: [wire.parse("", sql), wire.bind(), wire.execute(), wire.sync()]
    lines = client.exchange(*one("SET work_mem = '6MB'"), *one("SHOW work_mem"), *one("RESET work_mem"), *one("SHOW work_mem"), ready=4)
    assert rows(lines) == ["6MB", "4MB"]


@pytest.mark.parametrize("statement", ["RESET ALL", "DISCARD ALL"])
def test_reset_all_returns_to_the_startup_values(service, statement):
    client = service.wire(application_name="first")
    client.query("SET application_name = 'second'")
    client.query("SET work_mem = '6MB'")
    assert errors(client.query(statement)) == []
    with service.other_link():
        assert rows(client.query("SELECT current_setting('application_name'), current_setting('work_mem')")) == ["first 4MB"]


def test_set_from_current_and_session_characteristics(service):
    first, second = service.wire(), service.wire()
    assert errors(first.query("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")) == []
    with service.other_link():
        assert second.value("SHOW transaction_read_only") == "off"
    assert first.value("SHOW transaction_read_only") == "on"


def test_quotes_and_backslashes_in_values_survive(service):
    client = service.wire(application_name="it's \\ \"x\"; DROP TABLE y --")
    with service.other_link():
        assert client.value("SHOW application_name") == "it's \\ \"x\"; DROP TABLE y --"
    client.query("SET standard_conforming_strings = off")
    with service.other_link():
        assert client.value("SHOW application_name") == "it's \\ \"x\"; DROP TABLE y --"


def test_a_link_is_told_only_what_differs(proxy, primary, workers):
    """A hundred transactions of one session on one link: the settings go over once."""
    process = proxy(default_pool_size=1, workers=workers)
    with process.wire(application_name="loud") as client:
        for _ in range(3):
            assert client.query("SELECT 1") == ["RowDescription ?column?", "DataRow 1", "CommandComplete SELECT 1", "ReadyForQuery I"]
        assert primary.value("SELECT application_name FROM pg_stat_activity WHERE pid = %s", [int(client.value("SELECT pg_backend_pid()"))]) == "loud"


def test_ignored_startup_parameters_are_dropped(proxy):
    process = proxy(ignore_startup_parameters=["no_such_setting", "work_mem"])
    with process.wire(no_such_setting="1", work_mem="9MB") as client:
        assert client.value("SHOW work_mem") == "4MB"
