// pgbouncer.ini -> our TOML. The text that comes out behaves as PgBouncer did: where our default differs from
// PgBouncer's and the ini is silent, PgBouncer's is written down. What has no equivalent becomes a comment
// that says why; %include becomes a comment, as the file it names has to be imported, too.
//
// Nothing is checked beyond what the translation needs: the loader does that with the result.
#pragma once

#include <string>
#include <string_view>

#include "conf/setting_table.h"

namespace sportello::conf {

std::string import_pgbouncer(std::string_view ini);

// One of PgBouncer's values for a member of that type, as TOML; what means nothing to us comes out as a
// string.
std::string toml_of_pgbouncer(const ValueRef& member, Form form, std::string_view value);

}  // namespace sportello::conf
