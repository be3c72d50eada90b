// A database's catalog as the proxy keeps it, for tests in other languages: catalog_of "host=… port=…
// dbname=… user=…". It is watched from the start; each line on standard input is answered by a JSON object on
// one line.
//
//   state                     is it known, which version, how many relations
//   ddl                       what the proxy does when DDL goes through it; then as state
//   SEARCH_PATH <tab> SQL     what the statement reads and writes, for the user alice without temporary
//   tables
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <iostream>
#include <sstream>
#include <string>
#include <thread>

#include "cache/resolve.h"
#include "cache/search_path.h"
#include "protocol/sql/statement_parser.h"
#include "proxy/control/catalog_source.h"
#include "proxy/log.h"

namespace {

using namespace sportello;
using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

void put(Writer& out, const char* name, bool value) {
  out.Key(name);
  out.Bool(value);
}

void put(Writer& out, const char* name, const std::vector<std::string>& texts) {
  out.Key(name);
  out.StartArray();
  for (const std::string& text : texts) {
    out.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  }
  out.EndArray();
}

proxy::OwnLogin login_of(const std::string& conninfo) {
  proxy::OwnLogin login;
  login.name = conninfo;
  login.keywords = {{"options", "-c search_path=pg_catalog -c statement_timeout=10000"}};
  std::istringstream words(conninfo);
  for (std::string word; words >> word;) {
    login.keywords.emplace_back(word.substr(0, word.find('=')), word.substr(word.find('=') + 1));
  }
  return login;
}

std::vector<std::string> names_of(const cache::Catalog& catalog, const std::vector<cache::Oid>& oids) {
  std::vector<std::string> names;
  for (const cache::Oid oid : oids) {
    names.push_back(catalog.name_of(oid));
  }
  return names;
}

void put_state(Writer& out, const cache::CatalogRef& catalog) {
  put(out, "loaded", catalog != nullptr);
  out.Key("version");
  out.String(std::to_string(catalog != nullptr ? catalog->version() : 0).c_str());
  out.Key("relations");
  out.Uint64(catalog != nullptr ? catalog->size() : 0);
}

void put_resolved(Writer& out, const cache::Catalog& catalog, const std::string& setting,
                  const std::string& text) {
  std::string scratch;
  const sql::StatementFacts facts = sql::parse_statement(text, sql::measure_shape(text, true, scratch));
  const auto path = cache::effective_search_path(setting, "alice");
  const cache::ResolvedFacts resolved =
      cache::resolve(catalog, facts, {path.value(), /*may_have_temporary=*/false});
  put(out, "known", resolved.known);
  put(out, "reads_unknown", resolved.reads_unknown);
  put(out, "writes_unknown", resolved.writes_unknown);
  put(out, "reads", names_of(catalog, resolved.reads));
  put(out, "writes", names_of(catalog, resolved.writes));
  put(out, "volatile", resolved.volatile_functions);
  put(out, "stable", resolved.stable_functions);
  put(out, "user_dependent", resolved.user_dependent);
  put(out, "sample", resolved.table_sample);
  put(out, "system_columns", resolved.system_columns);
  put(out, "row_security", resolved.row_security);
  put(out, "temporary", resolved.temporary);
  put(out, "unlogged", resolved.unlogged);
  put(out, "foreign", resolved.foreign);
  put(out, "catalog", resolved.catalog);
  put(out, "materialized", resolved.materialized);
  put(out, "reasons", resolved.reasons);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: catalog_of CONNINFO\n";
    return 2;
  }
  proxy::configure_log({});  // to stderr
  proxy::EventLoop loop;
  cache::CatalogSlot slot;
  std::atomic<uint64_t> ddl_epoch{0};
  std::thread control([&, conninfo = std::string(argv[1])] {
    proxy::CatalogSource source(loop, login_of(conninfo), std::chrono::milliseconds(500), slot, ddl_epoch);
    std::function<void()> tick = [&] { source.tick(); };
    const auto timer = loop.every(proxy::CatalogSource::kTick, &tick);
    loop.run();
  });
  cache::CatalogReader reader;
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "ddl") {
      ddl_epoch.fetch_add(1);
    }
    const cache::CatalogRef catalog = reader.current(slot, ddl_epoch.load());
    rapidjson::StringBuffer buffer;
    Writer out(buffer);
    out.StartObject();
    put_state(out, catalog);
    if (const size_t tab = line.find('\t'); tab != std::string::npos && catalog != nullptr) {
      put_resolved(out, *catalog, line.substr(0, tab), line.substr(tab + 1));
    }
    out.EndObject();
    std::cout << buffer.GetString() << std::endl;
  }
  loop.post([&] { loop.stop(); });
  control.join();
}
