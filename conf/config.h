// Every setting as a plain value: what the configuration file says, or the default. Names, meanings and
// defaults are PgBouncer's wherever the same thing exists (pgbouncer.org/config.html); the sentences beside
// the members are the short form of what setting_table.cc says to users.
//
// Made and checked by config_loader, immutable from then on, shared by all threads. Nothing here reads a
// file: auth_file, auth_hba_file and the TLS files are names, made absolute. A duration of zero switches a
// limit off; a count of zero means no limit.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sportello::conf {

using Milliseconds = std::chrono::milliseconds;

enum class PoolMode : uint8_t { Session, Transaction, Statement };
enum class AuthType : uint8_t { Trust, Any, Password, Md5, ScramSha256, Cert, Hba, Peer };
enum class SslMode : uint8_t { Disable, Allow, Prefer, Require, VerifyCa, VerifyFull };
enum class LogFormat : uint8_t { Text, Json };
enum class LogLevel : uint8_t { Trace, Debug, Info, Warning, Error, Critical, Off };
enum class Invalidation : uint8_t { Wal, Proxy };
enum class Freshness : uint8_t { Table, Session, Bounded };
enum class Routing : uint8_t { Off, Shadow, On };
enum class CacheMode : uint8_t { Off, Shadow, On };
enum class CacheInTransaction : uint8_t { Never, ReadCommitted };

// As the configuration file spells them: "transaction", "scram-sha-256", "verify-full", …
std::string_view to_string(PoolMode value);
std::string_view to_string(AuthType value);
std::string_view to_string(SslMode value);
std::string_view to_string(LogFormat value);
std::string_view to_string(LogLevel value);
std::string_view to_string(Invalidation value);
std::string_view to_string(Freshness value);
std::string_view to_string(Routing value);
std::string_view to_string(CacheMode value);
std::string_view to_string(CacheInTransaction value);

// One PostgreSQL server, from a conninfo string or URI (libpq-connect.html#LIBPQ-CONNSTRING).
struct ServerAddress {
  std::string host = "localhost";  // a name, an address, or the directory of a Unix socket ('/…')
  std::string hostaddr;  // the one address of `host` to go to, as numbers; empty: the name is looked up
  uint16_t port = 5432;
  std::string dbname;                           // empty: the name that the client asked for
  std::string user;                             // empty: the client's own
  std::string password;                         // never shown
  std::optional<SslMode> sslmode;               // empty: server_tls_sslmode
  std::optional<Milliseconds> connect_timeout;  // empty: server_connect_timeout
  int weight = 1;                               // of a replica: its share of the reads
  // Startup parameters of every link to it; empty: not sent.
  std::string application_name;
  std::string options;
  std::string client_encoding;
  std::string datestyle;
  std::string timezone;

  bool operator==(const ServerAddress&) const = default;
};

// [databases.NAME]; what is empty is as in [sportello].
struct Database {
  ServerAddress primary;                  // the first, where `primary` is a list of hosts
  std::vector<ServerAddress> candidates;  // the rest of that list: one of them all is the primary
  std::vector<ServerAddress> replicas;
  std::optional<PoolMode> pool_mode;
  std::optional<int> pool_size;
  std::optional<int> min_pool_size;
  std::optional<int> reserve_pool_size;
  std::optional<int> max_db_connections;
  std::optional<int> max_db_client_connections;
  std::optional<Milliseconds> server_lifetime;
  std::string auth_user;
  std::string auth_query;
  std::string auth_dbname;
  std::string monitor_user;
  std::string connect_query;               // run on every new server connection
  Routing routing = Routing::On;           // may reads go to the replicas? Shadow: it is only counted
  Freshness freshness = Freshness::Table;  // what a read on a replica must have seen
  Milliseconds max_replica_lag{10'000};    // "bounded": a replica further behind gets no reads

  bool operator==(const Database&) const = default;
};

// [users.NAME]; what is empty is as in the database, else as in [sportello].
struct User {
  std::optional<PoolMode> pool_mode;
  std::optional<int> pool_size;
  std::optional<int> reserve_pool_size;
  std::optional<int> max_user_connections;
  std::optional<int> max_user_client_connections;
  std::optional<Milliseconds> query_timeout;
  std::optional<Milliseconds> transaction_timeout;
  std::optional<Milliseconds> idle_transaction_timeout;
  std::optional<Milliseconds> client_idle_timeout;
  std::optional<Freshness> freshness;

