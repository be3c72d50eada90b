// What a SHOW, or a page of metrics, is made from, as the group has it at this moment; what only the workers
// themselves can tell (AdminView::workers) is not in it. Any thread.
#pragma once

#include "proxy/admin/admin_show.h"

namespace sportello::proxy {

class WorkerGroup;

AdminView view_of(WorkerGroup& group, TimePoint now);

}  // namespace sportello::proxy
