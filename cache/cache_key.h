// Everything that a result depends on beside the data, as bytes that are equal only if all of it is. The hash
// says where to look; the store compares the bytes in full.
//
// What means the same is written the same: no formats and "all text", types that are not given and types that
// are 0. Whether Query or Bind asked is not in it, as the rows are the same: CachedResult says which forms it
// can serve.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cache/catalog_rows.h"

namespace sportello::cache {

struct KeyParts {
  uint64_t database = 0;  // the database's number in this process, never given twice
  uint64_t meaning = 0;   // Catalog::version(): what the names in the text mean
  std::string_view user;  // empty in both: the rule shares results between users
  std::string_view role;
  // A number for all that the client set and that may change a result (search_path, TimeZone, …), but its
  // application_name, which changes one only where functions or policies may ask for it.
  uint64_t settings = 0;
  std::string_view application_name;
  std::string_view text;
  std::span<const Oid> parameter_types;  // as Parse gave them
  std::span<const int16_t> parameter_formats;
  std::span<const std::optional<std::string_view>> parameters;  // nothing: NULL
  std::span<const int16_t> result_formats;
  // Of the rows as the client knows them, where they come without a description; 0: any will do. A DDL that
  // changes what `SELECT *` means leaves clients behind that read what comes by what they were told before.
  uint64_t rows_shape = 0;
};

struct KeyView {
  std::string_view bytes;
  uint64_t hash = 0;
};

// Keeps its buffer, so that a look-up allocates nothing.
class KeyBuilder {
 public:
  // Good until the next call. Nothing: the formats are not as many as the parameters, which is an error for
  // the server to tell.
  std::optional<KeyView> build(const KeyParts& parts);

 private:
  std::string buffer_;
};

}  // namespace sportello::cache
