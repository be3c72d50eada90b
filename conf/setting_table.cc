#include "conf/setting_table.h"

#include <cstdio>
#include <type_traits>

namespace sportello::conf {

namespace {

template <typename Member>
struct OwnerOf;
template <typename Owner, typename Value>
struct OwnerOf<Value Owner::*> {
  using Type = Owner;
};

template <auto kMember>
ValueRef at(typename OwnerOf<decltype(kMember)>::Type& owner) {
  return &(owner.*kMember);
}

template <auto kSide, auto kMember>
ValueRef tls_at(Config& config) {
  return &(config.*kSide.*kMember);
}

constexpr Setting<Config> kGeneral[] = {
    {.key = "listen_addr",
     .ref = at<&Config::listen_addr>,
     .sentence = "Addresses to listen on, comma-separated; \"*\" is all of them, \"\" no TCP at all.",
     .change = Change::Restart},
    {.key = "listen_port",
     .ref = at<&Config::listen_port>,
     .sentence = "The TCP port, and the number in the Unix socket's name.",
     .range = {1, 65535},
     .change = Change::Restart},
    {.key = "unix_socket_dir",
     .ref = at<&Config::unix_socket_dir>,
     .sentence = "The directory of the Unix socket; \"\" for none.",
     .form = Form::Path,
     .change = Change::Restart},
    {.key = "unix_socket_mode",
     .ref = at<&Config::unix_socket_mode>,
     .sentence = "The file mode of the Unix socket.",
     .range = {0, 0777},
     .form = Form::FileMode,
     .change = Change::Restart},
    {.key = "unix_socket_group",
     .ref = at<&Config::unix_socket_group>,
     .sentence = "The group that the Unix socket belongs to; \"\" is that of the process.",
     .change = Change::Restart},
    {.key = "listen_backlog",
     .ref = at<&Config::listen_backlog>,
     .sentence = "How many connections the kernel may hold that were not accepted yet.",
     .range = {1, 65535},
     .change = Change::Restart},
    {.key = "so_reuseport",
     .ref = at<&Config::so_reuseport>,
     .sentence = "Several processes may listen on the same port (a rolling restart).",
     .change = Change::Restart},
    {.key = "tcp_defer_accept",
     .ref = at<&Config::tcp_defer_accept>,
     .sentence = "The kernel hands a connection over once the client has sent something.",
     .change = Change::Restart},
    {.key = "workers",
     .ref = at<&Config::workers>,
     .sentence = "Threads that serve clients; 0 is one per core.",
     .range = {0, 256},
     .change = Change::Restart},
    {.key = "pool_mode",
     .ref = at<&Config::pool_mode>,
     .sentence = "When a client gives its server connection back: after the \"session\", the \"transaction\" "
                 "or the \"statement\"."},
    {.key = "max_client_conn",
     .ref = at<&Config::max_client_conn>,
     .sentence = "How many clients may be connected.",
     .range = {1, 1000000}},
    {.key = "max_login_clients",
     .ref = at<&Config::max_login_clients>,
     .sentence = "How many of the sockets may not have logged in yet, the oldest going first; 0 is a quarter "
                 "of max_client_conn, at least 100.",
     .range = {0, 1000000}},
    {.key = "default_pool_size",
     .ref = at<&Config::default_pool_size>,
     .sentence = "Server connections per pool: per database and user of the server.",
     .range = {1, 100000}},
    {.key = "min_pool_size",
     .ref = at<&Config::min_pool_size>,
     .sentence = "Server connections that are kept open per pool that has clients; always where primary "
                 "names a user.",
     .range = {0, 100000}},
    {.key = "reserve_pool_size",
     .ref = at<&Config::reserve_pool_size>,
     .sentence = "More of them, for clients that have waited for reserve_pool_timeout; 0 is none.",
     .range = {0, 100000}},
    {.key = "reserve_pool_timeout",
     .ref = at<&Config::reserve_pool_timeout>,
     .sentence = "How long a client waits before the reserve is used."},
    {.key = "max_db_connections",
     .ref = at<&Config::max_db_connections>,
     .sentence = "Server connections per database, all users together; 0 is no limit.",
     .range = {0, 1000000}},
    {.key = "max_user_connections",
     .ref = at<&Config::max_user_connections>,
     .sentence = "Server connections per user, all databases together; 0 is no limit.",
     .range = {0, 1000000}},
    {.key = "max_db_client_connections",
     .ref = at<&Config::max_db_client_connections>,
     .sentence = "Clients per database; 0 is no limit.",
     .range = {0, 1000000}},
    {.key = "max_user_client_connections",
     .ref = at<&Config::max_user_client_connections>,
     .sentence = "Clients per user; 0 is no limit.",
     .range = {0, 1000000}},
    {.key = "max_prepared_statements",
     .ref = at<&Config::max_prepared_statements>,
     .sentence = "Prepared statements kept on each server connection; 0: a client that names one keeps its "
                 "connection.",
     .range = {0, 100000}},
    {.key = "sql_inspect_max",
     .ref = at<&Config::sql_inspect_max>,
     .sentence = "A longer statement is passed on unread: to the primary, never cached.",
     .range = {1024, 0x40000000}},
    {.key = "pkt_buf",
     .ref = at<&Config::pkt_buf>,
     .sentence = "The read buffer of each worker.",
     .range = {4096, 0x1000000},
     .change = Change::Restart},
    {.key = "max_packet_size",
     .ref = at<&Config::max_packet_size>,
     .sentence = "A client or a server that sends a larger message (a statement, a row) is closed.",
     .range = {16384, 2147483647}},
    {.key = "auth_type",
     .ref = at<&Config::auth_type>,
     .sentence = "How clients prove who they are: \"trust\", \"any\", \"password\", \"md5\", "
                 "\"scram-sha-256\", \"cert\", \"peer\", or \"hba\" for rules."},
    {.key = "auth_file",
     .ref = at<&Config::auth_file>,
     .sentence = "Users and their secrets, a line each: \"user\" \"secret\" (plain, md5 or SCRAM verifier).",
     .form = Form::SecretFile},
    {.key = "auth_hba_file",
     .ref = at<&Config::auth_hba_file>,
     .sentence = "Rules in pg_hba.conf's syntax, for auth_type = \"hba\".",
     .form = Form::InputFile},
    {.key = "auth_ident_file",
     .ref = at<&Config::auth_ident_file>,
     .sentence = "Maps in pg_ident.conf's syntax, for cert and peer.",
     .form = Form::InputFile},
    {.key = "auth_user",
     .ref = at<&Config::auth_user>,
     .sentence = "The user as whom auth_query is run, for users who are not in auth_file."},
    {.key = "auth_query",
     .ref = at<&Config::auth_query>,
     .sentence = "Gives user name, secret and (if it likes) the time until which the secret is good, for the "
                 "user $1."},
    {.key = "auth_dbname",
     .ref = at<&Config::auth_dbname>,
     .sentence = "The database in which auth_query is run; \"\" is the one that the client asks for."},
    {.key = "monitor_user",
     .ref = at<&Config::monitor_user>,
     .sentence = "Who asks servers how they are, with the password from auth_file; \"\" is the user of the "
                 "server's address, else auth_user. If there is none, only whether they answer at all is "
                 "asked."},
    {.key = "auth_cache_ttl",
     .ref = at<&Config::auth_cache_ttl>,
     .sentence = "How long an answer of auth_query is good."},
    {.key = "auth_delay",
     .ref = at<&Config::auth_delay>,
     .sentence =
         "The answer to a login with a wrong password is withheld for so long; for twice as long with "
         "each that follows from the same address, up to 16 times; 0: never. Nobody else waits, and no "
         "right password does."},
    {.key = "password_plaintext_allowed",
     .ref = at<&Config::password_plaintext_allowed>,
     .sentence = "auth_type = \"password\" may be used over TCP without TLS."},
    {.key = "admin_users",
     .ref = at<&Config::admin_users>,
     .sentence = "Users who may do everything in the admin console."},
    {.key = "stats_users",
     .ref = at<&Config::stats_users>,
     .sentence = "Users who may look at everything in the admin console."},
    {.key = "allow_replication",
     .ref = at<&Config::allow_replication>,
     .sentence = "Clients may open replication connections, each on a server connection of its own."},
    {.key = "ignore_startup_parameters",
     .ref = at<&Config::ignore_startup_parameters>,
     .sentence = "Startup parameters that are dropped."},
    {.key = "track_extra_parameters",
     .ref = at<&Config::track_extra_parameters>,
     .sentence =
         "Parameters reported by the server that are kept per client, beyond PostgreSQL's usual ones.",
     .change = Change::Restart},
    {.key = "application_name_add_host",
     .ref = at<&Config::application_name_add_host>,
     .sentence = "The client's address is added to application_name."},
    {.key = "server_reset_query",
     .ref = at<&Config::server_reset_query>,
     .sentence = "What makes a used server connection clean; \"\" for nothing."},
    {.key = "server_reset_query_always",
     .ref = at<&Config::server_reset_query_always>,
     .sentence = "Run it after every release, also where nothing can have been left."},
    {.key = "server_check_query",
     .ref = at<&Config::server_check_query>,
     .sentence = "What tells whether an idle server connection is alive; \"\" is an empty query."},
    {.key = "server_check_delay",
     .ref = at<&Config::server_check_delay>,
     .sentence = "A connection released more recently is not checked."},
    {.key = "server_lifetime",
     .ref = at<&Config::server_lifetime>,
     .sentence = "A server connection older than this is closed when it is free; 0 is never."},
    {.key = "server_idle_timeout",
     .ref = at<&Config::server_idle_timeout>,
     .sentence = "A server connection unused for longer is closed; 0 is never."},
    {.key = "server_connect_timeout",
     .ref = at<&Config::server_connect_timeout>,
     .sentence = "Connecting and logging in to a server may take this long; 0 is for ever."},
    {.key = "server_login_retry",
     .ref = at<&Config::server_login_retry>,
     .sentence = "After a failed login the next one waits this long."},
    {.key = "server_health_interval",
     .ref = at<&Config::server_health_interval>,
     .sentence = "A server that says nothing for so long while a request waits is probed; 0 is never."},
    {.key = "server_health_timeout",
     .ref = at<&Config::server_health_timeout>,
     .sentence = "A server that does not answer a probe in this time is out until it does: what it was asked "
                 "fails, who comes waits.",
     .range = {1}},
    {.key = "server_fast_close",
     .ref = at<&Config::server_fast_close>,
     .sentence = "RECONNECT closes session pools' connections after the transaction, not the session."},
    {.key = "autodb_idle_timeout",
     .ref = at<&Config::autodb_idle_timeout>,
     .sentence = "A database made from \"*\" and unused for longer is forgotten; 0 is never."},
    {.key = "dns_max_ttl",
     .ref = at<&Config::dns_max_ttl>,
     .sentence = "How long the addresses of a server's name are good."},
    {.key = "dns_nxdomain_ttl",
     .ref = at<&Config::dns_nxdomain_ttl>,
     .sentence = "How long it is believed that a name cannot be resolved."},
    {.key = "catalog_poll_interval",
     .ref = at<&Config::catalog_poll_interval>,
     .sentence = "How often a database with replicas or cache rules is asked whether its tables, views or "
                 "functions changed without us. 0 is as often as can be.",
     .range = {0, 60'000}},
    {.key = "disable_pqexec",
     .ref = at<&Config::disable_pqexec>,
     .sentence = "The simple query protocol, which takes several statements in one text, is refused."},
    {.key = "query_timeout",
     .ref = at<&Config::query_timeout>,
     .sentence = "A statement that runs longer is given up, with its connection; 0 is never."},
    {.key = "query_wait_timeout",
     .ref = at<&Config::query_wait_timeout>,
     .sentence = "A client that waits longer for a server connection gets an error; 0 is never."},
    {.key = "cancel_wait_timeout",
     .ref = at<&Config::cancel_wait_timeout>,
     .sentence = "A cancel request that waits longer is dropped; 0 is never."},
    {.key = "transaction_timeout",
     .ref = at<&Config::transaction_timeout>,
     .sentence = "A client in a longer transaction is closed; 0 is never."},
    {.key = "idle_transaction_timeout",
     .ref = at<&Config::idle_transaction_timeout>,
     .sentence = "A client idle in a transaction for longer is closed; 0 is never."},
    {.key = "client_idle_timeout",
     .ref = at<&Config::client_idle_timeout>,
     .sentence = "A client idle for longer is closed; 0 is never."},
    {.key = "client_login_timeout",
     .ref = at<&Config::client_login_timeout>,
     .sentence = "A client that takes longer to log in is closed; 0 is never."},
    {.key = "client_write_timeout",
     .ref = at<&Config::client_write_timeout>,
     .sentence = "A client that takes nothing of its answer for so long is closed; 0 is never."},
    {.key = "suspend_timeout",
     .ref = at<&Config::suspend_timeout>,
     .sentence = "SUSPEND waits this long for what was read to be passed on; who has not taken it by then is "
                 "closed."},
    {.key = "shutdown_timeout",
     .ref = at<&Config::shutdown_timeout>,
     .sentence = "SIGTERM: what still runs after this is ended; 0 waits for it."},
    {.key = "tcp_keepalive",
     .ref = at<&Config::tcp_keepalive>,
     .sentence = "The kernel probes silent connections."},
    {.key = "tcp_keepcnt",
     .ref = at<&Config::tcp_keepcnt>,
     .sentence = "How many probes are lost before it gives up; 0 is the system's number.",
     .range = {0, 127}},
    {.key = "tcp_keepidle",
     .ref = at<&Config::tcp_keepidle>,
     .sentence = "Seconds of silence before the first; 0 is the system's number.",
     .range = {0, 32767}},
    {.key = "tcp_keepintvl",
     .ref = at<&Config::tcp_keepintvl>,
     .sentence = "Seconds between them; 0 is the system's number.",
     .range = {0, 32767}},
    {.key = "tcp_user_timeout",
     .ref = at<&Config::tcp_user_timeout>,
     .sentence = "How long sent data may stay unacknowledged; 0 is the system's time. A bare number counts "
                 "milliseconds.",
     .range = {0, 2147483647},
     .form = Form::BareMilliseconds},
    {.key = "client_tls_sslmode",
     .ref = tls_at<&Config::client_tls, &TlsSettings::sslmode>,
     .sentence = "TLS towards clients: \"disable\", \"allow\" or \"prefer\" (both take either), \"require\", "
                 "or \"verify-ca\", \"verify-full\" (with a certificate of theirs)."},
    {.key = "client_tls_key_file",
     .ref = tls_at<&Config::client_tls, &TlsSettings::key_file>,
     .sentence = "Our private key.",
     .form = Form::SecretFile},
    {.key = "client_tls_cert_file",
     .ref = tls_at<&Config::client_tls, &TlsSettings::cert_file>,
     .sentence = "Our certificate, and those above it.",
     .form = Form::InputFile},
    {.key = "client_tls_ca_file",
     .ref = tls_at<&Config::client_tls, &TlsSettings::ca_file>,
     .sentence = "Who may sign clients' certificates.",
     .form = Form::TrustedFile},
    {.key = "client_tls_crl_file",
     .ref = tls_at<&Config::client_tls, &TlsSettings::crl_file>,
     .sentence = "Certificates that are no longer good.",
     .form = Form::InputFile},
    {.key = "client_tls_ciphers",
     .ref = tls_at<&Config::client_tls, &TlsSettings::ciphers>,
     .sentence = "Ciphers of TLS 1.2, in OpenSSL's syntax; \"\" is a good list of ours."},
    {.key = "client_tls13_ciphers",
     .ref = tls_at<&Config::client_tls, &TlsSettings::tls13_ciphers>,
     .sentence = "Cipher suites of TLS 1.3; \"\" is OpenSSL's list."},
    {.key = "client_tls_protocols",
     .ref = tls_at<&Config::client_tls, &TlsSettings::min_protocol>,
     .sentence = "The oldest version: \"TLSv1.2\" (also \"secure\") or \"TLSv1.3\".",
     .form = Form::TlsProtocols},
    {.key = "server_tls_sslmode",
     .ref = tls_at<&Config::server_tls, &TlsSettings::sslmode>,
     .sentence = "TLS towards servers, as libpq's sslmode."},
    {.key = "server_tls_key_file",
     .ref = tls_at<&Config::server_tls, &TlsSettings::key_file>,
     .sentence = "Our private key, where servers ask for a certificate.",
     .form = Form::SecretFile},
    {.key = "server_tls_cert_file",
     .ref = tls_at<&Config::server_tls, &TlsSettings::cert_file>,
     .sentence = "Our certificate for them.",
     .form = Form::InputFile},
    {.key = "server_tls_ca_file",
     .ref = tls_at<&Config::server_tls, &TlsSettings::ca_file>,
     .sentence = "Who may sign servers' certificates; \"system\" is whom the machine trusts.",
     .form = Form::TrustedFile},
    {.key = "server_tls_crl_file",
     .ref = tls_at<&Config::server_tls, &TlsSettings::crl_file>,
     .sentence = "Certificates that are no longer good.",
     .form = Form::InputFile},
    {.key = "server_tls_ciphers",
     .ref = tls_at<&Config::server_tls, &TlsSettings::ciphers>,
     .sentence = "Ciphers of TLS 1.2, in OpenSSL's syntax; \"\" is a good list of ours."},
    {.key = "server_tls13_ciphers",
     .ref = tls_at<&Config::server_tls, &TlsSettings::tls13_ciphers>,
     .sentence = "Cipher suites of TLS 1.3; \"\" is OpenSSL's list."},
    {.key = "server_tls_protocols",
     .ref = tls_at<&Config::server_tls, &TlsSettings::min_protocol>,
     .sentence = "The oldest version: \"TLSv1.2\" (also \"secure\") or \"TLSv1.3\".",
     .form = Form::TlsProtocols},
    {.key = "log_format",
     .ref = at<&Config::log_format>,
     .sentence = "\"text\" for people, \"json\" for machines."},
    {.key = "log_level",
     .ref = at<&Config::log_level>,
     .sentence = "The least that is logged: \"trace\", \"debug\", \"info\", \"warning\", \"error\", "
                 "\"critical\" or \"off\"."},
    {.key = "log_connections", .ref = at<&Config::log_connections>, .sentence = "Log every login."},
    {.key = "log_disconnections",
     .ref = at<&Config::log_disconnections>,
     .sentence = "Log every client that goes, and why."},
    {.key = "log_pooler_errors",
     .ref = at<&Config::log_pooler_errors>,
     .sentence = "Log every error that we send to clients."},
    {.key = "log_stats",
     .ref = at<&Config::log_stats>,
     .sentence = "Log a line of numbers every stats_period."},
    {.key = "stats_period",
     .ref = at<&Config::stats_period>,
     .sentence = "What averages and that line are made over.",
     .range = {1000, 86400000}},
    {.key = "pidfile",
     .ref = at<&Config::pidfile>,
     .sentence = "Where our process number is written; \"\" for nowhere.",
     .form = Form::Path,
     .change = Change::Restart},
    {.key = "http_listen",
     .ref = at<&Config::http_listen>,
     .sentence = "Address and port of /metrics, /health, /live, /ready and the dashboard, such as "
                 "\"127.0.0.1:9127\"; \"\" for none. Nobody is asked who he is.",
     .form = Form::Endpoint,
     .change = Change::Restart},
    {.key = "http_hosts",
     .ref = at<&Config::http_hosts>,
     .sentence =
         "Names by which http_listen may be asked for besides localhost, its address and the machine's "
         "name, such as \"sportello.internal\".",
     .change = Change::Restart},
};

constexpr Setting<Database> kDatabase[] = {
    {.key = "pool_mode", .ref = at<&Database::pool_mode>, .sentence = "As pool_mode of [sportello]."},
    {.key = "pool_size",
     .ref = at<&Database::pool_size>,
     .sentence = "As default_pool_size.",
     .range = {1, 100000}},
    {.key = "min_pool_size",
     .ref = at<&Database::min_pool_size>,
     .sentence = "As min_pool_size.",
     .range = {0, 100000}},
    {.key = "reserve_pool_size",
     .ref = at<&Database::reserve_pool_size>,
     .sentence = "As reserve_pool_size.",
     .range = {0, 100000}},
    {.key = "max_db_connections",
     .ref = at<&Database::max_db_connections>,
     .sentence = "As max_db_connections.",
     .range = {0, 1000000}},
    {.key = "max_db_client_connections",
     .ref = at<&Database::max_db_client_connections>,
     .sentence = "As max_db_client_connections.",
     .range = {0, 1000000}},
    {.key = "server_lifetime", .ref = at<&Database::server_lifetime>, .sentence = "As server_lifetime."},
    {.key = "auth_user", .ref = at<&Database::auth_user>, .sentence = "As auth_user."},
    {.key = "auth_query", .ref = at<&Database::auth_query>, .sentence = "As auth_query."},
    {.key = "auth_dbname", .ref = at<&Database::auth_dbname>, .sentence = "As auth_dbname."},
    {.key = "monitor_user", .ref = at<&Database::monitor_user>, .sentence = "As monitor_user."},
    {.key = "connect_query",
     .ref = at<&Database::connect_query>,
     .sentence = "Run on every new server connection, before any client's statement."},
    {.key = "routing",
     .ref = at<&Database::routing>,
     .sentence = "May reads be answered by the replicas: \"off\", \"shadow\" (only counted) or \"on\"."},
    {.key = "freshness",
     .ref = at<&Database::freshness>,
     .sentence = "What a read on a replica must have seen: \"table\", \"session\" or \"bounded\"."},
    {.key = "max_replica_lag",
     .ref = at<&Database::max_replica_lag>,
     .sentence = "With \"bounded\": a replica further behind gets no reads."},
};

constexpr Setting<User> kUser[] = {
    {.key = "pool_mode", .ref = at<&User::pool_mode>, .sentence = "As pool_mode of [sportello]."},
    {.key = "pool_size",
     .ref = at<&User::pool_size>,
     .sentence = "As default_pool_size, above the database's.",
     .range = {1, 100000}},
    {.key = "reserve_pool_size",
     .ref = at<&User::reserve_pool_size>,
     .sentence = "As reserve_pool_size, above the database's.",
     .range = {0, 100000}},
    {.key = "max_user_connections",
     .ref = at<&User::max_user_connections>,
     .sentence = "As max_user_connections.",
     .range = {0, 1000000}},
    {.key = "max_user_client_connections",
     .ref = at<&User::max_user_client_connections>,
     .sentence = "As max_user_client_connections.",
     .range = {0, 1000000}},
    {.key = "query_timeout", .ref = at<&User::query_timeout>, .sentence = "As query_timeout."},
    {.key = "transaction_timeout",
     .ref = at<&User::transaction_timeout>,
     .sentence = "As transaction_timeout."},
    {.key = "idle_transaction_timeout",
     .ref = at<&User::idle_transaction_timeout>,
     .sentence = "As idle_transaction_timeout."},
    {.key = "client_idle_timeout",
     .ref = at<&User::client_idle_timeout>,
     .sentence = "As client_idle_timeout."},
    {.key = "freshness",
     .ref = at<&User::freshness>,
     .sentence = "As freshness of the database: what this user's reads on a replica must have seen."},
};

constexpr Setting<Cache> kCache[] = {
    {.key = "max_memory",
     .ref = at<&Cache::max_memory>,
     .sentence = "All that the cache may hold, overhead included; 0 switches it off."},
    {.key = "invalidation",
     .ref = at<&Cache::invalidation>,
     .sentence = "Who tells of writes that did not come through here: \"wal\" (the primary's log), or "
                 "\"proxy\" (nobody; the ttl bounds it)."},
    {.key = "max_invalidation_lag",
     .ref = at<&Cache::max_invalidation_lag>,
     .sentence = "If the log is followed with a larger delay, nothing is answered from the cache.",
     .range = {1}},
    {.key = "publication",
     .ref = at<&Cache::publication>,
     .sentence =
         "The publication whose tables' changes are read from the log; \"sportello setup-sql\" prints "
         "the SQL that makes it."},
};

constexpr Setting<CacheRule> kRule[] = {
    {.key = "name", .ref = at<&CacheRule::name>, .sentence = "What it is called in SHOW CACHE RULES."},
    {.key = "query",
     .ref = at<&CacheRule::query>,
     .sentence = "It takes any statement of this shape: only the constants may differ."},
    {.key = "fingerprint",
     .ref = at<&CacheRule::fingerprint>,
     .sentence = "The same, by the number that SHOW QUERIES gives a shape."},
    {.key = "tables",
     .ref = at<&CacheRule::tables>,
     .sentence = "It takes any statement that reads only these tables."},
    {.key = "database",
     .ref = at<&CacheRule::databases>,
     .sentence = "It holds for these databases only; \"\" for all."},
    {.key = "user", .ref = at<&CacheRule::users>, .sentence = "It holds for these users only; \"\" for all."},
    {.key = "application_name",
     .ref = at<&CacheRule::applications>,
     .sentence = "It holds for these application names only; \"\" for all."},
    {.key = "mode",
     .ref = at<&CacheRule::mode>,
     .sentence = "\"off\", \"on\", or \"shadow\": the server answers, and what the cache would have done is "
                 "counted."},
    {.key = "ttl",
     .ref = at<&CacheRule::ttl>,
     .sentence = "How long a result is served at most.",
     .range = {1}},
    {.key = "shared", .ref = at<&CacheRule::shared>, .sentence = "Users may get each other's results."},
    {.key = "stable_functions",
     .ref = at<&CacheRule::stable_functions>,
     .sentence = "Statements that call STABLE functions such as now() are taken, too."},
    {.key = "untracked_tables",
     .ref = at<&CacheRule::untracked_tables>,
     .sentence =
         "So are those that read what nobody tells the changes of (system catalogs, unlogged and foreign "
         "tables, materialized views) or has row security: the ttl bounds how old a result is."},
    {.key = "in_transaction",
     .ref = at<&CacheRule::in_transaction>,
     .sentence =
         "Whether reads within a transaction block are answered, too: \"never\", or \"read_committed\" for "
         "blocks of that isolation level that have not written yet."},
    {.key = "max_result_size",
     .ref = at<&CacheRule::max_result_size>,
     .sentence = "A larger result is not stored.",
     .range = {1}},
};

std::string show(bool value) { return value ? "1" : "0"; }
std::string show(int value) { return std::to_string(value); }
std::string show(uint64_t value) { return std::to_string(value); }
std::string show(const std::string& value) { return value; }

// Seconds, with as many decimals as it takes.
std::string show(Milliseconds value) {
  std::string text = std::to_string(value.count() / 1000);
  if (value.count() % 1000 != 0) {
    char decimals[8];
    std::snprintf(decimals, sizeof decimals, ".%03d", static_cast<int>(value.count() % 1000));
    text += decimals;
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text;
}

std::string show(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "" : ",") + value;
  return text;
}

template <typename Enum>
requires std::is_enum_v<Enum> std::string show(Enum value) { return std::string(to_string(value)); }

template <typename Value>
std::string show(const std::optional<Value>& value) {
  return value ? show(*value) : std::string();
}

template <typename Owner>
std::string value_of(const Setting<Owner>& setting, Owner& owner) {
  const ValueRef ref = setting.ref(owner);
  if (setting.form == Form::FileMode) {
    char octal[16];
    std::snprintf(octal, sizeof octal, "%04o", static_cast<unsigned>(*std::get<int*>(ref)));
    return octal;
  }
  if (setting.form == Form::BareMilliseconds) return std::to_string(std::get<Milliseconds*>(ref)->count());
  return std::visit([](const auto* value) { return show(*value); }, ref);
}

template <typename Owner>
void describe_section(std::span<const Setting<Owner>> table, std::string_view prefix, Owner owner,
                      std::vector<SettingView>& views) {
  Owner defaults;
  for (const Setting<Owner>& setting : table)
    views.push_back({std::string(prefix) + std::string(setting.key), value_of(setting, owner),
                     value_of(setting, defaults), setting.change == Change::Reload});
}

}  // namespace

std::span<const Setting<Config>> general_settings() { return kGeneral; }
std::span<const Setting<Database>> database_settings() { return kDatabase; }
std::span<const Setting<User>> user_settings() { return kUser; }
std::span<const Setting<Cache>> cache_settings() { return kCache; }
std::span<const Setting<CacheRule>> rule_settings() { return kRule; }

std::vector<SettingView> describe(const Config& config) {
  std::vector<SettingView> views;
  describe_section(general_settings(), "", config, views);
  describe_section(cache_settings(), "cache.", config.cache, views);
  return views;
}

std::vector<std::string> restart_needed(const Config& running, const Config& wanted) {
  std::vector<std::string> names;
  const std::vector<SettingView> before = describe(running);
  const std::vector<SettingView> after = describe(wanted);
  for (size_t i = 0; i < before.size(); ++i)
    if (!before[i].changeable && before[i].value != after[i].value) names.push_back(before[i].name);
  return names;
}

}  // namespace sportello::conf
