#include "cache/function_traits.h"

#include <algorithm>

#include "protocol/sql/known_functions.h"

namespace sportello::cache {
namespace {

constexpr size_t kMostReasons = 8;

// VOLATILE functions of well-known extensions that only make something up. Nobody but a superuser makes
// functions in C.
constexpr std::string_view kHarmlessInC[] = {"gen_random_bytes", "gen_random_uuid",    "gen_salt",
                                             "uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4",
                                             "uuid_generate_v7"};

template <typename List>
bool holds(const List& list, std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

Traits traits_of_volatility(char volatility, const std::string& name) {
  Traits traits;
  if (volatility == 'i') {
    return traits;
  }
  traits.reads_unknown = true;
  traits.is_stable = true;
  traits.user_dependent = true;
  traits.writes_unknown = volatility != 's';
  traits.is_volatile = volatility != 's';
  traits.reasons = {
      "function " + name +
      (volatility == 's' ? " is STABLE: it may read any table" : " is VOLATILE: it may write any table")};
  return traits;
}

Traits traits_of_builtin(const std::string& name, char volatility) {
  Traits traits;
  if (sql::is_known_not_volatile(name)) {
    traits.is_stable = true;
    traits.user_dependent = true;
    return traits;
  }
  if (sql::is_known_volatile(name) || sql::session_effect_of_function(name) != 0) {
    traits.is_volatile = true;
    traits.reasons = {"function " + name + " is VOLATILE"};
    return traits;
  }
  return traits_of_volatility(volatility, name);
}

// i < s < v
char worse(char one, char other) {
  if (one == 'v' || other == 'v') {
    return 'v';
  }
  return one == 's' || other == 's' ? 's' : 'i';
}

}  // namespace

void Traits::add(const Traits& other) {
  reads_unknown |= other.reads_unknown;
  writes_unknown |= other.writes_unknown;
  is_volatile |= other.is_volatile;
  is_stable |= other.is_stable;
  user_dependent |= other.user_dependent;
  samples |= other.samples;
  has_system_columns |= other.has_system_columns;
  for (const std::string& reason : other.reasons) {
    if (reasons.size() < kMostReasons && std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) {
      reasons.push_back(reason);
    }
  }
}

FunctionIndex::FunctionIndex(const std::vector<FunctionRow>& functions,
                             const std::vector<AggregateRow>& aggregates) {
  functions_.reserve(functions.size());
  for (const FunctionRow& row : functions) {
    functions_.push_back(
        {row.oid, row.schema, row.name, row.volatility, row.language, row.sole_argument != 0});
  }
  std::sort(functions_.begin(), functions_.end(),
            [](const Function& one, const Function& other) { return one.oid < other.oid; });
  for (const AggregateRow& row : aggregates) {
    const Function* support = find(row.support);
    const char volatility = support != nullptr            ? support->volatility
                            : row.support < kFirstUserOid ? 'i'
                                                          : 'v';
    if (const Function* aggregate = find(row.aggregate)) {
      char& worst = functions_[static_cast<size_t>(aggregate - functions_.data())].volatility;
      worst = worse(worst, volatility);
    }
  }
  for (const Function& function : functions_) {
    by_name_[function.name].push_back(&function);
  }
}

const FunctionIndex::Function* FunctionIndex::find(Oid function) const {
  const auto at = std::lower_bound(functions_.begin(), functions_.end(), function,
                                   [](const Function& one, Oid oid) { return one.oid < oid; });
  return at != functions_.end() && at->oid == function ? &*at : nullptr;
}

Traits FunctionIndex::of(Oid function) const {
  const Function* found = find(function);
  if (found == nullptr) {
    return function < kFirstUserOid ? Traits{}
                                    : traits_of_volatility('v', "with OID " + std::to_string(function));
  }
  return of(*found);
}

Traits FunctionIndex::of(const Function& function) {
  if (function.oid < kFirstUserOid) {
    return traits_of_builtin(function.name, function.volatility);
  }
  if (function.language == "c" && holds(kHarmlessInC, function.name)) {
    Traits traits;
    traits.is_volatile = true;
    traits.reasons = {"function " + function.name + " is VOLATILE"};
    return traits;
  }
  return traits_of_volatility(function.volatility, function.name);
}

Traits FunctionIndex::of_unnamed(Oid function) const {
  const Function* found = find(function);
  if (found != nullptr && found->volatility == 's' &&
      (found->language == "c" || found->language == "internal")) {
    return {};
  }
  return of(function);
}

void FunctionIndex::add_by_dot(Oid schema, std::string_view name, Traits& traits) const {
  const auto known = by_name_.find(name);
  if (known == by_name_.end()) {
    return;
  }
  for (const Function* function : known->second) {
    if (function->schema == schema && function->oid >= kFirstUserOid && function->takes_one) {
      traits.add(of(*function));
    }
  }
}

bool FunctionIndex::add_named(Oid schema, std::string_view name, Traits& traits) const {
  const auto known = by_name_.find(name);
  if (known == by_name_.end()) {
    return false;
  }
  bool is_here = false;
  for (const Function* function : known->second) {
    if (function->schema != schema) {
      continue;
    }
    is_here = true;
    if (function->oid >= kFirstUserOid || !sql::is_known_not_volatile(name)) {
      traits.add(of(*function));
    }
  }
  return is_here;
}

}  // namespace sportello::cache
