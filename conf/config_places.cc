#include "conf/config_places.h"

#include <algorithm>
#include <tuple>

namespace sportello::conf {

namespace {

// A line that may hold a password is not for the log.
bool is_secret(std::string_view line) {
  return line.find("password") != std::string_view::npos || line.find("://") != std::string_view::npos;
}

}  // namespace

std::string entry_path(const std::string& section, std::string name) {
  std::replace(name.begin(), name.end(), '.', '\x1f');
  return section + "." + name;
}

Place ConfigPlaces::of(const std::string& path) const {
  const auto found = places_.find(path);
  if (found != places_.end()) return found->second;
  const size_t dot = path.rfind('.');
  return dot == std::string::npos ? main_ : of(path.substr(0, dot));
}

void ConfigPlaces::add(Diagnostic::Severity severity, Place place, std::string message) {
  if (place.file == nullptr) place = main_;
  const std::string_view line = line_of(place.file->text, place.at.line);
  found_.push_back({place,
                    {.severity = severity,
                     .file = place.file->path,
                     .at = place.at,
                     .message = std::move(message),
                     .source_line = is_secret(line) ? std::string() : std::string(line)}});
}

std::vector<Diagnostic> ConfigPlaces::take_diagnostics(const std::vector<const TextFile*>& files) {
  const auto order = [&](const Found& found) {
    const auto file = std::find(files.begin(), files.end(), found.place.file);
    return std::tuple(file - files.begin(), found.place.at.line, found.place.at.column);
  };
  std::stable_sort(found_.begin(), found_.end(),
                   [&](const Found& left, const Found& right) { return order(left) < order(right); });
  std::vector<Diagnostic> diagnostics;
  for (Found& found : found_) diagnostics.push_back(std::move(found.diagnostic));
  found_.clear();
  return diagnostics;
}

}  // namespace sportello::conf
