// All that is in an outbox, for tests; it is empty then.
#pragma once

#include <string>

#include "proxy/net/outbox.h"

namespace sportello::proxy {

inline std::string drain(Outbox& box) {
  std::string all;
  box.seal();
  for (const Outbox::Piece& piece : box.pieces()) {
    all.append(box.view(piece));
  }
  box.clear();
  return all;
}

}  // namespace sportello::proxy
