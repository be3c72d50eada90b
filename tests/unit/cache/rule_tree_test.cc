#include "cache/rule_tree.h"

#include <gtest/gtest.h>

#include <string>

namespace sportello::cache {
namespace {

using Oids = std::vector<Oid>;

TEST(RuleTree, NamesRelationsAndFunctionsOnceEach) {
  const RuleTree tree = read_rule_tree(
      "({QUERY :commandType 1 :rtable ({RTE :rtekind 0 :relid 16385 :relkind r} {RTE :relid 1259 :relkind r} "
      "{RTE :rtekind 1 :relid 16385}) :targetList ({FUNCEXPR :funcid 871 :args <>} {OPEXPR :opno 96 "
      ":opfuncid 65}"
      " {AGGREF :aggfnoid 2803} {WINDOWFUNC :winfnoid 3100} {OPEXPR :opfuncid 0} {FUNCEXPR :funcid 871)})");
  EXPECT_EQ(tree.relations, (Oids{1259, 16385}));
  EXPECT_EQ(tree.functions, (Oids{65, 871, 2803, 3100}));
  EXPECT_FALSE(tree.depends_on_time || tree.depends_on_user || tree.samples || tree.locks_rows ||
               tree.has_system_columns);
}

TEST(RuleTree, TheLastValueOfANodeMayTouchItsEnd) {
  EXPECT_EQ(read_rule_tree("({RTE :relid 16385})").relations, (Oids{16385}));
  EXPECT_EQ(read_rule_tree("{RTE\n   :relid\n   16385}").relations, (Oids{16385}));
}

TEST(RuleTree, ANameThatLooksLikeAMemberHidesNothing) {
  EXPECT_EQ(read_rule_tree("{ALIAS :aliasname :relid :colnames <>} {RTE :relid 7}").relations, (Oids{7}));
  EXPECT_EQ(read_rule_tree("{ALIAS :aliasname x\\ :relid\\ 9} {RTE :relid 7}").relations, (Oids{7}));
}

TEST(RuleTree, SaysWhatAnAnswerHangsOn) {
  EXPECT_TRUE(read_rule_tree("{SQLVALUEFUNCTION :op 3 :type 1184}").depends_on_time);
  EXPECT_FALSE(read_rule_tree("{SQLVALUEFUNCTION :op 3 :type 1184}").depends_on_user);
  EXPECT_TRUE(read_rule_tree("{SQLVALUEFUNCTION :op 10 :type 19}").depends_on_user);
  EXPECT_TRUE(read_rule_tree("{COERCEVIAIO :arg {VAR :varattno 1} :resulttype 1184}").depends_on_time);
  EXPECT_FALSE(read_rule_tree("{COERCEVIAIO :arg {VAR :varattno 1} :resulttype 25}").depends_on_time);
  EXPECT_FALSE(read_rule_tree("{RELABELTYPE :arg {COERCEVIAIO :a \\}} :resulttype 1184}").depends_on_time);
  EXPECT_TRUE(read_rule_tree("({TABLESAMPLECLAUSE :tsmhandler 3313})").samples);
  EXPECT_TRUE(read_rule_tree("({ROWMARKCLAUSE :rti 1})").locks_rows);
  EXPECT_TRUE(read_rule_tree("{VAR :varno 1 :varattno -1}").has_system_columns);
}

TEST(RuleTree, EndsWhereverTheTextEnds) {
  const std::string text = "({RTE :relid 16385 :name a\\ b} {FUNCEXPR :funcid 871})";
  for (size_t length = 0; length <= text.size(); ++length) {
    read_rule_tree(std::string_view(text).substr(0, length));
  }
  EXPECT_TRUE(read_rule_tree("\\").relations.empty());
}

}  // namespace
}  // namespace sportello::cache
