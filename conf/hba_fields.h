// How pg_hba.conf and pg_ident.conf cut their lines (auth-pg-hba-conf.html): fields are parted by blanks, the
// items of a field by commas, double quotes hold blanks and take a word its special meaning, # begins a
// comment, a backslash at the end of a line continues it.
#pragma once

#include <string>
#include <vector>

#include "conf/diagnostic.h"
#include "conf/text_file.h"

namespace sportello::conf {

struct HbaItem {
  std::string text;
  bool is_quoted = false;
  Position at;

  // The word itself, with its special meaning.
  bool is_keyword(std::string_view word) const { return !is_quoted && text == word; }
};

using HbaField = std::vector<HbaItem>;  // never empty

struct HbaLine {
  Position at;
  std::vector<HbaField> fields;  // never empty
};

std::vector<HbaLine> cut_hba_lines(const TextFile& file, std::vector<Diagnostic>& diagnostics);

}  // namespace sportello::conf
