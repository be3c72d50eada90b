#include "conf/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace sportello::conf {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// Empty, or why it stopped.
std::string read_all(int fd, std::string& text) {
  char piece[16 << 10];
  while (text.size() <= kMaxFileBytes) {
    const ssize_t got = read(fd, piece, sizeof piece);
    if (got == 0) return {};
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::strerror(errno);
    text.append(piece, static_cast<size_t>(got));
  }
  return "it is larger than any such file should be (64 MB)";
}

}  // namespace

TextFile read_text_file(const std::string& path) {
  TextFile file{.path = path};
  // O_NONBLOCK: a FIFO without a writer answers at once instead of waiting for one.
  const Descriptor descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (descriptor.get() < 0 || fstat(descriptor.get(), &status) != 0) {
    file.problem = std::strerror(errno);
    return file;
  }
  if (!S_ISREG(status.st_mode)) {
    file.problem = S_ISDIR(status.st_mode) ? "it is a directory" : "it is no regular file";
    return file;
  }
  file.is_open_to_others = (status.st_mode & S_IROTH) != 0;
  file.problem = read_all(descriptor.get(), file.text);
  if (!file.ok()) file.text.clear();
  return file;
}

std::string path_beside(std::string_view file, std::string_view name) {
  const std::filesystem::path beside =
      std::filesystem::path(file).parent_path() / std::filesystem::path(name);
  return beside.lexically_normal().string();
}

}  // namespace sportello::conf
