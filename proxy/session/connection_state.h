// The states of a client's connection and all ways between them, in one table. A pair that is not in it is a
// mistake of ours. What hangs on the state (who is owned, whether there is a link) is checked by
// ClientConnection::check_invariants at every move; proxy/README.md shows the table as a test prints it.
//
// Not states, as they are true beside any of them: Transport's back-pressure, input_ (bytes that cannot be
// taken yet), and where a transaction stands, which is the link's (pool/link_state.h).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sportello::proxy {

enum class ConnectionState : uint8_t {
  LoggingIn,         // ClientStartup talks with the client; its own phases are in client_startup.h
  LoginWaits,        // the login needs a server's answer and waits for a link to ask it
  AsksServer,        // a link is asked what the login has to know; no session uses it
  Console,           // AdminSession: the virtual database
  OpensReplication,  // logged in, and waits for a server connection of its own
  Replicates,        // bytes go both ways as they are, on a link that is this client's alone
  Idle,              // a session without a link: it owes and is owed nothing
  Waits,             // a session that wants a link; the bytes that want it are in input_
  HoldsLink,         // a session on its link
  AwaitsAnswer,      // a session whose read another one is asking for; the bytes of it are in input_
  Closed,  // told why, and taken out of the worker's list; destroyed when the callbacks have returned
};

enum class ConnectionEvent : uint8_t {
  ConsoleOpened,
  SessionBegun,
  ReplicationAsked,
  ReplicationReady,
  LinkNeeded,   // and there is none yet
  LinkGranted,  // at once, or after a wait
  LinkRefused,  // it gets none: what wanted it has failed
  LinkLeft,     // given back, or lost
  FlightJoined,
  FlightLanded,  // or it is not waited for any longer
  Closed,
};

struct ConnectionMove {
  ConnectionState from;
  ConnectionEvent event;
  ConnectionState to;
};

inline constexpr std::array kConnectionMoves = {
    ConnectionMove{ConnectionState::LoggingIn, ConnectionEvent::LinkNeeded, ConnectionState::LoginWaits},
    ConnectionMove{ConnectionState::LoggingIn, ConnectionEvent::LinkGranted, ConnectionState::AsksServer},
    ConnectionMove{ConnectionState::LoginWaits, ConnectionEvent::LinkGranted, ConnectionState::AsksServer},
    ConnectionMove{ConnectionState::AsksServer, ConnectionEvent::LinkLeft, ConnectionState::LoggingIn},
    ConnectionMove{ConnectionState::LoggingIn, ConnectionEvent::ConsoleOpened, ConnectionState::Console},
    ConnectionMove{ConnectionState::LoggingIn, ConnectionEvent::ReplicationAsked,
                   ConnectionState::OpensReplication},
    ConnectionMove{ConnectionState::OpensReplication, ConnectionEvent::ReplicationReady,
                   ConnectionState::Replicates},
    ConnectionMove{ConnectionState::LoggingIn, ConnectionEvent::SessionBegun, ConnectionState::Idle},
    ConnectionMove{ConnectionState::Idle, ConnectionEvent::LinkNeeded, ConnectionState::Waits},
    ConnectionMove{ConnectionState::Idle, ConnectionEvent::LinkGranted, ConnectionState::HoldsLink},
    ConnectionMove{ConnectionState::Waits, ConnectionEvent::LinkGranted, ConnectionState::HoldsLink},
    ConnectionMove{ConnectionState::Waits, ConnectionEvent::LinkRefused, ConnectionState::Idle},
    ConnectionMove{ConnectionState::HoldsLink, ConnectionEvent::LinkLeft, ConnectionState::Idle},
    ConnectionMove{ConnectionState::Idle, ConnectionEvent::FlightJoined, ConnectionState::AwaitsAnswer},
    ConnectionMove{ConnectionState::AwaitsAnswer, ConnectionEvent::FlightLanded, ConnectionState::Idle},
};

inline constexpr size_t kConnectionStates = static_cast<size_t>(ConnectionState::Closed) + 1;
inline constexpr size_t kConnectionEvents = static_cast<size_t>(ConnectionEvent::Closed) + 1;

// The table by state and event, as two moves are made for each transaction.
inline constexpr auto kNextState = [] {
  std::array<std::array<std::optional<ConnectionState>, kConnectionEvents>, kConnectionStates> next{};
  for (const ConnectionMove& move : kConnectionMoves) {
    next[static_cast<size_t>(move.from)][static_cast<size_t>(move.event)] = move.to;
  }
  for (size_t from = 0; from + 1 < kConnectionStates; from++) {
    next[from][static_cast<size_t>(ConnectionEvent::Closed)] = ConnectionState::Closed;
  }
  return next;
}();

// Where `event` leads; any state but Closed can be closed. nullopt: it must not happen there.
constexpr std::optional<ConnectionState> next_state(ConnectionState from, ConnectionEvent event) {
  return kNextState[static_cast<size_t>(from)][static_cast<size_t>(event)];
}

constexpr std::string_view state_name(ConnectionState state) {
  constexpr std::array<std::string_view, kConnectionStates> kNames = {
      "LoggingIn", "LoginWaits", "AsksServer",   "Console", "OpensReplication", "Replicates", "Idle",
      "Waits",     "HoldsLink",  "AwaitsAnswer", "Closed"};
  return kNames[static_cast<size_t>(state)];
}

constexpr std::string_view event_name(ConnectionEvent event) {
  constexpr std::array<std::string_view, kConnectionEvents> kNames = {
      "ConsoleOpened", "SessionBegun", "ReplicationAsked", "ReplicationReady", "LinkNeeded", "LinkGranted",
      "LinkRefused",   "LinkLeft",     "FlightJoined",     "FlightLanded",     "Closed"};
  return kNames[static_cast<size_t>(event)];
}

}  // namespace sportello::proxy
