// Any bytes as a configuration, and as a pgbouncer.ini whose translation is loaded: answered without a crash,
// with a configuration or with errors, and what was loaded can be shown.
#include <cstdint>
#include <string>

#include "conf/config_loader.h"
#include "conf/pgbouncer_import.h"
#include "conf/setting_table.h"
#include "protocol/invariant.h"

using namespace sportello::conf;

namespace {

void load(const std::string& text) {
  ConfigSource source;
  source.read_file = [&](const std::string& path) {
    if (path == "/s.toml" || path == "/b.toml") return TextFile{.path = path, .text = text};
    return TextFile{.path = path, .problem = "there is no such file"};
  };
  source.environment = [](const std::string& name) {
    return name == "A" ? std::optional<std::string>("${B} 1") : std::nullopt;
  };
  const ConfigLoad loaded = load_config("/s.toml", source);
  sportello::invariant(loaded.config.has_value() != has_errors(loaded.diagnostics),
                       "a configuration or errors");
  for (const Diagnostic& diagnostic : loaded.diagnostics) (void)diagnostic.to_string();
  if (loaded.config)
    sportello::invariant(restart_needed(*loaded.config, *loaded.config).empty(), "it is itself");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  load(text);
  load(import_pgbouncer(text));
  return 0;
}
