// What libpq says of a failure, as a SQLSTATE and one line of text.
#pragma once

#include <libpq-fe.h>

#include "tests/portal/load/load_statistics.h"

namespace sportello::portal {

// Of a statement.
Failure failure_of(const PGresult* result);

// Of a connection; `otherwise` is the SQLSTATE if the server gave none. libpq 15 keeps a refusal's SQLSTATE
// to its text, and only writes it there at PQERRORS_VERBOSE, which is to be set right after PQconnectStart.
Failure failure_of(const PGconn* connection, const char* otherwise);

}  // namespace sportello::portal
