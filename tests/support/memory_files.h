// Files that exist in memory only, for what reads a configuration: text by path. A path that is not there
// cannot be read; one whose text was put with open_to_others() is readable by all.
#pragma once

#include <map>
#include <set>
#include <string>

#include "conf/text_file.h"

namespace sportello::testing_support {

class MemoryFiles {
 public:
  MemoryFiles() = default;
  MemoryFiles(std::initializer_list<std::pair<const std::string, std::string>> files) : files_(files) {}

  void put(const std::string& path, std::string text) { files_[path] = std::move(text); }
  void open_to_others(const std::string& path) { open_.insert(path); }

  conf::FileReader reader() const {
    return [this](const std::string& path) {
      const auto found = files_.find(path);
      conf::TextFile file{.path = path};
      if (found == files_.end()) {
        file.problem = "No such file or directory";
      } else {
        file.text = found->second;
        file.is_open_to_others = open_.contains(path);
      }
      return file;
    };
  }

 private:
  std::map<std::string, std::string> files_;
  std::set<std::string> open_;
};

}  // namespace sportello::testing_support
