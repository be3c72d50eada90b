#include "tests/portal/load/parameter_source.h"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdio>
#include <iterator>

#include "protocol/invariant.h"

namespace sportello::portal {
namespace {

constexpr std::string_view kRowPrefix = "row.";
constexpr const char* kNow = "2026-03-02 09:00:00+00";  // "now" of data.sql
constexpr std::array kRadii = {5'000, 10'000, 15'000, 25'000};
constexpr std::array kKinds = {"in_studio", "videochiamata", "telefono"};

// Half hours from 8:00 to 17:00 UTC of the weeks after the data's last appointment.
constexpr auto kFirstMonday = std::chrono::sys_days{std::chrono::year{2026} / 4 / 6};
constexpr uint64_t kSlotsADay = 18;
constexpr uint64_t kDays = 52 * 5;

std::string half_hour(uint64_t slot, int later) {
  using namespace std::chrono;
  const auto workday = slot / kSlotsADay;
  const sys_days day = kFirstMonday + days{workday / 5 * 7 + workday % 5};
  const year_month_day date{day};
  const auto minutes_of_day = 8 * 60 + static_cast<int>(slot % kSlotsADay) * 30 + later;
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u %02d:%02d:00+00", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), minutes_of_day / 60,
                minutes_of_day % 60);
  return text;
}

void append_hex(std::string& out, uint64_t value, int bytes) {
  for (int at = 0; at < bytes; ++at) {
    char pair[3];
    std::snprintf(pair, sizeof pair, "%02x", static_cast<unsigned>(value >> (8 * at) & 0xff));
    out += pair;
  }
}

// A point as GeoDjango writes it: little-endian EWKB with its SRID, as bytea.
std::string ewkb_point(double longitude, double latitude) {
  constexpr uint64_t kPointWithSrid = 0x20000001;
  std::string out = "\\x01";
  append_hex(out, kPointWithSrid, 4);
  append_hex(out, 4326, 4);
  append_hex(out, std::bit_cast<uint64_t>(longitude), 8);
  append_hex(out, std::bit_cast<uint64_t>(latitude), 8);
  return out;
}

Value number(uint64_t value) { return {std::to_string(value), true}; }

}  // namespace

// What each name means.
struct ParameterSource::Generator {
  std::string_view name;
  Value (*make)(ParameterSource& source);

  static const Generator kAll[];
};

const ParameterSource::Generator ParameterSource::Generator::kAll[] = {
    {"notary_id", [](ParameterSource& s) { return number(s.popular(s.facts_.notaries)); }},
    {"client_id", [](ParameterSource& s) { return number(1 + s.below(s.facts_.clients)); }},
    {"act_id", [](ParameterSource& s) { return number(1 + s.below(s.facts_.acts)); }},
    {"review_id", [](ParameterSource& s) { return number(1 + s.below(s.facts_.reviews)); }},
    {"username",
     [](ParameterSource& s) { return Value{"utente" + std::to_string(1 + s.below(s.facts_.clients))}; }},
    {"notary_page_offset",
     [](ParameterSource& s) {
       return number(20 * (s.popular(std::min<int64_t>(10, s.facts_.notaries / 20 + 1)) - 1));
     }},
    {"city",
     [](ParameterSource& s) {
       return Value{s.facts_.cities[s.popular(std::ssize(s.facts_.cities)) - 1].name};
     }},
    {"place",
     [](ParameterSource& s) {
       const auto& city = s.facts_.cities[s.below(s.facts_.cities.size())];
       const auto near = [&] { return (static_cast<double>(s.below(2001)) - 1000) / 20'000; };
       const double longitude = city.longitude + near();
       return Value{ewkb_point(longitude, city.latitude + near())};
     }},
    {"radius_metres", [](ParameterSource& s) { return number(kRadii[s.below(kRadii.size())]); }},
    {"appointment_kind", [](ParameterSource& s) { return Value{kKinds[s.below(kKinds.size())]}; }},
    {"slot", [](ParameterSource& s) { return number(s.below(kDays * kSlotsADay)); }},
    {"slot_start", [](ParameterSource& s) { return Value{half_hour(s.slot(), 0)}; }},
    {"slot_end", [](ParameterSource& s) { return Value{half_hour(s.slot(), 30)}; }},
    {"moment", [](ParameterSource&) { return Value{kNow}; }},
};

bool is_row_parameter(std::string_view name) { return name.starts_with(kRowPrefix); }

const ParameterSource::Generator* ParameterSource::find(std::string_view name) {
  const auto* found = std::find_if(std::begin(Generator::kAll), std::end(Generator::kAll),
                                   [&](const Generator& generator) { return generator.name == name; });
  return found == std::end(Generator::kAll) ? nullptr : found;
}

bool ParameterSource::knows(std::string_view name) { return find(name) != nullptr; }

const Value& ParameterSource::value(std::string_view name) {
  for (const auto& [known, value] : known_) {
    if (known == name) return value;
  }
  const auto* generator = find(name);
  invariant(generator != nullptr, "request files are checked for unknown parameters when they are read");
  Value made = generator->make(*this);
  return known_.emplace_back(name, std::move(made)).second;
}

uint64_t ParameterSource::popular(int64_t n) {
  const double even = static_cast<double>(random_() >> 11) * 0x1p-53;
  return 1 + static_cast<uint64_t>(even * even * static_cast<double>(n));
}

uint64_t ParameterSource::slot() { return std::stoull(value("slot").text); }

}  // namespace sportello::portal
