#include "conf/monitor_user.h"

namespace sportello::conf {

const std::string& monitor_user(const Config& config, const Database& database,
                                const ServerAddress& address) {
  for (const std::string* user :
       {&database.monitor_user, &config.monitor_user, &address.user, &database.auth_user})
    if (!user->empty()) return *user;
  return config.auth_user;
}

}  // namespace sportello::conf
