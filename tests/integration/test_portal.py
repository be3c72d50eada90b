"""The portal of tests/portal/: its schema, data and queries work, and its partial indexes serve the queries they are for.

A small portal (scale 0.01) in a database of its own on the shared primary.
"""
import json
import os
import subprocess
import tomllib

import pytest

TREE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PORTAL = os.path.join(TREE, "tests/portal")
LOAD = os.environ.get("SPORTELLO_PORTAL_LOAD", os.path.join(TREE, "build/release/tests/portal/portal_load"))
DATABASE = "portal_check"


def load_file(primary, name, *variables):
    options = [word for variable in variables for word in ("-v", variable)]
    done = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *options, "-h", primary.socket_directory, "-p", str(primary.port),
                           "-U", "postgres", "-d", DATABASE, "-f", os.path.join(PORTAL, name)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.fixture(scope="module")
def portal(primary):
    primary.run(f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE}", dbname="postgres")
    load_file(primary, "schema.sql")
    load_file(primary, "data.sql", "scale=0.01")
    load_file(primary, "indexes.sql")
    yield primary
    primary.run(f"DROP DATABASE {DATABASE} WITH (FORCE)", dbname="postgres")


def run_load(portal, *options):
    if not os.path.exists(LOAD):
        pytest.fail(f"no load driver at {LOAD}; build portal_load or set SPORTELLO_PORTAL_LOAD")
    done = subprocess.run([LOAD, "--host", portal.socket_directory, "--port", str(portal.port), "--user", "postgres", "--dbname", DATABASE,
                           "--json", *options], capture_output=True, text=True, timeout=60)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
def test_every_query_file_runs(portal, protocol):
    code, report = run_load(portal, "--once", "--protocol", protocol)
    assert report["failures"] == {}
    names = {name.removesuffix(".sql") for name in os.listdir(os.path.join(PORTAL, "queries"))}
    assert set(report["requests"]) == names
    assert code == 0


@pytest.mark.parametrize("variant", [[], ["--n-plus-one"], ["--reconnect"]])
def test_the_mix_runs_without_errors(portal, variant):
    code, report = run_load(portal, "-c", "8", "--think", "0.01", "--warm-up", "0", "--requests", "200", "--duration", "20", *variant)
    assert report["failures"] == {}
    assert report["all"]["count"] == 200
    assert code == 0


def test_a_wrong_query_is_reported_under_its_sqlstate(portal, tmp_path):
    (tmp_path / "wrong.sql").write_text("SELECT no_such_column FROM notaries;\n")
    code, report = run_load(portal, "--once", "--queries", str(tmp_path))
    assert code == 4
    assert report["failures"]["42703"]["count"] == 1


# The first hundred rows at scale 0.01, as a person has looked at them. Other rows mean other numbers in every report.
DIGESTS = {
    "users": "2713b97af0ebae79085e88f13ccc78de",
    "clients": "d4088558920a97fbaa8435a773d79efd",
    "acts": "15e6fa0d19ffde99a4c547e9bd379092",
    "documents": "b4235e670d6ec81037e0669ae60998a9",
}


@pytest.mark.parametrize("table", ["users", "clients", "acts", "documents"])
def test_the_data_are_the_same_each_time(portal, table):
    rows = f"SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM {table} t WHERE id <= 100"
    assert portal.value(rows, dbname=DATABASE) == DIGESTS[table]


def test_an_appointment_is_not_booked_twice(portal):
    """The same seed asks for the same half hour of the same notary: the second time it is taken."""
    before = portal.value("SELECT count(*) FROM appointments", dbname=DATABASE)
    for _ in range(2):
        code, report = run_load(portal, "--once", "--seed", "77")
        assert (code, report["failures"]) == (0, {})
    assert portal.value("SELECT count(*) FROM appointments", dbname=DATABASE) == before + 1


@pytest.mark.parametrize("query, index", [
    ("SELECT id FROM acts WHERE notary_id = 3 AND status IN ('bozza', 'in_lavorazione')", "idx_acts_active"),
    ("SELECT id FROM notaries WHERE coordinates IS NOT NULL AND ST_DWithin(coordinates, ST_MakePoint(9.19, 45.46)::geography, 5000)",
     "idx_notaries_coordinates"),
])
def test_the_partial_indexes_serve_their_queries(portal, query, index):
    with portal.connect(dbname=DATABASE) as connection:
        connection.execute("SET enable_seqscan = off")   # ten notaries fit into one page
        plan = "\n".join(row[0] for row in connection.execute("EXPLAIN " + query))
    assert index in plan


def test_the_cache_rules_are_for_the_queries_as_they_are():
    with open(os.path.join(PORTAL, "rules.toml"), "rb") as file:
        rules = tomllib.load(file)["cache"]["rules"]
    for rule in rules:
        with open(os.path.join(PORTAL, "queries", rule["name"] + ".sql")) as file:
            lines = [line for line in file.read().splitlines() if not line.startswith("--")]
        assert rule["query"].strip() == "\n".join(lines).strip().rstrip(";")
