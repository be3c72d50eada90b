// Where in the files each setting was given, and the diagnostics that point there. A configuration is made of
// several files, and what is wrong with it is often found only when all of them were read.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "conf/diagnostic.h"
#include "conf/text_file.h"

namespace sportello::conf {

struct Place {
  const TextFile* file = nullptr;  // lives as long as the load
  Position at;
};

// The path of [section.NAME]; a name may have dots in it, a path's own dots part it from its keys.
std::string entry_path(const std::string& section, std::string name);

class ConfigPlaces {
 public:
  // The file that is blamed for what is nowhere.
  void set_main_file(const TextFile& file) { main_ = {&file, {}}; }

  // Paths are "auth_type", "databases.NAME", "databases.NAME.pool_size", "cache.max_memory", …; the last
  // wins.
  void note(const std::string& path, Place place) { places_[path] = place; }
  bool knows(const std::string& path) const { return places_.contains(path); }
  // The place of a setting; if it was never given, of what it is in; else the main file.
  Place of(const std::string& path) const;

  void error(Place place, std::string message) {
    add(Diagnostic::Severity::Error, place, std::move(message));
  }
  void warning(Place place, std::string message) {
    add(Diagnostic::Severity::Warning, place, std::move(message));
  }
  // In the order of the files, top to bottom.
  std::vector<Diagnostic> take_diagnostics(const std::vector<const TextFile*>& files);

 private:
  struct Found {
    Place place;
    Diagnostic diagnostic;
  };
  void add(Diagnostic::Severity severity, Place place, std::string message);

  Place main_;
  std::map<std::string, Place> places_;
  std::vector<Found> found_;
};

}  // namespace sportello::conf
