#include "proxy/router/node_roles.h"

#include <gtest/gtest.h>

namespace sportello::proxy {
namespace {

const NodeFinding kSilent{};
NodeFinding primary(uint32_t timeline, std::string instance = "") {
  return {true, false, timeline, std::move(instance)};
}
NodeFinding replica(uint32_t timeline, std::string instance = "") {
  return {true, true, timeline, std::move(instance)};
}

TEST(NodeRoles, ThePrimaryStaysIt) {
  const NodeRoles found = decide_roles(std::vector{primary(1), replica(1)}, {1});
  EXPECT_EQ(found.primary, 0U);
  EXPECT_EQ(found.roles, (std::vector{NodeRole::Primary, NodeRole::Replica}));
}

TEST(NodeRoles, APromotedReplicaTakesThePlaceOfASilentPrimary) {
  const NodeRoles found = decide_roles(std::vector{kSilent, replica(1), primary(2)}, {1});
  EXPECT_EQ(found.primary, 2U);
  EXPECT_EQ(found.roles[0], NodeRole::Unknown);
}

TEST(NodeRoles, OfTwoPrimariesTheNewerTimelineWins) {
  const NodeRoles found = decide_roles(std::vector{primary(1), primary(2)}, {1});
  EXPECT_EQ(found.primary, 1U);
  EXPECT_EQ(found.roles, (std::vector{NodeRole::SecondPrimary, NodeRole::Primary}));
}

TEST(NodeRoles, OfTwoPrimariesOfOneTimelineTheOneUntilNowStays) {
  const NodeRoles found = decide_roles(std::vector{primary(3), primary(3)}, {3});
  EXPECT_EQ(found.primary, 0U);
  EXPECT_EQ(found.roles[1], NodeRole::SecondPrimary);
}

TEST(NodeRoles, AnOldPrimaryThatComesBackIsNotWrittenTo) {
  // The new one is silent for a moment.
  const NodeRoles found = decide_roles(std::vector{kSilent, primary(1)}, {2});
  EXPECT_EQ(found.primary, 0U);
  EXPECT_EQ(found.roles[1], NodeRole::SecondPrimary);
}

TEST(NodeRoles, AnotherPrimaryOfTheSameTimelineDoesNotTakeOverFromASilentOne) {
  EXPECT_EQ(decide_roles(std::vector{kSilent, primary(1)}, {1}).primary, 0U);
}

TEST(NodeRoles, WhoIsInRecoveryIsAReplicaWhateverTheConfigurationSays) {
  const NodeRoles found = decide_roles(std::vector{replica(1), replica(1)}, {0});
  EXPECT_EQ(found.primary, 0U);
  EXPECT_EQ(found.roles[0], NodeRole::Replica);
  EXPECT_EQ(decide_roles(std::vector{replica(1), primary(1)}, {0}).primary, 1U);
}

TEST(NodeRoles, AnAddressMoreOfAServerIsAnAlias) {
  const NodeRoles found =
      decide_roles(std::vector{primary(1, "a"), primary(1, "a"), replica(1, "b"), replica(1, "b")}, {1, "a"});
  EXPECT_EQ(found.primary, 0U);
  EXPECT_EQ(found.roles,
            (std::vector{NodeRole::Primary, NodeRole::Alias, NodeRole::Replica, NodeRole::Alias}));
}

TEST(NodeRoles, ThePrimaryMayAnswerByAnotherAddressThanBefore) {
  const NodeRoles found =
      decide_roles(std::vector{kSilent, primary(1, "b"), primary(1, "a"), primary(1, "a")}, {1, "a"});
  EXPECT_EQ(found.primary, 2U);
  EXPECT_EQ(found.roles,
            (std::vector{NodeRole::Unknown, NodeRole::SecondPrimary, NodeRole::Primary, NodeRole::Alias}));
}

TEST(NodeRoles, WhoseInstanceIsNotKnownIsNobodysAlias) {
  EXPECT_EQ(decide_roles(std::vector{primary(1), replica(1)}, {1}).roles[1], NodeRole::Replica);
}

}  // namespace
}  // namespace sportello::proxy
