#include "proxy/net/transport.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "protocol/invariant.h"
#include "protocol/tls/tls_session.h"
#include "proxy/net/system_calls.h"

namespace sportello::proxy {
namespace {

constexpr size_t kMostPieces = 64;     // a send; more go in further sends
constexpr size_t kCopiedBytes = 2048;  // up to here, copying pieces together is cheaper than sendmsg()

constexpr int kShutdownAttempts = 3;

constexpr uint32_t kReading = EPOLLIN | EPOLLRDHUP | EPOLLET;
constexpr uint32_t kWriting = kReading | EPOLLOUT;
constexpr uint32_t kConnecting = EPOLLOUT | EPOLLET;

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

struct Transport::Tls {
  tls::TlsSession session;
  std::string received;
  std::string failure = {};
};

Transport::Transport(EventLoop& loop, int fd, Handler* handler) : loop_(&loop), handler_(handler), fd_(fd) {}

Transport::~Transport() { end(); }

bool Transport::watch(bool connecting) {
  connecting_ = connecting;
  armed_ = connecting ? kConnecting : kReading;
  return watch_.start(*loop_, fd_, armed_, *this);
}

void Transport::arm(uint32_t events) {
  if (events != armed_ && watch_.is_on()) {
    armed_ = events;
    watch_.change(events);
  }
}

bool Transport::is_read_out() const {
  return emptied_ && (!tls_ || (tls_->received.empty() && !tls_->session.has_pending()));
}

void Transport::tell_again_if_left() {
  if (reads() && !connecting_ && !is_read_out()) {
    watch_.tell_again();
  }
}

// The handler may destroy this object in any of its calls: nothing of it is touched after one.
void Transport::on_socket(uint32_t events) {
  if ((events & EPOLLERR) != 0) {
    // What is wrong with the socket, reading it tells, but bytes that came before the failure are read first.
    connecting_ = false;
    emptied_ = false;
    ends_ = true;
    arm(kReading);
    handler_->on_readable();
    return;
  }
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) != 0) {
    emptied_ = false;
    ends_ = ends_ || (events & (EPOLLRDHUP | EPOLLHUP)) != 0;
  }
  if ((events & (EPOLLOUT | EPOLLHUP)) != 0) {
    if (connecting_) {
      connecting_ = false;
      arm(kReading);
      handler_->on_drained();
      return;
    }
    if (unsent_bytes() > 0) {
      send_unsent();
      if (unsent_bytes() == 0) {
        arm(kReading);
        tell_again_if_left();
        handler_->on_drained();
        return;
      }
      watch_.change(armed_);  // likewise: see receive()
    }
  }
  if (!is_read_out() && (reads() || ends_)) {
    handler_->on_readable();
  }
}

void Transport::release() {
  held_ = false;
  tell_again_if_left();
}

void Transport::resume() {
  reading_ = true;
  tell_again_if_left();
}

Transport::ReadResult Transport::receive(std::span<char> buffer) {
  for (;;) {
    const ssize_t n = sys_recv(fd_, buffer.data(), buffer.size());
    if (n > 0) {
      emptied_ = !ends_ && static_cast<size_t>(n) < buffer.size();
      if (!emptied_) {
        watch_.tell_again();
      }
      return {ReadStatus::Data, static_cast<size_t>(n)};
    }
    if (n == 0) {
      return {ReadStatus::Eof};
    }
    if (errno != EINTR) {
      if (!would_block(errno)) {
        return {ReadStatus::Failed, 0, errno};
      }
      emptied_ = true;
      // The kernel looks for itself, and tells if there is something after all.
      if (watch_.is_on()) {
        watch_.change(armed_);
      }
      return {ReadStatus::WouldBlock};
    }
  }
}

Transport::ReadResult Transport::read(std::span<char> buffer) {
  return tls_ ? read_tls(buffer) : receive(buffer);
}

