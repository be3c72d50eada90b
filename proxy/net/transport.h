// One connected socket on a loop: reads what has come, sends what it can at once and keeps the rest. Speaks
// TLS if it was given a TlsSession. Knows nothing of messages.
//
// Back-pressure: after pause(), bytes that come stay in the socket until resume(). Bytes that the peer has
// not taken are counted by unsent_bytes(), and Handler::on_drained() tells when the last of them has gone. In
// steady state: no epoll_ctl, no allocation, one recv and one send a batch.
//
// The kernel tells of new bytes once (edge-triggered epoll: an event that is told until it is dealt with is
// looked up again at each wait). So what was not read to its end is known here, and told again by the loop: a
// read that filled its buffer, bytes that came while paused, plaintext left in a TLS session, the end of a
// stream behind its last bytes. A recv() that brought less than was asked for has emptied the socket
// (epoll(7)).
//
// Owned by one connection; used on its loop's thread only, until leave_loop() lets the socket go to
// another one.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>

#include "proxy/net/event_loop.h"
#include "proxy/net/outbox.h"

namespace sportello::tls {
class TlsSession;
}

namespace sportello::proxy {

class Transport final : private SocketWatch::Owner {
 public:
  class Handler {
   public:
    // There may be something to read; a socket that failed says so here, too.
    virtual void on_readable() = 0;
    // All that write() had to keep has been sent.
    virtual void on_drained() = 0;

   protected:
    ~Handler() = default;
  };

  enum class ReadStatus : uint8_t { Data, WouldBlock, Eof, Failed };
  struct ReadResult {
    ReadStatus status;
    size_t bytes = 0;
    int error = 0;  // errno when Failed; 0 for a broken TLS stream
  };

  // Takes the (non-blocking) socket.
  Transport(EventLoop& loop, int fd, Handler* handler);
  void set_handler(Handler* handler) { handler_ = handler; }
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Begins (`connecting`: by waiting for the connect to end, which on_drained() tells) to watch the socket.
  // False: the loop has no room for it (out of memory or of epoll watches).
  bool watch(bool connecting = false);

  // Everything read from here on is deciphered, everything written enciphered.
  // `received`: ciphertext that was read before TLS began (direct TLS). False: the handshake failed at once.
  bool start_tls(tls::TlsSession session, std::string_view received = {});
  const tls::TlsSession* tls() const;
  // Why the TLS stream broke, as far as TLS can tell; "" while it has not.
  std::string tls_failure() const;
  // Says goodbye to the peer, if TLS is spoken.
  void shutdown_tls();

  // At most `buffer.size()` bytes; what is left is told of again. With TLS, Data with 0 bytes means that the
  // handshake has ended; reading until WouldBlock or paused() then saves a round of the loop for each record.
  ReadResult read(std::span<char> buffer);

  // Sends, or keeps what the socket does not take now; empties `box`.
  void write(Outbox& box);
  void write(std::string_view bytes);
  // For a few bytes that need not go before the next write(), which is sure to come soon: they go in front of
  // it, and cost no system call of their own. Empties `box`.
  void write_with_next(Outbox& box);
  size_t unsent_bytes() const { return unsent_ ? unsent_->size() - unsent_at_ : 0; }
  // What it takes to keep them.
  size_t buffer_bytes() const { return unsent_ ? unsent_->capacity() : 0; }

  void pause() { reading_ = false; }
  void resume();
  bool paused() const { return !reading_; }
  // Reads nothing until release(), whatever resume() says: SUSPEND.
  void hold() { held_ = true; }
  void release();

  int fd() const { return fd_; }
  // The socket leaves its loop; unsent bytes and TLS stay here for the next one.
  void leave_loop();
  void enter_loop(EventLoop& loop);
  // Closes the socket: nothing is told or sent any more.
  void end();

 private:
  void on_socket(uint32_t events) override;
  void arm(uint32_t events);
  bool reads() const { return reading_ && !held_; }
  bool is_read_out() const;
  void tell_again_if_left();
  void keep(std::string_view bytes);
  void break_off();
  void send_pieces(const Outbox& box);
  void send_bytes(std::string_view bytes);
  std::string_view send_now(std::string_view bytes);
  void encrypt(std::string_view bytes);
  void send_unsent();
  ReadResult read_tls(std::span<char> buffer);
  ReadResult receive(std::span<char> buffer);
  void send_ciphertext();

  EventLoop* loop_;
  Handler* handler_;
  SocketWatch watch_;
  struct Tls;  // the session, and ciphertext that it has not taken yet
  std::unique_ptr<Tls> tls_;
  std::unique_ptr<std::string> unsent_;  // ciphertext with TLS
  size_t unsent_at_ = 0;
  int fd_;
  // From write_with_next(). Room for a few messages without a body.
  std::array<char, 15> first_;
  uint8_t first_size_ = 0;
  uint32_t armed_ = 0;  // what the watch waits for now
  bool reading_ = true;
  bool held_ = false;
  bool emptied_ = false;  // the socket, by the last recv(); its next bytes will be told
  bool ends_ = false;  // the peer closed or broke the connection: after the last bytes, the end is to be read
  bool connecting_ = false;
  bool broken_ = false;  // a send failed: what is written from now on is dropped, the next read tells
};

}  // namespace sportello::proxy
