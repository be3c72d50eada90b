#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "proxy/http/operator_view.h"

namespace sportello::proxy {

ProcessFacts process_facts() {
  ProcessFacts facts;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& time) {
      constexpr double kMicro = 1e-6;
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * kMicro;
    };
    facts.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  // proc(5): sizes in pages, the second is what is resident.
  std::ifstream statm("/proc/self/statm");
  int64_t total = 0;
  int64_t resident = 0;
  if (statm >> total >> resident) {
    facts.resident_bytes = resident * sysconf(_SC_PAGESIZE);
  }
  return facts;
}

}  // namespace sportello::proxy
