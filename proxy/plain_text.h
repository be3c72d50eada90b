// What peers chose (names of databases and users, texts of statements), as harmless UTF-8: a control
// character, or a byte that is not UTF-8, becomes "\x1b", as a backslash becomes "\x5c", so that two names
// stay two. A page may be read in a terminal (S63), and its readers refuse broken UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace sportello::proxy {

std::string plain_text(std::string_view text);

}  // namespace sportello::proxy
