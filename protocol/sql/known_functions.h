// What is known of functions by name alone, before any catalog was read.
//
// Three tables: the built-ins of which no overload is VOLATILE and those that are VOLATILE but leave nothing
// in the session (from a real PostgreSQL 15, the queries are beside the tables), and the few functions that
// do leave something behind in their session. Immutable, any thread.
//
// pg_catalog is searched first unless a search_path names it later, so an unqualified built-in name means the
// built-in for nearly everyone; whoever has put a schema before it, or an overload of their own for other
// argument types, is seen only by the catalog.
#pragma once

#include <string_view>

#include "protocol/sql/statement_facts.h"

namespace sportello::sql {

// `name` unqualified, folded. Left out although they are not VOLATILE: those that assign a transaction id
// (txid_current), those that read tables named by a string (table_to_xml), statistics, type input and output.
bool is_known_not_volatile(std::string_view name);

// Has an effect or another answer each time (nextval, random, pg_notify), but none that stays in the session.
bool is_known_volatile(std::string_view name);

// Not VOLATILE, but an overload is STABLE: the answer may change between two statements. Of these, what it
// hangs on: the session's settings and nothing else; who asks, or his search_path.
bool is_known_stable(std::string_view name);
bool hangs_on_settings_alone(std::string_view name);
bool hangs_on_catalog(std::string_view name);
bool hangs_on_user(std::string_view name);
// Two statements of one transaction may rely on the same answer, or on one that no other link gives.
bool hangs_on_transaction(std::string_view name);
// A replica says something else than its primary: it tells of the server that is asked, of how that is set,
// or of its processes. inet_server_addr() and inet_server_port() are not among them: who asks that wants to
// know which server has answered.
bool tells_of_server(std::string_view name);

// What calling a function of this name, in whatever schema, leaves in the session: AdvisoryLock,
// SequenceState, TempObject, SessionFunction, SetOther (set_config, unless its arguments say better), or 0.
Effects session_effect_of_function(std::string_view name);

}  // namespace sportello::sql
