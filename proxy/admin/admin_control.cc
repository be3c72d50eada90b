#include "proxy/admin/admin_control.h"

#include <algorithm>

#include "protocol/sqlstate.h"
#include "proxy/admin/admin_cache.h"
#include "proxy/admin/admin_explain.h"
#include "proxy/admin/admin_gather.h"
#include "proxy/admin/admin_show.h"
#include "proxy/admin/admin_view.h"
#include "proxy/admin/link_holders.h"
#include "proxy/log.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {
namespace {

using Databases = std::vector<std::shared_ptr<DatabaseRuntime>>;

bool holds(const Databases& databases, const DatabaseRuntime* database) {
  return std::any_of(databases.begin(), databases.end(),
                     [&](const auto& each) { return each.get() == database; });
}

DatabaseRuntime* database_of(ServerLink& link) { return link.pool().shared().database.get(); }

// On a worker's thread: nothing of these databases is left there.
void kill_all(Worker& worker, const Databases& databases) {
  // Closing one moves the last to its place: from the back, each is seen once.
  for (size_t i = worker.clients().size(); i-- > 0;) {
    if (i < worker.clients().size()) {
      ClientConnection& client = *worker.clients()[i];
      if (client.pool() != nullptr && holds(databases, client.pool()->shared().database.get())) {
        client.close(CloseReason::Killed);
      }
    }
  }
  for (size_t i = worker.links().size(); i-- > 0;) {
    if (i < worker.links().size() && holds(databases, database_of(*worker.links()[i]))) {
      worker.close_link(*worker.links()[i]);
    }
  }
}

void close_idle(WorkerGroup& group, const Databases& databases, bool only_outdated) {
  group.post_all([databases, only_outdated](Worker& worker) {
    worker.close_idle_links([&](ServerLink& link) {
      return link.phase() == LinkPhase::Idle && holds(databases, database_of(link)) &&
             (!only_outdated || link.is_outdated());
    });
  });
}

// Asks all workers in rounds, one at a time, the next when it is called again. True once a round found none.
std::function<bool()> none_left(Worker& home, std::function<size_t(Worker&)> count) {
  struct Rounds {
    bool asking = false;
    bool over = false;
  };
  return [home = &home, count = std::move(count), rounds = std::make_shared<Rounds>()] {
    if (!rounds->over && !rounds->asking) {
      rounds->asking = true;
      gather<size_t>(*home, count, [rounds](const std::vector<size_t>& counts) {
        rounds->asking = false;
        rounds->over = std::all_of(counts.begin(), counts.end(), [](size_t each) { return each == 0; });
      });
    }
    return rounds->over;
  };
}

}  // namespace

void AdminControl::carry_out(const AdminCommand& command, Done done, Tell tell) {
  auto found = databases(command);
  if (!found) {
    answer(done, found.error());
    return;
  }
  const Databases& targets = *found;
  switch (command.verb) {
    case AdminVerb::Show:
      show(command.topic, std::move(done));
      return;
    case AdminVerb::FlushCache: {
      const Result<void> flushed = flush_cache(command, view_now(), home_->group().results());
      answer(done, flushed.ok() ? Result<AdminAnswer>(AdminAnswer()) : flushed.error());
      return;
    }
    case AdminVerb::Explain: {
      auto explained = explain(command, view_now(), *home_);
      answer(done, explained.ok() ? Result<AdminAnswer>(AdminAnswer{.table = *std::move(explained)})
                                  : explained.error());
      return;
    }
    case AdminVerb::Reload:
      reload(std::move(done));
      return;
    case AdminVerb::Pause:
      pause(targets, std::move(done), std::move(tell));
      return;
    case AdminVerb::Resume:
      answer(done, resume(command, targets));
      return;
    case AdminVerb::Disable:
    case AdminVerb::Enable:
      targets.front()->disabled = command.verb == AdminVerb::Disable;
      answer(done, AdminAnswer());
      return;
    case AdminVerb::Kill:
      kill(targets, std::move(done));
      return;
    case AdminVerb::KillClient:
      kill_client(command.client, std::move(done));
      return;
    case AdminVerb::Reconnect:
      reconnect(targets);
      answer(done, AdminAnswer());
      return;
    case AdminVerb::WaitClose:
      wait_close(targets, std::move(done));
      return;
    case AdminVerb::Shutdown:
      shutdown(command.shutdown, done);
      return;
    case AdminVerb::Suspend:
      suspend(std::move(done));
      return;
    case AdminVerb::SetConfig:
      change_setting(command, std::move(done));
      return;
    default:
      answer(done, Error{sqlstate::kInternalError, "not a command of the console"});
      return;
  }
}

