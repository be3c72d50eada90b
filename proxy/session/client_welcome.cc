// The part of ClientConnection between a login that was proved and the session, the console or the
// replication that it becomes: what a server may have to be asked first, and the welcome.
#include "proxy/admin/admin_session.h"
#include "proxy/log.h"
#include "proxy/session/client_connection.h"
#include "proxy/worker.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {
namespace {

constexpr size_t kCancelKeyBytes30 = 4;
constexpr size_t kCancelKeyBytes32 = 32;

}  // namespace

void ClientConnection::counted_in(const std::shared_ptr<PoolRuntime>& shared,
                                  const std::shared_ptr<UserRuntime>& user) {
  pool_ = &worker_->pool(shared);
  member_ = &worker_->pool_member(*pool_, user);
  shared->clients.fetch_add(1);
}

void ClientConnection::secret_found(const SecretLookup& found) {
  if (startup_) {
    startup_->secret_found(found);
  }
}

bool ClientConnection::startup_done() {
  cancel_key_ =
      worker_->random_bytes(startup_->protocol() >= kProtocol32 ? kCancelKeyBytes32 : kCancelKeyBytes30);
  if (startup_->is_admin()) {
    std::string welcome = startup_->authentication_end();
    admin_ = AdminSession::open(*worker_, *this, startup_->user(), welcome);
    transport_.write(welcome);
    worker_->retire(std::move(startup_));
    move(ConnectionEvent::ConsoleOpened);
    if (input_) {
      const std::unique_ptr<std::string> early = std::move(input_);
      admin_->on_bytes(*early);
    }
    return !is_closed();
  }
  finish_login();
  return !is_closed();
}

void ClientConnection::finish_login() {
  if (startup_->replication() != ReplicationKind::None) {
    begin_replication();
    return;
  }
  switch (startup_->settle_settings()) {
    case ClientStartup::Readiness::Ready:
      become_session();
      return;
    case ClientStartup::Readiness::Failed:
      return;
    case ClientStartup::Readiness::NeedsLink:
      break;
  }
  if (ServerLink* link = worker_->get_link(*pool_, *this)) {
    link_ = link;
    link->hold(this);
    move(ConnectionEvent::LinkGranted);
    ask_server();
  } else {
    began_to_wait();
  }
}

// The link is there: what was not known is known now, or the server is asked.
void ClientConnection::ask_server() {
  if (startup_->settle_settings() == ClientStartup::Readiness::Ready) {
    ServerLink* link = link_;
    link_ = nullptr;
    link->let_go();
    move(ConnectionEvent::LinkLeft);
    worker_->link_unused(*link);
    become_session();
    return;
  }
  std::string out;
  const Settings& in_force = link_->state().settings;
  std::string sql = in_force->startup.empty() ? "" : "RESET ALL;";
  own_query_ = std::make_unique<OwnQuery>();
  own_query_->begin(link_->state(), sql + startup_->settings_sql(), out);
  Outbox box;
  box.own() = out;
  link_->send(box);
}

size_t ClientConnection::on_startup_answer(std::string_view bytes) {
  const OwnQuery::Step step = own_query_->on_server_bytes(link_->state(), bytes);
  if (step.broken) {
    ServerLink* link = link_;
    Error why =
        own_query_->error().value_or(Error{sqlstate::kProtocolViolation, "the server broke the protocol"});
    worker_->link_failed(*link, std::move(why));
    return step.taken;
  }
  if (!step.done) {
    return step.taken;
  }
  const std::unique_ptr<OwnQuery> query = std::move(own_query_);
  ServerLink* link = link_;
  link_ = nullptr;
  const Settings settings = link->state().settings;
  // Whatever was set for the question is taken back.
  link->state().tainted = true;
  link->let_go();
  move(ConnectionEvent::LinkLeft);
  if (query->error()) {
    worker_->link_orphaned(*link);
    close_with(*query->error(), CloseReason::LoginFailed);
    return step.taken;
  }
  startup_->settings_known(settings);
  worker_->link_orphaned(*link);
  finish_login();
  return step.taken;
}

void ClientConnection::become_session() {
  std::string welcome;
  startup_->append_welcome(welcome, process_id_, cancel_key_);
  session_ = std::make_unique<ClientSession>(worker_->session_context(), pool_->shared().database->scope,
                                             pool_->shared().user->id);
  session_->begin(startup_->settings(), process_id_);
  if (member_->settings.mode == conf::PoolMode::Session) {
    session_->keep_link_forever();
  }
  if (member_->settings.mode == conf::PoolMode::Transaction) {
    session_->defer_begin();
  }
  worker_->retire(std::move(startup_));
  move(ConnectionEvent::SessionBegun);
  transport_.write(welcome);
  if (worker_->config()->conf.log_connections) {
    log_info("C {}/{}@{} login", database_name(), user_name(), address_.to_string());
  }
  if (input_) {
    transport_.resume();
    relay(*input_);
  }
}

void ClientConnection::log_login_failure(std::string_view told, std::string_view detail) {
  if (worker_->config()->conf.log_pooler_errors) {
    log_limited("login", "C {}/{}@{} login failed: {}{}{}", database_name(), user_name(),
                address_.to_string(), told, detail.empty() ? "" : ": ", detail);
  }
}

}  // namespace sportello::proxy
