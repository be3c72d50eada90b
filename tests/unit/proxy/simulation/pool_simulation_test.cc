// Many sessions, few links, a model server at the end of each; bytes move in random pieces and in random
// order, and links may die. What every client sees is held against what a server of its own would have
// answered to the same bytes (model_server.h): so no session sees another's rows, answers come in order,
// statements are always the client's own text, and each runs with the session's settings. A failure prints
// its seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "proxy/pool/own_query.h"
#include "tests/unit/proxy/support/memory_link.h"
#include "tests/unit/proxy/support/messages.h"
#include "tests/unit/proxy/support/model_server.h"

namespace sportello::proxy {
namespace {

constexpr size_t kClients = 8;
constexpr size_t kLinks = 3;
constexpr int kBursts = 25;  // of each client

const ModelServer::Values kServerDefaults = {
    {"TimeZone", "UTC"}, {"application_name", ""}, {"app.tenant", ""}};

struct SimulatedLink {
  LinkState state = memory_link();
  std::unique_ptr<ModelServer> server = std::make_unique<ModelServer>(kServerDefaults);
  std::string to_server;
  std::string from_server;
  std::string untaken;
  struct SimulatedClient* owner = nullptr;
};

struct SimulatedClient {
  size_t number = 0;
  ModelServer::Values login;
  std::unique_ptr<ClientSession> session;
  std::unique_ptr<ModelServer> own;  // what answers `expected`
  SimulatedLink* link = nullptr;
  std::optional<Replay> again;
  bool waits = false;
  bool disturbed = false;  // a link died under it: `own` is no measure any more until the next login
  int bursts = 0;
  std::string unsent;
  std::string untaken;
  std::string seen;
  std::string expected;
  size_t ready_owed = 0;  // ReadyForQuerys since login
  std::vector<std::string> names;
  bool in_block = false;
  int texts = 0;
};

// One line a message, without what may rightly differ: reports of parameters and the words of errors.
Trace comparable(const std::string& bytes) {
  WireTracer tracer;
  Trace lines = tracer.backend(bytes);
  std::erase_if(lines, [](const std::string& line) { return line.starts_with("ParameterStatus"); });
  for (std::string& line : lines) {
    if (line.starts_with("ERROR")) {
      line.resize(11);
    }
  }
  // A statement sent ahead of the failure of its Parse is refused in a failed block, for either reason.
  for (size_t i = 0; i + 1 < lines.size(); i++) {
    if (lines[i] == "ERROR 26000" && lines[i + 1] == "ReadyForQuery E") {
      lines[i] = "ERROR 25P02";
    }
  }
  return lines;
}

class Simulation {
 public:
  Simulation(uint32_t seed, bool links_die)
      : random_(seed), links_die_(links_die), links_(kLinks), clients_(kClients) {
    worker_.context.max_prepared_statements = 4;
    for (size_t i = 0; i < kClients; i++) {
      clients_[i].number = i;
      log_in(clients_[i]);
    }
  }

  // Until every client has had all its answers; a failure if that does not come about.
  void run() {
    for (int step = 0; step < 400'000 && !::testing::Test::HasFailure(); step++) {
      bool all_done = true;
      for (const SimulatedClient& client : clients_) {
        all_done = all_done && client.bursts == kBursts && is_quiet(client);
      }
      if (all_done) {
        return;
      }
      move(step);
    }
    if (!::testing::Test::HasFailure()) {
      for (const SimulatedClient& client : clients_) {
        EXPECT_TRUE(is_quiet(client)) << "client " << client.number << " hangs; it has seen "
                                      << ::testing::PrintToString(comparable(client.seen));
      }
      ADD_FAILURE() << "not finished";
    }
  }

 private:
  size_t pick(size_t n) { return random_() % n; }