Transport::ReadResult Transport::read_tls(std::span<char> buffer) {
  for (;;) {
    std::string_view ciphertext = tls_->received;
    const auto keep_rest = [&] { tls_->received.erase(0, tls_->received.size() - ciphertext.size()); };
    if (!tls_->session.is_established()) {
      const auto established = tls_->session.handshake(ciphertext);
      keep_rest();
      send_ciphertext();
      if (!established.ok()) {
        tls_->failure = established.error().message;
        return {ReadStatus::Failed};
      }
      if (*established) {
        return {ReadStatus::Data, 0};
      }
    } else {
      const auto plain = tls_->session.read(ciphertext, buffer);
      keep_rest();
      send_ciphertext();
      if (!plain.ok()) {
        tls_->failure = plain.error().message;
        return {ReadStatus::Failed};
      }
      if (plain->bytes > 0) {
        if (!is_read_out()) {
          watch_.tell_again();
        }
        return {ReadStatus::Data, plain->bytes};
      }
      if (plain->is_closed) {
        return {ReadStatus::Eof};
      }
    }
    if (emptied_) {
      return {ReadStatus::WouldBlock};
    }
    std::array<char, 16UL << 10> bytes;
    const ReadResult more = receive(bytes);
    if (more.status != ReadStatus::Data) {
      return more;
    }
    tls_->received.append(bytes.data(), more.bytes);
  }
}

std::string Transport::tls_failure() const { return tls_ ? tls_->failure : std::string(); }

const tls::TlsSession* Transport::tls() const { return tls_ ? &tls_->session : nullptr; }

bool Transport::start_tls(tls::TlsSession session, std::string_view received) {
  tls_ = std::make_unique<Tls>(Tls{std::move(session), std::string(received)});
  std::string_view ciphertext = tls_->received;
  const auto begun = tls_->session.handshake(ciphertext);
  tls_->received.erase(0, tls_->received.size() - ciphertext.size());
  send_ciphertext();
  if (!begun.ok()) {
    tls_->failure = begun.error().message;
  }
  return begun.ok();
}

void Transport::shutdown_tls() {
  if (tls_ && tls_->session.is_established()) {
    tls_->session.shutdown();
    send_ciphertext();
  }
}

void Transport::send_ciphertext() {
  const std::string_view ciphertext = tls_->session.ciphertext();
  if (ciphertext.empty()) {
    return;
  }
  send_bytes(ciphertext);
  tls_->session.drop_sent(ciphertext.size());
}

void Transport::write(std::string_view bytes) {
  if (bytes.empty()) {
    return;  // also while a TLS session is not ready to take any
  }
  if (first_size_ > 0) {
    Outbox box;
    box.forward(bytes);
    write(box);
  } else if (tls_) {
    encrypt(bytes);
    send_ciphertext();
  } else {
    send_bytes(bytes);
  }
}

void Transport::encrypt(std::string_view bytes) {
  if (!broken_ && !tls_->session.write(bytes).ok()) {
    break_off();
  }
}

void Transport::write(Outbox& box) {
  box.seal();
  if (box.bytes() == 0) {
    box.clear();
    return;
  }
  if (first_size_ > 0) {
    box.put_first({first_.data(), std::exchange(first_size_, uint8_t{0})});
  }
  if (tls_) {
    for (const auto& piece : box.pieces()) {
      encrypt(box.view(piece));
    }
    box.clear();
    send_ciphertext();
    return;
  }
  send_pieces(box);
  box.clear();
}

void Transport::write_with_next(Outbox& box) {
  box.seal();
  if (first_size_ + box.bytes() > first_.size()) {
    write(box);
    return;
  }
  for (const auto& piece : box.pieces()) {
    const std::string_view view = box.view(piece);
    std::copy(view.begin(), view.end(), first_.begin() + first_size_);
    first_size_ = static_cast<uint8_t>(first_size_ + view.size());
  }
  box.clear();
}

