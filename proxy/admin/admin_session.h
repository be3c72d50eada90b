#pragma once
#include <memory>
#include <string>
#include <string_view>
namespace sportello::proxy {
class Worker;
class ClientConnection;
class AdminSession {
 public:
  static std::unique_ptr<AdminSession> open(Worker& worker, ClientConnection& connection,
                                            const std::string& user, std::string& welcome);
  void on_bytes(std::string_view bytes);
  const std::string& user() const { return user_; }

 private:
  std::string user_;
};
}  // namespace sportello::proxy
