// How we log in to the servers of a pool: as whom, and with what.
#pragma once

#include "protocol/tls/tls_session.h"
#include "proxy/pool/pool_runtime.h"
#include "proxy/pool/server_login.h"
#include "proxy/runtime_config.h"

namespace sportello::proxy {

// The user and password of the database's entry come first; then the user's own secret in auth_file or from
// auth_query; of a SCRAM verifier, what its client proved (ScramKeys).
ServerLoginRequest server_login_request(const RuntimeConfig& config, const PoolSettings& settings,
                                        PoolRuntime& pool, const tls::TlsSession* tls);
// A replication client's own parameters come in front of those that the configuration gives; its `options`
// behind.
void add_client_parameters(ServerLoginRequest& request,
                           const std::vector<std::pair<std::string, std::string>>& parameters);

}  // namespace sportello::proxy
