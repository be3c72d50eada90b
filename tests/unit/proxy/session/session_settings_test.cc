#include "proxy/session/session_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/proxy/support/memory_link.h"

namespace sportello::proxy {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(SessionSettings, EqualValuesAreOneObject) {
  EXPECT_EQ(intern_settings(plain_settings()), intern_settings(plain_settings()));
  SettingsValues values = plain_settings();
  values.startup = {{"a", "b"}};
  EXPECT_NE(intern_settings(values), intern_settings(plain_settings()));
  EXPECT_NE(intern_settings(values)->startup_id, 0U);
  EXPECT_EQ(intern_settings(plain_settings())->startup_id, 0U);
}

TEST(SessionSettings, ValuesAreNotConfusedByWhereTheyEnd) {
  SettingsValues one = plain_settings();
  SettingsValues two = plain_settings();
  one.startup = {{"a", "bc"}};
  two.startup = {{"ab", "c"}};
  EXPECT_NE(intern_settings(one), intern_settings(two));
}

TEST(SessionSettings, OneTrackedValueCanBeChanged) {
  const Settings before = intern_settings(plain_settings());
  const Settings after = with_tracked(before, Tracked::TimeZone, "Asia/Tokyo");
  EXPECT_EQ((*after)[Tracked::TimeZone], "Asia/Tokyo");
  EXPECT_EQ((*before)[Tracked::TimeZone], "UTC");
  EXPECT_EQ(with_tracked(after, Tracked::TimeZone, "UTC"), before);
}

TEST(SessionSettings, WhatChangesResultsHasANumberOfItsOwnAsLongAsNobodyHasTheValues) {
  SettingsValues values;
  values.tracked[static_cast<size_t>(Tracked::DateStyle)] = "ISO, MDY";
  values.startup = {{"search_path", "a"}};
  const uint64_t id = intern_settings(values)->results_id;
  EXPECT_EQ(intern_settings(values)->results_id, id) << "nobody held them in between";

  SettingsValues named = values;
  named.tracked[static_cast<size_t>(Tracked::ApplicationName)] = "portal";
  EXPECT_EQ(intern_settings(named)->results_id, id) << "it is in the key by itself";

  SettingsValues other = values;
  other.startup = {{"search_path", "b"}};
  const uint64_t other_id = intern_settings(other)->results_id;
  EXPECT_NE(other_id, id);
  other.tracked[static_cast<size_t>(Tracked::DateStyle)] = "SQL, DMY";
  EXPECT_NE(intern_settings(other)->results_id, other_id);
}

TEST(SessionSettings, NumbersOfResultsAreNeverGivenTwice) {
  constexpr int kMoreThanAreKnown = 10'100;
  std::set<uint64_t> ids;
  SettingsValues values;
  for (int i = 0; i < kMoreThanAreKnown; i++) {
    values.startup = {{"app.number", std::to_string(i)}};
    ids.insert(intern_settings(values)->results_id);
  }
  EXPECT_EQ(ids.size(), static_cast<size_t>(kMoreThanAreKnown));
}

TEST(SessionSettings, NamesAreFoundInAnyCase) {
  EXPECT_EQ(find_tracked("timezone"), Tracked::TimeZone);
  EXPECT_EQ(find_tracked("DATESTYLE"), Tracked::DateStyle);
  EXPECT_EQ(find_tracked("work_mem"), std::nullopt);
  EXPECT_EQ(find_tracked(""), std::nullopt);
}

struct ExtraParameters : ::testing::Test {
  ~ExtraParameters() override { track_extra_parameters({}); }
};

TEST_F(ExtraParameters, AreTrackedBehindTheOthers) {
  EXPECT_THAT(track_extra_parameters({"IntervalStyle", "search_path", ""}), ::testing::IsEmpty());
  EXPECT_EQ(tracked_count(), kTrackedCount + 1);
  EXPECT_EQ(find_tracked("SEARCH_PATH"), static_cast<Tracked>(kTrackedCount));
  EXPECT_EQ(tracked_name(kTrackedCount), "search_path");
}

TEST_F(ExtraParameters, ThoseBeyondTheBoundAreGivenBack) {
  std::vector<std::string> names;
  for (size_t i = 0; i <= kMostExtraTracked; i++) {
    names.push_back("app.p" + std::to_string(i));
  }
  EXPECT_THAT(track_extra_parameters(names), ElementsAre("app.p8"));
  EXPECT_EQ(tracked_count(), kTrackedSlots);
}

TEST_F(ExtraParameters, AreGivenToALinkAsTheListsThatTheyMayBe) {
  track_extra_parameters({"search_path"});
  SettingsValues to = plain_settings();
  to.tracked[kTrackedCount] = "\"$user\", public";
  EXPECT_EQ(settings_switch(plain_settings(), to),
            "SELECT pg_catalog.set_config(E'search_path', E'\"$user\", public', false);");
}

TEST(SessionSettings, SwitchSetsOnlyWhatDiffers) {
  SettingsValues to = plain_settings();
  EXPECT_EQ(settings_switch(plain_settings(), to), "");
  to.tracked[static_cast<size_t>(Tracked::TimeZone)] = "Europe/Rome";
  EXPECT_EQ(settings_switch(plain_settings(), to), "SET \"TimeZone\" = E'Europe/Rome';");
}

TEST(SessionSettings, SwitchEmptiesTheApplicationNameOnly) {
  SettingsValues from = plain_settings();
  for (std::string& value : from.tracked) {
    value = "x";
  }
  EXPECT_EQ(settings_switch(from, SettingsValues{}), "SET \"application_name\" = E'';")
      << "what a session does not know of it does not set";
}

TEST(SessionSettings, HostileNamesAndValuesStayNamesAndValues) {  // S14
  SettingsValues to = plain_settings();
  to.tracked[static_cast<size_t>(Tracked::ApplicationName)] = "'; DROP TABLE t; --\\";
  to.startup = {{"a\"; DROP TABLE t; --.b", "\\'"}};
  EXPECT_EQ(settings_switch(plain_settings(), to),
            "SELECT pg_catalog.set_config(E'a\"; DROP TABLE t; --.b', E'\\\\''', false);"
            "SET \"application_name\" = E'''; DROP TABLE t; --\\\\';");
}

TEST(SessionSettings, StartupSettingsOfTheOneBeforeAreReset) {
  SettingsValues from = plain_settings();
  from.startup = {{"search_path", "a"}, {"work_mem", "1MB"}};
  SettingsValues to = plain_settings();
  to.startup = {{"Search_Path", "b"}};
  EXPECT_EQ(settings_switch(from, to),
            "RESET \"work_mem\";SELECT pg_catalog.set_config(E'Search_Path', E'b', false);");
}

TEST(SessionSettings, StartupSettingsAreComparedInAnyOrder) {
  SettingsValues one = plain_settings();
  SettingsValues two = plain_settings();
  one.startup = {{"a", "1"}, {"b", "2"}};
  two.startup = {{"b", "2"}, {"a", "1"}};
  EXPECT_EQ(intern_settings(one), intern_settings(two));
  const Settings with = with_startup(intern_settings(one), "A", "3");
  EXPECT_EQ(*find_startup(with->startup, "a"), "3");
  EXPECT_EQ(with->startup.size(), 2U);
  EXPECT_EQ(without_startup(without_startup(with, "a"), "B"), intern_settings(plain_settings()));
}

TEST(SessionSettings, OnlyPlainValuesAreCarriedFromLinkToLink) {
  EXPECT_TRUE(is_portable_setting("work_mem", "64MB"));
  EXPECT_TRUE(is_portable_setting("extra_float_digits", "3"));
  EXPECT_TRUE(is_portable_setting("search_path", "tenant"));
  EXPECT_FALSE(is_portable_setting("search_path", "tenant, public"));
  EXPECT_FALSE(is_portable_setting("search_path", "Tenant"));
  EXPECT_FALSE(is_portable_setting("search_path", ""));
  EXPECT_FALSE(is_portable_setting("search_path", "pg_temp"));
  EXPECT_FALSE(is_portable_setting("app.x", "it's"));
  EXPECT_FALSE(is_portable_setting("", "x"));
}

TEST(SessionSettings, OptionsAreReadAsPostgreSqlReadsThem) {
  EXPECT_THAT(*parse_startup_options("-c a=1 -cb=2  --c-d=3\t-c e=x\\ y\\\\"),
              ElementsAre(Pair("a", "1"), Pair("b", "2"), Pair("c_d", "3"), Pair("e", "x y\\")));
  EXPECT_TRUE(parse_startup_options("")->empty());
  EXPECT_THAT(*parse_startup_options("-c a="), ElementsAre(Pair("a", "")));
}

TEST(SessionSettings, OptionsThatAreNoSettingsAreNotTaken) {
  for (const char* options : {"-c", "-c a", "-c =1", "-B 5", "a=1", "-e", "--a", "-", "-c a=1 stray"}) {
    EXPECT_EQ(parse_startup_options(options), std::nullopt) << options;
  }
}

TEST(SessionSettings, ApplicationNamesAreCutAndCleaned) {
  EXPECT_EQ(clean_application_name("till"), "till");
  EXPECT_EQ(clean_application_name("a\n\x1b\xc3\xa9"), "a????");
  EXPECT_EQ(clean_application_name(std::string(100, 'x')).size(), 63U);
}

}  // namespace
}  // namespace sportello::proxy