void Transport::send_pieces(const Outbox& box) {
  const auto& pieces = box.pieces();
  if (pieces.size() > 1 && box.bytes() <= kCopiedBytes) {
    std::array<char, kCopiedBytes> together;
    char* end = together.data();
    for (const auto& piece : pieces) {
      const std::string_view view = box.view(piece);
      end = std::copy(view.begin(), view.end(), end);
    }
    send_bytes({together.data(), static_cast<size_t>(end - together.data())});
    return;
  }
  if (pieces.size() == 1) {
    send_bytes(box.view(pieces.front()));
    return;
  }
  size_t at = 0;
  size_t skip = 0;  // bytes of pieces[at] that have gone
  while (!broken_ && unsent_bytes() == 0 && at < pieces.size()) {
    std::array<iovec, kMostPieces> parts;
    const size_t count = std::min(pieces.size() - at, kMostPieces);
    for (size_t i = 0; i < count; i++) {
      std::string_view view = box.view(pieces[at + i]);
      view.remove_prefix(i == 0 ? skip : 0);
      parts[i] = {const_cast<char*>(view.data()), view.size()};
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    const ssize_t n = sys_sendmsg(fd_, message);
    if (n < 0) {
      if (errno == EINTR) {
        continue;
      }
      if (!would_block(errno)) {
        break_off();
      }
      break;
    }
    size_t gone = static_cast<size_t>(n) + skip;
    while (at < pieces.size() && gone >= pieces[at].size) {
      gone -= pieces[at++].size;
    }
    skip = gone;
  }
  if (broken_) {
    return;
  }
  for (; at < pieces.size(); at++, skip = 0) {
    keep(box.view(pieces[at]).substr(skip));
  }
}

// What the socket takes of it now. Returns the rest, for when it takes more, unless it is broken.
std::string_view Transport::send_now(std::string_view bytes) {
  while (!broken_ && !bytes.empty()) {
    const ssize_t n = sys_send(fd_, bytes.data(), bytes.size());
    if (n >= 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
    } else if (errno != EINTR) {
      if (!would_block(errno)) {
        break_off();
      }
      break;
    }
  }
  return bytes;
}

void Transport::send_bytes(std::string_view bytes) {
  const std::string_view rest = unsent_bytes() == 0 ? send_now(bytes) : bytes;
  if (!broken_ && !rest.empty()) {
    keep(rest);
  }
}

// A socket that lost bytes of ours may work in the other direction (ENOBUFS): it is made to tell. One that
// would not be shut down, and is connected, would never tell, and who waits for its bytes would wait for
// ever.
void Transport::break_off() {
  broken_ = true;
  for (int i = 0; i < kShutdownAttempts && shutdown(fd_, SHUT_RDWR) != 0; i++) {
  }
}

void Transport::keep(std::string_view bytes) {
  if (!unsent_) {
    unsent_ = std::make_unique<std::string>();
    unsent_at_ = 0;
  }
  unsent_->append(bytes);
  if (!connecting_) {
    arm(kWriting);
  }
}

void Transport::send_unsent() {
  if (!unsent_) {
    return;
  }
  const std::string_view rest = send_now(std::string_view(*unsent_).substr(unsent_at_));
  if (!broken_ && !rest.empty()) {
    unsent_at_ = unsent_->size() - rest.size();
    return;
  }
  unsent_.reset();
  unsent_at_ = 0;
}

void Transport::leave_loop() {
  watch_.stop();
  armed_ = 0;
}

void Transport::end() {
  if (fd_ >= 0) {
    watch_.stop_to_close();
    close(std::exchange(fd_, -1));
  }
}

void Transport::enter_loop(EventLoop& loop) {
  invariant(!watch_.is_on(), "a socket is on one loop at a time");
  loop_ = &loop;
  reading_ = true;
  invariant(watch(), "a descriptor that was watched by one loop can be watched by another");
  if (unsent_bytes() > 0) {
    arm(kWriting);
  }
  tell_again_if_left();
}

}  // namespace sportello::proxy