Result<AdminControl::Databases> AdminControl::databases(const AdminCommand& command) const {
  WorkerGroup& group = home_->group();
  PoolDirectory& directory = group.directory();
  const RuntimeConfigRef config = group.config();
  const std::string& name = command.argument;
  if (command.verb == AdminVerb::Show || command.verb == AdminVerb::FlushCache ||
      command.verb == AdminVerb::Explain || command.verb == AdminVerb::SetConfig) {
    return Databases();
  }
  if (name.empty()) {
    for (const auto& [configured, entry] : config->conf.databases) {
      if (configured != "*") {
        directory.database(configured);
      }
    }
    return directory.databases();
  }
  if (is_admin_database(name)) {
    return Error{sqlstate::kInvalidParameterValue,
                 "not possible with the admin console's own database: " + name};
  }
  const Databases known = directory.databases();
  const bool exists =
      config->database(name) != nullptr ||
      std::any_of(known.begin(), known.end(), [&](const auto& each) { return each->name == name; });
  if (!exists) {
    return Error{sqlstate::kInvalidCatalogName, "no such database: " + name};
  }
  return Databases{directory.database(name)};
}

std::vector<std::shared_ptr<PoolRuntime>> AdminControl::pools(const Databases& databases) const {
  auto pools = home_->group().directory().pools();
  std::erase_if(pools, [&](const auto& pool) { return !holds(databases, pool->database.get()); });
  return pools;
}

void AdminControl::answer(const Done& done, Result<AdminAnswer> result) const {
  home_->loop().post([done, result = std::move(result)]() mutable { done(std::move(result)); });
}

void AdminControl::look_until_done(std::function<bool()> look, std::function<void()> undo) {
  undo_ = std::move(undo);
  on_look_ = [this, look = std::move(look)] {
    if (look()) {
      look_timer_.reset();
    }
  };
  look_timer_ = home_->loop().every(kLook, &on_look_);
}

bool AdminControl::cancel() {
  if (!look_timer_) {
    return false;
  }
  look_timer_.reset();
  undo_();
  return true;
}

void AdminControl::closed() {
  if (home_->group().end_suspend(std::exchange(suspension_, 0))) {
    log_info("the console that said SUSPEND is gone: everybody is read again");
  }
}

// ---- commands ----

AdminView AdminControl::view_now() const { return view_of(home_->group(), home_->now()); }

void AdminControl::show(ShowTopic topic, Done done) {
  AdminView view = view_now();
  if (topic == ShowTopic::Queries) {
    gather<QuerySnapshot>(
        *home_, [](Worker& worker) { return worker.queries().snapshot(); },
        [view = std::move(view), done = std::move(done)](auto queries) mutable {
          view.queries = sum_of(std::move(queries));
          done(proxy::show(ShowTopic::Queries, view));
        });
    return;
  }
  if (!needs_snapshot(topic)) {
    answer(done, proxy::show(topic, view));
    return;
  }
  gather<WorkerSnapshot>(*home_, take_snapshot,
                         [topic, view = std::move(view), done = std::move(done)](auto snapshots) mutable {
                           view.workers = std::move(snapshots);
                           done(proxy::show(topic, view));
                         });
}

void AdminControl::reload(Done done) {
  Worker* home = home_;
  home_->group().reload([home, done = std::move(done)](const ReloadReport& report) {
    std::string told;
    for (const std::string& problem : report.problems) {
      told += (told.empty() ? "" : "\n") + problem;
    }
    Result<AdminAnswer> result = AdminAnswer();
    if (report.refused) {
      result = Error{sqlstate::kConfigFileError, "RELOAD failed: the configuration in force stays", told};
    } else if (!told.empty()) {
      result->notice = "the configuration is in force, but not all of it";
      result->detail = told;
    }
    home->loop().post([done, result = std::move(result)]() mutable { done(std::move(result)); });
  });
}

void AdminControl::change_setting(const AdminCommand& command, Done done) {
  Worker* home = home_;
  home_->group().change_setting(command.argument, command.value,
                                [home, done = std::move(done)](Result<void> changed) {
                                  home->loop().post([done, changed = std::move(changed)]() mutable {
                                    done(changed.ok() ? Result<AdminAnswer>(AdminAnswer())
                                                      : Result<AdminAnswer>(std::move(changed).error()));
                                  });
                                });
}

// From now on nobody is given a link; those in use are waited for, and so are sessions that keep theirs: what
// they have there cannot be had again.
void AdminControl::pause(const Databases& databases, Done done, Tell tell) {
  Databases ours;  // not somebody else's before
  for (const auto& database : databases) {
    if (!database->paused.exchange(true)) {
      ours.push_back(database);
    }
  }
  close_idle(home_->group(), databases, false);
  const auto undo = [this, ours] {
    for (const auto& database : ours) {
      database->paused = false;
    }
    home_->group().post_serve_all();
  };
  const TimePoint tell_at = home_->now() + kTellAfter;
  const auto look = [this, databases, done = std::move(done), tell = std::move(tell), tell_at,
                     told = false]() mutable {
    if (std::any_of(databases.begin(), databases.end(),
                    [](const auto& each) { return !each->paused.load(); })) {
      answer(done, Error{sqlstate::kQueryCanceled, "PAUSE ended by a RESUME"});
      return true;
    }
    if (std::all_of(databases.begin(), databases.end(),
                    [](const auto& each) { return each->links.used() == 0; })) {
      answer(done, AdminAnswer());
      return true;
    }
    close_idle(home_->group(), databases, false);
    if (!told && home_->now() >= tell_at) {
      told = true;
      tell_whom_it_waits_for(databases, tell);
    }
    return false;
  };
  look_until_done(look, undo);
}

