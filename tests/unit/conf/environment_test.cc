#include "conf/environment.h"

#include <gtest/gtest.h>

namespace sportello::conf {
namespace {

std::optional<std::string> environment(const std::string& name) {
  if (name == "NAME") return "value";
  if (name == "NESTED") return "${NAME}$$";
  return std::nullopt;
}

TEST(Environment, VariablesAreReplacedAndLooseDollarsStay) {
  const std::pair<const char*, const char*> kCases[] = {{"", ""},
                                                        {"plain", "plain"},
                                                        {"a${NAME}b", "avalueb"},
                                                        {"${NAME}${NAME}", "valuevalue"},
                                                        {"city = $1", "city = $1"},
                                                        {"$$", "$"},
                                                        {"$${NAME}", "${NAME}"},
                                                        {"100$", "100$"},
                                                        {"${NESTED}", "${NAME}$$"}};
  for (const auto& [written, expected] : kCases) {
    const Expanded result = expand(written, environment);
    EXPECT_EQ(result.problem, "") << written;
    EXPECT_EQ(result.text, expected) << written;
  }
}

TEST(Environment, AMissingVariableIsAnErrorAndNeverAnEmptyText) {
  const Expanded result = expand("abc${MISSING}", environment);
  EXPECT_EQ(result.problem, "the environment variable MISSING is not set");
  EXPECT_EQ(result.problem_offset, 3U);
}

TEST(Environment, WhatIsNoNameIsRefused) {
  for (const char* written : {"${", "${}", "${NAME", "${1}", "${A B}", "${a-b}"})
    EXPECT_NE(expand(written, environment).problem, "") << written;
}

}  // namespace
}  // namespace sportello::conf
