// Why a client connection was closed: one table of name (in logs), SQLSTATE and text (to the client). A
// reason without SQLSTATE sends nothing.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "protocol/sqlstate.h"

namespace sportello::proxy {

enum class CloseReason : uint8_t {
  None,
  ClientTerminated,
  ClientVanished,
  ProtocolViolation,
  LoginFailed,
  LoginTimeout,
  ClientIdleTimeout,
  IdleTransactionTimeout,
  TransactionTimeout,
  QueryTimeout,
  QueryWaitTimeout,
  ClientWriteTimeout,
  StatementModeTransaction,
  ServerLost,
  ServerFastClose,
  Killed,
  ShuttingDown,
  SuspendTimeout,
  TooManyConnections,
  OutOfMemory,
};

struct CloseReasonRow {
  CloseReason reason;
  std::string_view name;
  std::string_view sqlstate;
  std::string_view text;
};

inline constexpr std::array<CloseReasonRow, 20> kCloseReasons = {{
    {CloseReason::None, "none", "", ""},
    {CloseReason::ClientTerminated, "client close request", "", ""},
    {CloseReason::ClientVanished, "client unexpected eof", "", ""},
    {CloseReason::ProtocolViolation, "protocol violation", sqlstate::kProtocolViolation,
     "protocol violation"},
    {CloseReason::LoginFailed, "login failed", "", ""},
    {CloseReason::LoginTimeout, "client_login_timeout", sqlstate::kProtocolViolation,
     "client_login_timeout: the login took too long"},
    {CloseReason::ClientIdleTimeout, "client_idle_timeout", sqlstate::kIdleSessionTimeout,
     "client_idle_timeout: terminating the connection of an idle client"},
    {CloseReason::IdleTransactionTimeout, "idle_transaction_timeout", sqlstate::kIdleInTransactionTimeout,
     "idle_transaction_timeout: the client was idle in a transaction for too long"},
    {CloseReason::TransactionTimeout, "transaction_timeout", sqlstate::kTransactionTimeout,
     "transaction_timeout: the transaction took too long"},
    {CloseReason::QueryTimeout, "query_timeout", sqlstate::kQueryCanceled,
     "query_timeout: the query took too long"},
    {CloseReason::QueryWaitTimeout, "query_wait_timeout", sqlstate::kConfigurationLimitExceeded,
     "query_wait_timeout: no server connection came free in time"},
    {CloseReason::ClientWriteTimeout, "client_write_timeout", "", ""},
    {CloseReason::StatementModeTransaction, "transaction in statement mode", sqlstate::kProtocolViolation,
     "transaction blocks not allowed in statement pooling mode"},
    {CloseReason::ServerLost, "server lost", sqlstate::kConnectionFailure, "the server connection was lost"},
    {CloseReason::ServerFastClose, "server_fast_close", sqlstate::kAdminShutdown,
     "server_fast_close: the server connection of this session is to be replaced"},
    {CloseReason::Killed, "killed by the administrator", sqlstate::kAdminShutdown,
     "terminating connection due to administrator command"},
    {CloseReason::ShuttingDown, "shutting down", sqlstate::kAdminShutdown,
     "terminating connection due to administrator command: sportello is shutting down"},
    {CloseReason::SuspendTimeout, "suspend_timeout", "", ""},
    {CloseReason::TooManyConnections, "too many connections", sqlstate::kTooManyConnections,
     "sorry, too many clients already"},
    {CloseReason::OutOfMemory, "out of memory", sqlstate::kOutOfMemory, "out of memory"},
}};

constexpr const CloseReasonRow& close_reason_row(CloseReason reason) {
  return kCloseReasons[static_cast<size_t>(reason)];
}

}  // namespace sportello::proxy
