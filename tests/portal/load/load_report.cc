#include "tests/portal/load/load_report.h"

#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace sportello::portal {
namespace {

// The targets of the reference workload, with 1,000 clients (design page, "Reference workload").
constexpr double kRequestsPerSecond = 1000;
constexpr double kP50Ms = 100;
constexpr double kP95Ms = 500;
constexpr double kP99Ms = 1000;
constexpr double kErrorPercent = 0.1;
constexpr double kConnectionsBelow = 31;  // default_pool_size 25 and reserve_pool_size 5
constexpr double kHitPercent = 80;
constexpr double kConnectionSharePercent = 80;

double ms(std::chrono::microseconds time) { return static_cast<double>(time.count()) / 1000; }

double rate(uint64_t count, double seconds) { return seconds > 0 ? static_cast<double>(count) / seconds : 0; }

__attribute__((format(printf, 2, 3))) void append(std::string& out, const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  out += line;
}

// No more decimals than somebody reads.
std::string number(double value) {
  char text[64];
  if (value == std::floor(value)) return std::to_string(static_cast<long long>(value));
  std::snprintf(text, sizeof text, value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value);
  return text;
}

void append_findings(std::string& out, const LoadReport& report) {
  for (const auto& finding : findings(report)) {
    append(out, "  %-22s %10s %-4s", finding.label, number(finding.measured).c_str(), finding.unit);
    if (report.options.targets) {
      append(out, "  target %-8s %4g %-2s  %s", finding.at_least ? "at least" : "below", finding.target,
             finding.unit, finding.met() ? "ok" : "MISSED");
    }
    while (out.back() == ' ') out.pop_back();
    out += '\n';
  }
}

void append_requests(std::string& out, const LoadReport& report) {
  append(out, "\n  %-24s %9s %8s %8s %8s %8s %8s ms\n", "request", "count", "mean", "P50", "P95", "P99",
         "max");
  for (size_t at = 0; at < report.requests.size(); ++at) {
    const auto& times = report.statistics.by_request()[at];
    if (times.count() == 0) continue;
    append(out, "  %-24s %9llu %8s %8s %8s %8s %8s\n", report.requests[at].name.c_str(),
           static_cast<unsigned long long>(times.count()), number(ms(times.mean())).c_str(),
           number(ms(times.percentile(50))).c_str(), number(ms(times.percentile(95))).c_str(),
           number(ms(times.percentile(99))).c_str(), number(ms(times.max())).c_str());
  }
}

void append_failures(std::string& out, const LoadReport& report) {
  if (report.statistics.failures().empty()) return;
  append(out, "\n  %-10s %9s  %s\n", "SQLSTATE", "count", "the first one's text");
  for (const auto& [sqlstate, failure] : report.statistics.failures()) {
    append(out, "  %-10s %9llu  %.300s\n", sqlstate.c_str(), static_cast<unsigned long long>(failure.count),
           failure.first_message.c_str());
  }
}

const char* protocol_name(Protocol protocol) {
  switch (protocol) {
    case Protocol::Simple:
      return "simple";
    case Protocol::Extended:
      return "extended";
    case Protocol::Prepared:
      return "prepared";
  }
  return "";
}

using Writer = rapidjson::PrettyWriter<rapidjson::StringBuffer>;

void write_times(Writer& out, const LatencyHistogram& times) {
  out.StartObject();
  out.Key("count"), out.Uint64(times.count());
  out.Key("mean_ms"), out.Double(ms(times.mean()));
  out.Key("p50_ms"), out.Double(ms(times.percentile(50)));
  out.Key("p95_ms"), out.Double(ms(times.percentile(95)));
  out.Key("p99_ms"), out.Double(ms(times.percentile(99)));
  out.Key("max_ms"), out.Double(ms(times.max()));
  out.EndObject();
}

void write_load(Writer& out, const LoadOptions& options) {
  out.StartObject();
  out.Key("clients"), out.Uint(options.clients);
  out.Key("think_ms"), out.Int64(options.think.count());
  out.Key("protocol"), out.String(protocol_name(options.protocol));
  out.Key("reconnect"), out.Bool(options.reconnect);
  out.Key("mix"), out.String(options.mix.c_str());
  out.Key("seed"), out.Uint64(options.seed);
  out.EndObject();
}

void write_findings(Writer& out, const LoadReport& report) {
  out.StartObject();
  for (const auto& finding : findings(report)) {
    out.Key(finding.key);
    out.StartObject();
    out.Key("measured"), out.Double(finding.measured);
    out.Key(finding.at_least ? "at_least" : "below"), out.Double(finding.target);
    out.Key("met"), out.Bool(finding.met());
    out.EndObject();
  }
  out.EndObject();
}

void write_failures(Writer& out, const LoadReport& report) {
  out.StartObject();
  for (const auto& [sqlstate, failure] : report.statistics.failures()) {
    out.Key(sqlstate.c_str());
    out.StartObject();
    out.Key("count"), out.Uint64(failure.count);
    out.Key("first_message"), out.String(failure.first_message.c_str());
    out.EndObject();
  }
  out.EndObject();
}

}  // namespace

