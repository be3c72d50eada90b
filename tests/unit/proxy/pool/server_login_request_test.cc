// With which startup parameters a link for replication is opened.
#include "proxy/pool/server_login_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sportello::proxy {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(ServerLoginRequest, AReplicationClientsOwnParametersReplaceTheConfigured) {
  ServerLoginRequest request;
  request.parameters = {{"application_name", "proxy"}, {"timezone", "UTC"}};
  add_client_parameters(request, {{"replication", "true"}, {"TimeZone", "Europe/Rome"}});
  EXPECT_THAT(request.parameters, ElementsAre(Pair("application_name", "proxy"),
                                              Pair("timezone", "Europe/Rome"), Pair("replication", "true")));
}

TEST(ServerLoginRequest, BothOptionsCountAndTheClientsLast) {
  ServerLoginRequest request;
  request.parameters = {{"options", "-c work_mem=1MB"}};
  add_client_parameters(request, {{"options", "-c work_mem=2MB"}});
  EXPECT_THAT(request.parameters, ElementsAre(Pair("options", "-c work_mem=1MB -c work_mem=2MB")));
}

}  // namespace
}  // namespace sportello::proxy
