// The page /: dashboard.html, as the build put it into the program.
#pragma once

#include <string_view>

namespace sportello::proxy {

std::string_view dashboard_page();

}  // namespace sportello::proxy
