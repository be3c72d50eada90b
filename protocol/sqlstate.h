// Every SQLSTATE that Sportello raises itself. The PostgreSQL manual, errcodes-appendix.html.
#pragma once

#include <string_view>

namespace sportello::sqlstate {

inline constexpr std::string_view kConnectionException = "08000";
inline constexpr std::string_view kSqlclientUnableToEstablishConnection = "08001";
inline constexpr std::string_view kSqlserverRejectedConnection = "08004";
inline constexpr std::string_view kConnectionFailure = "08006";
inline constexpr std::string_view kTransactionResolutionUnknown = "08007";
inline constexpr std::string_view kProtocolViolation = "08P01";
inline constexpr std::string_view kFeatureNotSupported = "0A000";
inline constexpr std::string_view kInvalidParameterValue = "22023";
inline constexpr std::string_view kInFailedTransaction = "25P02";
inline constexpr std::string_view kIdleInTransactionTimeout = "25P03";
inline constexpr std::string_view kTransactionTimeout = "25P04";
inline constexpr std::string_view kInvalidSqlStatementName = "26000";
inline constexpr std::string_view kInvalidAuthorization = "28000";
inline constexpr std::string_view kInvalidPassword = "28P01";
inline constexpr std::string_view kInvalidCatalogName = "3D000";
inline constexpr std::string_view kInvalidCursorName = "34000";
inline constexpr std::string_view kSyntaxError = "42601";
inline constexpr std::string_view kSerializationFailure = "40001";
inline constexpr std::string_view kInsufficientPrivilege = "42501";
inline constexpr std::string_view kUndefinedObject = "42704";
inline constexpr std::string_view kDuplicatePreparedStatement = "42P05";
inline constexpr std::string_view kOutOfMemory = "53200";
inline constexpr std::string_view kTooManyConnections = "53300";
inline constexpr std::string_view kConfigurationLimitExceeded = "53400";
inline constexpr std::string_view kProgramLimitExceeded = "54000";
inline constexpr std::string_view kCantChangeRuntimeParam = "55P02";
inline constexpr std::string_view kQueryCanceled = "57014";
inline constexpr std::string_view kReadOnlySqlTransaction = "25006";
inline constexpr std::string_view kAdminShutdown = "57P01";
inline constexpr std::string_view kCrashShutdown = "57P02";
inline constexpr std::string_view kCannotConnectNow = "57P03";
inline constexpr std::string_view kDatabaseDropped = "57P04";
inline constexpr std::string_view kIdleSessionTimeout = "57P05";
inline constexpr std::string_view kConfigFileError = "F0000";
inline constexpr std::string_view kInternalError = "XX000";

// What a server may say when it refuses a login, as a SQLSTATE with static storage;
// kSqlserverRejectedConnection for any other.
constexpr std::string_view of_refused_login(std::string_view from_server) {
  for (const std::string_view known :
       {kInvalidPassword, kInvalidAuthorization, kInvalidCatalogName, kTooManyConnections,
        kInsufficientPrivilege, kCannotConnectNow, kAdminShutdown, kFeatureNotSupported}) {
    if (from_server == known) {
      return known;
    }
  }
  return kSqlserverRejectedConnection;
}

// The same of what it may say when it ends a session (ProcessInterrupts() of PostgreSQL's
// src/backend/tcop/postgres.c); kConnectionFailure for any other.
constexpr std::string_view of_ended_session(std::string_view from_server) {
  for (const std::string_view known : {kAdminShutdown, kIdleInTransactionTimeout, kTransactionTimeout,
                                       kIdleSessionTimeout, kSerializationFailure, kDatabaseDropped}) {
    if (from_server == known) {
      return known;
    }
  }
  return kConnectionFailure;
}

}  // namespace sportello::sqlstate
