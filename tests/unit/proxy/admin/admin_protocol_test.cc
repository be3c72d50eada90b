#include "proxy/admin/admin_protocol.h"

#include <gtest/gtest.h>

#include <random>

#include "protocol/error_response.h"
#include "protocol/frame_decoder.h"
#include "protocol/frontend_messages.h"
#include "protocol/sqlstate.h"
#include "protocol/wire.h"
#include "proxy/admin/admin_columns.h"
#include "proxy/admin/admin_words.h"

namespace sportello::proxy {
namespace {

using Next = AdminProtocol::Next;

// ---- what a client sends ----

std::string query(std::string_view text) {
  std::string out;
  append_query(out, text);
  return out;
}
std::string parse(std::string_view name, std::string_view text) {
  std::string out;
  append_parse(out, name, text, std::string_view("\0\0", 2));
  return out;
}
std::string bind(std::string_view portal, std::string_view statement, std::vector<uint16_t> formats = {},
                 uint16_t parameters = 0) {
  std::string out;
  WireWriter writer(out);
  writer.begin(frontend::kBind).cstring(portal).cstring(statement).u16(0).u16(parameters);
  for (uint16_t i = 0; i < parameters; i++) {
    writer.u32(1).bytes("x");
  }
  writer.u16(static_cast<uint16_t>(formats.size()));
  for (const uint16_t format : formats) {
    writer.u16(format);
  }
  writer.end();
  return out;
}
std::string describe(char kind, std::string_view name) {
  std::string out;
  append_target(out, frontend::kDescribe, kind, name);
  return out;
}
std::string close(char kind, std::string_view name) {
  std::string out;
  append_target(out, frontend::kClose, kind, name);
  return out;
}
std::string execute(std::string_view portal, uint32_t max_rows = 0) {
  std::string out;
  WireWriter(out).begin(frontend::kExecute).cstring(portal).u32(max_rows).end();
  return out;
}
std::string message(char type, std::string_view body = "") {
  std::string out;
  WireWriter(out).begin(type).bytes(body).end();
  return out;
}
std::string sync() { return message(frontend::kSync); }

// ---- what it is told, a word a message ----

std::string row_text(std::string_view body) {
  WireReader reader(body);
  std::string text;
  for (uint16_t left = reader.u16(); left > 0; left--) {
    const uint32_t length = reader.u32();
    text += (text.empty() ? "" : ",") + (length == 0xffffffff ? "NULL" : std::string(reader.bytes(length)));
  }
  EXPECT_TRUE(reader.complete());
  return text;
}

std::string description_text(std::string_view body) {
  WireReader reader(body);
  std::string text;
  for (uint16_t left = reader.u16(); left > 0; left--) {
    text += (text.empty() ? "" : ",") + std::string(reader.cstring());
    reader.bytes(16);
    text += reader.u16() == 1 ? "#" : "";
  }
  EXPECT_TRUE(reader.complete());
  return text;
}

std::string told(std::string_view out) {
  std::string text;
  while (!out.empty()) {
    WholeFrame frame;
    if (take_whole_frame(out, kMaxFrameLength, frame) != FrameStatus::Header) {
      ADD_FAILURE() << "not a whole message";
      break;
    }
    out.remove_prefix(frame.total_bytes);
    text += text.empty() ? "" : " ";
    text += frame.type;
    switch (frame.type) {
      case backend::kRowDescription:
        text += "(" + description_text(frame.body) + ")";
        break;
      case backend::kDataRow:
        text += "(" + row_text(frame.body) + ")";
        break;
      case backend::kCommandComplete:
        text += "(" + std::string(*decode_command_complete(frame.body)) + ")";
        break;
      case backend::kErrorResponse:
      case backend::kNoticeResponse: {
        const ErrorFields fields = decode_error_fields(frame.body);
        text += "(" + std::string(fields.sqlstate) + ")";
        break;
      }
      case backend::kReadyForQuery:
        text += static_cast<char>(*decode_ready_for_query(frame.body));
        break;
      default:
        break;
    }
  }
  return text;
}

// A console whose SHOW VERSION has three rows, where RELOAD fails and all else succeeds.
class Console {
 public:
  explicit Console(bool is_admin = true)
      : protocol_({.user = "anna", .process_id = 7, .version = "Sportello 1", .may_change = [is_admin] {
                     return is_admin;
                   }}) {}

