#include "proxy/admin/admin_command.h"

namespace sportello::proxy {

bool is_harmless(const AdminCommand& command) {
  switch (command.verb) {
    case AdminVerb::FlushCache:
    case AdminVerb::Reload:
    case AdminVerb::Pause:
    case AdminVerb::Resume:
    case AdminVerb::Disable:
    case AdminVerb::Enable:
    case AdminVerb::Kill:
    case AdminVerb::KillClient:
    case AdminVerb::Reconnect:
    case AdminVerb::WaitClose:
    case AdminVerb::Suspend:
    case AdminVerb::Shutdown:
    case AdminVerb::SetConfig:
      return false;
    case AdminVerb::Show:
      return command.topic != ShowTopic::Fds;
    case AdminVerb::Explain:
    case AdminVerb::Begin:
    case AdminVerb::Commit:
    case AdminVerb::Rollback:
    case AdminVerb::Savepoint:
    case AdminVerb::RollbackTo:
    case AdminVerb::Deallocate:
    case AdminVerb::Ignored:
    case AdminVerb::Select:
      return true;
  }
  return false;
}

}  // namespace sportello::proxy
