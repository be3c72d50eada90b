"""tests/support/statements.txt, every kind of statement, and the tables, views and functions that it is about."""
import os

_CORPUS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "statements.txt")
_COLUMNS = "(id int primary key, x text, y int, ts timestamptz)"

SCHEMA = [
    "CREATE SCHEMA s",
    *[f"CREATE TABLE {name} {_COLUMNS}" for name in ("a", "b", "c", "s.a", "s.b")],
    "CREATE INDEX ai ON a (y)",
    "CREATE VIEW v AS SELECT * FROM a",
    "CREATE MATERIALIZED VIEW m AS SELECT * FROM a",
    "CREATE TABLE p (id int, x text, y int, ts timestamptz) PARTITION BY LIST (y)",
    "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1, NULL)",
    "CREATE TABLE par (id int primary key)",
    "CREATE TABLE ch (id int references par ON DELETE CASCADE)",
    "CREATE SEQUENCE q",
    "CREATE TYPE mood AS ENUM ('good', 'bad')",
    "CREATE TYPE s.mood AS ENUM ('good', 'bad')",
    "CREATE TYPE ct AS (k int)",
    "CREATE FUNCTION f() RETURNS int STABLE LANGUAGE sql AS 'SELECT count(*)::int FROM c'",
    "CREATE FUNCTION s.f() RETURNS int STABLE LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION \"F\"() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION w() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM public.c; RETURN 1; END'",
    "CREATE PROCEDURE pc() LANGUAGE sql AS 'DELETE FROM public.c'",
    "CREATE PROCEDURE s.pc(int, int) LANGUAGE sql AS 'DELETE FROM public.c'",
    "CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE FUNCTION etf() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
    "CREATE TRIGGER tr AFTER INSERT ON s.b FOR EACH ROW EXECUTE FUNCTION tf()",
    "CREATE OPERATOR s.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl)",
    "CREATE OPERATOR s.= (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
    "CREATE FOREIGN DATA WRAPPER dummy",
    "CREATE SERVER sv FOREIGN DATA WRAPPER dummy",
    "INSERT INTO a (id, y) VALUES (100, 1), (101, 2)",
]


def statements():
    with open(_CORPUS, encoding="utf-8") as file:
        return [line.rsplit(" => ", 1)[0] for line in file if line.strip() and not line.startswith("#")]
