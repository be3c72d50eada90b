// What no single setting can be wrong about: settings that contradict each other, or that need each other.
#pragma once

#include "conf/config.h"
#include "conf/config_places.h"

namespace sportello::conf {

void check(const Config& config, ConfigPlaces& places);

}  // namespace sportello::conf
