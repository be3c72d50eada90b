#include "conf/enum_names.h"

namespace sportello::conf {

namespace {

constexpr EnumName<PoolMode> kPoolModes[] = {{PoolMode::Session, "session"},
                                             {PoolMode::Transaction, "transaction"},
                                             {PoolMode::Statement, "statement"}};
constexpr EnumName<AuthType> kAuthTypes[] = {{AuthType::Trust, "trust"},
                                             {AuthType::Any, "any"},
                                             {AuthType::Password, "password"},
                                             {AuthType::Md5, "md5"},
                                             {AuthType::ScramSha256, "scram-sha-256"},
                                             {AuthType::Cert, "cert"},
                                             {AuthType::Hba, "hba"},
                                             {AuthType::Peer, "peer"}};
constexpr EnumName<SslMode> kSslModes[] = {
    {SslMode::Disable, "disable"}, {SslMode::Allow, "allow"},        {SslMode::Prefer, "prefer"},
    {SslMode::Require, "require"}, {SslMode::VerifyCa, "verify-ca"}, {SslMode::VerifyFull, "verify-full"}};
constexpr EnumName<LogFormat> kLogFormats[] = {{LogFormat::Text, "text"}, {LogFormat::Json, "json"}};
constexpr EnumName<LogLevel> kLogLevels[] = {{LogLevel::Trace, "trace"}, {LogLevel::Debug, "debug"},
                                             {LogLevel::Info, "info"},   {LogLevel::Warning, "warning"},
                                             {LogLevel::Error, "error"}, {LogLevel::Critical, "critical"},
                                             {LogLevel::Off, "off"}};
constexpr EnumName<Invalidation> kInvalidations[] = {{Invalidation::Wal, "wal"},
                                                     {Invalidation::Proxy, "proxy"}};
constexpr EnumName<Freshness> kFreshness[] = {
    {Freshness::Table, "table"}, {Freshness::Session, "session"}, {Freshness::Bounded, "bounded"}};
constexpr EnumName<CacheMode> kCacheModes[] = {
    {CacheMode::Off, "off"}, {CacheMode::Shadow, "shadow"}, {CacheMode::On, "on"}};
constexpr EnumName<CacheInTransaction> kInTransaction[] = {
    {CacheInTransaction::Never, "never"}, {CacheInTransaction::ReadCommitted, "read_committed"}};

template <typename Enum>
std::string_view name_of(Enum value) {
  for (const EnumName<Enum>& name : names_of(value))
    if (name.value == value) return name.name;
  return "?";
}

}  // namespace

std::span<const EnumName<PoolMode>> names_of(PoolMode) { return kPoolModes; }
std::span<const EnumName<AuthType>> names_of(AuthType) { return kAuthTypes; }
std::span<const EnumName<SslMode>> names_of(SslMode) { return kSslModes; }
std::span<const EnumName<LogFormat>> names_of(LogFormat) { return kLogFormats; }
std::span<const EnumName<LogLevel>> names_of(LogLevel) { return kLogLevels; }
std::span<const EnumName<Invalidation>> names_of(Invalidation) { return kInvalidations; }
std::span<const EnumName<Freshness>> names_of(Freshness) { return kFreshness; }
std::span<const EnumName<CacheMode>> names_of(CacheMode) { return kCacheModes; }
std::span<const EnumName<CacheInTransaction>> names_of(CacheInTransaction) { return kInTransaction; }

std::string_view to_string(PoolMode value) { return name_of(value); }
std::string_view to_string(AuthType value) { return name_of(value); }
std::string_view to_string(SslMode value) { return name_of(value); }
std::string_view to_string(LogFormat value) { return name_of(value); }
std::string_view to_string(LogLevel value) { return name_of(value); }
std::string_view to_string(Invalidation value) { return name_of(value); }
std::string_view to_string(Freshness value) { return name_of(value); }
std::string_view to_string(CacheMode value) { return name_of(value); }
std::string_view to_string(CacheInTransaction value) { return name_of(value); }

}  // namespace sportello::conf
