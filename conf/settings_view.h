#pragma once
#include "conf/config.h"
#include <string>
#include <vector>
namespace sportello::conf { inline std::vector<std::string> restart_needed(const Config&, const Config&) { return {}; } }
