"""Nothing of one client's session is ever seen by another; what cannot be moved keeps its link."""
import pytest

from sportello_testing import wire
from sportello_testing.waiting import wait_until
from sportello_testing.wire_client import errors, rows

pytestmark = pytest.mark.ours


def one_link(proxy, workers, **settings):
    return proxy(default_pool_size=1, reserve_pool_size=0, workers=workers, **settings)


def leave(client, how):
    getattr(client, how)()


@pytest.mark.parametrize("ask", ["query", "extended"])
@pytest.mark.parametrize("function", ["currval('numbers')", "lastval()"])
def test_a_sequences_last_value_is_never_another_clients(primary, proxy, workers, ask, function):
    primary.run("DROP SEQUENCE IF EXISTS numbers", "CREATE SEQUENCE numbers", "GRANT ALL ON SEQUENCE numbers TO PUBLIC")
    process = one_link(proxy, workers)
    with process.wire() as first, process.wire() as second:
        assert rows(getattr(first, ask)("SELECT nextval('numbers')")) == ["1"]
        assert rows(getattr(second, ask)("SELECT nextval('numbers')")) == ["2"]
        refused = getattr(first, ask)(f"SELECT {function}")
        assert errors(refused) == ["55000"], refused
        first.query("DISCARD ALL")
        assert rows(getattr(second, ask)("SELECT nextval('numbers')")) == ["3"]
        assert rows(getattr(second, ask)(f"SELECT {function}")) == ["3"], "nobody has come between"


HOW_TO_LEAVE = pytest.mark.parametrize("how", ["terminate", "reset"])

