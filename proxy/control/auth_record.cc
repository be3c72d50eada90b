#include "proxy/control/auth_record.h"

#include <charconv>

#include "protocol/sqlstate.h"

namespace sportello::proxy {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// PostgreSQL's timestamps end in the year 294276; microseconds of 64 bits end there, too.
constexpr int64_t kLastYear = 290'000;

// Takes a text from the left; after a mistake it stays failed.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool failed() const { return failed_; }
  bool at_end() const { return rest_.empty(); }
  bool take(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }
  bool take(std::string_view wanted) {
    if (!rest_.starts_with(wanted)) {
      return false;
    }
    rest_.remove_prefix(wanted.size());
    return true;
  }
  void expect(char wanted) { failed_ = !take(wanted) || failed_; }

  int64_t number(size_t least_digits, size_t most_digits, int64_t least, int64_t most) {
    const std::string_view digits = take_digits(most_digits);
    int64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    failed_ = failed_ || digits.size() < least_digits || value < least || value > most;
    return value;
  }
  // "5" is half a second.
  microseconds fraction() {
    constexpr size_t kDigits = 6;
    std::string digits(take_digits(kDigits));
    failed_ = failed_ || digits.empty();
    digits.resize(kDigits, '0');
    int64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return microseconds(value);
  }

 private:
  std::string_view take_digits(size_t most) {
    size_t count = 0;
    while (count < most && count < rest_.size() && rest_[count] >= '0' && rest_[count] <= '9') {
      ++count;
    }
    const std::string_view digits = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return digits;
  }

  std::string_view rest_;
  bool failed_ = false;
};

struct Date {
  int64_t year;
  unsigned month;
  unsigned day;
};

Date take_date(Reader& reader) {
  Date date{};
  date.year = reader.number(4, 6, 0, 999'999);
  reader.expect('-');
  date.month = static_cast<unsigned>(reader.number(2, 2, 1, 12));
  reader.expect('-');
  date.day = static_cast<unsigned>(reader.number(2, 2, 1, 31));
  return date;
}

microseconds take_time_of_day(Reader& reader) {
  microseconds time = hours(reader.number(2, 2, 0, 24));
  reader.expect(':');
  time += minutes(reader.number(2, 2, 0, 59));
  reader.expect(':');
  time += seconds(reader.number(2, 2, 0, 60));
  if (reader.take('.')) {
    time += reader.fraction();
  }
  return time;
}

seconds take_offset(Reader& reader) {
  const bool west = reader.take('-');
  if (!west && !reader.take('+')) {
    return seconds(0);  // no zone: the session's, UTC
  }
  seconds offset = hours(reader.number(2, 2, 0, 15));
  if (reader.take(':')) {
    offset += minutes(reader.number(2, 2, 0, 59));
  }
  if (reader.take(':')) {
    offset += seconds(reader.number(2, 2, 0, 59));
  }
  return west ? -offset : offset;
}

// std::chrono's years end at 32767, PostgreSQL's do not: whole cycles of 400 years are counted by themselves.
std::optional<days> day_number(const Date& date) {
  constexpr int64_t kCycleYears = 400;
  constexpr int64_t kCycleDays = 146'097;
  constexpr int64_t kBase = 2000;
  int64_t cycles = (date.year - kBase) / kCycleYears;
  int64_t year = date.year - cycles * kCycleYears;
  const std::chrono::year_month_day day{std::chrono::year(static_cast<int>(year)),
                                        std::chrono::month(date.month), std::chrono::day(date.day)};
  if (!day.ok()) {
    return std::nullopt;
  }
  return std::chrono::sys_days(day).time_since_epoch() + days(cycles * kCycleDays);
}

}  // namespace

std::optional<WallTime> parse_timestamp(std::string_view text) {
  if (text == "infinity") {
    return WallTime::max();
  }
  if (text == "-infinity") {
    return WallTime::min();
  }
  Reader reader(text);
  Date date = take_date(reader);
  microseconds time{0};
  seconds offset{0};
  if (reader.take(' ')) {
    if (!reader.take("BC")) {
      time = take_time_of_day(reader);
      offset = take_offset(reader);
      if (reader.take(" BC")) {
        date.year = 1 - date.year;
      }
    } else {
      date.year = 1 - date.year;
    }
  }
  const auto day = day_number(date);
  if (reader.failed() || !reader.at_end() || !day) {
    return std::nullopt;
  }
  if (date.year > kLastYear) {
    return WallTime::max();
  }
  return WallTime(std::chrono::duration_cast<microseconds>(*day) + time - offset);
}

Result<AuthRecord> read_auth_record(const PqRows& answer, const std::string& user) {
  constexpr size_t kNameAndSecret = 2;
  if (answer.columns.size() < kNameAndSecret || answer.columns.size() > kNameAndSecret + 1) {
    return Error{sqlstate::kConfigFileError,
                 "auth_query gives " + std::to_string(answer.columns.size()) +
                     " columns; wanted are name, secret and perhaps the time until which it is good"};
  }
  AuthRecord record;
  if (answer.rows.empty()) {
    return record;
  }
  if (answer.rows.size() > 1) {
    return Error{sqlstate::kConfigFileError, "auth_query gives several rows for one user"};
  }
  const PqRow& row = answer.rows.front();
  if (row[0] != user) {
    return record;
  }
  record.known = true;
  record.secret = row[1].value_or("");
  if (row.size() > kNameAndSecret && row[2]) {
    record.valid_until = parse_timestamp(*row[2]);
    if (!record.valid_until) {
      return Error{sqlstate::kConfigFileError, "the third column of auth_query is no timestamp"};
    }
  }
  return record;
}

}  // namespace sportello::proxy