  std::string say(std::string_view bytes) {
    std::string out;
    next_ = protocol_.on_bytes(bytes, out);
    answer(out);
    return told(out);
  }
  std::string say_in_pieces(std::string_view bytes, std::mt19937& random) {
    std::string out;
    while (!bytes.empty()) {
      const size_t size = std::min<size_t>(bytes.size(), 1 + random() % 9);
      next_ = protocol_.on_bytes(bytes.substr(0, size), out);
      bytes.remove_prefix(size);
      answer(out);
    }
    return told(out);
  }
  bool is_closed() const { return next_ == Next::Close; }
  AdminProtocol& protocol() { return protocol_; }
  int runs() const { return runs_; }

  static Result<AdminAnswer> carry_out(const AdminCommand& command) {
    if (command.verb == AdminVerb::Reload) {
      return Error{sqlstate::kConfigFileError, "RELOAD failed"};
    }
    AdminAnswer answer;
    if (command.verb == AdminVerb::Show && command.topic == ShowTopic::Help) {
      answer.notice = "Console usage";
      answer.detail = admin_help();
    } else if (command.verb == AdminVerb::Show) {
      answer.table = {.columns = show_columns(command.topic)};
      for (const char* row : {"a", "b", "c"}) {
        answer.table->add(row);
      }
    }
    return answer;
  }

 private:
  void answer(std::string& out) {
    while (next_ == Next::Run) {
      runs_++;
      next_ = protocol_.finish(carry_out(protocol_.command()), out);
    }
  }

