// What is known of the addresses of servers' names, and when to ask again: the I/O-free half of NameResolver.
// An answer is good for dns_max_ttl, a refusal for dns_nxdomain_ttl; an answer that is older is still given,
// while somebody asks again (Stale). A resolver that fails or hangs leaves the last good answer in force; one
// that says that there is no such name ends it. Several addresses take turns. Guarded by its owner.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sportello::proxy {

// As numbers, in the resolver's order: "10.0.0.5", "fe80::1%eth0".
using AddressList = std::vector<std::string>;

struct NameAnswer {
  AddressList addresses;  // empty: `why`
  std::string why;
  bool is_final = false;  // there is no such name, as against: it could not be found out
};

class NameCache {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Milliseconds = std::chrono::milliseconds;
  // A name that nobody has looked up for so long, and nobody is connected by, is forgotten.
  static constexpr std::chrono::minutes kKept{10};

  void set_ttls(Milliseconds good, Milliseconds bad);

  enum class Standing : uint8_t { Fresh, Stale, Missing, Refused };
  struct Found {
    Standing standing = Standing::Missing;
    AddressList addresses;  // Fresh and Stale; each time another one is first
    std::string why;        // Refused
  };
  Found find(const std::string& host, Time now);

  // True: nobody is asking for the name yet, and the caller is to.
  bool begin(const std::string& host);
  // What came of it. True: the name had addresses before, and has others now.
  bool answered(const std::string& host, NameAnswer answer, Time now);

  // The names to ask for again; `in_use`: those that links were opened by. Forgets the others in time.
  std::vector<std::string> due(const std::set<std::string>& in_use, Time now);

  struct Known {
    std::string host;
    Milliseconds ttl;  // left; 0: it is being asked for
    AddressList addresses;
  };
  std::vector<Known> known(Time now) const;

 private:
  struct Entry {
    AddressList addresses;
    std::string why;
    Time good_until{};  // or refused until
    Time used_at{};
    size_t turn = 0;
    bool asking = false;
    bool answered = false;
  };

  std::map<std::string, Entry> entries_;
  Milliseconds good_{15'000};
  Milliseconds bad_{15'000};
};

}  // namespace sportello::proxy
