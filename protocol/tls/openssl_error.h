// What OpenSSL has to say about its last failure, as one line of text.
#pragma once

#include <string>

namespace sportello::tls {

// The oldest error of this thread's queue, which is emptied; "unknown error" when the queue holds none.
std::string take_openssl_error();

}  // namespace sportello::tls
