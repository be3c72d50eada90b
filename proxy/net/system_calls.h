// The calls of the data path, as syscall(2) makes them: results and errno are those of their namesakes. The
// C library's own are cancellation points (pthreads(7)), and in a process with threads each of those costs
// two locked instructions and the code around them. Nobody cancels a thread here, and none of these waits.
#pragma once

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

namespace sportello::proxy {

inline ssize_t sys_recv(int fd, char* buffer, size_t size) {
  return syscall(SYS_recvfrom, fd, buffer, size, 0, nullptr, nullptr);
}

inline ssize_t sys_send(int fd, const char* bytes, size_t size) {
  return syscall(SYS_sendto, fd, bytes, size, MSG_NOSIGNAL, nullptr, 0);
}

inline ssize_t sys_sendmsg(int fd, const msghdr& message) {
  return syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL);
}

}  // namespace sportello::proxy
