// The one way in which this folder reaches the file system, so that tests and fuzzers can put another one in
// its place. A file is read once and whole; what is no regular file (a FIFO would block, /dev/zero never
// ends) or larger than kMaxFileBytes is refused.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace sportello::conf {

inline constexpr size_t kMaxFileBytes = 64ULL << 20;

struct TextFile {
  std::string path;
  std::string text;
  bool is_open_to_others = false;  // anybody on the machine may read it
  std::string problem;             // why it could not be read; empty: it was

  bool ok() const { return problem.empty(); }
};

using FileReader = std::function<TextFile(const std::string& path)>;
TextFile read_text_file(const std::string& path);

// `name` as seen from the folder of the file that names it; an absolute name stays as it is.
std::string path_beside(std::string_view file, std::string_view name);

}  // namespace sportello::conf