  void log_in(SimulatedClient& client) {
    client.login = kServerDefaults;
    client.login["application_name"] = "client" + std::to_string(client.number);
    client.login["TimeZone"] = client.number % 3 == 0 ? "UTC" : "Zone/" + std::to_string(client.number % 3);
    SettingsValues values = plain_settings();
    values.tracked[static_cast<size_t>(Tracked::TimeZone)] = client.login["TimeZone"];
    values.tracked[static_cast<size_t>(Tracked::ApplicationName)] = client.login["application_name"];
    if (client.number % 2 == 1) {
      client.login["app.tenant"] = "tenant" + std::to_string(client.number);
      values.startup = {{"app.tenant", client.login["app.tenant"]}};
    }
    client.session = std::make_unique<ClientSession>(worker_.context, worker_.scope, 1);
    client.session->begin(intern_settings(values));
    if (client.number % 2 == 0) {
      client.session->defer_begin();
    }
    client.own = std::make_unique<ModelServer>(client.login);
    client.waits = client.disturbed = client.in_block = false;
    client.again.reset();
    client.unsent.clear();
    client.untaken.clear();
    client.seen.clear();
    client.expected.clear();
    client.ready_owed = 0;
    client.names.clear();
  }

  static size_t ready_seen(const SimulatedClient& client) {
    const Trace lines = comparable(client.seen);
    return static_cast<size_t>(std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
      return line.starts_with("ReadyForQuery");
    }));
  }
  static bool is_quiet(const SimulatedClient& client) {
    return client.unsent.empty() && client.untaken.empty() && !client.again &&
           ready_seen(client) == client.ready_owed;
  }

  std::string own_text(SimulatedClient& client) {
    // Few texts of each, so that they are prepared again and become hot; some are all clients'.
    return pick(3) == 0
               ? "SELECT 'everybody " + std::to_string(pick(3)) + "'"
               : "SELECT 'canary " + std::to_string(client.number) + " " + std::to_string(pick(4)) + "'";
  }

  void say(SimulatedClient& client, const std::string& bytes, bool asks_ready) {
    client.unsent += bytes;
    client.ready_owed += asks_ready ? 1 : 0;
  }

  // What a client sends at once; it waits for all answers before the next.
  void next_burst(SimulatedClient& client) {
    client.bursts++;
    if (client.disturbed || client.bursts == kBursts) {
      say(client, client::query("ROLLBACK"), true);
      client.in_block = false;
      return;
    }
    const size_t batches = 1 + pick(3);
    for (size_t i = 0; i < batches; i++) {
      if (!next_batch(client)) {
        return;
      }
    }
  }

  // Now and then the client goes on only when it has seen what it flushed for.
  void flushed(SimulatedClient& client) {
    if (pick(2) == 0) {
      return;
    }
    for (int step = 0; step < 5000 && !(client.unsent.empty() && client.untaken.empty() && !client.waits &&
                                        client.seen.size() >= client.expected.size());
         step++) {
      move_bytes(step);
    }
  }

  // False: whatever comes next must wait for its answer.
  bool next_batch(SimulatedClient& client) {
    switch (pick(15)) {
      case 0:
        say(client, client::query(own_text(client)), true);
        return true;
      case 1: {
        const std::string zone = "Set/" + std::to_string(pick(3));
        say(client, client::query("SET TimeZone = '" + zone + "'"), true);
        return true;
      }
      case 2:
        say(client, client::query("RESET TimeZone"), true);
        return false;
      case 3: {
        const std::string text = client.in_block ? (pick(2) == 0 ? "COMMIT" : "ROLLBACK") : "BEGIN";
        client.in_block = !client.in_block;
        switch (pick(3)) {
          case 0:
            say(client, client::query(text), true);
            break;
          case 1:
            say(client, client::unnamed(text) + client::sync(), true);
            break;
          default:  // in one batch with what comes next
            say(client, client::unnamed(text) + client::unnamed(own_text(client)) + client::sync(), true);
        }
        return true;
      }
      case 4:
        say(client, client::query("SELECT 1/0"), true);
        return false;
      case 5:
        say(client, client::query(pick(2) == 0 ? "DEALLOCATE ALL" : "DISCARD ALL"), true);
        client.names.clear();
        return false;
      case 6:  // an error in the midst of a batch
        say(client,
            client::unnamed(own_text(client)) + client::unnamed("SELEKT 1") + client::bind("", "") +
                client::execute() + client::sync(),
            true);
        return false;
      case 7:
      case 8: {  // prepared under a name now, used now and later
        const std::string name = "s" + std::to_string(pick(3));
        say(client,
            client::close('S', name) + client::parse(name, own_text(client)) + client::describe('S', name) +
                client::bind("", name, {"v" + std::to_string(client.number)}) + client::execute() +
                client::sync(),
            true);
        if (std::find(client.names.begin(), client.names.end(), name) == client.names.end()) {
          client.names.push_back(name);
        }
        return false;
      }
      case 9: {
        std::string bytes;
        for (const std::string& name : client.names) {
          bytes += client::bind("p", name, {"w" + std::to_string(client.number)}) + client::execute("p") +
                   client::close('P', "p");
        }
        say(client, bytes + client::sync(), true);
        return true;
      }
      case 10: {  // Parse, Sync; then Bind
        say(client, client::parse("", own_text(client)) + client::sync(), true);
        return false;
      }
      case 11:
        say(client, client::bind("", "") + client::execute() + client::sync(), true);
        return false;
      case 12: {  // prepared with Flush, as asyncpg does it; run later, or in the same breath
        const std::string name = "f" + std::to_string(pick(3));
        say(client,
            client::close('S', name) + client::parse(name, own_text(client)) + client::describe('S', name) +
                client::flush(),
            false);
        flushed(client);
        say(client,
            client::bind("", name, {"f" + std::to_string(client.number)}) + client::execute() +
                client::sync(),
            true);
        return false;
      }
      case 13: {  // the same with an error in it
        const std::string name = "f" + std::to_string(pick(3));
        say(client,
            client::close('S', name) + client::parse(name, "SELEKT") + client::describe('S', name) +
                client::flush(),
            false);
        flushed(client);
        say(client,
            client::bind("", name) + client::execute() + client::unnamed(own_text(client)) + client::sync(),
            true);
        return false;
      }
      default:
        say(client, client::unnamed(own_text(client)) + client::sync(), true);
        return true;
    }
  }

