#include "conf/config_loader.h"
#include "conf/setting_change.h"
#include "conf/userlist.h"
#include "protocol/sqlstate.h"
#include "protocol/tls/tls_context.h"
#include "proxy/pool/node_plan.h"
#include "proxy/runtime_config.h"

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
    for (const conf::ServerAddress& server : servers_of(database)) {
      add_mode(server.sslmode.value_or(conf.server_tls.sslmode));
    }
  }
}

// What a file named in the configuration says, or the problems with it.
template <typename Diagnostics>
bool tell(const Diagnostics& diagnostics, std::vector<std::string>& problems) {
  for (const conf::Diagnostic& diagnostic : diagnostics) {
    problems.push_back(diagnostic.to_string());
  }
  return !conf::has_errors(diagnostics);
}

bool load_files(RuntimeConfig& config, std::vector<std::string>& problems) {
  const conf::Config& conf = config.conf;
  bool good = true;
  if (!conf.auth_file.empty()) {
    conf::Userlist userlist = conf::load_userlist(conf.auth_file);
    good = tell(userlist.diagnostics, problems) && good;
    config.secrets = std::move(userlist.secrets);
  }
  if (!conf.auth_hba_file.empty()) {
    conf::HbaLoad hba = conf::load_hba(conf.auth_hba_file);
    good = tell(hba.diagnostics, problems) && good;
    config.hba = std::move(hba.hba);
  }
  if (!conf.auth_ident_file.empty()) {
    conf::IdentMapsLoad maps = conf::load_ident_maps(conf.auth_ident_file);
    good = tell(maps.diagnostics, problems) && good;
    config.ident_maps = std::move(maps.maps).value_or(conf::IdentMaps());
  }
  return good;
}

Error refusal(const std::string& name, const conf::SettingChange& change) {
  const std::string quoted = '"' + name + '"';
  switch (change.verdict) {
    case conf::SettingChange::Verdict::Unknown:
      return {sqlstate::kUndefinedObject, "unrecognized setting " + quoted, change.problem,
              "SHOW CONFIG lists the settings."};
    case conf::SettingChange::Verdict::Fixed:
      return {sqlstate::kCantChangeRuntimeParam, "setting " + quoted + " cannot be changed here",
              change.problem, "Change it in the configuration file."};
    case conf::SettingChange::Verdict::Invalid:
    case conf::SettingChange::Verdict::Changed:
      break;
  }
  return {sqlstate::kInvalidParameterValue, "invalid value for setting " + quoted, change.problem};
}

}  // namespace

RuntimeConfigLoad load_runtime_config(const std::string& path) {
  RuntimeConfigLoad load;
  conf::ConfigLoad loaded = conf::load_config(path);
  tell(loaded.diagnostics, load.problems);
  if (!loaded.config) {
    return load;
  }
  auto config = std::make_shared<RuntimeConfig>();
  config->conf = std::move(*loaded.config);
  config->path = path;
  std::vector<std::string> errors;
  const bool files_good = load_files(*config, load.problems);
  load_tls(*config, errors);
  for (const std::string& error : errors) {
    load.problems.push_back(std::string(path).append(": error: ").append(error));
  }
  if (config->conf.cache.max_memory > 0 && !config->conf.cache.rules.empty()) {
    config->cache_rules = std::make_shared<const cache::CacheRules>(config->conf.cache);
    for (const std::string& problem : config->cache_rules->problems()) {
      load.problems.push_back(std::string(path).append(": warning: ").append(problem));
    }
  }
  if (files_good && errors.empty()) {
    load.config = std::move(config);
  }
  return load;
}

Result<RuntimeConfigRef> with_setting(const RuntimeConfig& running, const std::string& name,
                                      const std::string& value) {
  conf::SettingChange change = conf::change_setting(running.conf, name, value);
  if (!change.config) {
    return refusal(name, change);
  }
  auto config = std::make_shared<RuntimeConfig>(running);
  config->conf = *std::move(change.config);
  config->client_tls.reset();
  config->server_tls.clear();
  std::vector<std::string> errors;
  load_tls(*config, errors);
  if (!errors.empty()) {
    return Error{sqlstate::kInvalidParameterValue, "invalid value for setting \"" + name + "\"",
                 errors.front()};
  }
  return RuntimeConfigRef(std::move(config));
}

}  // namespace sportello::proxy
