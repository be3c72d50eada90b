#pragma once
#include "conf/diagnostic.h"
namespace sportello::conf { struct PgbouncerImport { std::string toml; std::vector<Diagnostic> diagnostics; }; inline PgbouncerImport import_pgbouncer(const std::string&) { return {}; } }
