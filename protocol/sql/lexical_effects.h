// A careful guess by words alone, for texts that no parser has understood: those it refuses (newer syntax, a
// typing error), those too long or deep for it, and the bodies of DO blocks.
//
// The guess is one-sided. It looks for every word that could change the session (SET, TEMP, LISTEN,
// set_config, advisory locks, dynamic EXECUTE, ...) wherever it stands as a word or quoted identifier; if
// there is none, the text is harmless *to the session*, which says nothing of what it reads or writes. So a
// bulk INSERT of a megabyte, or a MERGE with tomorrow's syntax, does not pin its session.
//
// Words inside string literals are not looked at: a function may be handed SQL to execute, as any user
// function may do anything (kLeavesDoubt).
#pragma once

#include <string_view>

namespace sportello::sql {

// Every statement of the text begins with SELECT, INSERT, UPDATE, DELETE, MERGE, WITH, VALUES or TABLE and
// holds no word that could change the session.
bool looks_harmless_to_session(std::string_view text, bool standard_conforming_strings = true);

// The same for the body of a PL/pgSQL block or a list of SQL statements.
bool block_looks_harmless_to_session(std::string_view body);

}  // namespace sportello::sql