# What a session may leave behind: how it is made, how a fresh session would notice, and what it must see.
REMAINS = [
    ("SET ROLE bob", "SELECT current_user", ["postgres"]),
    ("SET SESSION AUTHORIZATION bob", "SELECT session_user", ["postgres"]),
    ("CREATE TEMP TABLE canary (a int)", "SELECT to_regclass('pg_temp.canary')", ["NULL"]),
    ("SELECT 1 AS a INTO TEMP canary2", "SELECT to_regclass('pg_temp.canary2')", ["NULL"]),
    ("BEGIN; DECLARE canary CURSOR WITH HOLD FOR SELECT 1; COMMIT", "SELECT count(*) FROM pg_cursors", ["0"]),
    ("PREPARE canary AS SELECT 1", "SELECT count(*) FROM pg_prepared_statements WHERE name = 'canary'", ["0"]),
    ("LISTEN canary", "SELECT count(*) FROM pg_listening_channels()", ["0"]),
    ("SELECT pg_advisory_lock(4711)", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", ["0"]),
    ("SELECT pg_advisory_lock_shared(4712)", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", ["0"]),
    ("DO $$ BEGIN CREATE TEMP TABLE canary3 (a int); END $$", "SELECT to_regclass('pg_temp.canary3')", ["NULL"]),
    ("SET app.secret = 'canary'", "SELECT coalesce(nullif(current_setting('app.secret', true), ''), 'none')", ["none"]),
    ("SELECT nextval('pg_temp.s') FROM (SELECT 1) x", "SELECT 1", ["1"]),
    ("SET default_transaction_read_only = on", "SHOW default_transaction_read_only", ["off"]),
    ("BEGIN; SET LOCAL work_mem = '5MB'; COMMIT", "SHOW work_mem", ["4MB"]),
    ("BEGIN; SELECT 1", "SELECT pg_current_xact_id_if_assigned(), now() = statement_timestamp()", ["NULL t"]),
    ("BEGIN; SELECT nothing", "SELECT 1", ["1"]),
]


@HOW_TO_LEAVE
@pytest.mark.parametrize("made,noticed,expected", REMAINS, ids=[entry[0][:40] for entry in REMAINS])
def test_what_a_session_leaves_is_gone_for_the_next(proxy, made, noticed, expected, how):  # S36-S40
    process = one_link(proxy, 1)
    leaver = process.wire("postgres")
    leaver.query(made)
    leave(leaver, how)
    with process.wire("postgres") as client:
        assert rows(client.query(noticed)) == expected


@pytest.mark.parametrize("made,noticed,expected", REMAINS[:11], ids=[entry[0][:40] for entry in REMAINS[:11]])
def test_what_a_living_session_holds_is_unseen_by_others(proxy, made, noticed, expected, workers):  # S36-S38
    process = proxy(default_pool_size=2, reserve_pool_size=0, workers=workers)
    with process.wire("postgres") as holder, process.wire("postgres") as client:
        holder.query(made)
        if "pg_locks" not in noticed:   # locks of living sessions are seen by all, as they should be
            for _ in range(3):
                assert rows(client.query(noticed)) == expected
        assert errors(client.query("SELECT 1")) == []


def test_a_temporary_table_stays_usable(proxy, workers):
    process = proxy(default_pool_size=2, reserve_pool_size=0, workers=workers)
    with process.wire() as holder, process.wire() as other:
        holder.query("CREATE TEMP TABLE mine (a int)")
        for number in range(3):
            assert errors(holder.query(f"INSERT INTO mine VALUES ({number})")) == []
            assert errors(other.query("SELECT * FROM mine")) == ["42P01"]
        assert holder.value("SELECT count(*) FROM mine") == "3"


def test_a_session_advisory_lock_stays_held_until_unlocked(proxy, workers):
    process = proxy(default_pool_size=2, reserve_pool_size=0, workers=workers)
    with process.wire() as holder, process.wire() as other:
        assert holder.value("SELECT pg_try_advisory_lock(1)") == "t"
        assert other.value("SELECT pg_try_advisory_lock(1)") == "f"
        assert holder.value("SELECT pg_advisory_unlock(1)") == "t"
        assert other.value("SELECT pg_try_advisory_lock(1)") == "t"
        assert other.value("SELECT pg_advisory_unlock(1)") == "t"


def test_a_with_hold_cursor_can_be_fetched_later(proxy, workers):
    process = proxy(default_pool_size=2, reserve_pool_size=0, workers=workers)
    with process.wire() as holder, process.wire() as other:
        holder.query("BEGIN")
        holder.query("DECLARE c CURSOR WITH HOLD FOR SELECT generate_series(1, 4)")
        holder.query("COMMIT")
        assert rows(holder.query("FETCH 2 FROM c")) == ["1", "2"]
        assert errors(other.query("FETCH 1 FROM c")) == ["34000"]
        assert rows(holder.query("FETCH 2 FROM c")) == ["3", "4"]


def test_set_role_follows_its_session(proxy, workers):
    process = proxy(default_pool_size=2, reserve_pool_size=0, workers=workers)
    with process.wire("postgres") as holder, process.wire("postgres") as other:
        holder.query("SET ROLE bob")
        for _ in range(3):
            assert rows(holder.query("SELECT current_user")) == ["bob"]
            assert rows(other.query("SELECT current_user")) == ["postgres"]
        holder.query("RESET ROLE")
        assert rows(holder.query("SELECT current_user")) == ["postgres"]


def test_a_pinned_client_says_why(proxy):
    process = proxy(default_pool_size=2)
    with process.wire() as holder:
        holder.query("CREATE TEMP TABLE mine (a int)")
        client = next(row for row in process.show("CLIENTS") if row["user"] == "alice")
        assert any("temp" in str(value).lower() for value in client.values()), client


def test_a_link_is_cleaned_before_reuse_and_not_wasted(proxy, primary, workers):
    process = one_link(proxy, workers)
    with process.wire() as leaver:
        leaver.query("CREATE TEMP TABLE mine (a int)")
        leaver.terminate()
    with process.wire() as client:
        assert errors(client.query("SELECT * FROM mine")) == ["42P01"]
        assert len(primary.link_pids()) == 1


# ---- clients that vanish ----

CANARY = "canary-4711"


@pytest.mark.parametrize("state", ["mid-result", "mid-copy-out", "mid-copy-in", "before-sync", "in-transaction", "waiting-for-answer"])
@HOW_TO_LEAVE
def test_a_vanished_client_leaves_a_clean_pool(proxy, primary, table, workers, state, how):  # S39, F12
    process = one_link(proxy, workers)
    gone = process.wire()
    if state == "mid-result":
        gone.send(wire.query(f"SELECT '{CANARY}' || repeat('x', 1000) FROM generate_series(1, 100000)"))
        gone.read_until("DataRow")
    elif state == "mid-copy-out":
        gone.send(wire.query(f"COPY (SELECT '{CANARY}' || repeat('x', 1000) FROM generate_series(1, 100000)) TO STDOUT"))
        gone.read_until("CopyData")
    elif state == "mid-copy-in":
        gone.send(wire.query(f"COPY {table} FROM STDIN"))
        gone.read_until("CopyInResponse")
        gone.send(wire.copy_data(f"1\t{CANARY}\n".encode()))
    elif state == "before-sync":
        gone.send(wire.parse("", f"SELECT '{CANARY}'"), wire.bind(), wire.execute(), wire.flush())
        gone.read_until("DataRow")
    elif state == "in-transaction":
        gone.query(f"BEGIN; INSERT INTO {table} VALUES (1, '{CANARY}')")
    else:
        gone.send(wire.query(f"SELECT pg_sleep(0.5), '{CANARY}'"))
    leave(gone, how)
    with process.wire() as client:
        lines = client.query("SELECT 'fresh'")
        assert rows(lines) == ["fresh"]
        assert not any(CANARY in line for line in client.lines)
    wait_until(lambda: not primary.link_pids("state LIKE 'idle in transaction%'"), "no transaction is left open")
    assert primary.value(f"SELECT count(*) FROM {table}") == 0


def test_half_closing_clients_are_gone_too(proxy, workers):
    process = one_link(proxy, workers)
    with process.wire() as half:
        half.hold_link()
        half.half_close()
        with process.wire() as client:
            assert rows(client.query("SELECT 1")) == ["1"]


# ---- messages that belong to one client ----

def test_notices_go_to_their_owner(proxy, workers):  # S42
    process = one_link(proxy, workers)
    with process.wire() as loud, process.wire() as quiet:
        for _ in range(3):
            assert any(line.startswith("NoticeResponse") for line in loud.query("DO $$ BEGIN RAISE NOTICE 'psst'; END $$"))
            assert quiet.query("SELECT 1") == ["RowDescription ?column?", "DataRow 1", "CommandComplete SELECT 1", "ReadyForQuery I"]


def test_notifications_reach_the_listener_only(proxy, workers):  # S42
    process = proxy(default_pool_size=3, workers=workers)
    with process.wire() as listener, process.wire() as sender, process.wire() as stranger:
        assert errors(listener.query("LISTEN news")) == []
        sender.query("NOTIFY news, 'hello'")
        if not any(line.startswith("NotificationResponse news hello") for line in listener.lines):
            listener.read_until("NotificationResponse news hello")
        assert not any("news" in line for line in stranger.query("SELECT 1") + sender.query("SELECT 1"))


def test_a_client_knows_its_own_notifications_by_their_pid(proxy, workers):  # S42
    process = proxy(default_pool_size=3, workers=workers)
    with process.connect() as listener, process.connect() as sender:
        told = []
        listener.add_notify_handler(lambda notification: told.append((notification.payload, notification.pid == listener.info.backend_pid)))
        listener.execute("LISTEN news")
        listener.execute("NOTIFY news, 'mine'")
        sender.execute("NOTIFY news, 'theirs'")
        wait_until(lambda: listener.execute("SELECT 1") and len(told) == 2, "both have come")
        assert told == [("mine", True), ("theirs", False)]


def test_parameter_status_goes_to_its_owner(proxy, workers):  # S42
    process = one_link(proxy, workers)
    with process.wire() as changer, process.wire() as other:
        changer.query("SET application_name = 'changed'")
        lines = other.query("SELECT 1")
        assert not any("application_name=changed" in line for line in lines)
        assert changer.parameters["application_name"] == "changed"


def test_users_do_not_share_links(proxy, workers):  # S44
    process = proxy(default_pool_size=1, workers=workers)
    with process.wire("alice") as first, process.wire("bob") as second:
        for _ in range(3):
            assert rows(first.query("SELECT current_user")) == ["alice"]
            assert rows(second.query("SELECT current_user")) == ["bob"]


def test_an_unsynced_error_does_not_hang_the_link(proxy, workers):  # S43
    process = one_link(proxy, workers)
    with process.wire() as client:
        client.send(wire.parse("", "SELECT nothing"), wire.bind(), wire.execute(), wire.flush())
        client.read_until("ErrorResponse")
        client.terminate()
    with process.wire() as client:
        assert rows(client.query("SELECT 1")) == ["1"]
