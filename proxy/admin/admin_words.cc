#include "proxy/admin/admin_words.h"

#include <algorithm>

#include "proxy/admin/admin_tokens.h"

namespace sportello::proxy {
namespace {

constexpr AdminVerbRow kVerbs[] = {
    {"RELOAD", AdminVerb::Reload, AdminArgument::None, "RELOAD"},
    {"PAUSE", AdminVerb::Pause, AdminArgument::OptionalDatabase, "PAUSE [<db>]"},
    {"RESUME", AdminVerb::Resume, AdminArgument::OptionalDatabase, "RESUME [<db>]"},
    {"DISABLE", AdminVerb::Disable, AdminArgument::Database, "DISABLE <db>"},
    {"ENABLE", AdminVerb::Enable, AdminArgument::Database, "ENABLE <db>"},
    {"RECONNECT", AdminVerb::Reconnect, AdminArgument::OptionalDatabase, "RECONNECT [<db>]"},
    {"KILL", AdminVerb::Kill, AdminArgument::OptionalDatabase, "KILL [<db>]"},
    {"KILL_CLIENT", AdminVerb::KillClient, AdminArgument::Client, "KILL_CLIENT <id>"},
    {"FLUSH", AdminVerb::FlushCache, AdminArgument::Cache, "FLUSH CACHE [TABLE <table>|RULE <rule>]"},
    {"SUSPEND", AdminVerb::Suspend, AdminArgument::None, "SUSPEND"},
    {"SHUTDOWN", AdminVerb::Shutdown, AdminArgument::ShutdownMode,
     "SHUTDOWN [WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]"},
    {"WAIT_CLOSE", AdminVerb::WaitClose, AdminArgument::OptionalDatabase, "WAIT_CLOSE [<db>]"},
};

struct TopicRow {
  std::string_view word;
  ShowTopic topic;
};

constexpr TopicRow kTopics[] = {
    {"HELP", ShowTopic::Help},
    {"CONFIG", ShowTopic::Config},
    {"DATABASES", ShowTopic::Databases},
    {"POOLS", ShowTopic::Pools},
    {"QUERIES", ShowTopic::Queries},
    {"CLIENTS", ShowTopic::Clients},
    {"SERVERS", ShowTopic::Servers},
    {"USERS", ShowTopic::Users},
    {"VERSION", ShowTopic::Version},
    {"STATS", ShowTopic::Stats},
    {"STATS_TOTALS", ShowTopic::StatsTotals},
    {"STATS_AVERAGES", ShowTopic::StatsAverages},
    {"TOTALS", ShowTopic::Totals},
    {"LISTS", ShowTopic::Lists},
    {"MEM", ShowTopic::Mem},
    {"NODES", ShowTopic::Nodes},
    {"ROUTES", ShowTopic::Routes},
    {"TABLES", ShowTopic::Tables},
    {"CACHE RULES", ShowTopic::CacheRules},
    {"CACHE", ShowTopic::Cache},
    {"STATE", ShowTopic::State},
    {"SOCKETS", ShowTopic::Sockets},
    {"ACTIVE_SOCKETS", ShowTopic::ActiveSockets},
    {"FDS", ShowTopic::Fds},
    {"PEERS", ShowTopic::Peers},
    {"PEER_POOLS", ShowTopic::PeerPools},
    {"DNS_HOSTS", ShowTopic::DnsHosts},
    {"DNS_ZONES", ShowTopic::DnsZones},
};

}  // namespace

std::span<const AdminVerbRow> admin_verbs() { return kVerbs; }

const ShowTopic* find_topic(std::string_view name) {
  const auto* found = std::find_if(std::begin(kTopics), std::end(kTopics),
                                   [&](const TopicRow& row) { return same_word(row.word, name); });
  return found == std::end(kTopics) ? nullptr : &found->topic;
}

std::string admin_help() {
  std::string help = "\tSHOW ";
  for (const TopicRow& row : kTopics) {
    help += row.word;
    help += '|';
  }
  help.pop_back();
  help += "\n\tEXPLAIN [<db> [<user>]] <statement>";
  help += "\n\tSET <setting> = '<value>'";
  for (const AdminVerbRow& row : kVerbs) {
    if (!row.help.empty()) {
      help += "\n\t";
      help += row.help;
    }
  }
  return help;
}

}  // namespace sportello::proxy
