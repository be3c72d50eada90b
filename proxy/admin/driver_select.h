// What drivers, psql and agents SELECT on a server that they do not know yet: literals, version(),
// current_setting('…') and a few more, none of which asks a table.
#pragma once

#include <optional>

#include "proxy/admin/admin_command.h"
#include "proxy/admin/admin_tokens.h"

namespace sportello::proxy {

// One item of the list, with its cast and its name. Nothing: it is none of those.
std::optional<SelectItem> read_select_item(AdminTokens& tokens);

}  // namespace sportello::proxy
