// What one step of a conversation wants to send to one peer: pieces in order, some of them views of bytes
// that came from the other peer, some made by us. Filled by the cores, emptied by Transport::write in the
// same callback, so the views need not live longer. Reused from step to step: in steady state nothing is
// allocated.
//
//   forward(view)      no copy; the bytes stay where they were received
//   own()              a string to append our own messages to; seal() puts what was appended in its place
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sportello::proxy {

class Outbox {
 public:
  struct Piece {
    const char* data;  // nullptr: bytes of ours, at `offset`
    size_t offset;
    size_t size;
  };

  // Neighbouring views become one piece.
  void forward(std::string_view bytes) {
    if (bytes.empty()) {
      return;
    }
    seal();
    bytes_ += bytes.size();
    if (!pieces_.empty() && pieces_.back().data != nullptr &&
        pieces_.back().data + pieces_.back().size == bytes.data()) {
      pieces_.back().size += bytes.size();
      return;
    }
    pieces_.push_back({bytes.data(), 0, bytes.size()});
  }

  // In front of all that is there. The bytes must live until the box is cleared.
  void put_first(std::string_view bytes) {
    pieces_.insert(pieces_.begin(), {bytes.data(), 0, bytes.size()});
    bytes_ += bytes.size();
  }

  // Where messages of ours are appended; in order with what was forwarded before and will be after.
  std::string& own() { return own_; }

  void seal() {
    if (own_.size() == sealed_) {
      return;
    }
    const size_t size = own_.size() - sealed_;
    bytes_ += size;
    if (!pieces_.empty() && pieces_.back().data == nullptr) {
      pieces_.back().size += size;
    } else {
      pieces_.push_back({nullptr, sealed_, size});
    }
    sealed_ = own_.size();
  }

  bool empty() const { return bytes_ == 0 && own_.size() == sealed_; }
  // After seal().
  size_t bytes() const { return bytes_; }
  const std::vector<Piece>& pieces() const { return pieces_; }
  std::string_view view(const Piece& piece) const {
    return piece.data != nullptr ? std::string_view(piece.data, piece.size)
                                 : std::string_view(own_).substr(piece.offset, piece.size);
  }

  void clear() {
    pieces_.clear();
    own_.clear();
    if (own_.capacity() > kKeptBytes) {
      own_.shrink_to_fit();
    }
    sealed_ = 0;
    bytes_ = 0;
  }

 private:
  static constexpr size_t kKeptBytes = 256UL << 10;

  std::vector<Piece> pieces_;
  std::string own_;
  size_t sealed_ = 0;  // how much of own_ is in pieces_
  size_t bytes_ = 0;
};

}  // namespace sportello::proxy
