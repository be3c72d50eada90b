#include "proxy/admin/driver_parameters.h"

#include <algorithm>

#include "proxy/admin/admin_tokens.h"

namespace sportello::proxy {
namespace {

constexpr DriverParameter kParameters[] = {
    {"application_name", ""},
    {"bytea_output", "hex"},
    {"client_encoding", "UTF8", true},
    {"client_min_messages", "notice"},
    {"DateStyle", "ISO, MDY", true},
    {"default_transaction_isolation", "read committed"},
    {"default_transaction_read_only", "off", true},
    {"extra_float_digits", "1"},
    {"idle_in_transaction_session_timeout", "0"},
    {"in_hot_standby", "off", true},
    {"integer_datetimes", "on", true},
    {"IntervalStyle", "postgres", true},
    {"is_superuser", "off", true},
    {"jit", "off"},
    {"lock_timeout", "0"},
    {"max_identifier_length", "63"},
    {"row_security", "on"},
    {"search_path", ""},
    {"server_encoding", "UTF8", true},
    {"server_version", "15.0 (Sportello)", true},
    {"server_version_num", "150000"},
    {"standard_conforming_strings", "on", true},
    {"statement_timeout", "0"},
    {"synchronous_commit", "on"},
    {"TimeZone", "GMT", true},
    {"transaction_isolation", "read committed"},
    {"transaction_read_only", "off"},
};

}  // namespace

std::span<const DriverParameter> driver_parameters() { return kParameters; }

const DriverParameter* find_driver_parameter(std::string_view name) {
  const auto* found = std::find_if(std::begin(kParameters), std::end(kParameters),
                                   [&](const DriverParameter& each) { return same_word(each.name, name); });
  return found == std::end(kParameters) ? nullptr : found;
}

}  // namespace sportello::proxy
