#include "cache/catalog.h"

#include <algorithm>

#include "protocol/xxhash.h"

namespace sportello::cache {

size_t Catalog::KeyHash::operator()(const Key& key) const { return hash_bytes(key.name, key.schema); }

Relation* Catalog::find(Oid oid) {
  const auto at = std::lower_bound(relations_.begin(), relations_.end(), oid,
                                   [](const Relation& one, Oid wanted) { return one.oid < wanted; });
  return at != relations_.end() && at->oid == oid ? &*at : nullptr;
}

const Relation* Catalog::relation(Oid oid) const { return const_cast<Catalog*>(this)->find(oid); }

const Catalog::Schema* Catalog::schema_of(Oid oid) const {
  const auto at = std::lower_bound(schemas_.begin(), schemas_.end(), oid,
                                   [](const Schema& one, Oid wanted) { return one.oid < wanted; });
  return at != schemas_.end() && at->oid == oid ? &*at : nullptr;
}

Oid Catalog::schema(std::string_view name) const {
  const auto known = schema_names_.find(name);
  return known != schema_names_.end() ? known->second : 0;
}

bool Catalog::is_usable_by_all(Oid schema) const {
  const Schema* known = schema_of(schema);
  return known != nullptr && known->usable_by_all;
}

std::vector<Oid> Catalog::schemas() const {
  std::vector<Oid> all;
  for (const Schema& schema : schemas_) all.push_back(schema.oid);
  return all;
}

const Relation* Catalog::relation(Oid schema, std::string_view name) const {
  const auto known = names_.find(Key{schema, name});
  return known != names_.end() ? known->second : nullptr;
}

bool Catalog::has_type(Oid schema, std::string_view name) const {
  return type_names_.contains(Key{schema, name}) || relation(schema, name) != nullptr;
}

Traits Catalog::cast_to(Oid schema, std::string_view type) const {
  const auto known = type_names_.find(Key{schema, type});
  if (known == type_names_.end()) {
    return {};
  }
  const auto casts = explicit_casts_.find(known->second);
  return casts != explicit_casts_.end() ? casts->second : Traits{};
}

std::string Catalog::name_of(Oid relation_oid) const {
  const Relation* known = relation(relation_oid);
  if (known == nullptr) {
    return "OID " + std::to_string(relation_oid);
  }
  const Schema* in = schema_of(known->schema);
  return (in != nullptr ? in->name : "?") + "." + known->name;
}

}  // namespace sportello::cache
