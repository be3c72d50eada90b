// A simulation with one of its rules left out: what is found wrong in the first of `seeds` runs that finds
// anything; 0 if the rule was not needed.
#pragma once

#include <cstdint>

namespace sportello::cache {

template <typename Simulation, typename Rules>
int violations_without(bool Rules::*rule, uint64_t seeds, int steps) {
  Rules rules;
  rules.*rule = false;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    Simulation simulation(seed, rules);
    simulation.run(steps);
    if (simulation.violations() > 0) return simulation.violations();
  }
  return 0;
}

}  // namespace sportello::cache
