// Rules and ident maps from any bytes: answered without a crash, every problem has its place, and what was
// loaded can be asked. @file finds the text itself, so that files including each other are bounded.
#include <cstdint>
#include <string>

#include "conf/hba.h"
#include "conf/ident_maps.h"
#include "protocol/invariant.h"

using namespace sportello::conf;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Each @file is this text again: short texts keep that small.
  if (size > 400) return 0;
  const TextFile file{.path = "hba", .text = std::string(reinterpret_cast<const char*>(data), size)};
  const FileReader reader = [&](const std::string&) { return file; };
  const HbaLoad load = parse_hba(file, reader);
  sportello::invariant(load.hba.has_value() != has_errors(load.diagnostics), "rules or errors");
  for (const Diagnostic& diagnostic : load.diagnostics) {
    sportello::invariant(diagnostic.at.line > 0, "a problem has its line");
    (void)diagnostic.to_string();
  }
  if (load.hba) {
    const HbaAddress address = parse_address("10.1.2.3").value();
    (void)load.hba->match({.tls = true, .address = address, .database = "db", .user = "bob"});
    (void)load.hba->match({.is_local = true, .database = "db", .user = "bob", .replication = true});
  }
  const IdentMapsLoad maps = parse_ident_maps(file);
  if (maps.maps) (void)maps.maps->allows("m", "bob", "bob");
  return 0;
}
