// TOML text -> Config, or everything that is wrong with it.
//
// A configuration is loaded whole or not at all, and every problem is told at once (toml.io's own syntax
// excepted: behind a broken line nothing can be trusted). `include = "file"` or a list of files, at the very
// top, is read first, seen from the file that names it; what the including file says itself comes after and
// wins, setting by setting. Cache rules add up in the order in which they are read.
//
// Beyond TOML: ${NAME} in a string (environment.h), durations and sizes in units (quantity.h), a list may be
// one string with commas. A number or a flag may be given as a string if that string has a ${NAME} in it.
// Names of files are seen from the file that says them and come out absolute.
//
// Reads the files named and nothing else; asks nothing of the network. May run on any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "conf/diagnostic.h"
#include "conf/environment.h"
#include "conf/text_file.h"

namespace sportello::conf {

struct ConfigSource {
  FileReader read_file = read_text_file;
  Environment environment = process_environment;
};

struct ConfigLoad {
  std::optional<Config> config;  // empty if any diagnostic is an error
  std::vector<Diagnostic> diagnostics;
};

ConfigLoad load_config(const std::string& path, const ConfigSource& source = {});

}  // namespace sportello::conf
