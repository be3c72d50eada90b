// packaging/sportello.toml against the loader: it loads as it is, it names every setting, and what it says
// of defaults is true.
#include <gtest/gtest.h>

#include "conf/config_loader.h"
#include "conf/setting_table.h"
#include "tests/support/memory_files.h"

namespace sportello::conf {
namespace {

std::string sample() { return read_text_file(SPORTELLO_SAMPLE).text; }

// #key = value and #[section] are settings, "# …" is prose.
std::string with_comments_as_settings(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.size() > 1 && line[0] == '#' && line[1] != ' ') line.remove_prefix(1);
    result += std::string(line) + '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

ConfigLoad load(const std::string& text) {
  const testing_support::MemoryFiles files = {
      {"/s.toml", text}, {"/userlist.txt", ""}, {"/portal.password", "x"}};
  return load_config("/s.toml", {files.reader(), process_environment});
}

TEST(Sample, LoadsAsItIsWithDefaults) {
  const ConfigLoad result = load(sample());
  for (const Diagnostic& diagnostic : result.diagnostics) ADD_FAILURE() << diagnostic.to_string();
  ASSERT_TRUE(result.config);
  Config expected;
  expected.auth_file = "/userlist.txt";
  expected.admin_users = {"postgres"};
  expected.databases["portal"].primary = {.host = "127.0.0.1", .port = 5432, .dbname = "portal"};
  EXPECT_EQ(*result.config, expected);
}

TEST(Sample, WhatItGivesAsDefaultIsTheDefault) {
  const ConfigLoad result = load(with_comments_as_settings(sample()));
  for (const Diagnostic& diagnostic : result.diagnostics) {
    EXPECT_EQ(diagnostic.severity, Diagnostic::Severity::Warning) << diagnostic.to_string();
  }
  ASSERT_TRUE(result.config);
  for (const SettingView& view : describe(*result.config)) {
    if (view.name == "auth_file" || view.name == "admin_users") continue;
    EXPECT_EQ(view.value, view.default_value) << view.name;
  }
}

TEST(Sample, NamesEverySetting) {
  const std::string text = "\n" + with_comments_as_settings(sample());
  const auto expect_named = [&](std::string_view key) {
    EXPECT_NE(text.find("\n" + std::string(key) + " = "), std::string::npos) << key;
  };
  for (const auto& setting : general_settings()) expect_named(setting.key);
  for (const auto& setting : database_settings()) expect_named(setting.key);
  for (const auto& setting : user_settings()) expect_named(setting.key);
  for (const auto& setting : cache_settings()) expect_named(setting.key);
  for (const auto& setting : rule_settings()) expect_named(setting.key);
  for (const char* key : {"include", "primary", "replicas", "password_file"}) expect_named(key);
}

}  // namespace
}  // namespace sportello::conf
