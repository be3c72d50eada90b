// Keeps the catalog of one database up to date: loads it from the primary, asks again and again whether it
// changed, and publishes it in the database's CatalogSlot. Whatever goes wrong (no connection, no answer, a
// server that is a standby) takes it back: everything is unknown then. For the control loop's thread.
//
//   Closed ─▶ Connecting ─▶ Loading ─▶ Idle ⇄ Asking ─▶ Loading …        any failure ─▶ Closed, for a while
//
// What was loaded is good for the ddl_epoch from before the server was asked: DDL that is sent later moves it
// on, so the old catalog is nobody's until it was found to be unchanged, or is replaced. DDL that was done
// past us moves it on, too, when it is noticed: statements prepared before mean what they did.
#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "cache/catalog_load.h"
#include "cache/catalog_slot.h"
#include "proxy/control/own_login.h"
#include "proxy/net/pq_connection.h"

namespace sportello::proxy {

class CatalogSource {
 public:
  // How often tick() is called.
  static constexpr std::chrono::milliseconds kTick{25};

  CatalogSource(EventLoop& loop, OwnLogin login, std::chrono::milliseconds interval, cache::CatalogSlot& slot,
                std::atomic<uint64_t>& ddl_epoch);
  ~CatalogSource() {
    slot_->set_lapsed(true);
    slot_->withdraw();
  }
  CatalogSource(const CatalogSource&) = delete;
  CatalogSource& operator=(const CatalogSource&) = delete;

  // Does what is due.
  void tick();
  const OwnLogin& login() const { return login_; }
  void set_interval(std::chrono::milliseconds interval) { interval_ = interval; }

 private:
  bool is_due() const;
  void connect();
  void ask();
  void answered(Result<PqRows> result);
  void begin_load();
  void load_on();
  void loaded();
  void publish();
  void note_change();
  void withdraw();
  void let_lapse();
  void fail(const std::string& why);
  std::chrono::milliseconds pause_after(std::chrono::milliseconds taken) const;

  EventLoop* loop_;
  OwnLogin login_;
  std::chrono::milliseconds interval_;
  cache::CatalogSlot* slot_;
  std::atomic<uint64_t>* ddl_epoch_;

  bool is_open_ = false;       // the connection was good when we last looked
  TimePoint retry_at_{};       // Closed: not before
  TimePoint due_at_{};         // Idle: the next question
  TimePoint asked_at_{};       // Asking, Loading
  TimePoint known_at_{};       // what is known was published, or found to be unchanged
  bool is_withdrawn_ = false;  // the slot is empty until the question in hand is answered
  uint64_t asked_in_ = 0;      // the ddl_epoch when it was asked
  uint64_t good_for_ = 0;      // likewise, of what is published
  std::optional<cache::CatalogLoad> load_;
  cache::CatalogMark mark_;  // of catalog_
  cache::CatalogRef catalog_;
  PqConnection connection_;  // last: its answers use the rest
};

}  // namespace sportello::proxy