void AdminControl::tell_whom_it_waits_for(const Databases& databases, const Tell& tell) {
  gather<std::vector<LinkHolder>>(
      *home_, [databases](Worker& worker) { return link_holders(worker, databases); },
      [tell](const std::vector<std::vector<LinkHolder>>& holders) {
        const AdminNotice notice = waits_for(holders);
        if (!notice.detail.empty()) {
          tell(notice);
        }
      });
}

Result<AdminAnswer> AdminControl::resume(const AdminCommand& command, const Databases& databases) {
  bool any = command.argument.empty() && home_->group().end_suspend();
  for (const auto& database : databases) {
    any = database->paused.exchange(false) || any;
  }
  if (!any) {
    return Error{sqlstate::kInvalidParameterValue, command.argument.empty()
                                                       ? "no database is paused"
                                                       : "database " + command.argument + " is not paused"};
  }
  home_->group().post_serve_all();
  return AdminAnswer();
}

// Nothing is read from now on; what has been read is waited for until the peers have taken it, or, at
// suspend_timeout, are closed.
void AdminControl::suspend(Done done) {
  WorkerGroup& group = home_->group();
  const uint64_t suspension = group.suspend();
  if (suspension == 0) {
    answer(done, Error{sqlstate::kInvalidParameterValue, "already suspended"});
    return;
  }
  suspension_ = suspension;
  const TimePoint deadline = home_->now() + group.config()->conf.suspend_timeout;
  const auto is_flushed = none_left(*home_, [](Worker& worker) { return worker.unflushed(); });
  look_until_done(
      [this, deadline, done = std::move(done), is_flushed] {
        if (!home_->group().is_suspended()) {
          answer(done, Error{sqlstate::kQueryCanceled, "SUSPEND ended by a RESUME"});
          return true;
        }
        if (is_flushed()) {
          answer(done, AdminAnswer());
          return true;
        }
        if (home_->now() >= deadline) {
          home_->group().post_all([](Worker& worker) { worker.close_unflushed(); });
        }
        return false;
      },
      [this] { closed(); });
}

void AdminControl::kill(const Databases& databases, Done done) {
  for (const auto& database : databases) {
    database->paused = true;
  }
  gather<char>(
      *home_,
      [databases](Worker& worker) {
        kill_all(worker, databases);
        return char{};
      },
      [done = std::move(done)](const auto&) { done(AdminAnswer()); });
}

void AdminControl::kill_client(uint32_t id, Done done) {
  const size_t index = id & (kMaxWorkers - 1);
  if (index >= home_->group().size()) {
    answer(done, Error{sqlstate::kInvalidParameterValue, "client not found"});
    return;
  }
  Worker* owner = &home_->group().worker(index);
  Worker* home = home_;
  owner->loop().post([owner, home, id, done = std::move(done)] {
    ClientConnection* client = owner->find_client(id);
    if (client != nullptr) {
      client->close(CloseReason::Killed);
    }
    home->loop().post([done, found = client != nullptr] {
      done(found ? Result<AdminAnswer>(AdminAnswer())
                 : Result<AdminAnswer>(Error{sqlstate::kInvalidParameterValue, "client not found"}));
    });
  });
}

// Links of today's generation are closed when they come free; the idle ones now.
void AdminControl::reconnect(const Databases& databases) {
  for (const auto& pool : pools(databases)) {
    pool->renew_links();
  }
  close_idle(home_->group(), databases, true);
}

void AdminControl::wait_close(Databases databases, Done done) {
  const auto are_closed = none_left(*home_, [databases = std::move(databases)](Worker& worker) {
    return static_cast<size_t>(std::count_if(
        worker.links().begin(), worker.links().end(),
        [&](const auto& link) { return holds(databases, database_of(*link)) && link->is_outdated(); }));
  });
  look_until_done(
      [this, done = std::move(done), are_closed] {
        if (!are_closed()) {
          return false;
        }
        answer(done, AdminAnswer());
        return true;
      },
      [] {});
}

void AdminControl::shutdown(ShutdownWish wish, const Done& done) {
  WorkerGroup& group = home_->group();
  switch (wish) {
    case ShutdownWish::Now:
      group.request_shutdown(ShutdownMode::Now);
      return;
    case ShutdownWish::WaitForServers:
      answer(done, AdminAnswer());
      group.request_shutdown(ShutdownMode::WaitForServers);
      return;
    case ShutdownWish::WaitForClients:
      answer(done, AdminAnswer());
      group.request_shutdown(ShutdownMode::WaitForClients);
      return;
  }
}

}  // namespace sportello::proxy
