// As whom a server is asked how it is: monitor_user of the database, or of all, else the user of the address,
// else auth_user.
#pragma once

#include <string>

#include "conf/config.h"

namespace sportello::conf {

// One of the configuration's own strings; empty: it names nobody.
const std::string& monitor_user(const Config& config, const Database& database, const ServerAddress& address);

}  // namespace sportello::conf
