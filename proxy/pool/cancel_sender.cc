#include "proxy/pool/cancel_sender.h"

#include <array>

#include "protocol/startup_messages.h"
#include "proxy/pool/server_link.h"
#include "proxy/worker.h"

namespace sportello::proxy {

CancelSender::CancelSender(Worker& worker, ServerLink& link, ServerTarget target, TimePoint deadline)
    : worker_(&worker),
      link_(&link),
      endpoint_(link.endpoint()),
      connector_(std::make_unique<ServerConnector>(worker.loop(), std::move(target),
                                                   static_cast<ServerConnector::Owner&>(*this))),
      deadline_(deadline) {
  append_cancel_request(request_, link.process_id(), link.cancel_key());
}

void CancelSender::start() { connector_->start_to(endpoint_); }

void CancelSender::abandon() {
  if (connector_) {
    connector_->abandon();
  }
  if (transport_) {
    transport_->leave_loop();
  }
}

void CancelSender::connector_done(Result<ServerConnected> result) {
  worker_->retire(std::move(connector_));
  if (!result.ok()) {
    worker_->cancel_ended(*this);
    return;
  }
  transport_ = std::move(result->transport);
  transport_->set_handler(this);
  transport_->write(request_);
}

void CancelSender::on_readable() {
  std::array<char, 256> ignored;
  const auto read = transport_->read(ignored);
  if (read.status == Transport::ReadStatus::Eof || read.status == Transport::ReadStatus::Failed) {
    worker_->cancel_ended(*this);
  }
}

}  // namespace sportello::proxy