  void move(int step) {
    SimulatedClient& client = clients_[pick(kClients)];
    if (pick(6) == 0) {
      if (is_quiet(client) && client.bursts < kBursts) {
        check(client);
        next_burst(client);
      }
    } else {
      move_bytes(step);
    }
  }

  void move_bytes(int step) {
    SimulatedClient& client = clients_[pick(kClients)];
    SimulatedLink& link = links_[pick(kLinks)];
    switch (1 + pick(5)) {
      case 1:
      case 2:
        client_sends(client);
        break;
      case 3:
        if (!link.to_server.empty()) {
          const size_t size = 1 + pick(link.to_server.size());
          link.server->feed(link.to_server.substr(0, size), link.from_server);
          link.to_server.erase(0, size);
        }
        break;
      case 4:
        server_sends(link);
        break;
      default:
        if (links_die_ && step % 40 == 0) {
          kill(link);
        }
    }
  }

  void client_sends(SimulatedClient& client) {
    if (client.waits || (client.unsent.empty() && client.untaken.empty() && !client.again)) {
      grant(client);
      return;
    }
    const size_t size = client.unsent.empty() ? 0 : 1 + pick(client.unsent.size());
    const std::string piece = client.unsent.substr(0, size);
    client.unsent.erase(0, size);
    client.own->feed(piece, client.expected);
    client.untaken += piece;
    feed(client);
  }

  void feed(SimulatedClient& client) {
    if (client.again) {
      client.waits = true;
      return;
    }
    const auto in = std::make_unique<std::string>(client.untaken);
    ClientStep step = client.session->on_client_bytes(*in, to_server_, to_client_);
    while (step.need == ClientStep::Need::Link) {
      const size_t taken = step.taken;
      const size_t answered =
          client.session->answer_block_batch(std::string_view(*in).substr(taken), to_client_);
      if (answered == 0) {
        break;
      }
      step = client.session->on_client_bytes(std::string_view(*in).substr(taken + answered), to_server_,
                                             to_client_);
      step.taken += taken + answered;
    }
    client.untaken.erase(0, step.taken);
    drain(client);
    ASSERT_NE(step.need, ClientStep::Need::Close) << step.detail;
    client.waits = step.need == ClientStep::Need::Link;
  }

  void grant(SimulatedClient& client) {
    if (!client.waits) {
      return;
    }
    for (SimulatedLink& link : links_) {
      if (link.owner != nullptr) {
        continue;
      }
      ASSERT_TRUE(link.state.at_rest());
      ASSERT_TRUE(link.server->is_idle());
      ASSERT_TRUE(link.from_server.empty() && link.untaken.empty() && link.to_server.empty());
      link.owner = &client;
      client.link = &link;
      client.waits = false;
      client.session->take_link(link.state, to_server_, client.again ? LinkUse::Replay : LinkUse::Anything);
      if (client.again) {
        client.session->run_again(*std::exchange(client.again, std::nullopt), to_server_);
      }
      drain(client);
      feed(client);
      return;
    }
  }

