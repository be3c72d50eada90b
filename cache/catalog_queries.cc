#include "cache/catalog_queries.h"

#include <iterator>

namespace sportello::cache {

const char* const kBeginCatalog = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";
const char* const kEndCatalog = "COMMIT";

namespace {

constexpr const char* kNamespaces = R"sql(
SELECT n.oid, n.nspname,
       EXISTS (SELECT 1 FROM pg_catalog.aclexplode(n.nspacl) a
               WHERE a.grantee = 0 AND a.privilege_type = 'USAGE')
FROM pg_catalog.pg_namespace n
WHERE n.nspname !~ '^pg_(toast|temp_|toast_temp_)')sql";

// 99: pg_toast.
constexpr const char* kRelations = R"sql(
SELECT c.oid, c.relnamespace, c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.reltype,
       c.relowner, c.relacl::pg_catalog.text
FROM pg_catalog.pg_class c
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't' AND c.relnamespace <> 99)sql";

// The tree of a view takes some kilobytes; the size is what it takes compressed.
constexpr const char* kRules = R"sql(
SELECT r.ev_class, r.ev_type = '1',
       CASE WHEN r.ev_type = '1' AND pg_catalog.pg_column_size(r.ev_action) <= 262144
            THEN r.ev_action::pg_catalog.text END
FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
WHERE r.ev_class >= 16384 AND r.ev_enabled <> 'D' AND c.relpersistence <> 't')sql";

constexpr const char* kFunctions = R"sql(
SELECT p.oid, p.pronamespace, p.proname, p.provolatile, p.prokind, l.lanname,
       CASE WHEN p.pronargs >= 1 AND p.pronargs - p.pronargdefaults <= 1
            THEN p.proargtypes[0] ELSE 0 END
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE p.oid >= 16384 OR p.provolatile <> 'i')sql";

constexpr const char* kAggregates = R"sql(
SELECT a.aggfnoid::pg_catalog.oid, f.oid
FROM pg_catalog.pg_aggregate a
CROSS JOIN LATERAL (VALUES (a.aggtransfn::pg_catalog.oid), (a.aggfinalfn::pg_catalog.oid),
                           (a.aggcombinefn::pg_catalog.oid), (a.aggserialfn::pg_catalog.oid),
                           (a.aggdeserialfn::pg_catalog.oid), (a.aggmtransfn::pg_catalog.oid),
                           (a.aggminvtransfn::pg_catalog.oid), (a.aggmfinalfn::pg_catalog.oid)) f (oid)
WHERE a.aggfnoid >= 16384 AND f.oid <> 0)sql";

constexpr const char* kInheritance = R"sql(
SELECT i.inhrelid, i.inhparent
FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhparent
WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't')sql";

constexpr const char* kForeignKeys = R"sql(
SELECT k.conrelid, k.confrelid, k.confdeltype, k.confupdtype
FROM pg_catalog.pg_constraint k
WHERE k.contype = 'f')sql";

constexpr const char* kTriggers = R"sql(
SELECT t.tgrelid, t.tgfoid
FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND c.relpersistence <> 't')sql";

// What initdb made is in nobody's dependencies, so these are few.
constexpr const char* kExpressions = R"sql(
SELECT a.adrelid, 'd', true, d.refobjid
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attrdef a ON a.oid = d.objid
WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
  AND d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
UNION ALL
SELECT CASE WHEN k.conrelid <> 0 THEN k.conrelid ELSE k.contypid END,
       CASE WHEN k.conrelid <> 0 THEN 'c' ELSE 't' END, true, d.refobjid
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_constraint k ON k.oid = d.objid
WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
  AND d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
UNION ALL
SELECT p.polrelid, 'p', d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass, d.refobjid
FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_depend d ON d.objid = p.oid
WHERE d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
  AND (d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
       OR d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> p.polrelid))sql";

constexpr const char* kHiddenCalls = R"sql(
SELECT o.oprname, 0::pg_catalog.oid, false, o.oprcode::pg_catalog.oid
FROM pg_catalog.pg_operator o
WHERE o.oid >= 16384 AND o.oprcode <> 0
UNION ALL
SELECT NULL, c.casttarget, c.castcontext = 'e', c.castfunc
FROM pg_catalog.pg_cast c
WHERE c.oid >= 16384 AND c.castfunc <> 0)sql";

constexpr const char* kTypes = R"sql(
SELECT t.oid, t.typnamespace, t.typname, t.typtype
FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
WHERE (t.typrelid = 0 OR c.relkind = 'c') AND t.typcategory <> 'A')sql";

// Rows, and the sum of their transactions' numbers. Of large catalogs the number is had by age(), which is
// cheap but good for the users' rows only (those of initdb have no age); of small ones, by its text.
#define SPORTELLO_SUM_OF_MANY            \
  "pg_catalog.concat_ws(':', count(*), " \
  "count(*) * pg_catalog.age('3'::pg_catalog.xid) - sum(pg_catalog.age(x.xmin)))"
#define SPORTELLO_SUM_OF_FEW \
  "pg_catalog.concat_ws(':', count(*), sum(x.xmin::pg_catalog.text::pg_catalog.int8))"

