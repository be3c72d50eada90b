#include "proxy/admin/admin_view.h"

#include "proxy/worker_group.h"

namespace sportello::proxy {

AdminView view_of(WorkerGroup& group, TimePoint now) {
  AdminView view{.config = group.config(),
                 .databases = group.directory().databases(),
                 .users = group.directory().users(),
                 .pools = group.directory().pools(),
                 .sampler = &group.stats_sampler(),
                 .suspended = group.is_suspended(),
                 .failed_logins = group.entrance().failed_logins().total(),
                 .names = NameResolver::system().known(),
                 .now = now,
                 .results = &group.results()};
  for (size_t i = 0; view.config->cache_rules != nullptr && i < group.size(); i++) {
    for (const cache::CacheRule& rule : view.config->cache_rules->rules()) {
      group.worker(i).cache().counts.add_to(rule.id, view.rule_totals[rule.id]);
    }
  }
  return view;
}

}  // namespace sportello::proxy