std::vector<Finding> findings(const LoadReport& report) {
  const auto& all = report.statistics.all();
  std::vector<Finding> found = {
      {"requests_per_second", "requests/s", "", rate(all.count(), report.seconds), true, kRequestsPerSecond},
      {"p50_ms", "P50", "ms", ms(all.percentile(50)), false, kP50Ms},
      {"p95_ms", "P95", "ms", ms(all.percentile(95)), false, kP95Ms},
      {"p99_ms", "P99", "ms", ms(all.percentile(99)), false, kP99Ms},
      {"error_percent", "failed requests", "%", report.statistics.error_percent(), false, kErrorPercent}};
  if (report.connections) {
    const double most = report.connections->most;
    const double share = report.connections->limit > 0 ? 100 * most / report.connections->limit : 0;
    found.push_back({"server_connections", "server connections", "", most, false, kConnectionsBelow});
    found.push_back(
        {"connection_share_percent", "of max_connections", "%", share, false, kConnectionSharePercent});
  }
  if (report.cache) {
    found.push_back({"hit_percent", "cache hit rate", "%", report.cache->hit_percent(), true, kHitPercent});
  }
  return found;
}

bool all_met(const std::vector<Finding>& findings) {
  return std::all_of(findings.begin(), findings.end(), [](const Finding& finding) { return finding.met(); });
}

std::string as_table(const LoadReport& report) {
  const auto& options = report.options;
  std::string out;
  append(out, "%u clients%s, %s protocol, %.2f s think time, %.1f s measured, %llu requests sent\n\n",
         options.clients, options.reconnect ? " that connect for each request" : "",
         protocol_name(options.protocol), static_cast<double>(options.think.count()) / 1000, report.seconds,
         static_cast<unsigned long long>(report.statistics.total()));
  append_findings(out, report);
  append_requests(out, report);
  append_failures(out, report);
  return out;
}

std::string as_json(const LoadReport& report) {
  rapidjson::StringBuffer buffer;
  Writer out(buffer);
  out.SetMaxDecimalPlaces(3);
  out.StartObject();
  out.Key("load"), write_load(out, report.options);
  out.Key("seconds"), out.Double(report.seconds);
  out.Key("findings"), write_findings(out, report);
  out.Key("all"), write_times(out, report.statistics.all());
  out.Key("requests");
  out.StartObject();
  for (size_t at = 0; at < report.requests.size(); ++at) {
    if (report.statistics.by_request()[at].count() == 0) continue;
    out.Key(report.requests[at].name.c_str()), write_times(out, report.statistics.by_request()[at]);
  }
  out.EndObject();
  out.Key("failures"), write_failures(out, report);
  out.EndObject();
  return std::string(buffer.GetString(), buffer.GetSize()) + '\n';
}

}  // namespace sportello::portal