  void server_sends(SimulatedLink& link) {
    if (link.from_server.empty() || link.owner == nullptr) {
      ASSERT_TRUE(link.from_server.empty()) << "an answer to nobody";
      return;
    }
    SimulatedClient& client = *link.owner;
    const size_t size = 1 + pick(link.from_server.size());
    link.untaken += link.from_server.substr(0, size);
    link.from_server.erase(0, size);
    const auto in = std::make_unique<std::string>(link.untaken);
    const ServerStep step = client.session->on_server_bytes(*in, to_server_, to_client_);
    link.untaken.erase(0, step.taken);
    drain(client);
    ASSERT_FALSE(step.broken) << step.broken->message;
    if (step.free) {
      client.session->leave_link();
      client.link = nullptr;
      link.owner = nullptr;
      clean(link);
      if (!client.untaken.empty()) {
        feed(client);
      }
    }
  }

  // As the pool does with a link that holds what is left of a session.
  void clean(SimulatedLink& link) {
    if (!link.state.tainted) {
      return;
    }
    OwnQuery query;
    std::string out;
    std::string answer;
    query.begin(link.state, "DISCARD ALL", out);
    link.server->feed(out, answer);
    ASSERT_TRUE(query.on_server_bytes(link.state, answer).done);
    note_reset(link.state, "DISCARD ALL");
  }

  void kill(SimulatedLink& link) {
    SimulatedClient* client = link.owner;
    if (client != nullptr) {
      client->disturbed = true;
      LinkLoss loss = client->session->lose_link({"08006", "killed"}, to_client_);
      client->link = nullptr;
      drain(*client);
      client->again = std::move(loss.again);
      client->waits = client->again.has_value();
      if (loss.session_ends) {
        log_in(*client);
      } else if (!client->untaken.empty()) {
        feed(*client);
      }
    }
    link = SimulatedLink();
  }

  void drain(SimulatedClient& client) {
    to_server_.seal();
    for (const Outbox::Piece& piece : to_server_.pieces()) {
      client.link->to_server.append(to_server_.view(piece));
    }
    to_server_.clear();
    to_client_.seal();
    for (const Outbox::Piece& piece : to_client_.pieces()) {
      client.seen.append(to_client_.view(piece));
    }
    to_client_.clear();
  }

  // A client that has all its answers.
  void check(SimulatedClient& client) {
    const Trace seen = comparable(client.seen);
    if (!client.disturbed) {
      ASSERT_EQ(seen, comparable(client.expected)) << "client " << client.number;
    }
    for (const std::string& line : seen) {
      const size_t canary = line.find("canary ");
      if (canary != std::string::npos) {
        ASSERT_EQ(line.substr(canary + 7, 1), std::to_string(client.number)) << line;
      }
      if (line.starts_with("DataRow")) {
        const std::string in_force =
            "|client" + std::to_string(client.number) + "|" + client.login["app.tenant"];
        ASSERT_NE(line.find(in_force), std::string::npos) << "client " << client.number << ": " << line;
      }
    }
    client.seen.clear();
    client.expected.clear();
    client.ready_owed = 0;
    if (client.disturbed && client.session->link() == nullptr) {
      log_in(client);
    }
  }

  std::mt19937 random_;
  bool links_die_;
  MemoryWorker worker_;
  std::vector<SimulatedLink> links_;
  std::vector<SimulatedClient> clients_;
  Outbox to_server_;
  Outbox to_client_;
};

class PoolSimulation : public ::testing::TestWithParam<uint32_t> {};

TEST_P(PoolSimulation, EveryClientSeesWhatAServerOfItsOwnWouldSay) {
  SCOPED_TRACE("seed " + std::to_string(GetParam()));
  Simulation(GetParam(), false).run();
}

TEST_P(PoolSimulation, LinksThatDieLeaveNobodyHangingAndNoRowAstray) {
  SCOPED_TRACE("seed " + std::to_string(GetParam()));
  Simulation(GetParam(), true).run();
}

INSTANTIATE_TEST_SUITE_P(Seeds, PoolSimulation, ::testing::Range(1U, 101U));

}  // namespace
}  // namespace sportello::proxy