  bool operator==(const User&) const = default;
};

// [[cache.rules]]: which reads may be cached, and for how long. A rule has a query, a fingerprint or tables.
struct CacheRule {
  std::string name;
  std::string query;                      // any statement of this shape
  std::string fingerprint;                // the same, as SHOW QUERIES shows it: 16 hexadecimal digits
  std::vector<std::string> tables;        // any statement that reads only these
  std::vector<std::string> databases;     // key: database; empty: any
  std::vector<std::string> users;         // key: user; empty: any
  std::vector<std::string> applications;  // key: application_name; empty: any
  CacheMode mode = CacheMode::On;         // shadow: kept and counted, answered by the server
  Milliseconds ttl{0};                    // how long a result is served at most; always above zero
  bool shared = false;                    // users may get each other's results
  bool stable_functions = false;          // STABLE functions, such as now(), are allowed
  bool untracked_tables = false;          // so are tables whose changes nobody tells; the ttl bounds it
  CacheInTransaction in_transaction = CacheInTransaction::Never;
  uint64_t max_result_size = 1ULL << 20;  // a larger result is not stored

  bool operator==(const CacheRule&) const = default;
};

// [cache]; read and checked here, used by the result cache.
struct Cache {
  uint64_t max_memory = 256ULL << 20;             // all that the cache holds, overhead included; 0: no cache
  Invalidation invalidation = Invalidation::Wal;  // who tells of writes past us
  Milliseconds max_invalidation_lag{5'000};       // a follower further behind serves nothing
  std::string publication = "sportello";          // on the primary: of these tables the log tells changes
  std::vector<CacheRule> rules;                   // the first that matches counts

  bool operator==(const Cache&) const = default;
};

// client_tls_sslmode, client_tls_key_file, …; and the same with server_tls_.
struct TlsSettings {
  SslMode sslmode = SslMode::Disable;
  std::string key_file;
  std::string cert_file;
  std::string ca_file;
  std::string crl_file;
  std::string ciphers;                   // TLS 1.2, OpenSSL's syntax; empty: ours
  std::string tls13_ciphers;             // TLS 1.3; empty: OpenSSL's
  std::string min_protocol = "TLSv1.2";  // key: client_tls_protocols; or TLSv1.3

  bool operator==(const TlsSettings&) const = default;
};

// [sportello], and all below it.
struct Config {
  // Where clients come in.
  std::string listen_addr = "127.0.0.1";  // comma-separated; "*": all addresses; empty: no TCP
  int listen_port = 6432;
  std::string unix_socket_dir;  // empty: no Unix socket
  int unix_socket_mode = 0777;  // its file mode, octal
  std::string unix_socket_group;
  int listen_backlog = 128;
  bool so_reuseport = false;     // several processes may listen on one port
  bool tcp_defer_accept = true;  // the kernel wakes us when a client has sent something
  int workers = 0;               // threads; 0: one per core

