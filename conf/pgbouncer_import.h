// pgbouncer.ini -> our TOML. The text that comes out behaves as PgBouncer did: where our default differs from
// PgBouncer's and the ini is silent, PgBouncer's is written down. What has no equivalent becomes a comment
// that says why; %include becomes a comment, as the file it names has to be imported, too.
//
// Nothing is checked beyond what the translation needs: the loader does that with the result.
#pragma once

#include <string>
#include <string_view>

namespace sportello::conf {

std::string import_pgbouncer(std::string_view ini);

}  // namespace sportello::conf
