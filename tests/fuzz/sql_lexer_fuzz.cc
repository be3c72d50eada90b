// Lexer and shape on any bytes, and the lexer against PostgreSQL's own: where pg_query_scan takes a text,
// both must cut it at the same places. The first byte says standard_conforming_strings.
#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/invariant.h"
#include "protocol/sql/fingerprint.h"
#include "protocol/sql/lexer.h"

using namespace sportello::sql;

namespace {

struct Piece {
  size_t start;
  size_t end;
};

// Where ours is finer or coarser on purpose: N'x' is NCHAR and a string to PostgreSQL, and a parameter of its
// extension for statement logs, a lone `?`, is an operator to us.
bool is_compared(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0' || text[i] == '\v' || text[i] == '?') return false;
    if (to_lower(text[i]) == 'n' && i + 1 < text.size() && text[i + 1] == '\'') return false;
  }
  return true;
}

void compare_with_postgresql(std::string_view text) {
  if (!is_compared(text)) return;
  const std::string terminated(text);
  PgQueryScanResult scan = pg_query_scan(terminated.c_str());
  if (scan.error == nullptr) {
    PgQuery__ScanResult* tokens = pg_query__scan_result__unpack(
        nullptr, scan.pbuf.len, reinterpret_cast<const uint8_t*>(scan.pbuf.data));
    Lexer lexer(text);
    size_t i = 0;
    for (; i < tokens->n_tokens; ++i) {
      const PgQuery__ScanToken& theirs = *tokens->tokens[i];
      if (theirs.token == PG_QUERY__TOKEN__SQL_COMMENT || theirs.token == PG_QUERY__TOKEN__C_COMMENT)
        continue;
      const Token ours = lexer.next();
      const size_t start = static_cast<size_t>(ours.text.data() - text.data());
      sportello::invariant(ours.kind != TokenKind::Error, "a text that PostgreSQL scans is no error");
      sportello::invariant(start == static_cast<size_t>(theirs.start), "tokens begin where PostgreSQL's do");
      // libpg_query, unlike the server, ends a string before a comment and the line that continues it.
      if (ours.kind == TokenKind::String && ours.text.find("--") != std::string_view::npos) break;
      // Where U&'' and U&"" end, libpg_query does not report; the next token's begin tells.
      if (to_lower(ours.text[0]) == 'u' && ours.kind != TokenKind::Word) continue;
      sportello::invariant(start + ours.text.size() == static_cast<size_t>(theirs.end), "and end there");
    }
    sportello::invariant(i < tokens->n_tokens || lexer.next().kind == TokenKind::End,
                         "there are no more tokens than PostgreSQL's");
    pg_query__scan_result__free_unpacked(tokens, nullptr);
  }
  pg_query_free_scan_result(scan);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const bool standard_conforming_strings = data[0] % 2 == 0;
  // A copy of the exact size, so that a read behind the end is seen.
  const std::vector<char> bytes(data + 1, data + size);
  const std::string_view text(bytes.data(), bytes.size());

  std::string scratch;
  const Shape shape = measure_shape(text, standard_conforming_strings, scratch);
  sportello::invariant(shape.canonical.size() <= 2 * text.size(), "the canonical text is bounded");
  sportello::invariant(shape.tokens <= text.size(), "no token is empty");
  if (standard_conforming_strings) compare_with_postgresql(text);
  return 0;
}
