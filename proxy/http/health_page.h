// The page /health as JSON: Health, and the numbers that the dashboard draws. Pure; any thread.
#pragma once

#include "proxy/http/health.h"
#include "proxy/http/http_request.h"

namespace sportello::proxy {

// Of databases, as many as that; the overall state is of all.
inline constexpr size_t kMostOnHealthPage = 200;

// 200, or 503 where something is down.
HttpReply health_page(const Health& health, const OperatorView& view);

}  // namespace sportello::proxy
