// Carries the commands of the admin console out: those that look, from a snapshot of all workers, and those
// that change what the proxy does. One a session, on its worker's thread; nobody is ever blocked: who is
// waited for is looked after again from a timer, and the wait ends with the session.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "protocol/result.h"
#include "proxy/admin/admin_command.h"
#include "proxy/admin/admin_protocol.h"
#include "proxy/admin/admin_show.h"
#include "proxy/net/event_loop.h"
#include "proxy/pool/pool_runtime.h"

namespace sportello::proxy {

class Worker;

class AdminControl {
 public:
  // How often PAUSE and WAIT_CLOSE look whether they are done.
  static constexpr std::chrono::milliseconds kLook{20};

  // Called once, on the worker's thread, after carry_out() has returned; it may be too late for the session
  // by then, so it must not lean on it. Not called at all when the process ends first (SHUTDOWN).
  using Done = std::function<void(Result<AdminAnswer>)>;

  // Called in between, likewise.
  using Tell = std::function<void(const AdminNotice&)>;
  // PAUSE says whom it waits for once it has waited for so long.
  static constexpr std::chrono::milliseconds kTellAfter{1000};

  explicit AdminControl(Worker& home) : home_(&home) {}

  void carry_out(const AdminCommand& command, Done done, Tell tell);
  // The command in hand waits for others: it is given up, and its pause or suspension with it, and Done is
  // not called. False: there is no such command.
  bool cancel();
  // The console's connection goes: nobody would know that he has to end its SUSPEND.
  void closed();

 private:
  using Databases = std::vector<std::shared_ptr<DatabaseRuntime>>;

  // That of the name, or all if there is none.
  Result<Databases> databases(const AdminCommand& command) const;
  std::vector<std::shared_ptr<PoolRuntime>> pools(const Databases& databases) const;

  AdminView view_now() const;
  void show(ShowTopic topic, Done done);
  void reload(Done done);
  void change_setting(const AdminCommand& command, Done done);
  void pause(const Databases& databases, Done done, Tell tell);
  void tell_whom_it_waits_for(const Databases& databases, const Tell& tell);
  Result<AdminAnswer> resume(const AdminCommand& command, const Databases& databases);
  void suspend(Done done);
  void kill(const Databases& databases, Done done);
  void kill_client(uint32_t id, Done done);
  void reconnect(const Databases& databases);
  void wait_close(Databases databases, Done done);
  void shutdown(ShutdownWish wish, const Done& done);

  void answer(const Done& done, Result<AdminAnswer> result) const;
  // Calls `look` now and then until it says that it is done; `undo` when it is given up before.
  void look_until_done(std::function<bool()> look, std::function<void()> undo);

  Worker* home_;
  std::function<void()> on_look_;
  std::function<void()> undo_;  // while look_timer_ runs
  uint64_t suspension_ = 0;     // its last
  UvHandle<uv_timer_t> look_timer_;
};

}  // namespace sportello::proxy
