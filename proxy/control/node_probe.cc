#include "proxy/control/node_probe.h"

#include <algorithm>

#include "protocol/invariant.h"
#include "protocol/startup_messages.h"

namespace sportello::proxy {
namespace {

constexpr std::string_view kQuestion = "SELECT pg_catalog.pg_is_in_recovery()";

}  // namespace

NodeProbe::NodeProbe(EventLoop& loop, Target target)
    : loop_(&loop), target_(std::move(target)), connection_(loop) {}

NodeProbe::~NodeProbe() = default;

void NodeProbe::ask(std::chrono::milliseconds deadline, Done done) {
  invariant(!is_busy(), "one question at a time");
  done_ = std::move(done);
  why_.clear();
  deadline_at_ = loop_->now() + deadline;
  auto timer = std::make_unique<uv_timer_t>();
  invariant(uv_timer_init(loop_->uv(), timer.get()) == 0, "a timer always initialises");
  timer->data = this;
  // First it begins, so that nobody is answered within ask(); then it is the deadline.
  uv_timer_start(
      timer.get(),
      [](uv_timer_t* handle) {
        if (handle->data != nullptr) {
          static_cast<NodeProbe*>(handle->data)->begin();
        }
      },
      0, 0);
  timer_ = UvHandle<uv_timer_t>(std::move(timer));
}

void NodeProbe::begin() {
  const bool logs_in = target_.login && connection_.state() != PqConnection::State::Idle;
  wake_in(logs_in ? left() / 2 : left());
  if (!target_.login) {
    greet();
  } else if (!logs_in) {
    query();
  } else {
    // Its own deadline comes after ours, which tells silence from refusal.
    connection_.connect(target_.login->keywords, left() + std::chrono::seconds(1),
                        [this](const Result<void>& result) { connected(result); });
  }
}

void NodeProbe::wake_in(std::chrono::milliseconds time) {
  uv_timer_start(
      timer_.get(),
      [](uv_timer_t* handle) {
        if (handle->data != nullptr) {
          static_cast<NodeProbe*>(handle->data)->woken();
        }
      },
      static_cast<uint64_t>(time.count()), 0);
}

// A login may wait for something else than the server: for DROP DATABASE, say. So half of the time is for
// finding out whether it says anything at all.
void NodeProbe::woken() {
  if (loop_->now() < deadline_at_) {
    wake_in(left());
    if (connection_.state() == PqConnection::State::Connecting && !connector_) {
      why_ = "the login does not end";
      greet();
    }
    return;
  }
  report({.answered = false, .in_recovery = {}, .why = "no answer in time"});
}

std::chrono::milliseconds NodeProbe::left() const {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_at_ - loop_->now());
  return std::max(left, std::chrono::milliseconds(1));
}

void NodeProbe::connected(const Result<void>& result) {
  if (result.ok()) {
    query();
  } else if (!connector_) {
    why_ = result.error().message;
    greet();
  }
}

void NodeProbe::query() {
  connection_.query({.sql = std::string(kQuestion), .parameters = {}, .most_rows = 1},
                    left() + std::chrono::seconds(1),
                    [this](const Result<PqRows>& result) { answered(result); });
}

void NodeProbe::answered(const Result<PqRows>& result) {
  if (!result.ok()) {
    why_ = result.error().message;
    if (!connector_) {
      greet();
    }
    return;
  }
  NodeReport found{.answered = true, .in_recovery = {}, .why = {}};
  if (!result->rows.empty() && !result->rows[0].empty() && result->rows[0][0]) {
    found.in_recovery = *result->rows[0][0] == "t";
  }
  report(found);
}

void NodeProbe::greet() {
  connector_ =
      std::make_unique<ServerConnector>(*loop_, target_.server, static_cast<ServerConnector::Owner&>(*this));
  connector_->start();
}

void NodeProbe::connector_done(Result<ServerConnected> result) {
  if (!result.ok() || connector_->server_answered()) {
    report({.answered = connector_->server_answered(),
            .in_recovery = {},
            .why = result.ok() ? why_ : result.error().message});
    return;
  }
  // Connected, which its kernel can do without it: it has to say something.
  transport_ = std::move(result->transport);
  transport_->set_handler(static_cast<Transport::Handler*>(this));
  std::string request;
  append_ssl_request(request);
  transport_->write(request);
}

void NodeProbe::on_readable() {
  char answer = 0;
  if (transport_->read({&answer, 1}).status != Transport::ReadStatus::WouldBlock) {
    report({.answered = true, .in_recovery = {}, .why = why_});
  }
}

void NodeProbe::report(const NodeReport& report) {
  timer_.reset();
  if (connection_.state() != PqConnection::State::Idle) {
    connection_.close();
  }
  // They may be on the stack: gone when the callbacks in hand have returned, and until then told nothing
  // more.
  if (connector_) {
    connector_->abandon();
  }
  if (transport_) {
    transport_->leave_loop();
  }
  loop_->post([connector = std::move(connector_), transport = std::move(transport_)] {});
  std::exchange(done_, nullptr)(report);
}

}  // namespace sportello::proxy