  // Pools.
  PoolMode pool_mode = PoolMode::Transaction;
  int max_client_conn = 1000;
  int max_login_clients =
      0;  // sockets that have not logged in; 0: a quarter of max_client_conn, at least 100
  int default_pool_size = 25;
  int min_pool_size = 0;
  int reserve_pool_size = 5;  // more links, for clients that waited reserve_pool_timeout
  Milliseconds reserve_pool_timeout{3'000};
  int max_db_connections = 0;    // server connections of one database, all users
  int max_user_connections = 0;  // server connections of one user, all databases
  int max_db_client_connections = 0;
  int max_user_client_connections = 0;
  int max_prepared_statements = 200;         // kept per link; 0: named statements pin their session
  uint64_t sql_inspect_max = 64ULL << 10;    // a longer text is passed on unread: unknown, to the primary
  uint64_t pkt_buf = 64ULL << 10;            // a worker's read buffer
  uint64_t max_packet_size = 2'147'483'647;  // a longer message closes the connection

  // Who may log in.
  AuthType auth_type = AuthType::ScramSha256;
  std::string auth_file;        // "user" "secret" lines
  std::string auth_hba_file;    // with auth_type = "hba"
  std::string auth_ident_file;  // maps for cert and peer
  std::string auth_user;        // who runs auth_query
  std::string auth_query =
      "SELECT usename, passwd, valuntil FROM pg_catalog.pg_shadow WHERE usename OPERATOR(pg_catalog.=) $1";
  std::string auth_dbname;                  // where auth_query runs; empty: the client's database
  std::string monitor_user;                 // who asks servers how they are; empty: auth_user
  Milliseconds auth_cache_ttl{30'000};      // how long its answers are kept
  Milliseconds auth_delay{250};             // the answer to a failed login is withheld so long, at first
  bool password_plaintext_allowed = false;  // "password" over TCP without TLS
  std::vector<std::string> admin_users;     // may do all in the admin console
  std::vector<std::string> stats_users;     // may look
  bool allow_replication = false;           // replication=… connections, each on a link of its own
  std::vector<std::string> ignore_startup_parameters;
  std::vector<std::string> track_extra_parameters = {"IntervalStyle"};
  bool application_name_add_host = false;

  // Server connections.
  std::string server_reset_query = "DISCARD ALL";
  bool server_reset_query_always = false;  // also where nothing can have been left
  std::string server_check_query;          // empty: an empty query
  Milliseconds server_check_delay{30'000};
  Milliseconds server_lifetime{3'600'000};
  Milliseconds server_idle_timeout{600'000};
  Milliseconds server_connect_timeout{15'000};
  Milliseconds server_login_retry{15'000};
  Milliseconds server_health_interval{1'000};  // a server that leaves a request alone for so long is probed
  Milliseconds server_health_timeout{2'000};   // it is out if it does not answer a probe in this time
  bool server_fast_close = false;  // RECONNECT and reload close session pools' links after the transaction
  Milliseconds autodb_idle_timeout{3'600'000};  // an unused database from "*" is forgotten
  Milliseconds dns_max_ttl{15'000};             // how long the addresses of a server's name are good
  Milliseconds dns_nxdomain_ttl{15'000};        // and how long that it has none
  bool disable_pqexec = false;                  // the simple query protocol is refused
  Milliseconds catalog_poll_interval{500};      // how often a database is asked whether its catalog changed

  // How long clients may take, and wait.
  Milliseconds query_timeout{0};
  Milliseconds query_wait_timeout{120'000};
  Milliseconds cancel_wait_timeout{10'000};
  Milliseconds transaction_timeout{0};
  Milliseconds idle_transaction_timeout{0};
  Milliseconds client_idle_timeout{0};
  Milliseconds client_login_timeout{60'000};
  Milliseconds client_write_timeout{0};  // a client that takes nothing of its answer for so long is closed
  Milliseconds suspend_timeout{10'000};
  Milliseconds shutdown_timeout{0};  // SIGTERM: after this, what still runs is ended; 0: waits

  // TCP, both ways. Zero: the system's.
  bool tcp_keepalive = true;
  int tcp_keepcnt = 0;
  int tcp_keepidle = 0;   // seconds
  int tcp_keepintvl = 0;  // seconds
  Milliseconds tcp_user_timeout{0};

  TlsSettings client_tls;                   // client_tls_sslmode, client_tls_key_file, …
  TlsSettings server_tls{SslMode::Prefer};  // server_tls_sslmode, …

  // Logging and running.
  LogFormat log_format = LogFormat::Text;
  LogLevel log_level = LogLevel::Info;
  bool log_connections = true;
  bool log_disconnections = true;
  bool log_pooler_errors = true;
  bool log_stats = true;
  Milliseconds stats_period{60'000};
  std::string pidfile;
  std::string http_listen;              // "address:port" of /metrics, /health, …; empty: none
  std::vector<std::string> http_hosts;  // by which it may be asked for, besides its own names

  std::map<std::string, Database> databases;  // "*": any other name
  std::map<std::string, User> users;
  Cache cache;

  bool operator==(const Config&) const = default;
};

}  // namespace sportello::conf
