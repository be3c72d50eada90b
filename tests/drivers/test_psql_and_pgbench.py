"""psql and pgbench: PostgreSQL's own clients."""
import os
import signal
import subprocess

import pytest

from sportello_testing.postgres import BINARIES
from sportello_testing.waiting import wait_until

PSQL = [os.path.join(BINARIES, "psql"), "-X", "-q", "-A", "-t"]
PGBENCH = os.path.join(BINARIES, "pgbench")


def test_psql_runs_a_script(service, table):
    script = f"""
\\set ON_ERROR_STOP on
BEGIN;
INSERT INTO {table} SELECT n, 'note ' || n FROM generate_series(1, 3) n;
SAVEPOINT s;
INSERT INTO {table} VALUES (4, 'undone');
ROLLBACK TO s;
COMMIT;
SELECT count(*) AS rows FROM {table} \\gset
\\echo rows :rows
SELECT 1 \\; SELECT 2;
\\set FETCH_COUNT 2
SELECT id FROM {table} ORDER BY id;
\\d {table}
"""
    output, _ = service.run(*PSQL, input=script)
    assert output.splitlines()[:6] == ["rows 3", "1", "2", "1", "2", "3"]
    assert "note|text" in output


def test_psql_copies(service, table):
    lines = "".join(f"{n}\tnote {n}\n" for n in range(5000))
    service.run(*PSQL, "-c", f"\\copy {table} from stdin", input=lines)
    output, _ = service.run(*PSQL, "-c", f"COPY (SELECT * FROM {table} ORDER BY id) TO STDOUT")
    assert output == lines


def test_psql_goes_on_after_errors(service, table):
    output, errors = service.run(*PSQL, input=f"""
\\set VERBOSITY sqlstate
SELEC 1;
INSERT INTO {table} VALUES (1, 'kept');
INSERT INTO {table} VALUES (1, 'twice');
BEGIN;
SELECT 1/0;
SELECT 1;
ROLLBACK;
SELECT note FROM {table};
""")
    assert output == "kept\n"
    assert [line.split()[-1] for line in errors.splitlines()] == ["42601", "23505", "22012", "25P02"]


def test_control_c_in_psql_cancels(service, primary):
    psql = subprocess.Popen([*PSQL, "-c", "SELECT pg_sleep(34)"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=service.environment)
    try:
        wait_until(lambda: primary.rows("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(34)%'"), "it runs")
        psql.send_signal(signal.SIGINT)
        _, errors = psql.communicate(timeout=30)
    finally:
        psql.kill()
        psql.wait()
    assert "canceling statement due to user request" in errors
    service.run(*PSQL, "-c", "SELECT 1")


def test_fifty_psqls_at_once(service, table, together):
    def work(number):
        output, _ = service.run(*PSQL, "-c", f"INSERT INTO {table} VALUES ({number}, 'client {number}')", "-c", f"SELECT note FROM {table} WHERE id = {number}")
        assert output == f"client {number}\n"

    together(work)


@pytest.fixture
def pgbench_tables(service, primary):
    """Made through the service itself: pgbench -i uses DDL, COPY in a transaction, and VACUUM."""
    yield service.run(PGBENCH, "-i", "-q", "-s", "1")
    primary.terminate_links()
    primary.run("DROP TABLE pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers")


@pytest.mark.usefixtures("pgbench_tables")
def test_pgbench_in_all_protocols(service, primary, tmp_path):
    pipeline = tmp_path / "pipeline.sql"
    pipeline.write_text("\\set aid random(1, 100000)\n\\startpipeline\n" + 5 * "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n" + "\\endpipeline\n")
    common = ["-n", "-c", "50", "-j", "2"]
    for protocol in ("simple", "extended", "prepared"):
        for script in ("tpcb-like", "select-only"):
            output, _ = service.run(PGBENCH, *common, "-t", "10", "-M", protocol, "-b", script)
            assert "500/500" in output and "failed transactions: 0 " in output
        if protocol != "simple":
            output, _ = service.run(PGBENCH, *common, "-t", "10", "-M", protocol, "-f", pipeline)
            assert "500/500" in output
    assert primary.value("SELECT count(*) FROM pgbench_history") == 1500
    assert primary.value("SELECT sum(delta) FROM pgbench_history") == primary.value("SELECT sum(abalance) FROM pgbench_accounts")


@pytest.mark.usefixtures("pgbench_tables")
def test_pgbench_with_a_connection_for_each_transaction(service):
    output, _ = service.run(PGBENCH, "-n", "-C", "-c", "10", "-j", "2", "-t", "10", "-b", "select-only")
    assert "100/100" in output
