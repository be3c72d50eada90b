#include "protocol/tls/tls_context.h"
#include "proxy/runtime_config.h"

#include "conf/config_loader.h"

namespace sportello::proxy {
namespace {

tls::TlsOptions tls_options(const conf::TlsSettings& settings, conf::SslMode mode) {
  return {.mode = static_cast<tls::SslMode>(mode),
          .min_protocol = settings.min_protocol,
          .ciphers = settings.ciphers,
          .tls13_ciphers = settings.tls13_ciphers,
          .ca_file = settings.ca_file,
          .crl_file = settings.crl_file,
          .cert_file = settings.cert_file,
          .key_file = settings.key_file};
}

static_assert(static_cast<int>(tls::SslMode::VerifyFull) == static_cast<int>(conf::SslMode::VerifyFull));

void load_tls(RuntimeConfig& config, std::vector<std::string>& errors) {
  const conf::Config& conf = config.conf;
  if (conf.client_tls.sslmode != conf::SslMode::Disable) {
    auto context = tls::TlsContext::for_clients(tls_options(conf.client_tls, conf.client_tls.sslmode));
    if (context.ok()) {
      config.client_tls = *context;
    } else {
      errors.push_back("client_tls: " + context.error().message);
    }
  }
  const auto add_mode = [&](conf::SslMode mode) {
    if (mode == conf::SslMode::Disable || config.server_tls.contains(mode)) {
      return;
    }
    auto context = tls::TlsContext::for_servers(tls_options(conf.server_tls, mode));
    if (context.ok()) {
      config.server_tls[mode] = *context;
    } else {
      errors.push_back("server_tls: " + context.error().message);
    }
  };
  add_mode(conf.server_tls.sslmode);
  for (const auto& [name, database] : conf.databases) {
    add_mode(database.primary.sslmode.value_or(conf.server_tls.sslmode));
  }
}

}  // namespace

RuntimeConfigLoad load_runtime_config(const std::string& path) {
  RuntimeConfigLoad load;
  conf::ConfigLoad loaded = conf::load_config(path);
  for (const conf::Diagnostic& diagnostic : loaded.diagnostics) {
    load.problems.push_back(diagnostic.to_string());
  }
  if (!loaded.config) {
    return load;
  }
  auto config = std::make_shared<RuntimeConfig>();
  config->conf = std::move(*loaded.config);
  config->path = path;
  std::vector<std::string> errors;
  load_tls(*config, errors);
  for (const std::string& error : errors) {
    load.problems.push_back(path + ": " + error);
  }
  if (errors.empty()) {
    load.config = std::move(config);
  }
  return load;
}

}  // namespace sportello::proxy
