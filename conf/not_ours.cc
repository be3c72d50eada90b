#include "conf/not_ours.h"

#include <utility>

namespace sportello::conf {

namespace {

constexpr std::pair<std::string_view, std::string_view> kReasons[] = {
    {"auth_ldap_options", "LDAP is not offered"},
    {"client_tls_dheparams", "only ephemeral elliptic curves are used"},
    {"client_tls_ecdhcurve", "OpenSSL chooses the curve"},
    {"conffile", "the file is named on the command line"},
    {"dns_zone_check_period", "names are looked up again after dns_max_ttl"},
    {"job_name", "it is always sportello"},
    {"logfile", "the log goes to stderr, for systemd or the container to keep"},
    {"peer_id", "cancel requests find their way inside one process"},
    {"pool_idle_timeout", "a pool without connections takes next to nothing, and stays"},
    {"query_wait_notify", "a waiting client is told nothing until query_wait_timeout"},
    {"resolv_conf", "names are looked up as the system does it"},
    {"sbuf_loopcnt", "reading is bounded by pkt_buf"},
    {"scram_iterations", "auth_file keeps verifiers as they are"},
    {"server_round_robin", "the connection used last is used next, so that spare ones can close"},
    {"service_name", "it is always sportello"},
    {"syslog", "the log goes to stderr, for systemd or the container to keep"},
    {"syslog_facility", "the log goes to stderr, for systemd or the container to keep"},
    {"syslog_ident", "the log goes to stderr, for systemd or the container to keep"},
    {"tcp_socket_buffer", "the kernel sizes it by itself"},
    {"user", "start it as the user it shall run as"},
    {"verbose", "use log_level"},
};

}  // namespace

std::string_view why_not_ours(std::string_view pgbouncer_key) {
  for (const auto& [key, reason] : kReasons)
    if (key == pgbouncer_key) return reason;
  return {};
}

}  // namespace sportello::conf