  AdminProtocol protocol_;
  Next next_ = Next::NeedsBytes;
  int runs_ = 0;
};

// ---- simple queries ----

TEST(AdminProtocol, WelcomesWithParametersKeyAndReadyForQuery) {
  Console console;
  std::string out;
  console.protocol().welcome("key!", out);
  EXPECT_EQ(told(out).substr(0, 3), "S S");
  EXPECT_EQ(told(out).substr(told(out).size() - 4), "K ZI");
  EXPECT_NE(out.find("server_version"), std::string::npos);
  EXPECT_NE(out.find("key!"), std::string::npos);
}

TEST(AdminProtocol, AnswersASimpleQuery) {
  Console console;
  EXPECT_EQ(console.say(query("SHOW VERSION;")), "T(version) D(a) D(b) D(c) C(SHOW) ZI");
  EXPECT_EQ(console.say(query("PAUSE app")), "C(PAUSE) ZI");
  EXPECT_EQ(console.say(query("SHOW HELP")), "N(00000) C(SHOW) ZI");
  EXPECT_EQ(console.say(query("")), "I ZI");
  EXPECT_EQ(console.say(query("; --")), "I ZI");
}

TEST(AdminProtocol, AnswersWhatDriversSelectByItself) {
  Console console;
  EXPECT_EQ(console.say(query("SELECT 1, version(), user, current_database(), NULL, pg_backend_pid()")),
            "T(?column?,version,user,current_database,?column?,pg_backend_pid) D(1,Sportello "
            "1,anna,sportello,NULL,7) "
            "C(SELECT 1) ZI");
  EXPECT_EQ(console.say(query("SET datestyle = ISO; SHOW client_encoding")),
            "C(SET) T(client_encoding) D(UTF8) C(SHOW) ZI");
  EXPECT_EQ(console.runs(), 0);
}

TEST(AdminProtocol, StopsAtTheFirstErrorOfAQuery) {
  Console console;
  EXPECT_EQ(console.say(query("PAUSE; RELOAD; PAUSE")), "C(PAUSE) E(F0000) ZI");
  EXPECT_EQ(console.runs(), 2);
  EXPECT_EQ(console.say(query("PAUSE; nonsense")), "E(42601) ZI");
  EXPECT_EQ(console.runs(), 2);
  EXPECT_EQ(console.say(query("SHOW VERSION")), "T(version) D(a) D(b) D(c) C(SHOW) ZI");
}

TEST(AdminProtocol, KeepsBlocksAsPostgresqlDoes) {
  Console console;
  EXPECT_EQ(console.say(query("BEGIN")), "C(BEGIN) ZT");
  EXPECT_EQ(console.say(query("PAUSE")), "C(PAUSE) ZT");
  EXPECT_EQ(console.say(query("nonsense")), "E(42601) ZE");
  EXPECT_EQ(console.say(query("PAUSE")), "E(25P02) ZE");
  EXPECT_EQ(console.say(query("ROLLBACK TO a")), "C(ROLLBACK) ZT");
  EXPECT_EQ(console.say(query("RELOAD")), "E(F0000) ZE");
  EXPECT_EQ(console.say(query("COMMIT")), "C(ROLLBACK) ZI");
  EXPECT_EQ(console.say(query("BEGIN; COMMIT")), "C(BEGIN) C(COMMIT) ZI");
}

// S28
TEST(AdminProtocol, LetsStatsUsersLookOnly) {
  Console console(false);
  EXPECT_EQ(console.say(query("SHOW VERSION")), "T(version) D(a) D(b) D(c) C(SHOW) ZI");
  for (const char* text :
       {"PAUSE", "RELOAD", "KILL app", "KILL_CLIENT 1", "SHUTDOWN", "SUSPEND", "SET x = 1", "SHOW FDS"}) {
    EXPECT_EQ(console.say(query(text)), "E(42501) ZI") << text;
    EXPECT_EQ(console.say(parse("", text) + bind("", "") + execute("") + sync()), "1 2 E(42501) ZI") << text;
  }
  EXPECT_EQ(console.runs(), 1);
}

// ---- extended queries ----

TEST(AdminProtocol, AnswersAnExtendedQuery) {
  Console console;
  EXPECT_EQ(console.say(parse("", "SHOW VERSION") + bind("", "") + describe('P', "") + execute("") + sync()),
            "1 2 T(version) D(a) D(b) D(c) C(SHOW) ZI");
  EXPECT_EQ(console.say(parse("s", "SHOW VERSION") + describe('S', "s") + sync()), "1 t T(version) ZI");
  EXPECT_EQ(console.say(bind("", "s", {1}) + describe('P', "") + execute("") + sync()),
            "2 T(version#) D(a) D(b) D(c) C(SHOW) ZI");
  EXPECT_EQ(console.say(parse("", "PAUSE") + describe('S', "") + bind("", "") + describe('P', "") +
                        execute("") + sync()),
            "1 t n 2 n C(PAUSE) ZI");
  EXPECT_EQ(console.say(parse("", "") + bind("", "") + execute("") + sync()), "1 2 I ZI");
}

TEST(AdminProtocol, SuspendsAPortalAtItsRowLimit) {
  Console console;
  EXPECT_EQ(console.say(query("BEGIN")), "C(BEGIN) ZT");
  EXPECT_EQ(console.say(parse("", "SHOW VERSION") + bind("p", "") + execute("p", 2) + sync()),
            "1 2 D(a) D(b) s ZT");
  EXPECT_EQ(console.say(execute("p", 2) + sync()), "D(c) C(SHOW) ZT");
  EXPECT_EQ(console.runs(), 1);
  EXPECT_EQ(console.say(query("COMMIT")), "C(COMMIT) ZI");
  EXPECT_EQ(console.say(execute("p", 2) + sync()), "E(34000) ZI");
}

TEST(AdminProtocol, EndsPortalsWithTheirTransaction) {
  Console console;
  EXPECT_EQ(console.say(parse("", "SHOW VERSION") + bind("p", "") + sync()), "1 2 ZI");
  EXPECT_EQ(console.say(describe('P', "p") + sync()), "E(34000) ZI");
  EXPECT_EQ(console.say(parse("", "BEGIN") + bind("", "") + execute("") + sync()), "1 2 C(BEGIN) ZT");
  EXPECT_EQ(console.say(parse("", "COMMIT") + bind("", "") + execute("") + sync()), "1 2 C(COMMIT) ZI");
}

TEST(AdminProtocol, SkipsToTheSyncAfterAnError) {
  Console console;
  EXPECT_EQ(console.say(parse("", "nonsense") + bind("", "") + execute("") + query("SHOW VERSION") + sync() +
                        query("PAUSE")),
            "E(42601) ZI C(PAUSE) ZI");
  EXPECT_EQ(console.say(parse("", "RELOAD") + bind("", "") + execute("") + execute("") + sync()),
            "1 2 E(F0000) ZI");
  EXPECT_EQ(console.runs(), 2);
}

TEST(AdminProtocol, RefusesWhatDoesNotFit) {
  Console console;
  EXPECT_EQ(console.say(parse("", "BEGIN; COMMIT") + sync()), "E(42601) ZI");
  EXPECT_EQ(console.say(parse("s", "PAUSE") + parse("s", "PAUSE") + sync()), "1 E(42P05) ZI");
  EXPECT_EQ(console.say(bind("", "unknown") + sync()), "E(26000) ZI");
  EXPECT_EQ(console.say(bind("", "s", {}, 1) + sync()), "E(08P01) ZI");
  EXPECT_EQ(console.say(parse("", "SHOW VERSION") + bind("", "", {0, 1}) + sync()), "1 E(08P01) ZI");
  EXPECT_EQ(console.say(bind("", "s", {2}) + sync()), "E(08P01) ZI");
  EXPECT_EQ(console.say(describe('S', "unknown") + sync()), "E(26000) ZI");
  EXPECT_EQ(console.say(describe('X', "") + sync()), "E(08P01) ZI");
  EXPECT_EQ(console.say(message(frontend::kBind, "x") + sync()), "E(08P01) ZI");
  EXPECT_EQ(console.say(message(frontend::kQuery, "x")), "E(08P01) ZI");
  EXPECT_EQ(console.say(message(frontend::kFunctionCall, "x")), "E(0A000) ZI");
  EXPECT_EQ(console.say(close('S', "s") + close('P', "none") + bind("", "s") + sync()), "3 3 E(26000) ZI");
  EXPECT_FALSE(console.is_closed());
}

TEST(AdminProtocol, HoldsABoundedNumberOfStatements) {
  Console console;
  std::string text;
  for (size_t i = 0; i < AdminProtocol::kMaxNames; i++) {
    text += parse("s" + std::to_string(i), "PAUSE");
  }
  EXPECT_EQ(console.say(text + sync()).find('E'), std::string::npos);
  EXPECT_EQ(console.say(parse("more", "PAUSE") + sync()), "E(54000) ZI");
  EXPECT_EQ(console.say(query("DISCARD ALL")), "C(DISCARD ALL) ZI");
  EXPECT_EQ(console.say(parse("more", "PAUSE") + sync()), "1 ZI");
}

// ---- in pieces, while something runs, and broken ----

TEST(AdminProtocol, AnswersTheSameHoweverTheBytesCome) {
  const std::string said = query("SHOW VERSION") + parse("s", "SHOW VERSION") + describe('S', "s") +
                           bind("", "s") + execute("", 1) + execute("") + sync() + query("BEGIN; PAUSE; x") +
                           query("SELECT 1") + query("ROLLBACK") + message(frontend::kFlush) + sync();
  Console whole;
  const std::string expected = whole.say(said);
  for (uint32_t seed = 0; seed < 50; seed++) {
    std::mt19937 random(seed);
    Console console;
    EXPECT_EQ(console.say_in_pieces(said, random), expected) << "seed " << seed;
  }
  Console by_byte;
  std::string told_by_byte;
  for (const char byte : said) {
    const std::string more = by_byte.say({&byte, 1});
    told_by_byte += (told_by_byte.empty() || more.empty() ? "" : " ") + more;
  }
  EXPECT_EQ(told_by_byte, expected);
}

TEST(AdminProtocol, TakesNothingMoreWhileACommandRuns) {
  Console console;
  std::string out;
  AdminProtocol& protocol = console.protocol();
  EXPECT_EQ(protocol.on_bytes(query("PAUSE") + query("RESUME"), out), Next::Run);
  EXPECT_EQ(protocol.command().verb, AdminVerb::Pause);
  EXPECT_EQ(protocol.on_bytes(query("SHOW VERSION"), out), Next::NeedsBytes);
  EXPECT_EQ(told(out), "");
  EXPECT_EQ(protocol.finish(AdminAnswer(), out), Next::Run);
  EXPECT_EQ(protocol.command().verb, AdminVerb::Resume);
  EXPECT_EQ(told(out), "C(PAUSE) ZI");
  EXPECT_EQ(protocol.finish(AdminAnswer(), out), Next::Run);
  EXPECT_EQ(protocol.finish(Console::carry_out(protocol.command()), out), Next::NeedsBytes);
  EXPECT_FALSE(protocol.is_running());
}

TEST(AdminProtocol, BoundsWhatComesWhileACommandRuns) {
  Console console;
  std::string out;
  EXPECT_EQ(console.protocol().on_bytes(query("PAUSE"), out), Next::Run);
  EXPECT_EQ(console.protocol().on_bytes(std::string(AdminProtocol::kMaxPending + 1, 'S'), out), Next::Close);
  EXPECT_EQ(console.protocol().violation(), "too many requests while a command runs");
}

TEST(AdminProtocol, ClosesAtTerminateAndAtGarbage) {
  Console polite;
  EXPECT_EQ(polite.say(query("PAUSE") + message(frontend::kTerminate) + query("PAUSE")), "C(PAUSE) ZI");
  EXPECT_TRUE(polite.is_closed());
  EXPECT_EQ(polite.protocol().violation(), "");
  EXPECT_EQ(polite.say(query("PAUSE")), "");

  Console unknown;
  EXPECT_EQ(unknown.say(message('?')), "");
  EXPECT_TRUE(unknown.is_closed());
  EXPECT_EQ(unknown.protocol().violation(), "invalid frontend message type");

  for (const uint32_t length : {0U, 3U, AdminProtocol::kMaxMessage + 1, 0x7fffffffU, 0xffffffffU}) {
    Console console;
    std::string bytes = "Q0000";
    store_be32(bytes.data() + 1, length);
    EXPECT_EQ(console.say(bytes), "");
    EXPECT_TRUE(console.is_closed()) << length;
  }
}

TEST(AdminProtocol, RefusesEveryTruncatedBody) {
  for (const std::string& whole :
       {parse("s", "PAUSE"), bind("p", "s", {0, 1}, 2), describe('S', "s"), execute("p"), close('P', "p")}) {
    for (size_t size = 0; size + kFrameHeaderBytes < whole.size(); size++) {
      Console console;
      const std::string cut = message(whole[0], std::string_view(whole).substr(kFrameHeaderBytes, size));
      EXPECT_EQ(console.say(cut + sync()).substr(0, 8), "E(08P01)") << whole[0] << " " << size;
    }
  }
}

TEST(AdminProtocol, SurvivesRandomMessages) {
  std::mt19937 random(31);
  const std::string types = "QPBDEHCSFdcfpX";
  for (int round = 0; round < 2'000; round++) {
    Console console;
    for (int i = 0; i < 20 && !console.is_closed(); i++) {
      std::string body(random() % 12, '\0');
      for (char& byte : body) {
        byte = static_cast<char>(random() % 4 == 0 ? 0 : random() % 128);
      }
      console.say(message(types[random() % types.size()], body));
    }
  }
}

}  // namespace
}  // namespace sportello::proxy