#define SPORTELLO_MANY(catalog, relation, condition)                                                  \
  "(SELECT " SPORTELLO_SUM_OF_MANY " FROM pg_catalog." catalog " x WHERE " condition " AND " relation \
  " NOT IN (SELECT t.oid FROM temporary t)),\n"
#define SPORTELLO_FEW(catalog, condition) \
  "(SELECT " SPORTELLO_SUM_OF_FEW " FROM pg_catalog." catalog " x " condition "),\n"

#define SPORTELLO_SUMS                                                                                    \
  SPORTELLO_MANY("pg_attribute", "x.attrelid", "x.attrelid >= 16384")                                     \
  SPORTELLO_MANY("pg_attrdef", "x.adrelid", "x.oid >= 16384")                                             \
  SPORTELLO_MANY("pg_constraint", "x.conrelid", "x.oid >= 16384")                                         \
  SPORTELLO_MANY("pg_inherits", "x.inhparent", "x.inhrelid >= 16384")                                     \
  SPORTELLO_MANY("pg_trigger", "x.tgrelid", "x.oid >= 16384")                                             \
  SPORTELLO_MANY("pg_rewrite", "x.ev_class", "x.oid >= 16384")                                            \
  SPORTELLO_MANY("pg_policy", "x.polrelid", "x.oid >= 16384")                                             \
  SPORTELLO_FEW("pg_namespace", "WHERE x.nspname !~ '^pg_(temp_|toast_temp_)'")                           \
  SPORTELLO_FEW("pg_type", "WHERE x.oid >= 16384 AND x.typrelid = 0 AND x.typcategory <> 'A'")            \
  SPORTELLO_FEW("pg_enum", "")                                                                            \
  SPORTELLO_FEW("pg_proc", "")                                                                            \
  SPORTELLO_FEW("pg_aggregate", "")                                                                       \
  SPORTELLO_FEW("pg_operator", "")                                                                        \
  SPORTELLO_FEW("pg_cast", "")                                                                            \
  SPORTELLO_FEW("pg_event_trigger", "")                                                                   \
  SPORTELLO_FEW("pg_collation", "WHERE x.oid >= 16384")                                                   \
  SPORTELLO_FEW("pg_ts_config", "")                                                                       \
  SPORTELLO_FEW("pg_ts_config_map", "")                                                                   \
  SPORTELLO_FEW("pg_ts_dict", "")                                                                         \
  SPORTELLO_FEW("pg_auth_members", "")                                                                    \
  SPORTELLO_FEW("pg_db_role_setting", "")                                                                 \
  "(SELECT pg_catalog.concat_ws(':', count(*), sum(pg_catalog.hashtextextended(pg_catalog.concat_ws(' '," \
  " a.oid, a.rolname, a.rolsuper, a.rolinherit, a.rolbypassrls, a.rolcanlogin), 0)))"                     \
  " FROM pg_catalog.pg_roles a)"

#define SPORTELLO_TEMPORARY \
  "WITH temporary AS MATERIALIZED (SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relpersistence = 't') "

// As kCatalogChange, but of pg_class what a result depends on: TRUNCATE and REFRESH give a relation new files
// and so a new row, which changes nothing of its meaning.
constexpr const char* kVersion = SPORTELLO_TEMPORARY R"sql(
SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_event_trigger e WHERE e.evtenabled <> 'D'),
       pg_catalog.concat_ws(' ', pg_catalog.current_database(),
(SELECT pg_catalog.concat_ws(':', count(*), sum(pg_catalog.hashtextextended(pg_catalog.concat_ws(' ', c.oid,
   c.relname, c.relnamespace, c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, c.relowner,
   c.relacl, c.relnatts, c.relispartition, c.reloptions), 0)))
 FROM pg_catalog.pg_class c
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND c.relpersistence <> 't'),
)sql" SPORTELLO_SUMS ")";

constexpr CatalogQuery kQueries[] = {
    {"schemas", kNamespaces, add_namespace},
    {"relations", kRelations, add_relation},
    {"rules", kRules, add_rule},
    {"functions", kFunctions, add_function},
    {"aggregates", kAggregates, add_aggregate},
    {"inheritance", kInheritance, add_inheritance},
    {"foreign keys", kForeignKeys, add_foreign_key},
    {"triggers", kTriggers, add_trigger},
    {"expressions", kExpressions, add_expression},
    {"operators and casts", kHiddenCalls, add_hidden_call},
    {"types", kTypes, add_type},
    {"version", kVersion, add_version},
};

}  // namespace

const std::span<const CatalogQuery> kCatalogQueries{kQueries};

const char* const kCatalogChange = SPORTELLO_TEMPORARY R"sql(
SELECT s.seen, CASE WHEN s.seen <> $1 THEN pg_catalog.concat_ws(' ',
(SELECT )sql" SPORTELLO_SUM_OF_MANY R"sql( FROM pg_catalog.pg_class x
 WHERE x.oid >= 16384 AND x.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND x.relpersistence <> 't'),
)sql" SPORTELLO_SUMS R"sql() END, pg_catalog.pg_is_in_recovery()
FROM (SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text) s (seen))sql";

}  // namespace sportello::cache
